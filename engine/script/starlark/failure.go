package starlark

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.starlark.net/syntax"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/starlark/guest/interpreter/wire"
	"github.com/headgate/headgate/engine/script/starlark/python"
	"github.com/headgate/headgate/engine/script/value"
)

// where is a place of the text, by which the guest names it.
type where struct{ line, col int32 }

// site is what stands at a place: an operator, a call of a function or of a method, and the text of its operands.
type site struct {
	op           string
	call, method bool
	operands     []string
}

func (w *rewriter) note(at syntax.Position, s site) {
	if _, taken := w.sites[where{at.Line, at.Col}]; !taken {
		w.sites[where{at.Line, at.Col}] = s
	}
}

func (s site) operand(i int) string {
	if i < len(s.operands) && s.operands[i] != "" {
		return s.operands[i]
	}
	if len(s.operands) == 1 || s.call {
		return "the value"
	}
	return []string{"the left side", "the right side"}[min(i, 1)]
}

// kind gives a type of the library as messages name it.
func kind(name string) string {
	switch name {
	case "NoneType":
		return "null"
	case "dict":
		return "map"
	case "int", "float":
		return "number"
	case "builtin_function_or_method":
		return "function"
	}
	return name
}

func article(kind string) string {
	if kind == "null" {
		return kind
	}
	return "a " + kind
}

// needs tells what an operator works on.
func needs(op string) (one, two string) {
	switch strings.TrimSuffix(op, "=") {
	case "+":
		return "a number, text or list", "two numbers, texts or lists"
	case "<", ">":
		return "a number or text", "two numbers or two texts"
	case "in", "not in":
		return "a list, map or text", "a list, map or text on its right side"
	case "|":
		return "a map, set or number", "two of a kind"
	}
	return "a number", "two numbers"
}

// wording knows the forms of the library's messages that hold types and names only, never values. It is made for a failure, which is
// seldom, and belongs to it.
type wording struct {
	site
	known   bool
	message string
}

// match holds the message against a pattern and gives its groups, nil where it does not match.
func (w wording) match(pattern string) []string {
	return regexp.MustCompile(pattern).FindStringSubmatch(w.message)
}

// failure makes an Error of what the guest said.
func (p *program) failure(kind, message string, line, col int32) *value.Error {
	s, known := p.sites[where{line, col}]
	code := value.Expression
	var text string
	switch kind {
	case wire.KindSteps:
		code, text = value.TooExpensive, fmt.Sprintf("the code takes more than %d steps", maxSteps)
	case wire.KindLarge:
		code, text = value.TooLarge, "a value is larger than it may be"
	case wire.KindFail:
		text = "the code called fail"
		if len(s.operands) == 1 && strings.HasPrefix(s.operands[0], `"`) {
			text += ": " + strings.Trim(s.operands[0], `"`)
		}
	case wire.KindMessage:
		text = message
		if known && len(s.operands) > 0 && s.operands[0] != "" && (!s.call || s.op == "$format") {
			text = s.operands[0] + ": " + text
		}
	case wire.KindBroken:
		return value.Errorf(value.Expression, "the guest of Starlark is not the one that this program was compiled for")
	default:
		if strings.HasPrefix(message, "excessive ") {
			return value.Errorf(value.TooLarge, "a value is larger than it may be")
		}
		text = wording{s, known, message}.String()
	}
	if p.manyLines && line > 0 && code == value.Expression {
		text = fmt.Sprintf("line %d: %s", line, text)
	}
	return value.Errorf(code, "%s", shorten(text))
}

// String words the message so that it names operands and holds no values.
func (w wording) String() string {
	s := w.site
	if m := w.match(`^(?:unknown binary op: )?(\S+) ([-+*/%<>=!|&^]+|in|not in) (\S+?)(?: not implemented)?$`); m != nil && w.known && !s.call {
		return s.binary(kind(m[1]), kind(m[3]))
	}
	if m := w.match(`^unknown unary op: (\S+) (\S+)$`); m != nil {
		return fmt.Sprintf("%s is %s where `%s` needs a number", s.operand(0), article(kind(m[2])), m[1])
	}
	if m := w.match(`^(\S+) has no \.(\w+) field or method`); m != nil {
		return fmt.Sprintf("%s is %s and has no method %s", s.operand(0), article(kind(m[1])), m[2])
	}
	if m := w.match(`(\S+) value is not iterable$`); m != nil {
		return fmt.Sprintf("%s is %s where `%s` needs a list", s.operand(0), article(kind(m[1])), s.name("a loop"))
	}
	if m := w.match(`^invalid call of non-function \((\S+)\)$`); m != nil {
		return fmt.Sprintf("%s is %s, not a function", s.name("the value"), article(kind(m[1])))
	}
	if m := w.match(`^(?:local|global) variable (\S+) referenced before assignment$`); m != nil {
		return "the variable " + m[1] + " has no value yet"
	}
	if m := w.match(`^function (\S+) called recursively$`); m != nil {
		return m[1] + " calls itself, which code cannot do; write a loop"
	}
	if m := w.match(`^(?:\S+: )?for parameter "?\w+"?: got (\S+), want (.+)$`); m != nil {
		return s.argument(kind(m[1]), m[2])
	}
	if m := w.match(`^(?:\S+: )?got ([a-zA-Z]\w*), want (.+)$`); m != nil {
		return s.argument(kind(m[1]), m[2])
	}
	if m := w.match(`^float got (\w+), want (.+)$`); m != nil {
		return s.argument(kind(m[1]), m[2])
	}
	if m := w.match(`^len: value of type (\w+) has no len$`); m != nil {
		return s.argument(kind(m[1]), "len")
	}
	return w.plain()
}

// plain words messages by what they hold.
func (w wording) plain() string {
	s, m := w.site, w.message
	holds := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(m, part) })
	}
	begins := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.HasPrefix(m, part) })
	}
	switch {
	case holds("invalid literal with base", "invalid float literal", "empty string", "cannot parse"):
		return fmt.Sprintf("%s is no number that `%s` reads", s.operand(0), s.name("int"))
	case holds("by zero"):
		return fmt.Sprintf("%s is zero, which `%s` cannot divide by", s.operand(1), s.name("/"))
	case holds("unhashable"):
		return "a list or map cannot be the name of a member, or an element of a set"
	case holds("during iteration"):
		return "a list or map cannot be changed while a loop goes over it"
	case holds("not found"), begins("pop:", "remove:", "popitem:"):
		return fmt.Sprintf("%s does not have what `%s` looks for", s.operand(0), s.name("it"))
	case begins("key ", "duplicate key"):
		return "a map has no such name, or has it twice"
	case holds("not implemented") && s.call:
		return fmt.Sprintf("`%s` was given values that cannot be compared with each other", s.op)
	case w.known && (s.call || s.method) && w.match(`^(?:function )?\S+ (?:missing|accepts|got|takes) |keyword argument|missing argument|got \d+ arguments`) != nil:
		return "`" + s.op + "` is called with the wrong arguments: " + elide(m)
	}
	return elide(m)
}

func (s site) name(otherwise string) string {
	if s.op == "" {
		return otherwise
	}
	return s.op
}

func (s site) binary(x, y string) string {
	one, two := needs(s.op)
	switch {
	case x == "null" && s.op != "in" && s.op != "not in":
		return fmt.Sprintf("%s is null where `%s` needs %s", s.operand(0), s.op, one)
	case y == "null":
		return fmt.Sprintf("%s is null where `%s` needs %s", s.operand(1), s.op, one)
	}
	return fmt.Sprintf("%s is a %s and %s a %s where `%s` needs %s", s.operand(0), x, s.operand(1), y, s.op, two)
}

func (s site) argument(got, want string) string {
	want = map[string]string{"len": "a text, list or map", "iterable": "a list", "number or string": "a number or text", "int or float": "a number"}[want]
	if want == "" {
		want = "something else"
	}
	return fmt.Sprintf("%s is %s where `%s` needs %s", s.operand(0), article(got), s.name("it"), want)
}

// elide takes what may be a value out of a message.
func elide(message string) string {
	message = regexp.MustCompile(`"(?:[^"\\]|\\.)*"?`).ReplaceAllString(message, "…")
	for old, now := range map[string]string{"NoneType": "null", "dict": "map"} {
		message = strings.ReplaceAll(message, old, now)
	}
	return message
}

// maxMessage bounds a message of an Error.
const maxMessage = 180

func shorten(text string) string {
	if utf8.RuneCountInString(text) <= maxMessage {
		return strings.ToValidUTF8(text, "…")
	}
	return string([]rune(text)[:maxMessage-1]) + "…"
}

// tokenStart gives where a token begins that the library names by its end.
func (c *compilation) tokenStart(end int, token string) int {
	text := c.src.Text[:end]
	if plain := strings.Trim(token, "'"); plain != "" && strings.HasSuffix(text, plain) {
		return end - len(plain)
	}
	switch token {
	case "string literal", "bytes literal":
		for i := 0; i < end; i++ {
			n := language.Quotes{Prefixed: true}.Skip(c.src.Text, i)
			if n > 0 && c.src.Text[i] != '/' {
				if i+n >= end {
					return i
				}
				i += n - 1
			}
		}
	case "identifier", "int literal", "float literal":
		return len(strings.TrimRightFunc(text, func(r rune) bool { return r == '_' || r == '.' || unicode.IsLetter(r) || unicode.IsDigit(r) }))
	case "newline", "end of file":
		return len(strings.TrimRight(text, "\r\n"))
	}
	return end
}

// parseError reports what the library's parser says, in words that people know.
func (c *compilation) parseError(e syntax.Error) {
	at := c.offset(e.Pos)
	message, hint := e.Msg, ""
	if got, _, ok := strings.Cut(strings.TrimPrefix(message, "got "), ", want "); ok {
		at = c.tokenStart(at, got)
	}
	if _, second, ok := strings.Cut(message, " does not associate with "); ok {
		at = c.tokenStart(at, strings.TrimSuffix(second, " (use parens)"))
	}
	if got, want, ok := strings.Cut(message, ", want "); ok && strings.HasPrefix(got, "got ") {
		got = strings.TrimPrefix(got, "got ")
		switch got {
		case "end of file", "newline", "EOF":
			message = "unexpected end of the " + map[bool]string{true: "line", false: "code"}[got == "newline"]
			hint = strings.Trim(want, "'") + " is missing"
		case "indent":
			message = "this line is indented further than the block that it stands in"
		case "outdent":
			message = "a line that is indented was expected"
		default:
			message = "unexpected " + strings.TrimSuffix(got, " literal")
		}
	}
	message = strings.ReplaceAll(message, "'", "`")
	rest := c.src.Text[at:]
	word := rest[:wordLen(rest)]
	if known := python.ReservedHint(word, rest[len(word):]); known != "" {
		message, hint = "`"+word+"` is not known in Starlark", known
	}
	before := strings.TrimRight(c.src.Text[:at], " \t")
	switch {
	case strings.HasPrefix(rest, `"`) || strings.HasPrefix(rest, "'"):
		if n := len(before); n == at && n > 0 && (before[n-1] == 'f' || before[n-1] == 'F') {
			at, message, hint = at-1, "Starlark has no f-strings", `join texts with +, or write "%s" % x; or write the node in python`
		} else if strings.Contains(message, "string") && hint == "" {
			hint = "two texts beside each other are joined with +"
		}
	case strings.Contains(message, "does not associate"):
		hint = "write a < b and b < c"
	case strings.HasPrefix(rest, "**"):
		hint = "write math.pow(x, y)"
	case strings.HasPrefix(rest, "=") && !strings.HasPrefix(rest, "=="):
		hint = "equality is written =="
	case strings.HasPrefix(rest, "!"):
		hint = "write `not`"
	case strings.HasPrefix(rest, "&&"), strings.HasPrefix(rest, "&"):
		hint = "write `and`"
	case strings.HasPrefix(rest, "||"), strings.HasPrefix(rest, "|"):
		hint = "write `or`"
	}
	c.syntaxError(at, at+max(wordLen(c.src.Text[at:]), 0), message, hint)
}

func wordLen(s string) int {
	n := strings.IndexFunc(s, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	if n < 0 {
		return len(s)
	}
	return n
}

// syntaxError reports a mistake between two bytes, or one in the whole word that stands there. A template in the text explains most.
func (c *compilation) syntaxError(from, to int, message, hint string) {
	if open := strings.Index(c.src.Text, "{{"); open >= 0 && open <= from && c.isTemplate(open) {
		c.report.Errorf(diag.ExpressionSyntax, open, open+2, "the same names are in scope: write them without braces", "a {{ template }} cannot stand in an expression")
		return
	}
	rule := diag.ExpressionSyntax
	if strings.Contains(message, "nests deeper") || strings.Contains(message, "excessive nesting") {
		rule = diag.ExpressionTooLarge
	}
	if to > from {
		c.report.Errorf(rule, from, to, hint, "%s", shorten(message))
		return
	}
	c.report.Word(rule, from, hint, "%s", shorten(message))
}

// isTemplate says whether two braces begin a template: no set of sets, nor braces in an f-string.
func (c *compilation) isTemplate(open int) bool {
	line := c.src.Text[strings.LastIndexByte(c.src.Text[:open], '\n')+1 : open]
	return strings.Contains(c.src.Text[open:], "}}") && strings.Count(line, `"`)%2 == 0 && strings.Count(line, "'")%2 == 0
}
