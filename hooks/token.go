package hooks

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// TokenStyle says how a client names itself to a token endpoint (RFC 6749, section 2.3.1).
type TokenStyle string

// The styles. The zero TokenStyle is TokenBasic, which every endpoint has to understand.
const (
	TokenBasic TokenStyle = "basic" // id and secret as basic authentication
	TokenBody  TokenStyle = "body"  // id and secret as client_id and client_secret of the form
)

// TokenOptions describe an OAuth 2.0 client credentials grant (RFC 6749, section 4.4).
type TokenOptions struct {
	// TokenURL is the endpoint: https, or http under the rules that hold for a Request's URL. It has no userinfo.
	TokenURL string
	ClientID string
	// ClientSecret must not be empty.
	ClientSecret string
	// Scopes are asked for, parted by spaces; none asks for what the endpoint gives by default.
	Scopes []string
	// Audience is sent as the parameter of that name where it is not "".
	Audience string
	Style    TokenStyle
	// Params are further parameters of the form, such as resource (RFC 8707). They override none of the above.
	Params map[string]string
	// Insecure lets a plain http TokenURL go to any address that the egress guard passes.
	Insecure bool
	// Certificate is shown to the token endpoint (RFC 8705) and says which authorities it is trusted by; nil shows none.
	Certificate *Certificate
}

// TokenSource is a grant that a Request may name: an immutable description, which fetches nothing by itself. Each Client keeps
// the token of a grant for all its attempts, also of other TokenSources made with equal options. It prints as "•••" by any verb
// and may be used by any number of goroutines.
type TokenSource struct {
	o      TokenOptions
	digest [sha256.Size]byte // of everything in o: what is equal has one token
}

// NewTokenSource makes a TokenSource. Its error names the option that is wrong and quotes nothing of it.
func NewTokenSource(o TokenOptions) (*TokenSource, error) {
	u, fault := target(o.TokenURL)
	switch {
	case fault != nil:
		return nil, fmt.Errorf("option TokenURL: %s", fault.Message)
	case u.User != nil:
		return nil, errors.New("option TokenURL: the URL holds a user; write ClientID and ClientSecret instead")
	case u.Fragment != "":
		return nil, errors.New("option TokenURL: the URL has a fragment, which is never sent")
	case o.ClientID == "":
		return nil, errors.New("option ClientID is empty")
	case o.ClientSecret == "":
		return nil, errors.New("option ClientSecret is empty")
	case o.Style != "" && o.Style != TokenBasic && o.Style != TokenBody:
		return nil, errors.New("option Style is neither basic nor body")
	case o.Certificate != nil && u.Scheme != "https":
		return nil, errors.New("option Certificate: a client certificate is shown over https only")
	}
	for _, s := range o.Scopes {
		if s == "" || strings.ContainsAny(s, " \"\\") || !validHeaderValue(s) {
			return nil, errors.New("option Scopes: a scope is a word without spaces, quotes or backslashes")
		}
	}
	for _, name := range []string{"grant_type", "client_id", "client_secret", "scope"} {
		if _, ok := o.Params[name]; ok {
			return nil, fmt.Errorf("option Params: %s is set by an option of its own", name)
		}
	}
	if _, ok := o.Params["audience"]; ok && o.Audience != "" {
		return nil, errors.New("option Params: audience is set by an option of its own")
	}
	if o.Style == "" {
		o.Style = TokenBasic
	}
	o.Scopes, o.Params = slices.Clone(o.Scopes), maps.Clone(o.Params)
	return &TokenSource{o: o, digest: o.digest()}, nil
}

// digest identifies options by everything that they hold. Each text stands behind its length, so that no two options run together.
func (o TokenOptions) digest() [sha256.Size]byte {
	h := sha256.New()
	add := func(texts ...string) {
		for _, s := range texts {
			var size [8]byte
			binary.BigEndian.PutUint64(size[:], uint64(len(s)))
			h.Write(size[:])
			_, _ = io.WriteString(h, s)
		}
	}
	add(o.TokenURL, o.ClientID, o.ClientSecret, o.Audience, string(o.Style), fmt.Sprint(o.Insecure), fmt.Sprint(len(o.Scopes)))
	add(o.Scopes...)
	for _, name := range slices.Sorted(maps.Keys(o.Params)) {
		add(name, o.Params[name])
	}
	if o.Certificate != nil {
		add("certificate", string(o.Certificate.digest[:]))
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// String gives "•••".
func (TokenSource) String() string { return hidden }

// Format writes "•••" for every verb.
func (TokenSource) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, hidden) }

// hidden stands for what must not be printed.
const hidden = "•••"
