package format

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/headgate/headgate/engine/source"
)

// raw gives a scalar as it is written.
func (w *writer) raw(n *source.Node) string {
	e := w.doc.extent(n)
	return string(w.doc.data[e[0]:e[1]])
}

func (w *writer) key(n *source.Node, flow bool) string {
	if n.Style != source.Plain && safe(n.Text, flow) && !strings.HasPrefix(n.Text, "<<") {
		return n.Text
	}
	return w.text(n, flow, n.Style != source.Plain)
}

// text gives a scalar of one line; keep keeps its quotes.
func (w *writer) text(n *source.Node, flow, keep bool) string {
	switch {
	case n.Kind == source.Null && n.Text == "":
		return ""
	case n.Style == source.Plain || keep:
		return w.raw(n)
	case safe(n.Text, flow):
		return n.Text
	case n.Style == source.SingleQuoted && !strings.ContainsAny(n.Text, `"\`) && printable(n.Text):
		return `"` + n.Text + `"`
	case n.Style == source.DoubleQuoted && strings.ContainsAny(n.Text, `"\`) && !strings.Contains(n.Text, "'") && printable(n.Text):
		return "'" + n.Text + "'"
	}
	return w.raw(n)
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r != ' ' && !unicode.IsGraphic(r) || r > 0x7f && unicode.IsSpace(r) })
}

// alike matches what some reader of YAML takes for something else than text: numbers, times, and the yes and no of YAML 1.1.
func alike(s string) bool {
	word := strings.ToLower(s)
	switch word {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "=", ".inf", ".nan":
		return true
	}
	digits := strings.TrimLeft(word, "-+.")
	return digits != "" && digits[0] >= '0' && digits[0] <= '9' && strings.Trim(digits, "0123456789abcdefox_.:+- tz") == ""
}

// safe says whether text may stand without quotes and is read as that very text.
func safe(s string, flow bool) bool {
	if s == "" || strings.TrimSpace(s) != s || !printable(s) || alike(s) {
		return false
	}
	first := []rune(s)[0]
	if !unicode.IsLetter(first) && !unicode.IsDigit(first) && !strings.ContainsRune("_/.$(<+^~", first) {
		return false
	}
	if strings.Contains(s, ": ") || strings.HasSuffix(s, ":") || strings.Contains(s, " #") || strings.HasPrefix(s, "...") {
		return false
	}
	if flow && (strings.ContainsAny(s, ",[]{}") || strings.Contains(s, ":")) {
		return false
	}
	// Braces end a text where lines do not, such as at a `? `: there it is tried as a value and as a key.
	written := "k: " + s
	if flow {
		written = "k: [" + s + ", {" + s + ": v}]"
	}
	docs, problems := source.ParseYAML(source.NewFile("", []byte(written+"\n")))
	if len(docs) != 1 || len(problems) > 0 {
		return false
	}
	n := docs[0].Get("k")
	if !flow || n == nil {
		return unquoted(n, s)
	}
	return len(n.Items) == 2 && unquoted(n.Items[0], s) && len(n.Items[1].Entries) == 1 && unquoted(n.Items[1].Entries[0].Key, s)
}

func unquoted(n *source.Node, s string) bool {
	return n != nil && n.Kind == source.String && n.Text == s && n.Style == source.Plain
}

// scalar writes a scalar behind its key or dash.
func (w *writer) scalar(head string, s *slot, indent int) []line {
	n := s.value
	switch {
	case n.Kind == source.Null && n.Text == "":
		return []line{{text: head, comment: s.trail}}
	case n.Style == source.Literal || n.Style == source.Folded:
		return w.block(head, s, indent)
	case n.Span.Start.Line == n.Span.End.Line:
		return []line{{text: head + " " + w.text(n, false, false), comment: s.trail}}
	}
	// Line breaks of a text that goes on over several lines stand for blanks, whatever the indentation.
	var lines []line
	for i, l := range strings.Split(w.raw(n), "\n") {
		l = strings.Trim(l, " \t")
		switch {
		case i == 0:
			l = head + " " + l
		case l != "":
			l = strings.Repeat(" ", indent+2) + l
		}
		lines = append(lines, line{text: l})
	}
	lines[len(lines)-1].comment = s.trail
	return lines
}

// block writes a text in lines of its own.
func (w *writer) block(head string, s *slot, indent int) []line {
	all := strings.Split(w.raw(s.value), "\n")
	header := strings.TrimRight(all[0], " \t")
	word, note, _ := strings.Cut(header, " ")
	was := -1
	if i := strings.IndexAny(word, "123456789"); i >= 0 {
		digit, _ := strconv.Atoi(word[i : i+1])
		was = s.col + digit
		word = word[:i] + "2" + word[i+1:]
	}
	if note = strings.TrimSpace(note); note != "" {
		word += "  " + note
	}
	lines := []line{{text: head + " " + word}}
	for _, l := range all[1:] {
		if was < 0 && strings.TrimSpace(l) != "" {
			was = len(l) - len(strings.TrimLeft(l, " "))
		}
	}
	for _, l := range all[1:] {
		if cut := min(max(was, 0), len(l)-len(strings.TrimLeft(l, " "))); cut > 0 {
			l = l[cut:]
		}
		if l != "" {
			l = strings.Repeat(" ", indent+2) + l
		}
		lines = append(lines, line{text: l})
	}
	return lines
}
