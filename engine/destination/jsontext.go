package destination

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script"
)

// jsonText is JSON written as text with templates in it: {"text": "New: {{ payload.title }}", "n": {{ payload.n }}}. It is read as JSON
// once, with marks in the place of the templates; their values are put into the tree that this gives, so that no value can end a
// string or begin a key. Between quotes a template's value becomes text; outside of them it keeps its type.
type jsonText struct {
	root  any // plain values; strings and names that hold marks are marked
	holes []*script.Template
	names bool // some name of a map holds a template
}

// marked is a string of the tree with templates in it.
type marked struct {
	// texts stand before, between and behind the holes: one more than those.
	texts []string
	holes []int
	// value says that the hole stands outside of quotes; there is only one then, and no text.
	value bool
}

// mark delimits the number of a hole. It is a private-use character; a text that holds one itself is refused.
const mark = "\uf8ff"

// compileJSONText compiles a text that begins like JSON; nil with findings where it is none.
func (c *compiler) compileJSONText(src script.Source, pieces []script.Piece) *jsonText {
	t := &jsonText{}
	var plain strings.Builder
	inString, failed := false, false
	for _, p := range pieces {
		if !p.Expression {
			text := script.Unescape(src.Text[p.From:p.To])
			inString = scanString(text, inString)
			plain.WriteString(text)
			continue
		}
		hole := script.CompileTemplate(src.Part(p.From, p.To), c.bodyScope(), c.out)
		failed = failed || hole == nil
		if inString {
			plain.WriteString(mark + strconv.Itoa(len(t.holes)) + mark)
		} else {
			plain.WriteString(`"` + mark + mark + strconv.Itoa(len(t.holes)) + mark + `"`)
		}
		t.holes = append(t.holes, hole)
	}
	if failed {
		return nil
	}
	root, err := payload.Decode([]byte(plain.String()))
	if err != nil || strings.Contains(src.Text, mark) || strings.Contains(strings.ToLower(src.Text), `\uf8ff`) {
		c.out.Errorf(diag.BadValue, src.Node.Span, "write the body as a map", "the body is to be JSON, but with its templates it is none")
		return nil
	}
	t.root = t.markTree(root)
	if t.names {
		c.out.Errorf(diag.BadValue, src.Node.Span, "give the map as the output of a code node", "a name in the body's JSON holds a template; only values may")
		return nil
	}
	return t
}

// scanString says whether a piece of JSON that begins inside a string, or not, ends inside one.
func scanString(text string, inString bool) bool {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"':
			inString = !inString
		case text[i] == '\\' && inString:
			i++
		}
	}
	return inString
}

// markTree takes strings apart at their marks.
func (t *jsonText) markTree(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for name, child := range x {
			t.names = t.names || strings.Contains(name, mark)
			x[name] = t.markTree(child)
		}
	case []any:
		for i, child := range x {
			x[i] = t.markTree(child)
		}
	case string:
		if strings.Contains(x, mark) {
			return takeApart(x)
		}
	}
	return v
}

func takeApart(text string) marked {
	rest, value := strings.CutPrefix(text, mark+mark)
	if value {
		hole, _ := strconv.Atoi(strings.TrimSuffix(rest, mark))
		return marked{holes: []int{hole}, value: true}
	}
	var m marked
	for i, s := range strings.Split(text, mark) {
		if i%2 == 0 {
			m.texts = append(m.texts, s)
			continue
		}
		hole, _ := strconv.Atoi(s)
		m.holes = append(m.holes, hole)
	}
	return m
}

// render gives the tree with values in its holes.
func (t *jsonText) render(ctx context.Context, env *script.Env) (any, error) {
	return t.fill(ctx, env, t.root)
}

func (t *jsonText) fill(ctx context.Context, env *script.Env, v any) (any, error) {
	var err error
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for name, child := range x {
			if out[name], err = t.fill(ctx, env, child); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []any:
		out := make([]any, len(x))
		for i, child := range x {
			if out[i], err = t.fill(ctx, env, child); err != nil {
				return nil, err
			}
		}
		return out, nil
	case marked:
		return t.fillString(ctx, env, x)
	}
	return v, nil
}

func (t *jsonText) fillString(ctx context.Context, env *script.Env, m marked) (any, error) {
	if m.value {
		return t.holes[m.holes[0]].Render(ctx, env)
	}
	var b strings.Builder
	for i, hole := range m.holes {
		b.WriteString(m.texts[i])
		text, err := t.holes[hole].RenderString(ctx, env)
		if err != nil {
			return nil, fmt.Errorf("filling a string: %w", err)
		}
		b.WriteString(text)
	}
	b.WriteString(m.texts[len(m.texts)-1])
	return b.String(), nil
}
