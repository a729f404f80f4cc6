package subscription

import (
	"encoding/base64"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/secret"
)

// registeredPrefix begins the ids of registered subscriptions, and no name of a declared one.
const registeredPrefix = "sub_"

const (
	keyURL     = "url"
	keyEvents  = "events"
	keyUsers   = "users"
	keyScopes  = "scopes"
	keyChannel = "channel"
	keyHeaders = "headers"
	keySecret  = "secret"
	keySecrets = "secrets"
)

// MaxHeaders is how many headers a subscription may add, and MaxSecrets how many secrets it may have at once.
const (
	MaxHeaders = 20
	MaxSecrets = 10
)

// Object describes a document of kind subscription.
func Object() *field.Object {
	return &field.Object{
		Name: "subscription",
		Doc:  "Somebody who wants to hear of events: hooks with `subscribers` send to all that match.",
		Fields: append(manifest.CommonFields(),
			field.Field{
				Name: keyURL, Type: field.Text, Required: true, Example: "<<env.PARTNER_URL>>",
				Doc: "Where to send to. It holds no templates; http goes only to addresses that HEADGATE_EGRESS_ALLOW lists.",
			},
			field.Field{
				Name: keyEvents, Type: field.Texts, Required: true, Min: 1, Max: MaxItems, Example: `[integration.connected, "agent:*"]`,
				Doc: "The names of events; `*` is all, `agent:*` those that begin so. A text may hold several with commas between them.",
			},
			field.Field{
				Name: keyUsers, Type: field.Texts, Max: MaxItems, Example: "[user_1, user_2]",
				Doc: "The users whose events it is for; `*` is all. A hook that says whom an event is about passes over subscriptions without this key.",
			},
			field.Field{
				Name: keyScopes, Type: field.Texts, Max: MaxItems, Example: "[profile, integration]",
				Doc: "What it has been granted. A hook that asks for a scope passes over subscriptions that do not have it.",
			},
			field.Field{
				Name: keyChannel, Type: field.String, Shown: true, Example: "partners",
				Doc: "The only hook that it is for: `<pipeline>/<label>`, or the `channel` that hooks state. Default: every hook with `subscribers`.",
			},
			field.Field{
				Name: keyHeaders, Type: field.TextMap, Max: MaxHeaders, Example: `{Authorization: "Bearer <<env.PARTNER_TOKEN>>"}`,
				Doc: "Headers to add to those of the hook, in their place where both name one.",
			},
			field.Field{
				Name: keySecret, Type: field.Text, Secret: true, Example: "<<env.PARTNER_SECRET>>",
				Doc: "The key with which requests are signed where the hook says `sign`.",
			},
			field.Field{
				Name: keySecrets, Type: field.Texts, Secret: true, Min: 1, Max: MaxSecrets, Example: "[<<env.NEW_SECRET>>, <<env.OLD_SECRET>>]",
				Doc: "Several keys, the newest first, instead of `secret`: where the form of the signature allows it, all of them sign.",
			},
		),
		Hints: map[string]string{
			"event": "write `events`", "event_types": "write `events`", "eventTypes": "write `events`", "topics": "write `events`", "topic": "write `events`",
			"user": "write `users`", "user_id": "write `users`", "scope": "write `scopes`", "allowed_scopes": "write `scopes`", "destination": "write `url`",
			"webhook_url": "write `url`", "target": "write `url`", "key": "write `secret`", "webhook_secret": "write `secret`",
			"sign": "write it at the hook with `subscribers`", "retry": "write it at the hook with `subscribers`", "body": "write it at the hook with `subscribers`",
			"active": "write `enabled`",
		},
	}
}

// Compile compiles a document of kind subscription. What is wrong goes to out; then the result is nil. A document that is not enabled
// gives a disabled one. egress says to which addresses plain http may go.
func Compile(doc *manifest.Document, egress node.Egress, out *diag.List) *Subscription {
	found := &diag.List{}
	c := &compiler{v: Object().Decode(doc.Root, found), egress: egress, out: found}
	s := &Subscription{
		ID: doc.Name, Name: doc.Title, Declared: true, Channel: c.v.String(keyChannel), Disabled: !doc.Enabled, headers: map[string]secret.Value{},
	}
	if strings.HasPrefix(doc.Name, registeredPrefix) {
		found.Errorf(diag.BadName, doc.NameSpan, "give it another name", "names that begin with `%s` are those of registered subscriptions", registeredPrefix)
	}
	if s.Disabled {
		s.Reason = "its manifest says `enabled: false`"
	}
	c.address(s)
	s.Events, s.Users, s.Scopes = c.list(keyEvents), c.list(keyUsers), c.list(keyScopes)
	s.written = &lists{events: c.written(keyEvents), users: c.written(keyUsers), scopes: c.written(keyScopes)}
	c.addHeaders(s)
	c.secrets(s)
	out.Merge(found)
	if found.HasErrors() {
		return nil
	}
	return s
}

type compiler struct {
	v      *field.Values
	egress node.Egress
	out    *diag.List
}

// isPlaceholder says whether a text stands in for one that is not known while files are only checked.
func isPlaceholder(t secret.Text) bool {
	for _, p := range t.Parts() {
		if p.Placeholder {
			return true
		}
	}
	return false
}

// MadeUpURL gives the address that stands for a URL which is not known while files are only checked.
func MadeUpURL(text secret.Text) string {
	url := text.Reveal()
	if strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://") {
		return url
	}
	return "https://" + url
}

func (c *compiler) address(s *Subscription) {
	if !c.v.Has(keyURL) || !c.v.Good(keyURL) {
		return
	}
	text := c.v.Text(keyURL)
	s.url, s.Shown = secret.New(text.Reveal()), text.String()
	if !text.HasRef() {
		s.Shown = Origin(text.Reveal())
	}
	if isPlaceholder(text) {
		s.madeUp, s.url = true, secret.New(MadeUpURL(text))
		return
	}
	if err := CheckURL(text.Reveal()); err != nil {
		c.out.Errorf(diag.BadURL, c.v.Span(keyURL), "", "`%s` cannot be sent to: %v", c.v.Path(keyURL), err)
	} else if plain(text.Reveal(), c.egress) {
		c.out.Warnf(diag.InsecureURL, c.v.Span(keyURL), "write https, or list the address there",
			"the URL `%s` is plain http, which goes only to addresses that HEADGATE_EGRESS_ALLOW lists", text)
	}
}

// list reads a list of entries, each of which may hold several.
func (c *compiler) list(key string) []string {
	if !c.v.Has(key) || !c.v.Good(key) {
		return nil
	}
	var texts []string
	for _, t := range c.v.Texts(key) {
		if isPlaceholder(t) {
			return []string{Everyone} // so that what is only checked or tried out hears of everything
		}
		texts = append(texts, t.Reveal())
	}
	items, check := List(texts...), checkItems
	if key == keyEvents {
		check = CheckEvents
	}
	if err := check(items); err != nil {
		c.out.Errorf(diag.BadValue, c.v.Span(key), "", "`%s` cannot be used: %v", c.v.Path(key), err)
	}
	return items
}

// written gives a list as the manifest writes it.
func (c *compiler) written(key string) []string {
	var out []string
	for _, t := range c.v.Texts(key) {
		if t.HasRef() {
			out = append(out, t.String())
		} else {
			out = append(out, List(t.Reveal())...)
		}
	}
	return out
}

func (c *compiler) addHeaders(s *Subscription) {
	n := c.v.Node(keyHeaders)
	if n == nil || !c.v.Good(keyHeaders) {
		return
	}
	values := c.v.TextMap(keyHeaders)
	for _, e := range n.Entries {
		text, ok := values[e.Key.Text]
		if !ok {
			continue
		}
		value := text.Reveal()
		if err := CheckHeader(e.Key.Text, value); err != nil {
			c.out.Errorf(diag.BadHeader, e.Key.Span, "", "`%s` cannot be a header of a subscription: %v", e.Key.Text, err)
			continue
		}
		if !text.HasRef() && isCredential(e.Key.Text) {
			c.out.Errorf(diag.LiteralSecret, e.Value.Span, "write a reference such as `<<env.TOKEN>>`, and set that variable",
				"the header `%s` is a credential, and it is written into the manifest", e.Key.Text)
			continue
		}
		s.headers[canonical(e.Key.Text)] = secret.New(value)
	}
}

func (c *compiler) secrets(s *Subscription) {
	if c.v.Has(keySecret) && c.v.Has(keySecrets) {
		c.out.Errorf(diag.BadValue, c.v.KeySpan(keySecret), "write all of them under `secrets`, the newest first", "`%s` is written beside `%s`", keySecret, keySecrets)
		return
	}
	texts := c.v.Texts(keySecrets)
	if c.v.Has(keySecret) && c.v.Good(keySecret) {
		texts = []secret.Text{c.v.Text(keySecret)}
	}
	for _, t := range texts {
		value := secret.New(t.Reveal())
		if isPlaceholder(t) { // a key that every form of a signature takes which is no pair of keys
			s.madeUp, value = true, secret.New(secretPrefix+base64.StdEncoding.EncodeToString([]byte(t.Reveal())))
		}
		s.keys = append(s.keys, key{secret: value})
	}
}
