package trial

import (
	"fmt"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/source"
)

// suite is one test document, decoded.
type suite struct {
	doc    *manifest.Document
	target *manifest.Document // the provider's; nil where there is none
	with   *source.Node       // a map; nil for none
	now    time.Time
	cases  []trialCase
}

// trialCase is one case. Of send, handshake and request exactly one is set.
type trialCase struct {
	name      string
	span      source.Span
	send      *source.Node
	handshake *source.Node
	request   *request
	sign      bool
	rule      int // -1 for the first that can sign
	set       []edit
	change    change
	expect    *field.Values
}

// request is a request that is written out.
type request struct {
	method, path, query string
	headers             []header
	body                []byte
	json                bool // the body was written as a value
}

// header is one header with its values; none take it away.
type header struct {
	name   string
	values []string
	node   *source.Node
}

// edit puts a value at a path of a JSON body.
type edit struct {
	path  string
	value []byte
	span  source.Span
}

// change is what happens to a request after it was signed.
type change struct {
	flip     bool
	body     *string
	edits    []edit
	headers  []header
	query    *string
	method   string
	unsigned bool // the signature is taken away
	wrong    bool // the secret is another one
	clock    time.Duration
}

// planner decodes test documents.
type planner struct {
	bundle *manifest.Bundle
	out    *diag.List
}

// plan decodes a test document. What is wrong goes to out; cases that are wrong are left out.
func (p planner) plan(doc *manifest.Document) *suite {
	v := Object().Decode(doc.Root, p.out)
	s := &suite{doc: doc, with: v.Node("with")}
	if s.with != nil && s.with.Kind != source.Map {
		s.with = nil
	}
	if w := v.Object("with"); w != nil && w.Has("secret") && w.Has("secrets") {
		p.out.Errorf(diag.BadValue, w.KeySpan("secret"), "leave `secrets`, the current one first", "`secret` and `secrets` say the same thing")
	}
	now, err := time.Parse(time.RFC3339Nano, v.String("now"))
	if err != nil {
		p.out.Errorf(diag.BadValue, v.Span("now"), "write it like "+Now, "`now` is no time")
	}
	s.now = now.UTC()
	s.target = p.target(doc, v)
	first := map[string]source.Span{}
	for i, c := range v.Objects("cases") {
		name := c.String("name")
		if at, twice := first[name]; twice && name != "" {
			p.out.Add(diag.Finding{
				Severity: diag.Error, Rule: diag.DuplicateName, Span: c.Span("name"), Message: fmt.Sprintf("two cases are named %q", name),
				Related: []diag.Related{{Span: at, Message: "first used here"}},
			})
			continue
		}
		first[name] = c.Span("name")
		before := p.out.Count(diag.Error)
		one := p.one(doc, c, fmt.Sprintf("cases[%d]", i))
		if p.out.Count(diag.Error) == before {
			s.cases = append(s.cases, one)
		}
	}
	return s
}

// target finds the provider under test.
func (p planner) target(doc *manifest.Document, v *field.Values) *manifest.Document {
	if v.Has("provider") {
		name := v.String("provider")
		if d := p.bundle.Find(manifest.Provider, name); d != nil || name == "" {
			return d
		}
		if p.bundle.Complete() {
			p.out.Errorf(diag.DanglingReference, v.Span("provider"), diag.DidYouMean(name, p.bundle.Names(manifest.Provider)), "there is no provider `%s`", name)
		}
		return nil
	}
	if !v.Good("provider") {
		return nil
	}
	beside := p.bundle.Beside(doc, manifest.Provider)
	if len(beside) == 1 {
		return beside[0]
	}
	if !p.bundle.Complete() {
		return nil // the provider may stand in a document that could not be read, of which a finding tells
	}
	message := "no provider's manifest stands beside this test"
	if len(beside) > 1 {
		message = "several providers stand beside this test"
	}
	p.out.Errorf(diag.MissingKey, doc.NameSpan, "name the provider that is tested: `provider: NAME`", "%s", message)
	return nil
}

func (p planner) one(doc *manifest.Document, v *field.Values, path string) trialCase {
	c := trialCase{
		name: v.String("name"), span: v.Span("name"), send: v.Node("send"), handshake: v.Node("handshake"), sign: v.Bool("sign"), rule: -1,
		expect: v.Object("expect"),
	}
	if v.Has("rule") {
		c.rule = int(v.Int("rule"))
	}
	if r := v.Object("request"); r != nil {
		c.request = p.request(doc, path+".request", r)
	}
	kinds := 0
	for _, key := range []string{"send", "handshake", "request"} {
		if v.Has(key) || !v.Good(key) {
			kinds++
		}
	}
	signed := !v.Has("request") || c.sign
	switch {
	case kinds == 0:
		p.out.Errorf(diag.MissingKey, v.KeySpan("name"), "add `send: EVENT`, `handshake: NAME` or `request: {body: …}`", "`%s` sends nothing", path)
	case kinds > 1:
		p.out.Errorf(diag.BadValue, v.KeySpan("name"), "leave one of `send`, `handshake` and `request`", "`%s` sends more than one request", path)
	case v.Has("sign") && !v.Has("request"):
		p.out.Errorf(diag.BadValue, v.KeySpan("sign"), "leave it out, or write `change: {signature: removed}`", "`sign` is for a `request`; what else is sent is always signed")
	case v.Has("rule") && !signed:
		p.out.Errorf(diag.BadValue, v.KeySpan("rule"), "add `sign: true`", "`rule` does nothing for a request that is not signed")
	}
	if n := c.handshake; n != nil && (!n.IsScalar() || n.Kind == source.Null) {
		p.out.Errorf(diag.WrongType, n.Span, "", "`%s.handshake` takes the name of a handshake or its number, not %s", path, n.Kind.WithArticle())
	}
	if n := v.Node("set"); n != nil {
		c.set = p.edits(path+".set", n)
		if !v.Has("send") {
			p.out.Errorf(diag.BadValue, v.KeySpan("set"), "write the body that is wanted", "`set` changes an event's example, and there is no `send`")
		}
	}
	if ch := v.Object("change"); ch != nil {
		c.change = p.change(path+".change", ch)
		if c.change.unsigned && !signed {
			p.out.Errorf(diag.BadValue, ch.Span("signature"), "leave the signature out of the request", "`signature: removed` does nothing for a request that is not signed")
		}
	}
	if c.expect != nil {
		p.expectation(path+".expect", c.expect)
	}
	return c
}

func (p planner) request(doc *manifest.Document, path string, v *field.Values) *request {
	r := &request{method: v.String("method"), path: v.String("path"), query: strings.TrimPrefix(v.String("query"), "?")}
	if n := v.Node("headers"); n != nil {
		r.headers = p.headers(path+".headers", n, false)
	}
	given := 0
	for _, key := range []string{"body", "json", "body_file"} {
		if v.Has(key) {
			given++
		}
	}
	if given > 1 {
		p.out.Errorf(diag.BadValue, v.Root().Span, "", "`%s` takes one of `body`, `json` and `body_file`", path)
	}
	var err error
	switch {
	case v.Has("body"):
		r.body = []byte(v.String("body"))
	case v.Has("json"):
		r.json = true
		if r.body, err = encoded(v.Node("json")); err != nil {
			p.out.Errorf(diag.BadValue, v.Span("json"), "", "`%s` cannot be written as JSON: %s", path+".json", err)
		}
	case v.Has("body_file") && v.Good("body_file"):
		if r.body, err = doc.ReadFile(v.String("body_file")); err != nil {
			p.out.Errorf(diag.Unreadable, v.Span("body_file"), "", "%s", err)
		}
	}
	return r
}

// headers reads a map of headers: text, a list of texts, and where removal is possible null.
func (p planner) headers(path string, n *source.Node, removal bool) []header {
	if n.Kind != source.Map {
		p.out.Errorf(diag.WrongType, n.Span, "", "`%s` takes a map, not %s", path, n.Kind.WithArticle())
		return nil
	}
	var out []header
	for _, e := range n.Entries {
		h := header{name: textproto.CanonicalMIMEHeaderKey(e.Key.Text), node: e.Value}
		items := []*source.Node{e.Value}
		if e.Value.Kind == source.List {
			items = e.Value.Items
		}
		if e.Value.Kind == source.Null && removal {
			items = nil
		}
		for _, item := range items {
			if !item.IsScalar() || item.Kind == source.Null {
				p.out.Errorf(diag.WrongType, item.Span, "", "`%s.%s` takes text, not %s", path, e.Key.Text, item.Kind.WithArticle())
				continue
			}
			h.values = append(h.values, item.Text)
		}
		out = append(out, h)
	}
	return out
}

// edits reads a map of paths to values.
func (p planner) edits(path string, n *source.Node) []edit {
	if n.Kind != source.Map || len(n.Entries) == 0 {
		p.out.Errorf(diag.WrongType, n.Span, "write a map such as {data.id: other}", "`%s` takes a map of paths to values", path)
		return nil
	}
	var out []edit
	for _, e := range n.Entries {
		value, err := encoded(e.Value)
		if err != nil {
			p.out.Errorf(diag.BadValue, e.Value.Span, "", "`%s` cannot be written as JSON: %s", path, err)
			continue
		}
		out = append(out, edit{path: e.Key.Text, value: value, span: e.Key.Span})
	}
	return out
}

func (p planner) change(path string, v *field.Values) change {
	c := change{
		method: v.String("method"), unsigned: v.String("signature") != "", wrong: v.String("secret") != "",
	}
	if v.Has("body") {
		text := v.String("body")
		if c.flip = text == flipBody; !c.flip {
			c.body = &text
		}
	}
	if n := v.Node("json"); n != nil {
		c.edits = p.edits(path+".json", n)
		if v.Has("body") {
			p.out.Errorf(diag.BadValue, v.KeySpan("json"), "", "`%s` takes one of `body` and `json`", path)
		}
	}
	if n := v.Node("headers"); n != nil {
		c.headers = p.headers(path+".headers", n, true)
	}
	if v.Has("query") {
		text := strings.TrimPrefix(v.String("query"), "?")
		c.query = &text
	}
	if v.Has("clock") && v.Good("clock") {
		text, back := strings.CutPrefix(v.String("clock"), "-")
		d, err := field.ParseDuration(text)
		if err != nil {
			p.out.Errorf(diag.BadValue, v.Span("clock"), err.Error(), "`%s.clock` cannot be `%s`", path, v.String("clock"))
		}
		if c.clock = d; back {
			c.clock = -d
		}
	}
	return c
}

// expectation looks at the values of an expectation that may take several forms.
func (p planner) expectation(path string, v *field.Values) {
	if len(v.Root().Entries) == 0 {
		p.out.Errorf(diag.BadValue, v.Root().Span, "name a `verdict` at least", "`%s` expects nothing", path)
	}
	for _, key := range []string{"event", "delivery", "confirmed"} {
		if n := v.Node(key); n != nil && !n.IsScalar() {
			p.out.Errorf(diag.WrongType, n.Span, "", "`%s.%s` takes text, not %s", path, key, n.Kind.WithArticle())
		}
	}
	if n := v.Node("confirmed"); n != nil && n.Kind == source.Bool && !strings.EqualFold(n.Text, "false") {
		p.out.Errorf(diag.BadValue, n.Span, "write the URL that is asked, or `false`", "`%s.confirmed` cannot be `true`", path)
	}
	r := v.Object("reply")
	if r == nil {
		return
	}
	if n := r.Node("headers"); n != nil {
		p.headers(path+".reply.headers", n, true)
	}
	if r.Has("body") && r.Has("json") {
		p.out.Errorf(diag.BadValue, r.KeySpan("json"), "", "`%s.reply` takes one of `body` and `json`", path)
	}
}

// handshakeName gives what a case calls a handshake, as one of the provider's, by name or by number.
func handshakeName(n *source.Node, names []string) (string, bool) {
	if slices.Contains(names, n.Text) {
		return n.Text, true
	}
	if i, err := strconv.Atoi(n.Text); err == nil && i >= 0 && i < len(names) {
		return names[i], true
	}
	return "", false
}
