package filter

import (
	"math"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/payload"
)

// bare gives the value of a word without quotes: a constant, what JavaScript makes a number of, or the word itself.
func bare(word string) any {
	switch word {
	case "true", "false":
		return word == "true"
	case "null":
		return nil
	}
	if n, ok := number(word); ok {
		return n
	}
	return word
}

// number reads what JavaScript's Number() does, and keeps the digits: 3.14, -2, 1e3, 0x10, 007, .5, Infinity.
func number(word string) (any, bool) {
	if len(word) > 2 && word[0] == '0' {
		base := map[byte]int{'x': 16, 'X': 16, 'o': 8, 'O': 8, 'b': 2, 'B': 2}[word[1]]
		if base != 0 {
			n, err := strconv.ParseUint(word[2:], base, 63)
			if err != nil || strings.Contains(word, "_") {
				return nil, false
			}
			return int64(n), true
		}
	}
	sign, digits := "", word
	if digits[0] == '-' || digits[0] == '+' {
		sign, digits = strings.TrimPrefix(digits[:1], "+"), digits[1:]
	}
	if digits == "Infinity" {
		if sign == "-" {
			return math.Inf(-1), true
		}
		return math.Inf(1), true
	}
	whole, rest := cutDigits(digits)
	fraction := ""
	if after, ok := strings.CutPrefix(rest, "."); ok {
		fraction, rest = cutDigits(after)
	}
	if whole == "" && fraction == "" {
		return nil, false
	}
	exponent := ""
	if rest != "" && (rest[0] == 'e' || rest[0] == 'E') {
		digits := strings.TrimLeft(rest[1:], "+-")
		if len(rest)-len(digits) > 2 || digits == "" {
			return nil, false
		}
		exponent, rest = "e"+rest[1:], strings.TrimLeft(digits, "0123456789")
	}
	if rest != "" {
		return nil, false
	}
	// As JSON writes it, which has neither leading zeros nor a point at an end.
	text := sign + "0"
	if trimmed := strings.TrimLeft(whole, "0"); trimmed != "" {
		text = sign + trimmed
	}
	if fraction != "" {
		text += "." + fraction
	}
	return payload.Number(text + exponent), true
}

func cutDigits(s string) (digits, rest string) {
	rest = strings.TrimLeft(s, "0123456789")
	return s[:len(s)-len(rest)], rest
}
