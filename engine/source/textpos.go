package source

import (
	"strings"
	"unicode/utf8"
)

// TextPos gives the place in the file of a byte offset inside n.Text. It is exact for scalars of every style, and the node's
// start for nodes that did not come from ParseYAML. An offset at the end of the text gives the place behind its last character.
func (n *Node) TextPos(offset int) Pos {
	if n == nil {
		return Pos{}
	}
	f := n.Span.File
	if f == nil || !n.IsScalar() || n.end == 0 {
		return n.Span.Start
	}
	offset = max(0, min(offset, len(n.Text)))
	w := walker{data: f.Data[:n.end], at: n.start, style: n.Style}
	w.open()
	// Line folding changes blanks only, so the characters between them stand in the file in the same order: the place of a
	// character is found by counting those before it.
	rest := n.Text[:offset]
	last := w.at
	for _, r := range rest {
		if isBlank(r) {
			continue
		}
		if _, last = w.next(); last < 0 {
			return n.Span.Start
		}
	}
	if offset < len(n.Text) {
		if r, _ := utf8.DecodeRuneInString(n.Text[offset:]); !isBlank(r) {
			from, to := w.next()
			if to < 0 {
				return n.Span.Start
			}
			return f.Pos(from)
		}
	}
	// A blank, or the end: as many characters behind the last one as the text has blanks there, while the line lasts.
	blanks := len(rest) - len(strings.TrimRightFunc(rest, isBlank))
	for ; blanks > 0 && last < len(w.data) && (w.data[last] == ' ' || w.data[last] == '\t'); blanks-- {
		last++
	}
	return f.Pos(last)
}

// scalarEnd gives the offset behind a scalar, its closing quote included.
func scalarEnd(data []byte, n *Node) int {
	w := walker{data: data, at: n.start, style: n.Style}
	w.open()
	end := w.at
	if n.Text == "" && (n.Style == Plain || n.Style == Literal || n.Style == Folded) {
		if n.Style == Plain {
			return n.start
		}
		return min(w.at, len(data))
	}
	for _, r := range n.Text {
		if isBlank(r) {
			continue
		}
		_, to := w.next()
		if to < 0 {
			break
		}
		end = to
	}
	if n.Style == DoubleQuoted || n.Style == SingleQuoted {
		for {
			from, to := w.next()
			if to < 0 {
				return min(from+1, len(data))
			}
		}
	}
	return end
}

// walker goes through a scalar as it is written and gives its characters that are no blanks, one after the other.
type walker struct {
	data  []byte
	at    int
	style Style
}

// open steps over the opening quote or the header line of a block.
func (w *walker) open() {
	switch w.style {
	case SingleQuoted, DoubleQuoted:
		w.at++
	case Literal, Folded:
		for w.at < len(w.data) && w.data[w.at] != '\n' {
			w.at++
		}
	}
	w.at = min(w.at, len(w.data))
}

// next gives the offsets where the next character begins and ends. At the end of the scalar to is -1 and from is the place of
// the closing quote, or the end of the data.
func (w *walker) next() (from, to int) {
	for w.at < len(w.data) {
		from = w.at
		r, size := utf8.DecodeRune(w.data[from:])
		switch {
		case w.style == SingleQuoted && r == '\'':
			if from+1 >= len(w.data) || w.data[from+1] != '\'' {
				return from, -1
			}
			size = 2
		case w.style == DoubleQuoted && r == '"':
			return from, -1
		case w.style == DoubleQuoted && r == '\\':
			r, size = escape(w.data[from:])
		}
		w.at = min(from+size, len(w.data))
		if !isBlank(r) {
			return from, w.at
		}
	}
	return len(w.data), -1
}

// escape gives what a backslash escape of double quotes stands for, a blank or some other character, and its length.
func escape(b []byte) (r rune, size int) {
	if len(b) < 2 {
		return '\\', len(b)
	}
	switch b[1] {
	case 'n', 't', 'r', ' ', '\t', '\n', '\r', 'N', '_', 'L', 'P', 'v', 'f':
		return ' ', 2
	case 'x':
		size = 4
	case 'u':
		size = 6
	case 'U':
		size = 10
	default:
		return 'x', 2
	}
	code := rune(0)
	for _, c := range b[2:min(size, len(b))] {
		code = code<<4 | rune(hexDigit(c))
	}
	if isBlank(code) {
		return ' ', size
	}
	return 'x', size
}

func hexDigit(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

// isBlank says whether folding may add, drop or change r; every blank that an escape can stand for is one.
func isBlank(r rune) bool {
	switch r {
	case ' ', '\t', '\n', '\r', '\v', '\f', 0x85, 0xa0, 0x2028, 0x2029:
		return true
	}
	return false
}
