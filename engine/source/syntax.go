package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// explainSyntax makes a Problem of what the YAML parser says about a chunk. That parser knows a line at best, often the one
// where the surrounding map begins; the real line is found by parsing again, and its text then tells which of YAML's traps it
// fell into.
func explainSyntax(f *File, c chunk, err error) Problem {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if name, ok := unknownAnchor(text); ok {
		return explainAlias(f, c, name)
	}
	said := 0
	if m := regexp.MustCompile(`^line (\d+): `).FindStringSubmatch(text); m != nil {
		said, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	first := f.Pos(c.start).Line
	line := failingLine(f, c, text, first+max(said, 1)-1)
	return explainLine(f, line, text)
}

// failingLine finds the line of a chunk that makes the parser fail: the first one with which the text up to it fails in the
// same way. said is the parser's own guess, a lower bound.
func failingLine(f *File, c chunk, message string, said int) int {
	data := c.data(f)
	r := &slowReader{data: data}
	_ = parseAway(r)
	line := f.Pos(c.start + max(r.read-1, 0)).Line
	// The parser reads at most a token ahead, which is rarely more than two lines.
	for tries := 0; tries < 4 && line > said; tries++ {
		before := data[:max(f.lines[line-1]-c.start, 0)]
		err := parseAway(bytes.NewReader(before))
		if err == nil || !strings.HasSuffix(err.Error(), message) {
			return line
		}
		line--
	}
	if line > said {
		return said
	}
	return min(line, f.Lines())
}

func parseAway(r io.Reader) error {
	dec := yaml.NewDecoder(r)
	for {
		var n yaml.Node
		if err := dec.Decode(&n); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// slowReader hands out one byte at a time and counts them, which tells how far a parser came.
type slowReader struct {
	data []byte
	read int
}

func (r *slowReader) Read(p []byte) (int, error) {
	if r.read >= len(r.data) || len(p) == 0 {
		return 0, io.EOF
	}
	p[0] = r.data[r.read]
	r.read++
	return 1, nil
}

func unknownAnchor(text string) (string, bool) {
	name, ok := strings.CutPrefix(text, "unknown anchor '")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(name, "' referenced")
}

// explainAlias speaks of a "*name" without anchor, which is mostly a value that was meant as text.
func explainAlias(f *File, c chunk, name string) Problem {
	at := bytes.Index(f.Data[c.start:c.end], []byte("*"+name))
	for at > 0 && !isSpace(f.Data[c.start+at-1]) && strings.IndexByte("[{,", f.Data[c.start+at-1]) < 0 {
		next := bytes.Index(f.Data[c.start+at+1:c.end], []byte("*"+name))
		if next < 0 {
			break
		}
		at += 1 + next
	}
	start := c.start + max(at, 0)
	rest, end := lineRest(f.Data[:c.end], start)
	return Problem{
		Span: f.Span(start, end), Code: CodeQuote, Hint: quoteHint(rest),
		Message: fmt.Sprintf("YAML reads `*%s` as an alias, and no anchor `&%s` stands before it", name, name),
	}
}

// explainLine says what is wrong with a line, given the parser's own words.
func explainLine(f *File, line int, words string) Problem {
	text := f.Line(line)
	indent := len(text) - len(strings.TrimLeft(text, " \t"))
	offset := f.lines[line-1]
	problem := func(from, to int, code, message, hint string) Problem {
		return Problem{Span: f.Span(offset+from, offset+to), Code: code, Message: message, Hint: hint}
	}
	if strings.Contains(text[:indent], "\t") {
		return problem(0, indent, CodeSyntax, "a tab cannot indent YAML", "indent with blanks")
	}
	start := valueStart(text, indent)
	if strings.Contains(words, "incompatible YAML document") {
		return problem(0, len(strings.TrimRight(text, " \t")), CodeFeature, "only YAML 1 is read", "leave the directive out")
	}
	value, _ := lineRest([]byte(text), start)
	end := start + len(value)
	if trap, hint := findTrap(value, words); trap != "" {
		return problem(start, end, CodeQuote, trap, hint)
	}
	whole := len(strings.TrimRight(text, " \t"))
	message, hint := plainWords(words, value)
	if message == openQuote && value != "" {
		return problem(start, whole, CodeSyntax, message, hint)
	}
	return problem(min(indent, whole), whole, CodeSyntax, message, hint)
}

const openQuote = "a quote is opened here and never closed"

// valueStart gives the offset of what stands behind the dashes and the key of a line.
func valueStart(text string, indent int) int {
	at := indent
	for strings.HasPrefix(text[at:], "- ") {
		at += 2
		at += len(text[at:]) - len(strings.TrimLeft(text[at:], " "))
	}
	key := regexp.MustCompile(`^(?:"[^"]*"|'[^']*'|[^\s'"\[\]{},&*!|>%@` + "`" + `#:-][^#:\[\]{}]*):\s+`)
	if m := key.FindString(text[at:]); m != "" {
		at += len(m)
	}
	return at
}

// findTrap names the way in which YAML misreads a value that was written without quotes; "" where it is none of the known ones.
func findTrap(value, words string) (message, hint string) {
	if value == "" {
		return "", ""
	}
	inFlow := strings.Contains(words, "',' or")
	switch first := value[0]; first {
	case '!':
		return "YAML reads a value that begins with `!` as a tag", quoteHint(value)
	case '&', '*', '%', '@', '`':
		return fmt.Sprintf("a value that begins with `%c` has a meaning of its own in YAML", first), quoteHint(value)
	case '{':
		if strings.HasPrefix(value, "{{") {
			return "YAML reads `{{` as a map inside a map, not as a template", quoteHint(value)
		}
	case '"', '\'':
		if i := strings.IndexByte(value[1:], first); i >= 0 && strings.TrimSpace(value[i+2:]) != "" && !inFlow {
			hint := quoteHint(value)
			if len(value) > 2 && value[len(value)-1] == first { // quoted as a whole already, with the same quote inside
				hint = quoteHint(value[1 : len(value)-1])
			}
			return "YAML ends the value at its second quote; what follows does not belong to it", hint
		}
	case '[':
		if i := strings.LastIndexByte(value, ']'); i > 0 && strings.TrimSpace(value[i+1:]) != "" {
			return "YAML ends the list at its `]`; what follows does not belong to it", quoteHint(value)
		}
	}
	if inFlow && strings.ContainsRune("[{", rune(value[0])) {
		return flowTrap(value[1:])
	}
	if inFlow {
		return flowTrap(value)
	}
	if strings.Contains(words, "mapping values are not allowed") {
		if strings.Contains(value, " ? ") && strings.Contains(value, " : ") {
			return "YAML reads the `: ` of this expression as a key and its value", quoteHint(value)
		}
		if strings.Contains(value, ": ") || strings.HasSuffix(value, ":") {
			return "YAML reads the `: ` inside this value as a key and its value", quoteHint(value)
		}
	}
	return "", ""
}

// flowTrap looks at the items of a list or map in [ ] or { }, where brackets and `: ` end a value that is not quoted.
func flowTrap(items string) (message, hint string) {
	if m := regexp.MustCompile(`[^\s,\[\]{}"':]+\[[^\[\]]*\][^,\[\]{}]*`).FindString(items); m != "" {
		return "inside [ ] and { } YAML ends an unquoted value at a bracket", quoteHint(strings.TrimSpace(m))
	}
	if m := regexp.MustCompile(`[^,\[\]{}:]+ \? [^,\[\]{}]+ : [^,\[\]{}]+`).FindString(items); m != "" {
		return "inside [ ] and { } YAML ends an unquoted value at `: `", quoteHint(strings.TrimSpace(m))
	}
	if strings.Contains(items, "{{") {
		return "YAML reads `{{` as a map inside a map, not as a template", "put the value in quotes"
	}
	for _, trap := range [][2]string{
		{`[^,\[\]{}:]+\?[?.][^,\[\]{}]*`, "inside [ ] and { } YAML takes a `?` for the beginning of a key"},
		{`[^,\[\]{}"':]+ in \[[^\]]*\][^,\[\]{}]*`, "inside [ ] and { } YAML ends an unquoted value at a bracket"},
		{`(?:"[^"]*"|'[^']*') *[^\s,:}\]][^,{}]*`, "YAML ends the value at its second quote; what follows does not belong to it"},
		{`[^\s,\[\]{}"':]+\([^(){}\[\]]*[{\[].*\)`, "inside [ ] and { } YAML ends an unquoted value at a bracket"},
	} {
		if m := regexp.MustCompile(trap[0]).FindString(items); m != "" {
			return trap[1], quoteHint(strings.TrimSpace(m))
		}
	}
	return "", ""
}

// plainWords turns the parser's words into a sentence about the file.
func plainWords(words, value string) (message, hint string) {
	switch {
	case strings.Contains(words, "mapping values are not allowed"):
		return "a map cannot begin here: what stands above it is a value already", "check the indentation"
	case strings.Contains(words, "expected key"), strings.Contains(words, "expected '-' indicator"),
		strings.Contains(words, "block sequence entries"), strings.Contains(words, "expected <document start>"):
		return "this line does not continue the map or list above it", "check the indentation"
	case strings.Contains(words, "expected ':'"):
		return "this line has no `key: value`", "add the `:`, or indent it under the line that it continues"
	case strings.Contains(words, "',' or"):
		return "a list or map in brackets is not closed, or a `,` is missing in it", ""
	case strings.Contains(words, "end of stream"):
		if strings.ContainsAny(value, `"'`) {
			return openQuote, ""
		}
		return "the file ends inside of a value", ""
	case strings.Contains(words, "unknown escape"):
		return "double quotes hold an escape that YAML does not know", `write \\ for a backslash, or use single quotes`
	case strings.Contains(words, "tab character"):
		return "a tab cannot indent YAML", "indent with blanks"
	case strings.Contains(words, "comment or line break"):
		return "nothing may follow the `|` or `>` of a block", "begin the text on the next line"
	case strings.Contains(words, "document indicator"):
		return openQuote, ""
	}
	return "this is no YAML: " + words, ""
}
