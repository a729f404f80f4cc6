package destination

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/fault"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/hooks"
)

// address is a URL with holes in its path and query.
type address struct {
	parts []part
}

// part is a piece of a URL: text, or a template whose value is escaped.
type part struct {
	text     string
	template *script.Template
	query    bool // the hole is in the query, not in the path
}

// compileAddress compiles `url`; nil with findings where it is wrong.
func (c *compiler) compileAddress() *address {
	n := c.v.Node(keyURL)
	text := c.v.Text(keyURL)
	switch {
	case c.template && n == nil:
		return nil
	case c.template:
		c.out.Errorf(diag.BadValue, c.v.KeySpan(keyURL), "leave it out", "`%s` cannot stand here: each subscriber brings its own", c.v.Path(keyURL))
		return nil
	case n == nil && c.d.kind.address != "":
		n, text = source.NewString(c.d.kind.address, c.v.Span(keyURL)), secret.Literal(c.d.kind.address)
	case n == nil && c.v.Good(keyURL):
		c.out.Errorf(diag.MissingKey, c.v.Span(keyURL), "for example `url: https://api.example.com/hooks`", "the key `url` is missing")
		return nil
	case n == nil || !c.v.Good(keyURL):
		return nil
	case len(text.Parts()) == 0 || text.Reveal() == "":
		c.out.Errorf(diag.BadValue, n.Span, "", "`%s` is empty", c.v.Path(keyURL))
		return nil
	}
	c.d.line = c.d.method + " " + text.String()
	s := &urlScan{compiler: c, node: n, hasRef: text.HasRef(), firstRef: -1, address: &address{}}
	for _, p := range text.Parts() {
		if p.Ref == "" {
			s.literal(p.Literal)
			continue
		}
		if s.firstRef < 0 {
			s.firstRef = len(s.sample)
		}
		if p.Placeholder {
			s.hostUnknown = s.hostUnknown || !s.pathBegun()
		} else {
			s.secret(p.Value)
		}
		s.static(p.Value.Reveal())
	}
	// While manifests are only checked, a host that a reference holds is not known.
	if s.failed || !s.hostUnknown && !s.check(text) {
		return nil
	}
	return s.address
}

// urlScan goes through the pieces of a URL and keeps a sample of what it may become.
type urlScan struct {
	*compiler
	node        *source.Node
	address     *address
	sample      string
	hasRef      bool
	firstRef    int  // where the first reference begins in the sample; -1 before there is one
	hostUnknown bool // the reference that holds the host is a placeholder
	failed      bool
}

func (s *urlScan) static(text string) {
	s.sample += text
	s.address.parts = append(s.address.parts, part{text: text})
}

func (s *urlScan) literal(text string) {
	for _, p := range script.Split(text) {
		if !p.Expression {
			s.static(script.Unescape(text[p.From:p.To]))
			continue
		}
		where := s.spanOf(p)
		if !s.pathBegun() {
			s.fail(where, "the host of a URL is literal; templates may stand in its path and query", "a template stands before the path of the URL")
			continue
		}
		if strings.Contains(s.sample, "#") {
			s.fail(where, "leave the fragment out", "a template stands in the fragment of the URL, which is never sent")
			continue
		}
		t := script.CompileTemplate(s.sourceOf(text, p), s.requests, s.out)
		if t == nil {
			s.failed = true
			continue
		}
		s.address.parts = append(s.address.parts, part{template: t, query: strings.Contains(s.sample, "?")})
		s.sample += "x"
	}
}

// pathBegun says whether what has been read so far fixes the host.
func (s *urlScan) pathBegun() bool {
	if s.hostUnknown {
		return true
	}
	_, rest, ok := strings.Cut(s.sample, "://")
	return ok && strings.ContainsAny(rest, "/?#")
}

func (s *urlScan) fail(span source.Span, hint, message string) {
	s.failed = true
	s.out.Errorf(diag.BadURL, span, hint, "%s", message)
}

// sourceOf gives a template of a literal piece as a source with its place. Beside references the place is the URL's.
func (s *urlScan) sourceOf(text string, p script.Piece) script.Source {
	if s.hasRef {
		return script.FromNode(source.NewString(text[p.From:p.To], s.node.Span))
	}
	return script.FromNode(s.node).Part(p.From, p.To)
}

func (s *urlScan) spanOf(p script.Piece) source.Span {
	if s.hasRef {
		return s.node.Span
	}
	return script.FromNode(s.node).Span(p.From, p.To)
}

// check looks at the whole URL. Messages say nothing of what references hold.
func (s *urlScan) check(text secret.Text) bool {
	span, name := s.node.Span, "the URL"
	if s.hasRef {
		name = "the URL `" + text.String() + "`"
	}
	u, err := url.Parse(s.sample)
	if problem := hooks.CheckURL(s.sample); problem != nil || err != nil {
		hint := "write it with its scheme and host, such as https://api.example.com/hooks"
		if s.hasRef {
			hint = "look at what the reference holds; in a user name or password, write / @ : and % as %2F %40 %3A %25"
		}
		why := "it cannot be read"
		var e *hooks.Error
		if errors.As(problem, &e) {
			why = e.Message
		}
		s.fail(span, hint, name+" cannot be sent to: "+why)
		return false
	}
	s.derived(u)
	s.literalSecrets(u, span)
	s.warnPlainURL(u, span, name)
	return !s.failed
}

// warnPlain looks at a second address of the manifest, such as that of tokens.
func (c *compiler) warnPlain(text secret.Text, span source.Span) {
	if u, err := url.Parse(text.Reveal()); err == nil {
		c.warnPlainURL(u, span, "the URL `"+text.String()+"`")
	}
}

// warnPlainURL warns of plain http that will probably go nowhere. Names are not looked up, so that of a name only the one of this machine is
// known.
func (c *compiler) warnPlainURL(u *url.URL, span source.Span, name string) {
	if u.Scheme != "http" || c.v.Bool(keyInsecure) || c.o.Dev && isLoopback(u.Hostname()) || c.o.allows(u) {
		return
	}
	c.out.Warnf(diag.InsecureURL, span, "write https, or list the address there, or write `insecure: true`",
		"%s is plain http, which goes only to addresses that HEADGATE_EGRESS_ALLOW lists", name)
}

// allows says whether the operator lists the address of a URL.
func (o Options) allows(u *url.URL) bool {
	port, err := strconv.ParseUint(cmp.Or(u.Port(), "80"), 10, 16)
	if err != nil || o.Allowed == nil {
		return false
	}
	hosts := []string{u.Hostname()}
	if isLoopback(u.Hostname()) && net.ParseIP(u.Hostname()) == nil {
		hosts = []string{"127.0.0.1", "::1"}
	}
	return slices.ContainsFunc(hosts, func(host string) bool {
		a, err := netip.ParseAddr(host)
		return err == nil && o.Allowed(netip.AddrPortFrom(a.Unmap(), uint16(port)))
	})
}

// ListedBy gives Options.Allowed for the rules of HEADGATE_EGRESS_ALLOW.
func ListedBy(rules []hooks.AllowRule) func(netip.AddrPort) bool {
	return func(ap netip.AddrPort) bool {
		return slices.ContainsFunc(rules, func(r hooks.AllowRule) bool {
			return r.Prefix.Contains(ap.Addr()) && (r.Port == 0 || r.Port == ap.Port())
		})
	}
}

// minSecretPiece is the length from which a piece of a secret URL is taken for secret by itself: shorter ones are words such as
// "services" and "webhooks", and to mask these would spoil answers.
const minSecretPiece = 12

// secret notes the content of a reference, and the pieces that receivers may answer with.
func (s *urlScan) secret(v secret.Value) { s.d.secrets = append(s.d.secrets, pieces(v)...) }

func pieces(v secret.Value) []secret.Value {
	all := []secret.Value{v}
	for _, piece := range strings.FieldsFunc(v.Reveal(), func(r rune) bool { return strings.ContainsRune("/?&=@:#", r) }) {
		if len(piece) >= minSecretPiece {
			all = append(all, secret.New(piece))
		}
	}
	return all
}

// derived notes what receivers may answer with although no reference holds it as it is: the pieces of a URL that begins with a
// reference, and credentials as the Authorization header has them.
func (s *urlScan) derived(u *url.URL) {
	if s.firstRef == 0 {
		s.d.secrets = append(s.d.secrets, wholePieces(s.sample, u)...)
	}
	if password, has := u.User.Password(); has && s.hasRef {
		s.d.secrets = append(s.d.secrets, secret.New(password), secret.New(u.User.Username()+":"+password))
	}
}

// wholePieces gives the parts of a URL that is a secret as a whole.
func wholePieces(raw string, u *url.URL) []secret.Value {
	var all []secret.Value
	for _, text := range []string{raw, u.Host, u.EscapedPath(), u.Path, u.RequestURI(), u.RawQuery} {
		if len(text) >= minSecretPiece {
			all = append(all, secret.New(text))
		}
	}
	return all
}

// addressSecrets gives what receivers may answer with of an address that is a secret.
func addressSecrets(address secret.Value) []secret.Value {
	u, err := url.Parse(address.Reveal())
	if err != nil {
		return pieces(address)
	}
	return append(pieces(address), wholePieces(address.Reveal(), u)...)
}

// literalSecrets finds credentials that are written into the manifest, which is stored and shown.
func (s *urlScan) literalSecrets(u *url.URL, span source.Span) {
	if _, has := u.User.Password(); has && (s.firstRef < 0 || s.firstRef > strings.Index(s.sample, "@")) {
		s.failed = true
		s.out.Errorf(diag.LiteralSecret, span, "write a reference such as `https://user:<<env.PASSWORD>>@…`", "the URL holds a password")
	}
	if s.hasRef || u.Scheme != "https" || len(u.Path) < 2 {
		return
	}
	owner, secretURL := s.o.types().webhook(s.scope.Shared, strings.ToLower(u.Host), u.Path)
	if !secretURL && !s.d.kind.secretURL {
		return
	}
	f := diag.Finding{
		Severity: diag.Warning, Rule: diag.LiteralSecret, Span: span, Hint: "write a reference such as `<<env.WEBHOOK_URL>>`, and set that variable",
		Message: "whoever knows a " + s.d.kind.name + " webhook's URL can post to it, and this one is written into the manifest",
	}
	if secretURL {
		f.Message = "whoever knows a " + owner + " webhook's URL can post to it, and this one is written into the manifest"
		if !s.node.Tolerated && !slices.ContainsFunc(s.address.parts, func(p part) bool { return p.template != nil && !p.query }) {
			f.Severity = diag.Error
			s.failed = true
		}
	}
	s.d.line = s.d.method + " https://" + u.Host + "/…"
	s.out.Add(f)
}

func isLoopback(host string) bool {
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// render gives the URL for one event.
func (a *address) render(ctx context.Context, env *script.Env) (string, error) {
	var b strings.Builder
	inPath := false
	for _, p := range a.parts {
		if p.template == nil {
			b.WriteString(p.text)
			continue
		}
		v, err := p.template.Render(ctx, env)
		if err != nil {
			return "", fault.New(fault.Invalid, CodeBadURL, "a template in the URL failed", err)
		}
		text, ok := scalarText(v)
		switch {
		case !ok:
			return "", badURL("a template in the URL gave a list or a map")
		case p.query:
			b.WriteString(url.QueryEscape(text))
		case text == "":
			return "", badURL("a template in the path of the URL gave nothing")
		default:
			inPath = true
			b.WriteString(url.PathEscape(text))
		}
	}
	rendered := b.String()
	if inPath && hasDotSegment(rendered) {
		return "", badURL("a template made `.` or `..` a segment of the URL's path")
	}
	return rendered, nil
}

func badURL(why string) error { return fault.New(fault.Invalid, CodeBadURL, why, nil) }

// hasDotSegment says whether the path of a URL climbs: the receiver would take /a/../b for /b.
func hasDotSegment(rendered string) bool {
	_, rest, _ := strings.Cut(rendered, "://")
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest = rest[:i]
	}
	for _, segment := range strings.Split(rest, "/") {
		switch strings.ReplaceAll(strings.ToLower(segment), "%2e", ".") {
		case ".", "..":
			return true
		}
	}
	return false
}

// scalarText writes a value as it stands in a URL; null is "". Maps and lists have no such form.
func scalarText(v any) (string, bool) {
	switch x := v.(type) {
	case nil:
		return "", true
	case string:
		return x, true
	case bool:
		return strconv.FormatBool(x), true
	case map[string]any, []any:
		return "", false
	}
	text, err := payload.Encode(v)
	return string(text), err == nil
}
