package destination

import (
	"encoding/base64"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/hooks"
)

// credentials are what a request carries besides its headers.
type credentials struct {
	token       *hooks.TokenSource
	certificate *hooks.Certificate
}

// headerAuthorization holds credentials by its nature.
const headerAuthorization = "Authorization"

// compileAuth compiles `auth`: what is a header becomes one of the headers.
func (c *compiler) compileAuth() {
	v := c.v.Object(keyAuth)
	if v == nil {
		return
	}
	var ways []string
	for _, way := range []string{keyBearer, keyBasic, keyHeader, keyOAuth2} {
		if v.Has(way) {
			ways = append(ways, way)
		}
	}
	if len(ways) != 1 {
		if v.Good(keyBearer) && v.Good(keyBasic) && v.Good(keyHeader) && v.Good(keyOAuth2) {
			c.out.Errorf(diag.BadValue, c.v.Span(keyAuth), "write one of `bearer`, `basic`, `header`, `oauth2`", "`%s` names %s", c.v.Path(keyAuth), count(ways))
		}
		return
	}
	if !v.Good(ways[0]) {
		return
	}
	switch ways[0] {
	case keyBearer:
		text := v.Text(keyBearer)
		c.secretText(text)
		c.authHeader(v, keyBearer, headerAuthorization, "Bearer "+text.Reveal())
	case keyBasic:
		c.basic(v.Object(keyBasic))
	case keyHeader:
		h := v.Object(keyHeader)
		if h.Has(keyName) && h.Good(keyName) && h.Has(keyValue) && h.Good(keyValue) {
			c.secretText(h.Text(keyValue))
			c.authHeader(h, keyName, h.String(keyName), h.Text(keyValue).Reveal())
		}
	case keyOAuth2:
		c.d.auth.token = c.tokenSource(v.Object(keyOAuth2))
	}
}

func count(ways []string) string {
	if len(ways) == 0 {
		return "no way to say who we are"
	}
	return proseList(ways) + " at once"
}

func (c *compiler) basic(v *field.Values) {
	if !v.Has(keyUsername) || !v.Good(keyUsername) || !v.Has(keyPassword) || !v.Good(keyPassword) {
		return
	}
	user, password := v.Text(keyUsername), v.Text(keyPassword)
	if strings.Contains(user.Reveal(), ":") {
		c.out.Errorf(diag.BadValue, v.Span(keyUsername), "basic authentication parts user and password by a colon", "`%s` holds a colon", v.Path(keyUsername))
		return
	}
	pair := user.Reveal() + ":" + password.Reveal()
	c.secretText(user)
	c.secretText(password)
	if !isPlaceholder(password) {
		c.d.secrets = append(c.d.secrets, secret.New(pair)) // its base64 is one of the forms that a scrubber looks for
	}
	c.authHeader(v, keyUsername, headerAuthorization, "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
}

// secretText notes what the references of a text hold.
func (c *compiler) secretText(text secret.Text) {
	for _, p := range text.Parts() {
		if p.Ref != "" && !p.Placeholder {
			c.d.secrets = append(c.d.secrets, p.Value)
		}
	}
}

// authHeader adds a header that holds a secret.
func (c *compiler) authHeader(v *field.Values, key, name, value string) {
	span := v.Span(key)
	canonicalName := canonical(name)
	switch {
	case hooks.CheckHeader(name, "") != nil:
		c.out.Errorf(diag.BadHeader, span, "", "`%s` is no name of a header", name)
	case isReserved(canonicalName):
		c.out.Errorf(diag.BadHeader, span, "choose another", "the header `%s` is set by the connection, or by Headgate itself", name)
	case hooks.CheckHeader(name, value) != nil:
		c.out.Errorf(diag.BadHeader, span, "a value is one line; does the file end in more than one line break?", "what `%s` would send holds control characters", v.Path(key))
	case c.hasHeader(canonicalName):
		c.out.Errorf(diag.BadHeader, span, "leave it out of `headers`", "the header `%s` is set by `auth` and stands in `headers` too", canonicalName)
	default:
		c.d.headers = append(c.d.headers, header{name: canonicalName, value: value})
	}
}

func (c *compiler) hasHeader(name string) bool {
	for _, h := range c.d.headers {
		if h.name == name {
			return true
		}
	}
	return false
}

func (c *compiler) tokenSource(v *field.Values) *hooks.TokenSource {
	for _, key := range []string{keyTokenURL, keyClientID, keyClientSecret} {
		if !v.Has(key) || !v.Good(key) {
			return nil
		}
		c.secretText(v.Text(key))
	}
	if c.hasHeader(headerAuthorization) {
		c.out.Errorf(diag.BadHeader, v.Root().Span, "leave it out of `headers`", "the header `Authorization` is set by `auth` and stands in `headers` too")
		return nil
	}
	address := v.Text(keyTokenURL)
	if isPlaceholder(address) {
		return nil // while manifests are only checked
	}
	source, err := hooks.NewTokenSource(hooks.TokenOptions{
		TokenURL: address.Reveal(), ClientID: v.Text(keyClientID).Reveal(), ClientSecret: v.Text(keyClientSecret).Reveal(), Scopes: v.Strings(keyScopes),
		Audience: v.String(keyAudience), Style: hooks.TokenStyle(v.String(keyStyle)), Params: v.StringMap(keyParams), Insecure: c.v.Bool(keyInsecure),
	})
	if err == nil {
		c.warnPlain(address, v.Span(keyTokenURL))
		return source
	}
	option, why, _ := strings.Cut(strings.TrimPrefix(err.Error(), "option "), ": ")
	key := map[string]string{"TokenURL": keyTokenURL, "Scopes": keyScopes, "Params": keyParams, "Style": keyStyle}[option]
	if key == "" {
		key, why = keyClientSecret, err.Error()
	}
	rule := diag.BadValue
	if key == keyTokenURL {
		rule = diag.BadURL
	}
	c.out.Errorf(rule, v.Span(key), "", "`%s`: %s", v.Path(key), why)
	return nil
}

// compileTLS compiles `tls`.
func (c *compiler) compileTLS() {
	v := c.v.Object(keyTLS)
	if v == nil {
		return
	}
	for _, key := range []string{keyCert, keyKey, keyCA} {
		if !v.Good(key) || isPlaceholder(v.Text(key)) {
			return
		}
	}
	if v.Has(keyCert) != v.Has(keyKey) {
		c.out.Errorf(diag.MissingKey, c.v.Span(keyTLS), "`cert` and `key` come together", "`%s` holds one of `cert` and `key`", c.v.Path(keyTLS))
		return
	}
	c.secretText(v.Text(keyKey))
	pem := func(key string) []byte { return []byte(v.Text(key).Reveal()) }
	certificate, err := hooks.NewCertificate(pem(keyCert), pem(keyKey), pem(keyCA))
	if err != nil {
		c.out.Errorf(diag.BadValue, c.v.Span(keyTLS), "write PEM texts, best as `<<file.PATH>>`", "`%s` cannot be used: %v", c.v.Path(keyTLS), err)
		return
	}
	c.d.auth.certificate = certificate
}

// isPlaceholder says whether a text stands in for a value that is not known while manifests are only checked.
func isPlaceholder(t secret.Text) bool {
	for _, p := range t.Parts() {
		if p.Placeholder {
			return true
		}
	}
	return false
}
