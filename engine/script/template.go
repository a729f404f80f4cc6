package script

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/expr"
	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/value"
	"github.com/headgate/headgate/engine/source"
)

// Piece is a part of a template's text: text as it is written, or one expression with its braces.
type Piece struct {
	From, To   int
	Expression bool
	// Closed says that the expression has its }}; it reaches to the end of the text otherwise.
	Closed bool
}

// Split takes a template's text apart. Braces and quotes inside of an expression do not end it; `\{{` begins none.
func Split(text string) []Piece {
	var pieces []Piece
	start := 0
	for i := 0; i < len(text); {
		switch {
		case strings.HasPrefix(text[i:], `\{{`):
			i += 3
		case strings.HasPrefix(text[i:], "{{"):
			if start < i {
				pieces = append(pieces, Piece{From: start, To: i})
			}
			end, closed := expressionEnd(text, i+2)
			pieces = append(pieces, Piece{From: i, To: end, Expression: true, Closed: closed})
			start, i = end, end
		default:
			i++
		}
	}
	if start < len(text) {
		pieces = append(pieces, Piece{From: start, To: len(text)})
	}
	return pieces
}

// expressionEnd gives the offset behind the }} of the expression that begins at i.
func expressionEnd(text string, i int) (end int, closed bool) {
	quotes := expr.Quotes()
	for depth := 0; i < len(text); {
		if n := quotes.Skip(text, i); n > 0 {
			i += n
			continue
		}
		switch text[i] {
		case '{':
			depth++
		case '}':
			if depth == 0 && strings.HasPrefix(text[i:], "}}") {
				return i + 2, true
			}
			depth = max(depth-1, 0)
		}
		i++
	}
	return len(text), false
}

// Unescape gives the text that a piece of text stands for: `\{{` is `{{`.
func Unescape(text string) string { return strings.ReplaceAll(text, `\{{`, "{{") }

// Template is a text with {{ expressions }} of the expr language in it. It may be rendered by many goroutines at once. Values are
// never read as templates themselves.
type Template struct {
	parts []part
	// sole says that there is but one expression and no text around it.
	sole bool
}

// part is a piece of text, or a program.
type part struct {
	text    string
	program Program
}

// CompileTemplate compiles a template. It gives nil where there are findings.
func CompileTemplate(src Source, scope Scope, out *diag.List) *Template {
	report := language.NewReport(src, out)
	if src.HasReference() {
		report.Errorf(diag.ReferenceNotAllowed, 0, len(src.Text), "", "a template cannot hold a reference")
		return nil
	}
	t := &Template{}
	for _, p := range Split(src.Text) {
		if !p.Expression {
			t.parts = append(t.parts, part{text: Unescape(src.Text[p.From:p.To])})
			continue
		}
		if !p.Closed {
			report.Errorf(diag.TemplateSyntax, p.From, p.From+2, "close it with }}, and each quote in it; write \\{{ where the braces are meant as they are", "`{{` is not closed")
			continue
		}
		inner := src.Part(p.From+2, p.To-2)
		if strings.TrimSpace(inner.Text) == "" {
			report.Errorf(diag.TemplateSyntax, p.From, p.To, "", "`{{ }}` holds no expression")
			continue
		}
		program := expr.Compile(inner, scope, false, out)
		if program == nil {
			report.Fail()
		}
		t.parts = append(t.parts, part{program: program})
	}
	if report.Failed() {
		return nil
	}
	if len(t.parts) == 1 && t.parts[0].program == nil && looksLikeExpression(src.Text, scope) {
		out.Warnf(diag.TemplateSyntax, src.Span(0, len(src.Text)), "write {{ "+src.Text+" }}, in quotes", "without braces `%s` is text, not a value", src.Text)
	}
	t.sole = len(t.parts) == 1 && t.parts[0].program != nil
	if !t.sole && isBlock(src.Node) && len(t.parts) == 2 && t.parts[0].program != nil && t.parts[1].text == "\n" {
		// A block scalar ends its last line; that is no text which somebody wrote.
		t.parts, t.sole = t.parts[:1], true
	}
	return t
}

// looksLikeExpression says whether a text is a name in scope with a member of it, such as payload.id, and nothing else: whoever wrote it
// forgot the braces.
func looksLikeExpression(text string, scope Scope) bool {
	root := strings.IndexAny(text, ".[")
	if root <= 0 || !language.IsName(text[:root]) && !scope.IsLabel(text[:root]) {
		return false
	}
	quotes := expr.Quotes()
	for i := root; i < len(text); {
		if n := quotes.Skip(text, i); n > 0 && text[i-1] == '[' {
			i += n
			continue
		}
		if c := text[i]; c == '.' && (i+1 == len(text) || text[i+1] == '.') || !isChainByte(c) {
			return false
		}
		i++
	}
	return true
}

func isChainByte(c byte) bool {
	return c == '.' || c == '_' || c == '[' || c == ']' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func isBlock(n *source.Node) bool {
	return n != nil && (n.Style == source.Literal || n.Style == source.Folded)
}

// Prefix gives the text that the template begins with, up to its first expression.
func (t *Template) Prefix() string {
	var text strings.Builder
	for _, p := range t.parts {
		if p.program != nil {
			break
		}
		text.WriteString(p.text)
	}
	return text.String()
}

// Static gives the text of a template without expressions.
func (t *Template) Static() (string, bool) {
	var text strings.Builder
	for _, p := range t.parts {
		if p.program != nil {
			return "", false
		}
		text.WriteString(p.text)
	}
	return text.String(), true
}

// Render gives the value of a template that is one expression and nothing else, and text otherwise. In text, strings stand as they
// are, null as nothing, numbers and bools as JSON has them, lists and maps as compact JSON. The error is an *Error; the context ends
// the evaluation early.
func (t *Template) Render(ctx context.Context, env *Env) (any, error) {
	if t.sole {
		return t.value(ctx, env)
	}
	return t.RenderString(ctx, env)
}

// RenderString is Render, with the value of a sole expression as text, too.
func (t *Template) RenderString(ctx context.Context, env *Env) (string, error) {
	text, err := t.text(ctx, env, nil)
	if err != nil {
		return "", err
	}
	return text, nil
}

func (t *Template) value(ctx context.Context, env *Env) (any, error) {
	result, err := t.parts[0].program.Eval(ctx, env)
	return result.Value, err
}

func (t *Template) text(ctx context.Context, env *Env, reads *[]Read) (string, error) {
	if len(t.parts) > 1 {
		limited, cancel := context.WithTimeout(ctx, value.MaxTime)
		defer cancel()
		text, err := t.join(limited, env, reads)
		return text, tooLong(ctx, err)
	}
	return t.join(ctx, env, reads)
}

// join renders the parts one after the other; the operands of their expressions are added to reads unless that is nil.
func (t *Template) join(ctx context.Context, env *Env, reads *[]Read) (string, error) {
	var text strings.Builder
	for _, p := range t.parts {
		piece := p.text
		if p.program != nil {
			result, err := p.program.Eval(ctx, env)
			if reads != nil {
				*reads = append(*reads, result.Reads...)
			}
			if err != nil {
				return "", err
			}
			budget := value.NewBudget(ctx)
			if piece, err = budget.Text(result.Value); err != nil {
				return "", err
			}
		}
		if text.Len()+len(piece) > value.MaxBytes {
			return "", value.Errorf(value.TooLarge, "the template makes more than %d bytes of text", value.MaxBytes)
		}
		text.WriteString(piece)
	}
	return text.String(), nil
}

// tooLong says of an evaluation that our own deadline stopped that it is too expensive.
func tooLong(ctx context.Context, err error) error {
	var e *Error
	if errors.As(err, &e) && e.Code == Cancelled && ctx.Err() == nil {
		return value.Errorf(value.TooExpensive, "the templates take longer than %s", value.MaxTime)
	}
	return err
}

// textProgram is a template as a program, for code whose language is text.
type textProgram struct{ template *Template }

// compileText compiles a template that gives text even where it is one expression and nothing else.
func compileText(src Source, scope Scope, _ bool, out *diag.List) Program {
	t := CompileTemplate(src, scope, out)
	if t == nil {
		return nil
	}
	return textProgram{t}
}

// Eval implements Program. The reads are those of all its expressions, each once.
func (p textProgram) Eval(ctx context.Context, env *Env) (Result, error) {
	var reads []Read
	text, err := p.template.text(ctx, env, &reads)
	result := Result{}
	for _, r := range reads {
		if !slices.ContainsFunc(result.Reads, func(have Read) bool { return have.Operand == r.Operand }) {
			result.Reads = append(result.Reads, r)
		}
	}
	if err != nil {
		return result, err
	}
	result.Value = text
	return result, nil
}
