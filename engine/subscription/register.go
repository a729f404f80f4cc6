package subscription

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/headgate/headgate/engine/fault"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/store"
)

// The actions of the audit log.
const (
	ActionCreate  = "subscription.create"
	ActionEnable  = "subscription.enable"
	ActionDisable = "subscription.disable"
	ActionRotate  = "subscription.rotate"
)

// The codes of what Create and its neighbours refuse.
const (
	CodeNotFound = "subscription_not_found"
	CodeDeclared = "subscription_declared"
	CodeInvalid  = "subscription_invalid"
	CodeFull     = "subscriptions_full"
)

// Bounds of a secret.
const (
	// SecretOverlap is how long a secret that was replaced goes on to sign beside the new one.
	SecretOverlap = 24 * time.Hour
	// madeSecretBytes are as many as Standard Webhooks advises (24 to 64).
	madeSecretBytes = 32
	// MinSecretBytes and MaxSecretBytes bound a secret of the caller's own: fewer could be guessed by who sees a few signatures.
	MinSecretBytes = 16
	MaxSecretBytes = 512
	// secretPrefix begins the secrets made here, as Standard Webhooks writes them.
	secretPrefix = "whsec_"
	maxNameBytes = 200
	// maxHeaderBytes bounds the value of one header.
	maxHeaderBytes = 4 << 10
)

// Ask is what somebody registers.
type Ask struct {
	Name                  string
	URL                   secret.Value
	Events, Users, Scopes []string
	Channel               string
	Headers               map[string]secret.Value
	// Secret signs what is sent; one is made where it is zero.
	Secret secret.Value
	// Key, where not "", makes asking twice the same as once.
	Key string
}

// Create registers a subscription: it counts, and is durable, when Create returns. The secret is the one that was made, zero where the
// caller gave one or had asked before; it is never told again. What the caller can mend is a *fault.Error of kind Invalid or Refused.
func (r *Registry) Create(ctx context.Context, ask Ask, by store.By) (*Subscription, secret.Value, error) {
	s, made, err := r.compose(ask)
	if err != nil {
		return nil, secret.Value{}, err
	}
	r.writing.Lock()
	defer r.writing.Unlock()
	if known := r.registered[s.ID]; known != nil {
		return known, secret.Value{}, nil
	}
	if len(r.registered) >= MaxRegistered {
		return nil, secret.Value{}, fault.New(fault.Refused, CodeFull, fmt.Sprintf("%d subscriptions are registered, and no more may be", MaxRegistered), nil)
	}
	if err := r.put(ctx, s, ActionCreate, by); err != nil {
		return nil, secret.Value{}, err
	}
	return r.registered[s.ID], made, nil
}

// compose makes a subscription of what was asked for.
func (r *Registry) compose(ask Ask) (s *Subscription, made secret.Value, err error) {
	now := r.o.Now().UTC()
	s = &Subscription{
		ID: newID(ask.Key), Name: strings.TrimSpace(ask.Name), Events: List(ask.Events...), Users: List(ask.Users...), Scopes: List(ask.Scopes...),
		Channel: strings.TrimSpace(ask.Channel), Shown: Origin(ask.URL.Reveal()), Created: now, Updated: now,
		url: ask.URL, headers: map[string]secret.Value{},
	}
	switch {
	case len(s.Name) > maxNameBytes || len(s.Channel) > maxNameBytes:
		return nil, made, invalid("a name or channel is longer than %d bytes", maxNameBytes)
	case strings.ContainsFunc(s.Name+s.Channel, unicode.IsControl):
		return nil, made, invalid("a name or channel holds control characters")
	case len(ask.Headers) > MaxHeaders:
		return nil, made, invalid("headers: there are %d, and %d are allowed", len(ask.Headers), MaxHeaders)
	}
	if err := CheckURL(ask.URL.Reveal()); err != nil {
		return nil, made, invalid("url: %v", err)
	}
	for what, err := range map[string]error{"events": CheckEvents(s.Events), "users": checkItems(s.Users), "scopes": checkItems(s.Scopes)} {
		if err != nil {
			return nil, made, invalid("%s: %v", what, err)
		}
	}
	for name, value := range ask.Headers {
		if err := CheckHeader(name, value.Reveal()); err != nil {
			return nil, made, invalid("headers: %.80q: %v", name, err)
		}
		if len(value.Reveal()) > maxHeaderBytes {
			return nil, made, invalid("headers: the value of %.80q is longer than %d bytes", name, maxHeaderBytes)
		}
		s.headers[canonical(name)] = value
	}
	own, made, err := secretOf(ask.Secret)
	if err != nil {
		return nil, made, err
	}
	s.keys = []key{{secret: own}}
	return s, made, nil
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, CodeInvalid, fmt.Sprintf(format, args...), nil)
}

// newID makes an id: of the caller's key the same each time.
func newID(key string) string {
	if key == "" {
		return registeredPrefix + strings.ToLower(rand.Text())
	}
	sum := sha256.Sum256([]byte("subscription\x00" + key))
	return registeredPrefix + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16]))
}

// secretOf checks a caller's secret, or makes one where there is none.
func secretOf(given secret.Value) (own, made secret.Value, err error) {
	if given.IsZero() {
		var b [madeSecretBytes]byte
		_, _ = rand.Read(b[:]) // it never fails
		made = secret.New(secretPrefix + base64.StdEncoding.EncodeToString(b[:]))
		return made, made, nil
	}
	switch n := len(given.Reveal()); {
	case n < MinSecretBytes || n > MaxSecretBytes:
		return given, made, invalid("secret: it has %d bytes, and needs %d to %d", n, MinSecretBytes, MaxSecretBytes)
	case strings.ContainsFunc(given.Reveal(), unicode.IsControl):
		return given, made, invalid("secret: it holds control characters")
	}
	return given, made, nil
}

// SetEnabled enables or disables a registered subscription; it counts from the next publication and the next attempt on. The reason is
// kept with a disabled one. Where it is so already nothing is written.
func (r *Registry) SetEnabled(ctx context.Context, id string, enabled bool, reason string, by store.By) (*Subscription, error) {
	action := ActionDisable
	if enabled {
		action, reason = ActionEnable, ""
	}
	if len(reason) > maxNameBytes || strings.ContainsFunc(reason, unicode.IsControl) {
		return nil, invalid("reason: it is longer than %d bytes, or holds control characters", maxNameBytes)
	}
	return r.change(ctx, id, action, by, func(s *Subscription) (bool, error) {
		if s.Disabled == !enabled && s.Reason == reason {
			return false, nil
		}
		s.Disabled, s.Reason = !enabled, reason
		return true, nil
	})
}

// Rotate gives a registered subscription a new secret: the given one, or one that is made and told now, and never again. The one before
// goes on to sign beside it for SecretOverlap where the form of the signature allows several; older ones end at once.
func (r *Registry) Rotate(ctx context.Context, id string, given secret.Value, by store.By) (*Subscription, secret.Value, error) {
	own, made, err := secretOf(given)
	if err != nil {
		return nil, secret.Value{}, err
	}
	s, err := r.change(ctx, id, ActionRotate, by, func(s *Subscription) (bool, error) {
		switch {
		case s.unreadable != nil:
			return false, fault.New(fault.Refused, CodeInvalid, "what is secret of it was sealed with another key; register it anew", s.unreadable)
		case len(s.keys) > 0 && s.keys[0].secret.Reveal() == own.Reveal():
			return false, nil
		}
		keys := []key{{secret: own}}
		if len(s.keys) > 0 {
			keys = append(keys, key{secret: s.keys[0].secret, until: r.o.Now().UTC().Add(SecretOverlap)})
		}
		s.keys, s.sealed = keys, nil
		return true, nil
	})
	if err != nil {
		return nil, secret.Value{}, err
	}
	return s, made, nil
}

// change writes a changed copy of a subscription.
func (r *Registry) change(ctx context.Context, id, action string, by store.By, do func(s *Subscription) (bool, error)) (*Subscription, error) {
	r.writing.Lock()
	defer r.writing.Unlock()
	known, err := r.own(id)
	if err != nil {
		return nil, err
	}
	s := *known
	s.Updated = r.o.Now().UTC()
	changed, err := do(&s)
	if err != nil || !changed {
		return known, err
	}
	if err := r.put(ctx, &s, action, by); err != nil {
		return nil, err
	}
	return r.registered[id], nil
}

// Drop forgets a registered subscription for good; it counts from the next publication and the next attempt on.
func (r *Registry) Drop(ctx context.Context, id string, by store.By) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	if _, err := r.own(id); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // what is dropped in the store alone would be sent to until the process ends
	if err := r.o.Store.DropSubscription(ctx, id, by); err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("dropping a subscription: %w", err)
	}
	delete(r.registered, id)
	r.publish()
	return nil
}

// own gives a registered subscription. The caller holds writing.
func (r *Registry) own(id string) (*Subscription, error) {
	if s := r.registered[id]; s != nil {
		return s, nil
	}
	if slices.ContainsFunc(r.declared, func(s *Subscription) bool { return s.ID == id }) {
		return nil, fault.New(fault.Refused, CodeDeclared, fmt.Sprintf("subscription %.80q is declared in a manifest: change it there", id), nil)
	}
	return nil, fault.New(fault.Invalid, CodeNotFound, fmt.Sprintf("there is no subscription %.80q", id), nil)
}

// put stores a subscription and makes it count. The caller holds writing. It does not end with ctx: whether what was asked for happened
// would be open.
func (r *Registry) put(ctx context.Context, s *Subscription, action string, by store.By) error {
	row, err := r.row(s)
	if err != nil {
		return err
	}
	if err := r.o.Store.PutSubscription(context.WithoutCancel(ctx), row, action, by); err != nil {
		return fmt.Errorf("storing a subscription: %w", err)
	}
	s.Version++
	r.registered[s.ID] = s
	r.publish()
	return nil
}
