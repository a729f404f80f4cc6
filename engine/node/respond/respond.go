// Package respond is the node that answers the sender's request, which is kept open for it.
//
// The first reply of an event counts. Where none comes in time the sender is told that the event was taken.
package respond

import (
	"context"
	"fmt"
	"net/textproto"
	"slices"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/script/value"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/hooks"
)

// CodeBadHeader says that a template gave what cannot be the value of a header.
const CodeBadHeader script.Code = "bad_header"

// Bounds of the headers of an answer: what clients and proxies between take, and no more than a listener's own room for them.
const (
	maxHeader  = 8 << 10  // bytes of one value
	maxHeaders = 32 << 10 // bytes of all names and values
)

const contentType = "Content-Type"

// Type describes the respond node.
func Type() node.Type {
	return node.Type{
		Name:      "respond",
		Doc:       "Answers the sender's request, which is kept open for it.",
		NoTimeout: "`props.timeout` says how long the sender's request stays open",
		Props: &field.Object{
			Name: "respond",
			Doc:  "The answer.",
			Fields: []field.Field{
				{Name: "status", Type: field.Int, Shown: true, Min: 200, Max: 599, Default: "200", Doc: "The status code."},
				{Name: "headers", Type: field.StringMap, Shown: true, Max: 50, Doc: "Headers by name; the values may be templates. One that is null is left out.", Example: `{X-Order: "{{ payload.id }}"}`},
				{Name: "body", Type: field.Any, Doc: "A map or a list is sent as JSON, a string as plain text; strings in it may be templates. Default: empty.", Example: `{ok: true, id: "{{ payload.id }}"}`},
				{
					Name: "timeout", Type: field.Duration, Min: int64(time.Second), Max: int64(25 * time.Second), Default: "10s",
					Doc: "How long the sender's request stays open. If there is no answer by then, it gets 202.",
				},
			},
			Hints: map[string]string{
				"code": "write `status`", "status_code": "write `status`", "statusCode": "write `status`", "http_status": "write `status`",
				"payload": "write `body`", "json": "write `body`", "text": "write `body`", "data": "write `body`", "content": "write `body`", "message": "write `body`",
				"content_type": "write `headers: {Content-Type: …}`", "header": "write `headers`", "wait": "write `timeout`", "deadline": "write `timeout`",
			},
		},
		Build: build,
	}
}

// reserved headers belong to the connection or to the gateway; a cookie has nobody to keep it.
func reserved() []string {
	return []string{
		"Connection", "Content-Length", "Date", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Set-Cookie", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade", "X-Request-Id",
	}
}

type respond struct {
	status  int
	headers []header
	body    *script.Tree // nil: empty
	timeout time.Duration
}

type header struct {
	name  string
	value *script.Template
}

var _ node.Responder = (*respond)(nil)

// Responds implements node.Responder.
func (n *respond) Responds() time.Duration { return n.timeout }

func build(p *field.Values, env node.Env, out *diag.List) node.Node {
	n := &respond{status: int(p.Int("status")), timeout: p.Duration("timeout")}
	if p.Has("body") && p.Good("body") {
		if empty := n.status == 204 || n.status == 205 || n.status == 304; empty && p.Good("status") && p.Node("body").Kind != source.Null {
			out.Errorf(diag.BadValue, p.KeySpan("body"), "leave it out, or write another status", "an answer with the status %d has no body", n.status)
		}
		n.body = script.CompileTree(p.Node("body"), env.Scope, out)
	}
	if h := p.Node("headers"); h != nil && h.Kind == source.Map {
		n.headers = compileHeaders(h, env, out)
	}
	return n
}

func compileHeaders(n *source.Node, env node.Env, out *diag.List) []header {
	var headers []header
	for _, e := range n.Entries {
		if !e.Value.IsScalar() || e.Value.Kind == source.Null || e.Value.Value != nil && e.Value.Value.HasRef() {
			continue // has been found wrong already
		}
		name := textproto.CanonicalMIMEHeaderKey(e.Key.Text)
		switch {
		case hooks.CheckHeader(e.Key.Text, "") != nil:
			out.Errorf(diag.BadHeader, e.Key.Span, "", "`%s` is no name of a header", e.Key.Text)
			continue
		case slices.Contains(reserved(), name):
			out.Errorf(diag.BadHeader, e.Key.Span, "leave it out", "the header `%s` is not for a manifest to set", e.Key.Text)
			continue
		case slices.ContainsFunc(headers, func(h header) bool { return h.name == name }):
			out.Errorf(diag.DuplicateKey, e.Key.Span, "names of headers have no case; write it once", "the header `%s` is written twice", e.Key.Text)
			continue
		}
		h := header{name: name, value: script.CompileTemplate(script.FromNode(e.Value), env.Scope, out)}
		if h.value == nil {
			continue
		}
		if fixed, ok := h.value.Static(); ok {
			switch {
			case hooks.CheckHeader(name, fixed) != nil:
				out.Errorf(diag.BadHeader, e.Value.Span, "a value is one line", "the value of the header `%s` holds control characters", e.Key.Text)
				continue
			case len(fixed) > maxHeader:
				out.Errorf(diag.BadHeader, e.Value.Span, "", "the value of the header `%s` has %d bytes, and the most is %d", e.Key.Text, len(fixed), maxHeader)
				continue
			}
		}
		headers = append(headers, h)
	}
	return headers
}

// wrong says why a text cannot be the value of a header; total is what it makes of all headers so far, in bytes.
func wrong(name, text string, total int) string {
	switch {
	case hooks.CheckHeader(name, text) != nil:
		return "its value holds control characters"
	case len(text) > maxHeader:
		return fmt.Sprintf("its value has %d bytes, and the most is %d", len(text), maxHeader)
	case total > maxHeaders:
		return fmt.Sprintf("with it all headers have %d bytes, and the most is %d", total, maxHeaders)
	}
	return ""
}

// Do makes the answer.
func (n *respond) Do(ctx context.Context, in node.Input) (node.Outcome, error) {
	out := node.Reply{Status: n.status, Headers: make(map[string]string, len(n.headers)+1)}
	total := 0
	for _, h := range n.headers {
		v, err := h.value.Render(ctx, in.Env)
		if err != nil {
			return nil, fmt.Errorf("rendering the header %s: %w", h.name, err)
		}
		switch v.(type) {
		case nil:
			continue
		case map[string]any, []any:
			return nil, fmt.Errorf("rendering the header %s: %w", h.name, &script.Error{Code: CodeBadHeader, Message: "it is a list or a map"})
		}
		budget := value.NewBudget(ctx)
		text, err := budget.Text(v)
		if err != nil {
			return nil, fmt.Errorf("rendering the header %s: %w", h.name, err)
		}
		total += len(h.name) + len(text)
		if why := wrong(h.name, text, total); why != "" {
			return nil, fmt.Errorf("rendering the header %s: %w", h.name, &script.Error{Code: CodeBadHeader, Message: why})
		}
		out.Headers[h.name] = text
	}
	if n.body == nil {
		return out, nil
	}
	body, err := n.body.Render(ctx, in.Env)
	if err != nil {
		return nil, fmt.Errorf("rendering the body: %w", err)
	}
	kind := "application/json"
	switch b := body.(type) {
	case nil:
		return out, nil
	case string:
		out.Body, kind = []byte(b), "text/plain; charset=utf-8"
	default:
		if out.Body, err = payload.Encode(b); err != nil {
			return nil, fmt.Errorf("writing the body as JSON: %w", err)
		}
	}
	if out.Headers[contentType] == "" {
		out.Headers[contentType] = kind
	}
	return out, nil
}
