package diag

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Nearest gives the candidate that name was most likely meant to be. It counts letters added, dropped, changed and swapped, and
// takes case, "-", "_" and "." for the same; a name that is too far from all candidates has none. Of equals the first wins.
func Nearest(name string, candidates []string) (string, bool) {
	best, bestDistance := "", -1
	plain := fold(name)
	limit := max(1, utf8.RuneCountInString(name)/3)
	for _, c := range candidates {
		if c == "" {
			continue
		}
		d := distance(plain, fold(c), limit)
		if d < 0 {
			// A word cut short, or one word of several: "sig" for "signature".
			if len(plain) >= 3 && strings.HasPrefix(fold(c), plain) {
				d = limit
			} else {
				continue
			}
		}
		if bestDistance < 0 || d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best, bestDistance >= 0
}

// DidYouMean gives "did you mean `x`?" for the nearest candidate, or "" where none is near.
func DidYouMean(name string, candidates []string) string {
	if n, ok := Nearest(name, candidates); ok {
		return fmt.Sprintf("did you mean `%s`?", n)
	}
	return ""
}

func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r == ' ' {
			return '_'
		}
		return unicode.ToLower(r)
	}, s)
}

// distance is the optimal string alignment distance of a and b, or -1 where it is above limit.
func distance(a, b string, limit int) int {
	x, y := []rune(a), []rune(b)
	if max(len(x), len(y))-min(len(x), len(y)) > limit {
		return -1
	}
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	if last[len(y)] > limit {
		return -1
	}
	return last[len(y)]
}
