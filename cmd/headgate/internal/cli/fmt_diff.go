package cli

import (
	"fmt"
	"strings"
)

// diffContext is how many lines around a change are shown.
const diffContext = 3

// edit is one line of a comparison.
type edit struct {
	sign byte // ' ', '-' or '+'
	text string
}

// diff shows what changes in a file, in the form that patch takes.
func (a *app) diff(name string, was, is []byte) string {
	edits := compareLines(splitLines(string(was)), splitLines(string(is)))
	var b strings.Builder
	b.WriteString(a.paint("1", fmt.Sprintf("--- %s\n+++ %s\n", name, name)))
	old, fresh := 1, 1 // the next line of each side
	for i := 0; i < len(edits); {
		if edits[i].sign == ' ' {
			old, fresh, i = old+1, fresh+1, i+1
			continue
		}
		start := max(0, i-diffContext)
		end, quiet := i, 0
		for j := i; j < len(edits) && quiet <= 2*diffContext; j++ {
			if quiet++; edits[j].sign != ' ' {
				end, quiet = j+1, 0
			}
		}
		end = min(len(edits), end+diffContext)
		counts := map[byte]int{}
		for _, e := range edits[start:end] {
			counts[e.sign]++
		}
		b.WriteString(a.paint("36", fmt.Sprintf("@@ -%d,%d +%d,%d @@", old-(i-start), counts[' ']+counts['-'], fresh-(i-start), counts[' ']+counts['+'])) + "\n")
		for _, e := range edits[start:end] {
			b.WriteString(a.paint(map[byte]string{'-': "31", '+': "32"}[e.sign], string(e.sign)+e.text) + "\n")
		}
		for _, e := range edits[i:end] {
			if e.sign != '+' {
				old++
			}
			if e.sign != '-' {
				fresh++
			}
		}
		i = end
	}
	return b.String()
}

func splitLines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

// compareLines finds a shortest way from a to b. It goes through the grid of both by diagonals (Myers, 1986), after what is alike at the
// ends was put aside.
func compareLines(a, b []string) []edit {
	var out []edit
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		out = append(out, edit{' ', a[0]})
		a, b = a[1:], b[1:]
	}
	alike := 0
	for alike < min(len(a), len(b)) && a[len(a)-1-alike] == b[len(b)-1-alike] {
		alike++
	}
	tail := a[len(a)-alike:]
	a, b = a[:len(a)-alike], b[:len(b)-alike]
	if len(a)+len(b) > maxCompared {
		for _, line := range a {
			out = append(out, edit{'-', line})
		}
		for _, line := range b {
			out = append(out, edit{'+', line})
		}
	} else {
		out = append(out, shortest(a, b)...)
	}
	for _, line := range tail {
		out = append(out, edit{' ', line})
	}
	return out
}

// maxCompared lines are compared one by one, which takes memory that grows with their square; more are shown as one change.
const maxCompared = 6000

func shortest(a, b []string) []edit {
	limit := len(a) + len(b)
	reach := make([]int, 2*limit+2) // how far each diagonal has come in a
	var trace [][]int
	for d := 0; d <= limit; d++ {
		trace = append(trace, append([]int(nil), reach...))
		for k := -d; k <= d; k += 2 {
			x := reach[limit+k+1]
			if k != -d && (k == d || reach[limit+k-1] >= x) {
				x = reach[limit+k-1] + 1
			}
			for x < len(a) && x-k < len(b) && a[x] == b[x-k] {
				x++
			}
			reach[limit+k] = x
			if x >= len(a) && x-k >= len(b) {
				return walkBack(a, b, trace, limit)
			}
		}
	}
	return nil
}

func walkBack(a, b []string, trace [][]int, limit int) []edit {
	var out []edit
	x, y := len(a), len(b)
	for d := len(trace) - 1; d >= 0; d-- {
		reach, k := trace[d], x-y
		before := k - 1
		if k == -d || k != d && reach[limit+k-1] < reach[limit+k+1] {
			before = k + 1
		}
		fromX := reach[limit+before]
		fromY := fromX - before
		for x > fromX && y > fromY && x > 0 && y > 0 {
			x, y = x-1, y-1
			out = append(out, edit{' ', a[x]})
		}
		switch {
		case d == 0:
		case x > fromX:
			x--
			out = append(out, edit{'-', a[x]})
		default:
			y--
			out = append(out, edit{'+', b[y]})
		}
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}
