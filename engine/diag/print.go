package diag

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/source"
)

// TextOptions shape WriteText.
type TextOptions struct {
	// Color marks severity, place and caret for a terminal.
	Color bool
}

// excerptColumns is how much of a long source line is shown around its finding.
const excerptColumns = 120

// WriteText prints findings for people, in the order given: one line each, below it the line of the source with a caret under
// the span, then the related places. The error is the writer's.
func WriteText(w io.Writer, findings []Finding, o TextOptions) error {
	var b bytes.Buffer
	paint := palette(o.Color)
	for _, f := range findings {
		if !f.Span.IsZero() {
			b.WriteString(paint("1", f.Span.String()+":") + " ")
		}
		b.WriteString(paint(severityColor(f.Severity), fmt.Sprintf("%s[%s]:", f.Severity, f.Rule)))
		b.WriteString(" " + oneLine(f.Message))
		if f.Hint != "" {
			b.WriteString("; " + oneLine(f.Hint))
		}
		b.WriteByte('\n')
		excerpt(&b, f.Span, paint, severityColor(f.Severity))
		for _, r := range f.Related {
			if !r.Span.IsZero() {
				b.WriteString(paint("1", r.Span.String()+":") + " ")
			}
			b.WriteString(paint("36", "note:") + " " + oneLine(r.Message) + "\n")
			excerpt(&b, r.Span, paint, "36")
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

func palette(color bool) func(code, text string) string {
	if !color {
		return func(_, text string) string { return text }
	}
	return func(code, text string) string { return "\x1b[" + code + "m" + text + "\x1b[0m" }
}

func severityColor(s Severity) string {
	switch s {
	case Error:
		return "31"
	case Warning:
		return "33"
	default:
		return "36"
	}
}

// excerpt prints the first line of a span behind its number, and a caret and tildes below the span.
func excerpt(b *bytes.Buffer, s source.Span, paint func(code, text string) string, color string) {
	if s.IsZero() || len(s.File.Data) == 0 || s.Start.Line < 1 || s.Start.Line > s.File.Lines() {
		return
	}
	line := []rune(s.File.Line(s.Start.Line))
	from := min(max(s.Start.Col-1, 0), len(line))
	to := len(line)
	if s.End.Line == s.Start.Line {
		to = min(max(s.End.Col-1, from), len(line))
	} else if s.End.Line < s.Start.Line {
		to = from
	}
	for to > from+1 && (line[to-1] == ' ' || line[to-1] == '\t') {
		to--
	}
	prefix, suffix := "", ""
	if len(line) > excerptColumns {
		start := min(max(0, from-excerptColumns/3), len(line)-excerptColumns)
		stop := start + excerptColumns
		if stop < len(line) {
			suffix = "…"
		}
		if start > 0 {
			prefix = "…"
		}
		line, from, to = line[start:stop], from-start, min(to, stop)-start
	}
	gutter := strconv.Itoa(s.Start.Line)
	blank := strings.Repeat(" ", len(gutter))
	text, marks := visible(line, from)
	fmt.Fprintf(b, "  %s | %s\n", gutter, prefix+text+suffix)
	fmt.Fprintf(b, "  %s | %s%s\n", blank, strings.Repeat(" ", utf8.RuneCountInString(prefix))+marks,
		paint(color, "^"+strings.Repeat("~", max(0, to-from-1))))
}

// visible replaces what would move the cursor, and gives the blanks that bring a caret under column n: a tab stays a tab.
func visible(line []rune, n int) (text, indent string) {
	var t, in strings.Builder
	for i, r := range line {
		switch {
		case r == '\t':
		case r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e,
			r >= 0x2066 && r <= 0x2069:
			r = '\ufffd'
		}
		t.WriteRune(r)
		if i < n {
			if r == '\t' {
				in.WriteByte('\t')
			} else {
				in.WriteByte(' ')
			}
		}
	}
	return t.String(), in.String()
}

func oneLine(s string) string {
	text, _ := visible([]rune(strings.NewReplacer("\r\n", " ", "\n", " ", "\t", " ").Replace(s)), 0)
	return text
}

// jsonFinding is the JSON form of a Finding.
type jsonFinding struct {
	File     string        `json:"file"`
	Line     int           `json:"line"`
	Col      int           `json:"col"`
	EndLine  int           `json:"end_line"`
	EndCol   int           `json:"end_col"`
	Severity string        `json:"severity"`
	Rule     Rule          `json:"rule"`
	Message  string        `json:"message"`
	Hint     string        `json:"hint"`
	Related  []jsonRelated `json:"related,omitempty"`
}

type jsonRelated struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Col     int    `json:"col"`
	Message string `json:"message"`
}

// WriteJSON prints findings as one JSON array, in the order given; no findings are an empty array. Lines and columns begin at
// 1; 0 is unknown. The error is the writer's.
func WriteJSON(w io.Writer, findings []Finding) error {
	out := make([]jsonFinding, 0, len(findings))
	for _, f := range findings {
		j := jsonFinding{
			File: fileName(f), Line: f.Span.Start.Line, Col: f.Span.Start.Col, EndLine: f.Span.End.Line, EndCol: f.Span.End.Col,
			Severity: f.Severity.String(), Rule: f.Rule, Message: f.Message, Hint: f.Hint,
		}
		for _, r := range f.Related {
			name := ""
			if r.Span.File != nil {
				name = r.Span.File.Name
			}
			j.Related = append(j.Related, jsonRelated{name, r.Span.Start.Line, r.Span.Start.Col, r.Message})
		}
		out = append(out, j)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

// WriteGitHub prints findings as workflow commands, which GitHub shows beside the lines of a pull request. The error is the
// writer's.
func WriteGitHub(w io.Writer, findings []Finding) error {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	var b bytes.Buffer
	for _, f := range findings {
		command := "error"
		switch f.Severity {
		case Warning:
			command = "warning"
		case Hint:
			command = "notice"
		}
		b.WriteString("::" + command + " ")
		if !f.Span.IsZero() {
			fmt.Fprintf(&b, "file=%s,line=%d,col=%d", property.Replace(fileName(f)), f.Span.Start.Line, f.Span.Start.Col)
			if f.Span.End.Line >= f.Span.Start.Line {
				fmt.Fprintf(&b, ",endLine=%d", f.Span.End.Line)
			}
			if f.Span.End.Line == f.Span.Start.Line && f.Span.End.Col > f.Span.Start.Col {
				fmt.Fprintf(&b, ",endColumn=%d", f.Span.End.Col-1)
			}
			b.WriteByte(',')
		}
		message := f.Message
		if f.Hint != "" {
			message += "; " + f.Hint
		}
		fmt.Fprintf(&b, "title=%s::%s\n", property.Replace(string(f.Rule)), data.Replace(message))
	}
	_, err := w.Write(b.Bytes())
	return err
}
