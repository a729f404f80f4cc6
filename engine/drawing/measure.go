package drawing

import (
	"strings"
	"unicode"
)

// Widths of text cannot be known here: which font a reader has is the reader's. These are those of a wide one, so that text fits into its
// box everywhere.

// textWidth estimates the width of text in a sans-serif font of that size.
func textWidth(s string, size float64) float64 {
	w := 0.0
	for _, r := range s {
		w += runeWidth(r)
	}
	return w * size
}

func runeWidth(r rune) float64 {
	switch {
	case strings.ContainsRune("iljI.,:;'|!`", r):
		return 0.36
	case strings.ContainsRune("frt()[]{}-/\\\" ", r):
		return 0.45
	case strings.ContainsRune("mwMW@%", r):
		return 1.0
	case r >= 'A' && r <= 'Z':
		return 0.78
	case r < 0x300:
		return 0.67
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r < 0x1100:
		return 0.72
	}
	return 1.25
}

// codeWidth estimates the same in a font whose characters are all equally wide.
func codeWidth(s string, size float64) float64 {
	w := 0.0
	for _, r := range s {
		w += codeRune(r)
	}
	return w * size
}

func codeRune(r rune) float64 {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r < 0x1100:
		return 0.61
	}
	return 1.25
}

// wrap breaks text into lines of at most so many pixels, at blanks where that can be; the last line ends with … where text is left over.
func wrap(s string, width float64, lines int, wide func(r rune) float64) []string {
	var out []string
	rest := strings.Join(strings.Fields(s), " ")
	for rest != "" {
		line := fit(rest, width, wide)
		if line == rest {
			return append(out, line)
		}
		if len(out) == lines-1 {
			return append(out, strings.TrimRight(fit(rest, width-wide('…'), wide), " ")+"…")
		}
		if cut := strings.LastIndexByte(line, ' '); cut > len(line)/3 && rest[len(line)] != ' ' {
			line = line[:cut]
		}
		out = append(out, strings.TrimRight(line, " "))
		rest = strings.TrimLeft(rest[len(line):], " ")
	}
	return out
}

// fit gives the longest beginning of text that is no wider than width, but at least one character.
func fit(s string, width float64, wide func(r rune) float64) string {
	w := 0.0
	for i, r := range s {
		if w += wide(r); w > width && i > 0 {
			return s[:i]
		}
	}
	return s
}
