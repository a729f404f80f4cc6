package provider

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/source"
)

// maxNameBytes bounds an event's name. What is longer is no name.
const maxNameBytes = 200

// events compiles the list of events with their schemas and examples.
func (c *compiler) events() {
	c.p.declared = map[string]int{}
	first := map[string]source.Span{}
	for _, v := range c.v.Objects("events") {
		e := Event{Name: v.String("name"), Title: v.String("title"), Description: v.String("description")}
		switch {
		case e.Name == "":
			continue // said by the field's description
		case !isName(e.Name):
			c.out.Errorf(diag.BadValue, v.Span("name"), "", "an event's name is at most %d bytes of printable text", maxNameBytes)
		case !first[e.Name].IsZero():
			c.out.Add(diag.Finding{
				Severity: diag.Error, Rule: diag.DuplicateName, Span: v.Span("name"), Message: fmt.Sprintf("event %q is listed twice", e.Name),
				Related: []diag.Related{{Span: first[e.Name], Message: "first listed here"}},
			})
			continue
		}
		first[e.Name] = v.Span("name")
		if n := v.Node("schema"); n != nil && v.Good("schema") {
			e.schema = compileSchema(c.doc, n, c.v.String("schemas_directory"), c.out)
		}
		if n := v.Node("example"); n != nil {
			c.example(&e, n)
		}
		c.p.declared[e.Name] = len(c.p.events)
		c.p.events = append(c.p.events, e)
	}
	if len(c.p.events) > 1 && !c.v.Has("event") && !c.doc.DiPeO {
		c.out.Errorf(diag.MissingKey, c.v.KeySpan("events"), "add `event: {header: X-Event}` or `event: {body: type}`",
			"provider %q lists %d events, but nothing says which one a request is", c.p.name, len(c.p.events))
	}
}

// isName says whether a text can be the name of an event.
func isName(s string) bool {
	if s == "" || len(s) > maxNameBytes {
		return false
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return false
		}
	}
	return true
}

// example reads an event's example and holds it against what the manifest says.
func (c *compiler) example(e *Event, n *source.Node) {
	body, err := c.exampleBytes(n)
	if err != nil {
		c.out.Errorf(diag.BadExample, n.Span, "", "the example of %q: %s", e.Name, err)
		return
	}
	r := c.p.exampleRequest(body)
	f := c.p.formatOf(r)
	e.example, e.exampleType = body, r.Header.Get("Content-Type")
	switch f {
	case payload.JSON:
		err = payload.Check(r.content(), payload.Limits{})
	case payload.XML:
		err = payload.CheckXML(r.content(), payload.Limits{})
	}
	if err != nil {
		span, message := n.Span, err.Error()
		if r.Body == nil || r.Document == nil { // the example is the document
			span, message = c.exampleError(n, body, err)
		}
		c.out.Errorf(diag.BadExample, span, "", "the example of %q is no %s: %s", e.Name, strings.ToUpper(string(f)), message)
		return
	}
	content := r.content()
	if c.p.each != nil {
		items, refusal := c.p.items(r)
		if refusal != nil || len(items) == 0 {
			c.out.Errorf(diag.BadExample, n.Span, "write one item, or the whole of a batch", "the example of %q holds no event", e.Name)
			return
		}
		content = items[0]
	}
	c.exampleName(e, n, r)
	if e.schema == nil {
		return
	}
	v, err := payload.New(content, string(f)).Value()
	if err != nil {
		c.out.Errorf(diag.BadExample, n.Span, "", "the example of %q cannot be read: %s", e.Name, err)
		return
	}
	if problem := violation(e.schema, v); problem != "" {
		c.out.Errorf(diag.BadExample, n.Span, "", "the schema of %q does not accept its own example: %s", e.Name, problem)
	}
}

// exampleName looks whether an example that carries its own name carries the right one.
func (c *compiler) exampleName(e *Event, n *source.Node, r *Request) {
	if c.p.event == nil {
		return
	}
	for _, elsewhere := range []string{"header", "query", "outer", "claim", "url", "endpoint", "pathquery", "method"} {
		if c.p.event.Uses(elsewhere) {
			return // the example is the document alone
		}
	}
	if got, _ := c.p.event.Text(&r.Request); got != e.Name {
		c.out.Errorf(diag.BadExample, n.Span, "", "the example of %q is named %q by %s", e.Name, got, c.p.event)
	}
}

// exampleBytes gives an example as the provider would send it: a file as it is, an inline value written out.
func (c *compiler) exampleBytes(n *source.Node) ([]byte, error) {
	if !n.IsScalar() {
		if c.p.formats[0] == payload.Form {
			return formOf(n)
		}
		return payload.Encode(field.Plain(n))
	}
	if isExampleText(n.Text) {
		return []byte(n.Text), nil // DiPeO writes examples as JSON text
	}
	return c.doc.ReadFileAt(n, n.Text)
}

// isExampleText tells an example that is written out from the name of a file.
func isExampleText(t string) bool {
	begins := strings.TrimSpace(t)
	return strings.HasPrefix(begins, "{") || strings.HasPrefix(begins, "[") || strings.HasPrefix(begins, "<") || strings.Contains(t, "\n")
}

// exampleError places an error of an example that is no JSON: in its own file, or in the text.
func (c *compiler) exampleError(n *source.Node, body []byte, err error) (source.Span, string) {
	if !n.IsScalar() {
		return n.Span, err.Error()
	}
	if isExampleText(n.Text) {
		return textError(n, nil, err)
	}
	return textError(n, besideFile(n, n.Text, body), err)
}

// formOf writes a map of scalars as an urlencoded form, in the order written.
func formOf(n *source.Node) ([]byte, error) {
	if n.Kind != source.Map {
		return nil, fmt.Errorf("a form is a map of fields, not %s", n.Kind.WithArticle())
	}
	var b strings.Builder
	for i, e := range n.Entries {
		if !e.Value.IsScalar() {
			return nil, fmt.Errorf("the field `%s` of a form is text, not %s", e.Key.Text, e.Value.Kind.WithArticle())
		}
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(e.Key.Text) + "=" + url.QueryEscape(e.Value.Text))
	}
	return []byte(b.String()), nil
}
