package trial

import (
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/source"
)

// stimulus is what a case sends, at once or later: a request (of send, handshake and request exactly one is set), an event that no
// request carried, or the input of a pipeline's start.
type stimulus struct {
	span  source.Span
	after time.Duration
	// provider gets the request.
	provider string
	// send is the name of the event whose example is sent; sendSpan is its place.
	send      string
	sendSpan  source.Span
	handshake *source.Node
	request   *request
	sign      bool
	rule      int    // -1 for the first that can sign
	set       []edit // of the example, in order; those that are fresh last
	change    change
	// plain is an event as it is, with its body.
	plain *event.Event
	// input is JSON; nil for none.
	input []byte
	// Of a later event: its number, and what is to become of it; nil where it must be accepted.
	number int
	expect *field.Values
}

// carried says whether the stimulus is a request.
func (s *stimulus) carried() bool { return s.plain == nil && s.input == nil }

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
	// fresh says that the place is a new one.
	fresh bool
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

// kindsOf names the keys of a stimulus of which exactly one is there.
func kindsOf(ofPipeline, later bool) []string {
	switch {
	case later:
		return []string{"send", "request", "event", "stored"}
	case ofPipeline:
		return []string{"send", "request", "event", "stored", "input"}
	}
	return []string{"send", "handshake", "request"}
}

// stimulus decodes what a case, or one of its later events, sends.
func (p planner) stimulus(s *suite, v *field.Values, later bool) stimulus {
	st := stimulus{sign: v.Bool("sign"), rule: -1}
	if s.provider != nil {
		st.provider = s.provider.Name
	}
	if v.Has("rule") {
		st.rule = int(v.Int("rule"))
	}
	if r := v.Object("request"); r != nil {
		st.request = p.request(s, r)
		p.receiver(s, &st, r)
	}
	p.oneKind(s, v, later)
	signed := !v.Has("request") || st.sign
	switch {
	case v.Has("sign") && !v.Has("request"):
		p.out.Errorf(diag.BadValue, v.KeySpan("sign"), "leave it out, or write `change: {signature: removed}`", "`sign` is for a `request`; what else is sent is always signed")
	case v.Has("rule") && !signed:
		p.out.Errorf(diag.BadValue, v.KeySpan("rule"), "add `sign: true`", "`rule` does nothing for a request that is not signed")
	}
	if v.Has("send") && v.Good("send") {
		p.send(s, &st, v)
	}
	if !later {
		st.handshake = v.Node("handshake")
		if n := st.handshake; n != nil && (!n.IsScalar() || n.Kind == source.Null) {
			p.out.Errorf(diag.WrongType, n.Span, "", "`%s` takes the name of a handshake or its number, not %s", v.Path("handshake"), n.Kind.WithArticle())
		}
		if n := v.Node("input"); n != nil {
			st.input = p.input(v.Path("input"), n)
			p.startable(s, v)
		}
	}
	for _, key := range []string{"set", "add"} {
		n := v.Node(key)
		if n == nil {
			continue
		}
		for _, e := range p.edits(v.Path(key), n) {
			e.fresh = key == "add"
			st.set = append(st.set, e)
		}
		if !v.Has("send") {
			p.out.Errorf(diag.BadValue, v.KeySpan(key), "write the body that is wanted", "`%s` changes an event's example, and there is no `send`", key)
		}
	}
	if ch := v.Object("change"); ch != nil {
		st.change = p.change(ch)
		if st.change.unsigned && !signed {
			p.out.Errorf(diag.BadValue, ch.Span("signature"), "leave the signature out of the request", "`signature: removed` does nothing for a request that is not signed")
		}
		if !v.Has("send") && !v.Has("request") && (later || !v.Has("handshake")) {
			p.out.Errorf(diag.BadValue, v.KeySpan("change"), "", "`change` changes a request, and none is sent")
		}
	}
	if e := v.Object("event"); e != nil {
		st.plain = p.plainEvent(e)
	}
	if v.Has("stored") && v.Good("stored") {
		st.plain = p.stored(s.doc, v)
	}
	return st
}

// oneKind wants exactly one of the keys that send something.
func (p planner) oneKind(s *suite, v *field.Values, later bool) {
	keys := kindsOf(s.pipeline != nil, later)
	kinds := 0
	for _, key := range keys {
		if v.Has(key) || !v.Good(key) {
			kinds++
		}
	}
	at := v.Root().Span
	if !later {
		at = v.KeySpan("name")
	}
	switch {
	case kinds == 0 && s.pipeline != nil:
		p.out.Errorf(diag.MissingKey, at, "add `send: PROVIDER/EVENT`, `event: {provider: …, payload: …}` or another of `"+strings.Join(keys, "`, `")+"`", "`%s` sends nothing", where(v))
	case kinds == 0:
		p.out.Errorf(diag.MissingKey, at, "add `send: EVENT`, `handshake: NAME` or `request: {body: …}`", "`%s` sends nothing", where(v))
	case kinds > 1 && s.pipeline != nil:
		p.out.Errorf(diag.BadValue, at, "leave one of `"+strings.Join(keys, "`, `")+"`; what comes later stands below `events`", "`%s` sends more than one thing", where(v))
	case kinds > 1:
		p.out.Errorf(diag.BadValue, at, "leave one of `send`, `handshake` and `request`", "`%s` sends more than one request", where(v))
	}
}

// send reads the name of an event, in the test of a pipeline with its provider before it.
func (p planner) send(s *suite, st *stimulus, v *field.Values) {
	st.send, st.sendSpan = v.String("send"), v.Span("send")
	if s.pipeline == nil {
		return
	}
	provider, name, ok := strings.Cut(st.send, "/")
	if !ok {
		hint := "write PROVIDER/EVENT"
		if names := p.bundle.Names(manifest.Provider); len(names) > 0 {
			hint += ", such as " + names[0] + "/" + st.send
		}
		p.out.Errorf(diag.BadValue, st.sendSpan, hint, "`%s` does not say whose event `%s` is", v.Path("send"), st.send)
		return
	}
	st.provider, st.send = provider, name
	p.known(provider, st.sendSpan)
}

// receiver finds who gets a written request.
func (p planner) receiver(s *suite, st *stimulus, r *field.Values) {
	switch {
	case s.pipeline == nil && r.Has("provider"):
		p.out.Errorf(diag.UnknownKey, r.KeySpan("provider"), "leave it out", "`%s` is for the test of a pipeline", r.Path("provider"))
	case s.pipeline == nil:
	case !r.Has("provider") && r.Good("provider"):
		p.out.Errorf(diag.MissingKey, r.Root().Span, "add `provider: NAME`", "`%s` does not say which provider gets it", where(r))
	case r.Has("provider"):
		st.provider = r.String("provider")
		p.known(st.provider, r.Span("provider"))
	}
}

func (p planner) known(provider string, at source.Span) {
	if p.bundle.Find(manifest.Provider, provider) == nil && p.bundle.Complete() {
		p.out.Errorf(diag.DanglingReference, at, diag.DidYouMean(provider, p.bundle.Names(manifest.Provider)), "there is no provider `%s`", provider)
	}
}

func (p planner) request(s *suite, v *field.Values) *request {
	r := &request{method: v.String("method"), path: v.String("path"), query: strings.TrimPrefix(v.String("query"), "?")}
	if n := v.Node("headers"); n != nil {
		r.headers = p.headers(v.Path("headers"), n, false)
	}
	if v.Has("file") {
		return p.saved(s.doc, v, r)
	}
	given := 0
	for _, key := range []string{"body", "json", "body_file"} {
		if v.Has(key) {
			given++
		}
	}
	if given > 1 {
		p.out.Errorf(diag.BadValue, v.Root().Span, "", "`%s` takes one of `body`, `json` and `body_file`", where(v))
	}
	var err error
	switch {
	case v.Has("body"):
		r.body = []byte(v.String("body"))
	case v.Has("json"):
		r.json = true
		if r.body, err = encoded(v.Node("json")); err != nil {
			p.out.Errorf(diag.BadValue, v.Span("json"), "", "`%s` cannot be written as JSON: %s", v.Path("json"), err)
		}
	case v.Has("body_file") && v.Good("body_file"):
		if r.body, err = s.doc.ReadFileAt(v.Node("body_file"), v.String("body_file")); err != nil {
			p.out.Errorf(diag.Unreadable, v.Span("body_file"), "", "%s", err)
		}
	}
	return r
}

// saved reads the file of a request. Headers that are written beside it replace its own.
func (p planner) saved(doc *manifest.Document, v *field.Values, r *request) *request {
	for _, key := range []string{"method", "path", "query", "body", "json", "body_file"} {
		if v.Has(key) {
			p.out.Errorf(diag.BadValue, v.KeySpan(key), "", "`%s` stands in the `file` already", v.Path(key))
		}
	}
	if !v.Good("file") {
		return r
	}
	data, err := doc.ReadFileAt(v.Node("file"), v.String("file"))
	if err != nil {
		p.out.Errorf(diag.Unreadable, v.Span("file"), "", "%s", err)
		return r
	}
	saved, err := ReadRequest(data)
	if err != nil {
		p.out.Errorf(diag.BadValue, v.Span("file"), "it begins with `POST /path HTTP/1.1`, then headers, an empty line and the body", "`%s` is no request: %s", v.String("file"), err)
		return r
	}
	r.method, r.query, r.body = saved.Method, saved.Query, saved.Body
	own := r.headers
	r.headers = nil
	for name, values := range saved.Header {
		if !slices.ContainsFunc(own, func(h header) bool { return h.name == name }) {
			r.headers = append(r.headers, header{name: name, values: values})
		}
	}
	r.headers = append(r.headers, own...)
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

func (p planner) change(v *field.Values) change {
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
		c.edits = p.edits(v.Path("json"), n)
		if v.Has("body") {
			p.out.Errorf(diag.BadValue, v.KeySpan("json"), "", "`%s` takes one of `body` and `json`", where(v))
		}
	}
	if n := v.Node("headers"); n != nil {
		c.headers = p.headers(v.Path("headers"), n, true)
	}
	if v.Has("query") {
		text := strings.TrimPrefix(v.String("query"), "?")
		c.query = &text
	}
	if v.Has("clock") && v.Good("clock") {
		text, back := strings.CutPrefix(v.String("clock"), "-")
		d, err := field.ParseDuration(text)
		if err != nil {
			p.out.Errorf(diag.BadValue, v.Span("clock"), err.Error(), "`%s` cannot be `%s`", v.Path("clock"), v.String("clock"))
		}
		if c.clock = d; back {
			c.clock = -d
		}
	}
	return c
}

// where names a map as messages do: "cases[0].request".
func where(v *field.Values) string { return strings.TrimSuffix(v.Path(""), ".") }

func isFalse(n *source.Node) bool { return strings.EqualFold(n.Text, "false") }
