package dipeo

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/source"
)

// hook rewrites a hook node: what DiPeO writes flat goes under `config`, where the native node takes a destination's keys. A hook that
// subscribes to an event becomes a wait.
func (r *rewriter) hook(d *node) {
	props := d.props
	kind := props.Get("hook_type")
	if kind != nil && kind.Text != "webhook" && kind.Text != "http" {
		hint := "run it behind an HTTP endpoint, and write `hook_type: webhook`"
		switch kind.Text {
		case "python":
			hint = "write a `code_job` with its text"
		case "file":
			hint = "send it to whoever writes files, by `hook_type: webhook`"
		}
		r.out.Errorf(diag.DiPeONode, kind.Span, hint, "hooks of DiPeO's type `%s` do not run in a gateway", kind.Text)
		return
	}
	drop(props, "hook_type", "retry_count") // retry_count is never read there; the default schedule retries
	config := props.Get("config")
	if s := config.Get("subscribe_to"); s != nil {
		r.subscribe(d, config, s)
		return
	}
	tolerateURL(props)
	tolerateURL(config)
	if config == nil || config.Kind != source.Map {
		return
	}
	// The node's own timeout bounds the request as the one of config does; the nearer one wins.
	if t := props.Get("timeout"); t != nil && config.Get("timeout") != nil {
		drop(props, "timeout")
	}
}

// defaultWait is how long DiPeO waits for an event, in seconds.
const defaultWait = "60"

// subscribe makes a wait of a hook that waits for an event.
func (r *rewriter) subscribe(d *node, config, s *source.Node) {
	if s.Kind != source.Map {
		r.out.Errorf(diag.DiPeOValue, s.Span, "write {provider: NAME, event_name: EVENT, timeout: 60, filters: {…}}", "`subscribe_to` takes a map, not %s", s.Kind.WithArticle())
		return
	}
	wait := source.NewMap(s.Span)
	var filters source.Entry
	for _, e := range s.Entries {
		switch e.Key.Text {
		case "event_name":
			wait.Entries = append(wait.Entries, rename(e, "event", e.Value))
		case "filters":
			filters = e
		default:
			wait.Entries = append(wait.Entries, e)
		}
	}
	if wait.Get("timeout") == nil {
		span := config.KeySpan("subscribe_to")
		wait.Entries = append(wait.Entries, source.NewEntry("timeout", span, &source.Node{Kind: source.Int, Text: defaultWait, Span: span}))
	}
	r.equal(wait, filters)
	d.native, d.props = "wait", wait
	r.waits = append(r.waits, d.label)
}

// tolerateURL marks the address of a hook, which diagrams of DiPeO's hold as it is, secret or not.
func tolerateURL(m *source.Node) {
	if u := m.Get("url"); u != nil {
		u.Tolerated = true
	}
}

// apiJob becomes a hook.
func (r *rewriter) apiJob(d *node) {
	p := d.props
	d.native = "hook"
	tolerateURL(p)
	if params := take(p, "params"); !isEmpty(params.Value) {
		r.query(p, params)
	}
	auth, config := take(p, "auth_type"), take(p, "auth_config")
	if !isEmpty(auth.Value) && auth.Value.Text != "none" {
		r.auth(p, auth.Value, config)
	}
	if n := take(p, "max_retries"); n.Value != nil {
		retries, err := strconv.Atoi(n.Value.Text)
		if err != nil || retries < 0 {
			r.out.Errorf(diag.DiPeOValue, n.Value.Span, "", "`max_retries` takes a number from 0 on")
			return
		}
		attempts := &source.Node{Kind: source.Int, Text: strconv.Itoa(retries + 1), Span: n.Value.Span}
		p.Entries = append(p.Entries, rename(n, "retry", source.NewMap(n.Value.Span, source.NewEntry("max_attempts", n.Key.Span, attempts))))
	}
}

// query puts parameters behind the address.
func (r *rewriter) query(p *source.Node, params source.Entry) {
	address := p.Get("url")
	if params.Value.Kind != source.Map || address == nil || !address.IsScalar() {
		r.out.Errorf(diag.DiPeOValue, params.Value.Span, "write a map of names and values", "`params` takes a map beside a `url`")
		return
	}
	text, mark := address.Text, "?"
	if strings.Contains(text, "?") {
		mark = "&"
	}
	for _, e := range params.Value.Entries {
		value := e.Value.Text
		if !e.Value.IsScalar() {
			r.out.Errorf(diag.DiPeOValue, e.Value.Span, "", "a parameter takes a text, not %s", e.Value.Kind.WithArticle())
			return
		}
		if !strings.Contains(value, "{{") {
			value = url.QueryEscape(value)
		}
		text, mark = text+mark+url.QueryEscape(e.Key.Text)+"="+value, "&"
	}
	for i := range p.Entries {
		if p.Entries[i].Key.Text == "url" {
			n := with(address, text)
			n.Tolerated = true
			p.Entries[i].Value = n
		}
	}
}

// auth makes headers of DiPeO's ways to authenticate.
func (r *rewriter) auth(p, kind *source.Node, config source.Entry) {
	header := func(name string, value *source.Node, prefix string) {
		if isEmpty(value) {
			r.out.Errorf(diag.DiPeOValue, kind.Span, "", "`auth_config` lacks what `auth_type: %s` needs", kind.Text)
			return
		}
		entry := source.NewEntry(name, kind.Span, with(value, prefix+value.Text))
		headers := p.Get("headers")
		if headers == nil || headers.Kind != source.Map {
			p.Entries = append(p.Entries, source.NewEntry("headers", kind.Span, source.NewMap(kind.Span, entry)))
			return
		}
		setDotted(headers, entry)
	}
	switch kind.Text {
	case "bearer":
		header("Authorization", config.Value.Get("token"), "Bearer ")
	case "api_key":
		name := "X-API-Key"
		if n := config.Value.Get("key_name"); !isEmpty(n) {
			name = n.Text
		}
		header(name, config.Value.Get("key_value"), "")
	case "basic":
		r.out.Errorf(diag.DiPeONode, kind.Span, "write the header: `headers: {Authorization: \"Basic {{env.CREDENTIALS}}\"}` with user:password in base64", "`auth_type: basic` is not supported here")
	default:
		r.out.Errorf(diag.DiPeOValue, kind.Span, diag.DidYouMean(kind.Text, []string{"none", "bearer", "basic", "api_key"}), "there is no auth_type `%s`", kind.Text)
	}
}
