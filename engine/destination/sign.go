package destination

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/fault"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/signature"
	"github.com/headgate/headgate/engine/source"
)

// The keys of `sign`, which are those of a provider's `signature` and `timestamp` as far as a sender has any use for them.
const (
	keyUse       = "use"
	keyAlgorithm = "algorithm"
	keyPrefix    = "prefix"
	keySplit     = "split"
	keyEncoding  = "encoding"
	keySigned    = "signed"
	keyStrip     = "strip"
	keyTimestamp = "timestamp"
	keyFrom      = "from"
	keyUnit      = "unit"
	keyDoc       = "doc"
)

func signObject(forms []string) *field.Object {
	return &field.Object{
		Name: keySign,
		Doc:  "A rule of the signature language, the one that providers are checked by. What it makes is what such a rule accepts.",
		Fields: []field.Field{
			{Name: keyUse, Type: field.Enum, Enum: forms, Doc: "The form to start from; the other keys stand in front of its own."},
			{Name: keyAlgorithm, Type: field.String, Shown: true, Doc: "An HMAC, a digest, `ed25519`, `ecdsa-sha256`, `rsa-sha256` or `token`.", Example: "hmac-sha256"},
			{Name: keyHeader, Type: field.String, Shown: true, Doc: "The header that the signature is sent in.", Example: "X-Acme-Signature"},
			{Name: keyPrefix, Type: field.String, Shown: true, Doc: "What stands before it.", Example: "\"sha256=\""},
			{Name: keySplit, Type: field.String, Shown: true, Doc: "What separates several signatures, one for each of `secrets`; without it one is sent.", Example: "\",\""},
			{Name: keyEncoding, Type: field.String, Shown: true, Doc: "How it is written: `hex`, `base64` or `base64url`."},
			{Name: keySigned, Type: field.String, Shown: true, Default: "\"{body}\"", Doc: "What is signed, a template of pieces of the request: `{body}`, `{ts}`, `{header:X-Id}`, `{method}`, `{url}`, …", Example: "\"{ts}.{body}\""},
			{Name: keyKey, Type: field.String, Shown: true, Doc: "How the secret stands for a key: `utf8`, `base64` or `hex`; a private key is PEM, or for Ed25519 its bytes as `raw-base64` or `raw-hex`."},
			{Name: keyStrip, Type: field.Strings, Shown: true, Doc: "What is taken off the beginning of the secret.", Example: "whsec_"},
			{Name: keyTimestamp, Type: field.Map, Object: signTimestampObject(), Doc: "Where the time of the attempt is sent.", Example: "{header: X-Acme-Timestamp}"},
			{Name: keyHeaders, Type: field.StringMap, Shown: true, Max: 20, Doc: "Headers that belong to the form, with {{ templates }}. `headers` of the destination stand in front of them.", Example: "{X-Acme-Id: \"{{ delivery.id }}\"}"},
		},
		Hints: map[string]string{"form": "write `use`", "preset": "write `use`", "template": "write `signed`", "secret": "`secret` stands beside `sign`"},
	}
}

func signTimestampObject() *field.Object {
	return &field.Object{Name: keyTimestamp, Doc: "The time is new at each attempt.", Fields: []field.Field{
		{Name: keyHeader, Type: field.String, Shown: true, Doc: "The header that it is sent in.", Example: "X-Acme-Timestamp"},
		{Name: keyFrom, Type: field.String, Shown: true, Doc: "Instead of a header: an item beside the signature, such as `sig:t=`."},
		{Name: keyUnit, Type: field.String, Shown: true, Doc: "How it is written: `s`, `ms`, `rfc3339` or `http-date`. Default `s`."},
	}}
}

// signer signs requests. It is immutable; withSecrets makes another.
type signer struct {
	config signature.Config // without secrets
	split  string
	header string // the signature's, in canonical form
	// schemes sign with one secret each, in the order of the secrets.
	schemes []*signature.Scheme
	// headers belong to the form, templates among them.
	headers []header
	// shown are the headers of the form that hold neither a signature nor a secret.
	shown []string
}

// compileSign compiles `sign` with its secrets, and the secret that the type puts into its messages.
func (c *compiler) compileSign() {
	if c.v.Has(keySecret) && c.v.Has(keySecrets) {
		c.out.Errorf(diag.BadValue, c.v.Span(keySecrets), "leave one of them", "`secret` and `secrets` say the same thing")
		return
	}
	secrets := c.secretsOf()
	form, own := c.signForm()
	if form == nil {
		c.checkUnusedSecret(secrets)
		return
	}
	s := c.compileRule(form, own.Get(keyHeaders) != nil)
	if s == nil {
		return
	}
	if len(secrets) == 0 {
		c.d.sign = s
		if !c.template && c.v.Good(keySecret) && c.v.Good(keySecrets) {
			c.out.Errorf(diag.MissingKey, c.v.KeySpan(keySign), "add `secret: <<env.NAME>>`", "there is no `secret` to sign with")
		}
		return
	}
	var err error
	if s.schemes, err = s.compileSecrets(secrets, c.out); err == nil {
		c.d.sign = s
	}
}

// checkUnusedSecret looks at secrets where nothing is signed.
func (c *compiler) checkUnusedSecret(secrets []signature.Secret) {
	switch member := c.d.kind.member; {
	case member == "" && len(secrets) > 0 && !c.v.Has(keySign):
		c.out.Errorf(diag.BadValue, secrets[0].Span, "say how to sign, such as `sign: "+c.o.types().example()+"`, or leave the secret out", "the secret is used by nothing")
	case member == "":
	case len(secrets) > 1:
		c.out.Errorf(diag.BadValue, secrets[1].Span, "write one `secret`", "messages of the type `%s` hold one secret, as `%s`", c.d.kind.name, member)
	case len(secrets) == 1:
		c.d.member = secrets[0].Value
	case !c.template && c.v.Good(keySecret) && c.v.Good(keySecrets):
		c.out.Errorf(diag.MissingKey, c.v.Span(keySecret), "add `secret: <<env.NAME>>`", "the type `%s` needs `secret`, which messages hold as `%s`", c.d.kind.name, member)
	}
}

// secretsOf gives the secrets with their places, and notes them for the scrubber.
func (c *compiler) secretsOf() []signature.Secret {
	var all []signature.Secret
	add := func(text secret.Text, span source.Span) {
		c.secretText(text)
		all = append(all, signature.Secret{Value: secret.New(text.Reveal()), Span: span, Placeholder: isPlaceholder(text)})
	}
	if c.v.Has(keySecret) && c.v.Good(keySecret) {
		add(c.v.Text(keySecret), c.v.Span(keySecret))
	}
	if c.v.Has(keySecrets) && c.v.Good(keySecrets) {
		n := c.v.Node(keySecrets)
		for i, text := range c.v.Texts(keySecrets) {
			span := n.Span
			if n.Kind == source.List {
				span = n.Items[i].Span
			}
			add(text, span)
		}
	}
	return all
}

// signForm gives the map that describes how to sign, nil for none: what the manifest writes, which is own, laid over the form that it
// names.
func (c *compiler) signForm() (form, own *source.Node) {
	n := c.v.Node(keySign)
	name := c.d.kind.sign
	switch {
	case n == nil:
		if name == "" {
			return nil, nil
		}
	case n.Kind == source.Bool && strings.EqualFold(n.Text, "false"), n.Kind == source.String && n.Text == none:
		return nil, nil
	case n.Kind == source.Map:
		own = n
		name = ""
		if use := n.Get(keyUse); use != nil && use.IsScalar() {
			name, _ = scalar(use)
		}
	case n.Kind == source.String:
		var known bool
		if name, known = scalar(n); !known {
			return nil, nil
		}
	default:
		c.out.Errorf(diag.WrongType, n.Span, "write the name of a form, such as "+c.o.types().example()+", or a map", "`%s` takes a name or a map, not %s", c.v.Path(keySign), n.Kind.WithArticle())
		return nil, nil
	}
	forms := c.o.types()
	base := forms.form(c.scope.Shared, name)
	if base == nil && name != "" {
		if own == nil { // in a map the enum says so
			hint := diag.DidYouMean(name, forms.forms())
			if hint == "" {
				hint = "the forms are " + proseList(forms.forms()) + "; or describe one by a map"
			}
			c.out.Errorf(diag.BadValue, n.Span, hint, "there is no form of signatures `%s`", n.Text)
		}
		if own == nil {
			return nil, nil
		}
	}
	if base == nil {
		return own, own
	}
	span := c.v.Span(keySign)
	merged := source.NewMap(span)
	for _, e := range base.Entries {
		if e.Key.Text != keyDoc && own.Get(e.Key.Text) == nil {
			merged.Entries = append(merged.Entries, source.NewEntry(e.Key.Text, span, standing(e.Value, span)))
		}
	}
	if own != nil {
		merged.Entries = append(merged.Entries, own.Entries...)
	}
	return merged, own
}

// standing gives a piece of a preset as if it stood in the manifest, which is where findings about it are to point.
func standing(n *source.Node, span source.Span) *source.Node {
	c := &source.Node{Kind: n.Kind, Span: span, Text: n.Text}
	for _, e := range n.Entries {
		c.Entries = append(c.Entries, source.NewEntry(e.Key.Text, span, standing(e.Value, span)))
	}
	for _, item := range n.Items {
		c.Items = append(c.Items, standing(item, span))
	}
	return c
}

// compileRule compiles the rule without its secrets; nil with findings where it is wrong. Headers of the manifest's own may hold what is
// not to be shown.
func (c *compiler) compileRule(form *source.Node, ownHeaders bool) *signer {
	before := c.out.Count(diag.Error)
	v := signObject(c.o.types().forms()).DecodeAt(c.v.Path(keySign), form, c.out)
	if c.out.Count(diag.Error) > before {
		return nil
	}
	for _, key := range []string{keyAlgorithm, keyHeader} {
		if !v.Has(key) {
			c.out.Errorf(diag.MissingKey, form.Span, "write a form's name, such as `sign: "+c.o.types().example()+"`, or the whole rule", "the key `%s` is missing in `%s`", key, c.v.Path(keySign))
			return nil
		}
	}
	if a := v.String(keyAlgorithm); a == none || strings.HasPrefix(a, "jwt-") {
		hint := "leave `sign` out for requests that nobody signs"
		if a != none {
			hint = "a token is fetched by `auth: {oauth2: …}`; HMACs, Ed25519, ECDSA and RSA sign the request itself"
		}
		c.out.Errorf(diag.BadSignature, v.Span(keyAlgorithm), hint, "requests cannot be signed with %s", a)
		return nil
	}
	s := &signer{split: v.String(keySplit), header: canonical(v.String(keyHeader)), headers: compilePresetHeaders(v.Node(keyHeaders), c.requests, c.out)}
	s.config = signature.Config{
		Node: form, Scope: &signature.Scope{URL: true},
		Rules: []signature.Rule{{
			Node: form, Algorithm: v.Node(keyAlgorithm), Header: v.Node(keyHeader), Split: v.Node(keySplit), Prefix: v.Node(keyPrefix),
			Encoding: v.Node(keyEncoding), Signed: v.Node(keySigned), Key: v.Node(keyKey), Strip: v.Node(keyStrip),
		}},
	}
	if t := v.Object(keyTimestamp); t != nil {
		s.config.Timestamp = &signature.Timestamp{Node: t.Root(), Header: t.Node(keyHeader), From: t.Node(keyFrom), Unit: t.Node(keyUnit), Tolerance: time.Hour}
		if from := t.Node(keyFrom); from != nil && !strings.HasPrefix(from.Text, "sig:") && !strings.HasPrefix(from.Text, "header:") {
			c.out.Errorf(diag.BadSignature, from.Span, "write `header: X-Timestamp`, or `from: \"sig:t=\"`", "a time cannot be sent as `%s`", from.Text)
		}
	}
	c.checkSignHeaders(s, v, ownHeaders)
	if c.out.Count(diag.Error) > before || !s.compiles(c.out) {
		return nil
	}
	return s
}

// checkSignHeaders finds headers that are set twice, or that nobody may set.
func (c *compiler) checkSignHeaders(s *signer, v *field.Values, ownHeaders bool) {
	if isReserved(s.header) {
		c.out.Errorf(diag.BadHeader, v.Span(keyHeader), "choose another", "the header `%s` is set by the connection, or by Headgate itself", s.header)
	}
	if c.hasHeader(s.header) {
		c.out.Errorf(diag.BadHeader, v.Span(keyHeader), "leave it out of `headers`", "the header `%s` holds the signature and stands in `headers` or `auth` too", s.header)
	}
	for _, h := range s.headers {
		if isReserved(h.name) {
			c.out.Errorf(diag.BadHeader, v.Span(keyHeaders), "leave it out", "the header `%s` is set by the connection, or by Headgate itself", h.name)
		}
		if !ownHeaders || h.template == nil {
			s.shown = append(s.shown, h.name)
		}
	}
}

// compiles says whether the rule is right apart from its secrets, and finds what is wrong with it.
func (s *signer) compiles(out *diag.List) bool {
	config := s.config
	config.Secrets = []signature.Secret{{Value: secret.New("x"), Span: config.Node.Span, Placeholder: true}}
	scheme := signature.Compile(config, out)
	if scheme == nil {
		return false
	}
	if t := scheme.TimestampHeader(); t != "" {
		s.shown = append(s.shown, canonical(t))
	}
	return true
}

// render adds the headers of the form that a request has not.
func (s *signer) render(ctx context.Context, env *script.Env, out http.Header) error {
	return renderMissing(ctx, env, s.headers, out)
}

// sign signs a request: the signature, its timestamp, and what of the request it is made over and lacks yet come into header.
func (s *signer) sign(method, address string, header http.Header, body []byte, now time.Time) error {
	if len(s.schemes) == 0 {
		return nil // a target without a secret
	}
	u, err := url.Parse(address)
	if err != nil {
		return fault.New(fault.Invalid, CodeNotSigned, "the request cannot be signed", nil)
	}
	endpoint, _, _ := strings.Cut(address, "?")
	header.Del(s.header)
	var values []string
	signed := header
	for _, scheme := range s.schemes {
		r := signature.Request{
			Method: method, URL: address, Endpoint: endpoint, PathQuery: u.RequestURI(), Query: u.RawQuery, Header: header, Body: body, Now: now,
		}
		if err := scheme.Sign(&r); err != nil {
			return fault.New(fault.Invalid, CodeNotSigned, "the request cannot be signed: "+reason(err), nil)
		}
		values = append(values, r.Header.Get(s.header))
		signed = r.Header
	}
	for name, v := range signed {
		header[name] = v
	}
	header[s.header] = []string{s.join(values)}
	return nil
}

// reason gives what of an error of engine/signature may be shown, which is all of it: it names pieces of a request and quotes none.
func reason(err error) string {
	var missing *signature.MissingError
	if errors.As(err, &missing) {
		return missing.Error()
	}
	return "its form and the request do not fit"
}

// join makes one value of those that each secret gave: items that are the same in all of them stand there once.
func (s *signer) join(values []string) string {
	if len(values) == 1 {
		return values[0]
	}
	var items []string
	for _, v := range values {
		for item := range strings.SplitSeq(v, s.split) {
			if !slices.Contains(items, item) {
				items = append(items, item)
			}
		}
	}
	return strings.Join(items, s.split)
}
