package provider

import (
	"errors"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/signature"
	"github.com/headgate/headgate/engine/source"
)

// Bounds of an answer that a provider wants: what a stranger sends must not become a large answer.
const (
	maxReplyBytes   = 64 << 10
	maxHeaderBytes  = 4 << 10
	maxReplyHeaders = 16
	maxReplyDepth   = 16
)

// reply is one compiled answer. Where nothing in it depends on a request it is made once, when it is compiled.
type reply struct {
	fixed  *Reply
	status int
	kind   string
	header []replyHeader
	body   []piece
}

type replyHeader struct {
	name  string
	value piece
}

// piece is a literal or a template. What a template gives is written as the inside of a JSON string where quoted.
type piece struct {
	literal  []byte
	template *signature.Template
	quoted   bool
}

// errHeaderText says that a header of an answer would hold what no header may.
var errHeaderText = errors.New("a header of the answer would not be one line of text")

// render makes the answer to a request; key is that of keyed functions. The error says what the request lacks, and holds nothing secret.
func (t *reply) render(r *signature.Request, key []byte) (*Reply, error) {
	if t.fixed != nil {
		return t.fixed, nil
	}
	out := &Reply{Status: t.status, Type: t.kind}
	for i := range t.header {
		v, err := t.header[i].value.appendTo(nil, r, key, maxHeaderBytes)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(v, func(b byte) bool { return b < ' ' && b != '\t' || b == 0x7f }) {
			return nil, errHeaderText
		}
		out.Header = append(out.Header, Header{Name: t.header[i].name, Value: string(v)})
	}
	for i := range t.body {
		var err error
		if out.Body, err = t.body[i].appendTo(out.Body, r, key, maxReplyBytes); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// templates walks over the templates of the answer.
func (t *reply) templates(yield func(*signature.Template) bool) {
	for _, h := range t.header {
		if h.value.template != nil && !yield(h.value.template) {
			return
		}
	}
	for _, p := range t.body {
		if p.template != nil && !yield(p.template) {
			return
		}
	}
}

// appendTo adds what the piece gives; nothing gets longer than limit.
func (p *piece) appendTo(dst []byte, r *signature.Request, key []byte, limit int) ([]byte, error) {
	if p.template == nil {
		return append(dst, p.literal...), nil
	}
	v, err := p.template.BytesWith(r, key, limit-min(limit, len(dst)))
	switch {
	case err != nil:
		return nil, err
	case !p.quoted:
		return append(dst, v...), nil
	}
	quoted, err := payload.EncodeMax(strings.ToValidUTF8(string(v), string(utf8.RuneError)), limit)
	if err != nil {
		return nil, signature.ErrTooLong
	}
	return append(dst, quoted[1:len(quoted)-1]...), nil
}

// replyCompiler compiles one answer.
type replyCompiler struct {
	*compiler
	// constant refuses templates: a refusal says nothing of the request.
	constant bool
}

// compile gives the answer that a map describes; nil for none. What v leaves out is taken from base, where that is not nil.
func (c replyCompiler) compile(v *field.Values, base *reply) *reply {
	if v == nil {
		return nil
	}
	t := &reply{status: int(v.Int("status")), kind: v.String("type")}
	if base != nil {
		if t.status == 0 {
			t.status = base.status
		}
		t.header, t.body = base.header, base.body
		if t.kind == "" && !v.Has("body") && !v.Has("json") {
			t.kind = base.kind
		}
	}
	if strings.ContainsFunc(t.kind, func(r rune) bool { return r < ' ' || r > '~' }) {
		c.out.Errorf(diag.BadHeader, v.Span("type"), "", "`type` is no content type")
	}
	if v.Has("headers") {
		t.header = c.headers(v.Node("headers"))
	}
	fallback := ""
	switch {
	case v.Has("body") && v.Has("json"):
		c.out.Errorf(diag.BadValue, v.KeySpan("json"), "leave one of them", "`body` and `json` say the same thing")
	case v.Has("body"):
		t.body = nil
		if p, ok := c.piece(v.Node("body"), false); ok && (p.template != nil || len(p.literal) > 0) {
			t.body, fallback = []piece{p}, "text/plain; charset=utf-8"
		}
	case v.Has("json"):
		w := jsonWriter{replyCompiler: c}
		w.value(v.Node("json"), 0)
		w.flush()
		t.body, fallback = w.pieces, "application/json"
	}
	if t.kind == "" {
		t.kind = fallback
	}
	// What can be made without a request is made now. A keyed function needs a key, which rotates, so it is never fixed.
	fixed, err := t.render(&signature.Request{}, nil)
	switch {
	case err == nil && t.constant():
		t.fixed = fixed
	case c.constant:
		c.out.Errorf(diag.BadTemplate, v.Root().Span, "", "this answer cannot be made without a request")
		return nil
	}
	return t
}

// constant says whether no template of the answer names anything of a request.
func (t *reply) constant() bool {
	for _, p := range t.pieces() {
		if p.template != nil && !p.template.Constant() {
			return false
		}
	}
	return true
}

// uses says whether any template of the answer names a source.
func (t *reply) uses(source string) bool {
	return slices.ContainsFunc(t.pieces(), func(p piece) bool { return p.template != nil && p.template.Uses(source) })
}

func (t *reply) pieces() []piece {
	out := slices.Clone(t.body)
	for _, h := range t.header {
		out = append(out, h.value)
	}
	return out
}

// piece compiles a scalar. A text without a placeholder and without a backslash is taken as it stands, so that the brackets of an
// answer such as [accepted] mean nothing.
func (c replyCompiler) piece(n *source.Node, quoted bool) (piece, bool) {
	if n == nil || n.Refused || !n.IsScalar() {
		return piece{}, false
	}
	t := text(n)
	if (n.Value == nil || !n.Value.HasRef()) && !strings.Contains(t, `\`) && !hasPlaceholder(t) {
		return piece{literal: []byte(t)}, true
	}
	template := signature.Parse(n, signature.Reply, c.scope, c.out)
	if template == nil {
		return piece{}, false
	}
	if c.constant && !template.Constant() {
		c.out.Errorf(diag.BadTemplate, n.Span, `write \{ for a literal brace`, "a refusal is the same for every request, because nobody knows who sent it")
		return piece{}, false
	}
	return piece{template: template, quoted: quoted}, true
}

// hasPlaceholder says whether a brace stands before a letter, which is what begins a {source}.
func hasPlaceholder(t string) bool {
	for i := 0; i+1 < len(t); i++ {
		if t[i] == '{' && t[i+1] >= 'a' && t[i+1] <= 'z' {
			return true
		}
	}
	return false
}

// headers compiles the further headers of an answer.
func (c replyCompiler) headers(n *source.Node) []replyHeader {
	var out []replyHeader
	if n.Kind != source.Map {
		return nil
	}
	for _, e := range n.Entries {
		name := textproto.CanonicalMIMEHeaderKey(e.Key.Text)
		switch {
		case !isHeaderName(name):
			c.out.Errorf(diag.BadHeader, e.Key.Span, "", "`%s` is no header name", e.Key.Text)
		case name == "Content-Type":
			c.out.Errorf(diag.BadHeader, e.Key.Span, "write `type`", "the Content-Type has a key of its own")
		case slices.Contains(reservedHeaders(), name):
			c.out.Errorf(diag.BadHeader, e.Key.Span, "leave it out", "`%s` is not for a manifest to set", name)
		default:
			if p, ok := c.piece(e.Value, false); ok {
				out = append(out, replyHeader{name: name, value: p})
			}
		}
	}
	return out
}

// reservedHeaders are those that the connection or every answer has, and cookies, which some providers refuse.
func reservedHeaders() []string {
	return []string{
		"Connection", "Content-Length", "Date", "Keep-Alive", "Set-Cookie", "Trailer", "Transfer-Encoding", "Upgrade",
		"X-Content-Type-Options", http.CanonicalHeaderKey("X-Request-Id"),
	}
}

// isHeaderName says whether a text is a token (RFC 9110).
func isHeaderName(name string) bool {
	for i := range len(name) {
		b := name[i]
		if b <= ' ' || b >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?={}`, b) >= 0 {
			return false
		}
	}
	return name != ""
}

// jsonWriter writes a value of a manifest as JSON with templates in its strings. Names stand in the order written.
type jsonWriter struct {
	replyCompiler
	literal []byte
	pieces  []piece
}

func (w *jsonWriter) flush() {
	if len(w.literal) > 0 {
		w.pieces = append(w.pieces, piece{literal: w.literal})
		w.literal = nil
	}
}

func (w *jsonWriter) value(n *source.Node, depth int) {
	if depth > maxReplyDepth {
		w.out.Errorf(diag.BadValue, n.Span, "", "an answer nests at most %d levels", maxReplyDepth)
		return
	}
	switch n.Kind {
	case source.Map:
		w.literal = append(w.literal, '{')
		for i, e := range n.Entries {
			if i > 0 {
				w.literal = append(w.literal, ',')
			}
			w.encode(e.Key.Text)
			w.literal = append(w.literal, ':')
			w.value(e.Value, depth+1)
		}
		w.literal = append(w.literal, '}')
	case source.List:
		w.literal = append(w.literal, '[')
		for i, item := range n.Items {
			if i > 0 {
				w.literal = append(w.literal, ',')
			}
			w.value(item, depth+1)
		}
		w.literal = append(w.literal, ']')
	case source.String:
		p, ok := w.piece(n, true)
		switch {
		case !ok:
		case p.template == nil:
			w.encode(string(p.literal))
		default:
			w.literal = append(w.literal, '"')
			w.flush()
			w.pieces = append(w.pieces, p)
			w.literal = append(w.literal, '"')
		}
	default:
		w.encode(field.Plain(n))
	}
}

// encode writes a value that has no templates.
func (w *jsonWriter) encode(v any) {
	b, err := payload.Encode(v)
	if err != nil {
		return // scalars and texts have a JSON form
	}
	w.literal = append(w.literal, b...)
}

// replies compiles `ack` and `reject`.
func (c *compiler) replies() {
	c.p.ack = replyCompiler{compiler: c}.compile(c.v.Object("ack"), nil)
	n := c.v.Node("reject")
	if n == nil {
		return
	}
	if n.Kind != source.Map {
		n = source.NewMap(n.Span, source.NewEntry("status", n.Span, n))
	}
	v := rejectObject().DecodeAt("reject", n, c.out)
	constant := replyCompiler{compiler: c, constant: true}
	base := constant.compile(v, nil)
	if base != nil {
		c.p.reject = base.fixed
	}
	on := v.Node("on")
	if on == nil || base == nil {
		return
	}
	object := onObject()
	byCode := object.DecodeAt("reject.on", on, c.out)
	c.p.rejectOn = map[string]*Reply{}
	for _, code := range object.Names() {
		if t := constant.compile(byCode.Object(code), base); t != nil {
			c.p.rejectOn[code] = t.fixed
		}
	}
}
