package destination

import (
	"context"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/fault"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/source"
)

// body is what a manifest states as body. It renders to a plain value; what text and JSON are is decided when that is encoded.
type body struct {
	fixed    any              // where there is no template in it
	template *script.Template // of one string
	tree     *script.Tree     // of a map or a list
	json     *jsonText        // of a string that is JSON with templates in it
}

func (b *body) render(ctx context.Context, env *script.Env) (any, error) {
	var v any
	var err error
	switch {
	case b.template != nil:
		v, err = b.template.Render(ctx, env)
	case b.tree != nil:
		v, err = b.tree.Render(ctx, env)
	case b.json != nil:
		v, err = b.json.render(ctx, env)
	default:
		return b.fixed, nil
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, CodeBadBody, "a template in the body failed", err)
	}
	return v, nil
}

// compileBody compiles `body`; nil with findings where it is wrong.
func (c *compiler) compileBody(n *source.Node) *body {
	if n.Kind == source.Null {
		c.out.Errorf(diag.WrongType, n.Span, "leave the key out to send what comes before the hook, or write \"\" to send nothing", "`%s` has no value", c.v.Path(keyBody))
		return nil
	}
	if c.holdsReference(n) {
		return nil
	}
	if n.Kind != source.String {
		if tree := script.CompileTree(n, c.bodyScope(), c.out); tree != nil {
			return &body{tree: tree}
		}
		return nil
	}
	return c.compileText(n)
}

// bodyScope is what the body's templates see: that of a hook is rendered once, before there is any attempt, that of a declared
// destination for each.
func (c *compiler) bodyScope() script.Scope {
	if c.ownBody && c.inHook {
		return c.scope
	}
	return c.requests
}

// holdsReference finds the references in a body: what a body holds is recorded and shown.
func (c *compiler) holdsReference(n *source.Node) bool {
	found := false
	switch n.Kind {
	case source.Map:
		for _, e := range n.Entries {
			found = c.holdsReference(e.Value) || found
		}
	case source.List:
		for _, item := range n.Items {
			found = c.holdsReference(item) || found
		}
	case source.String:
		if n.Value != nil && n.Value.HasRef() {
			c.out.Errorf(diag.ReferenceNotAllowed, n.Span, "put it into a header or the URL", "a body cannot hold a reference")
			return true
		}
	}
	return found
}

// compileText compiles a body that is one string.
func (c *compiler) compileText(n *source.Node) *body {
	src := script.FromNode(n)
	pieces := script.Split(src.Text)
	templates := 0
	for _, p := range pieces {
		if p.Expression {
			templates++
		}
	}
	contentType, declared := c.declaredContentType()
	asMessage, asJSON := c.d.kind.message != nil, isJSON(contentType)
	scope := c.bodyScope()

	switch {
	case templates == 0:
		return c.compileFixed(n, script.Unescape(src.Text), asMessage, asJSON)
	case len(pieces) == 1: // one expression, whose value keeps its type
	case asJSON, asMessage && beginsObject(src.Text):
		if t := c.compileJSONText(src, pieces); t != nil {
			return &body{json: t}
		}
		return nil
	case !declared && (beginsObject(src.Text) || beginsList(src.Text)):
		c.out.Warnf(diag.BadValue, n.Span, "write the body as a map, or set the header Content-Type: application/json",
			"the body looks like JSON but is sent as text, into which values are pasted without being escaped")
	}
	if t := script.CompileTemplate(src, scope, c.out); t != nil {
		return &body{template: t}
	}
	return nil
}

func (c *compiler) compileFixed(n *source.Node, text string, asMessage, asJSON bool) *body {
	if text != "" && (asJSON || asMessage && beginsObject(text)) {
		v, err := payload.Decode([]byte(text))
		if err != nil {
			c.out.Errorf(diag.BadValue, n.Span, "write the body as a map", "the body is no JSON: %v", err)
			return nil
		}
		if asMessage {
			return &body{fixed: v}
		}
	}
	return &body{fixed: text}
}

// beginsObject says whether a manifest's text begins a JSON object: a brace and a name. {{ begins a template.
func beginsObject(text string) bool {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "{")
	return ok && strings.HasPrefix(strings.TrimSpace(rest), `"`)
}

// beginsList says whether a manifest's text begins a JSON list of strings or objects; "[ops] new event" does not.
func beginsList(text string) bool {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "[")
	rest = strings.TrimSpace(rest)
	return ok && (strings.HasPrefix(rest, `"`) || beginsObject(rest))
}
