package destination

import (
	"context"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/fault"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/hooks"
)

// Headers that every request carries.
const (
	headerContentType = "Content-Type"
	headerIdempotency = "Idempotency-Key"
	headerTraceparent = "Traceparent"
	headerAttempt     = "Headgate-Attempt"
	headerFirst       = "Headgate-First-Attempt-At"
	headerUserAgent   = "User-Agent"
)

// header is one header of the manifest: fixed, or a template.
type header struct {
	name     string // in canonical form
	value    string
	template *script.Template // nil for a fixed value
	shown    bool             // no reference and no part of an event is in it
}

func canonical(name string) string { return textproto.CanonicalMIMEHeaderKey(name) }

// reservedHeaders belong to the connection or to Headgate.
func reservedHeaders() []string {
	return []string{
		"Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Proxy-Connection", "Trailer", "Te", "Upgrade", "Expect", "Accept-Encoding",
		headerAttempt, headerFirst,
	}
}

func isReserved(name string) bool { return slices.Contains(reservedHeaders(), name) }

// credentialHeaders hold secrets by their nature.
func credentialHeaders() []string {
	return []string{"Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "Api-Key", "X-Auth-Token"}
}

// compileHeaders compiles `headers`, in the order written.
func (c *compiler) compileHeaders() []header {
	values := c.v.TextMap(keyHeaders)
	n := c.v.Node(keyHeaders)
	if n == nil || n.Kind != source.Map {
		return nil
	}
	var headers []header
	seen := make(map[string]bool)
	for _, e := range n.Entries {
		name := canonical(e.Key.Text)
		text, decoded := values[e.Key.Text]
		switch {
		case !decoded:
			continue // has been found wrong already
		case hooks.CheckHeader(e.Key.Text, "") != nil:
			c.out.Errorf(diag.BadHeader, e.Key.Span, "", "`%s` is no name of a header", e.Key.Text)
			continue
		case isReserved(name):
			c.out.Errorf(diag.BadHeader, e.Key.Span, "leave it out", "the header `%s` is set by the connection, or by Headgate itself", e.Key.Text)
			continue
		case seen[name]:
			c.out.Errorf(diag.DuplicateKey, e.Key.Span, "names of headers have no case; write it once", "the header `%s` is written twice", e.Key.Text)
			continue
		}
		seen[name] = true

		h := header{name: name}
		if text.HasRef() {
			h.value = c.secretValue(e, text)
		} else if h.template = script.CompileTemplate(script.FromNode(e.Value), c.requests, c.out); h.template == nil {
			continue
		} else if fixed, ok := h.template.Static(); ok {
			h.value, h.template, h.shown = fixed, nil, !slices.Contains(credentialHeaders(), name)
			if slices.Contains(credentialHeaders(), name) {
				c.out.Errorf(diag.LiteralSecret, e.Value.Span, "write a reference such as `<<env.TOKEN>>`, and set that variable",
					"the header `%s` is a credential, and it is written into the manifest", e.Key.Text)
			}
		}
		if h.template == nil && hooks.CheckHeader(name, h.value) != nil {
			c.out.Errorf(diag.BadHeader, e.Value.Span, "a value is one line", "the value of the header `%s` holds control characters", e.Key.Text)
			continue
		}
		headers = append(headers, h)
	}
	return headers
}

// secretValue gives the value of a header that holds references.
func (c *compiler) secretValue(e source.Entry, text secret.Text) string {
	var value strings.Builder
	for _, p := range text.Parts() {
		if p.Ref == "" {
			if slices.ContainsFunc(script.Split(p.Literal), func(p script.Piece) bool { return p.Expression }) {
				c.out.Errorf(diag.ReferenceNotAllowed, e.Value.Span, "write two headers", "the header `%s` holds a reference and a template; it may hold either", e.Key.Text)
			}
			value.WriteString(script.Unescape(p.Literal))
			continue
		}
		if !p.Placeholder {
			c.d.secrets = append(c.d.secrets, p.Value)
		}
		value.WriteString(p.Value.Reveal())
	}
	return value.String()
}

// declaredContentType gives the fixed Content-Type of the manifest; set says whether the manifest has any.
func (c *compiler) declaredContentType() (value string, set bool) {
	for _, h := range c.d.headers {
		if h.name == headerContentType {
			return h.value, true
		}
	}
	return "", false
}

// renderHeaders gives the manifest's headers for one event, and those of its type where the manifest has none of the name.
func (d *Destination) renderHeaders(ctx context.Context, env *script.Env) (http.Header, error) {
	out := make(http.Header, len(d.headers)+8)
	if err := renderMissing(ctx, env, d.headers, out); err != nil {
		return nil, err
	}
	return out, renderMissing(ctx, env, d.kind.headers, out)
}

// renderMissing adds headers of names that out has not. A template that gives null, and no text around it, leaves its header out.
func renderMissing(ctx context.Context, env *script.Env, headers []header, out http.Header) error {
	for _, h := range headers {
		if _, set := out[h.name]; set {
			continue
		}
		value := h.value
		if h.template != nil {
			v, err := h.template.Render(ctx, env)
			if err != nil {
				return fault.New(fault.Invalid, CodeBadHeader, "the template of the header "+h.name+" failed", err)
			}
			if v == nil {
				continue
			}
			text, ok := scalarText(v)
			if !ok {
				return fault.New(fault.Invalid, CodeBadHeader, "the template of the header "+h.name+" gave a list or a map", nil)
			}
			value = strings.TrimSpace(text)
		}
		if hooks.CheckHeader(h.name, value) != nil {
			return fault.New(fault.Invalid, CodeBadHeader, "the value of the header "+h.name+" holds control characters", nil)
		}
		out[h.name] = []string{value}
	}
	return nil
}
