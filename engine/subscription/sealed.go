package subscription

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/store"
)

// content is what is secret of a registered subscription, in the form in which it is sealed.
type content struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	Secrets []sealedKey       `json:"secrets"`
}

type sealedKey struct {
	Secret string    `json:"secret"`
	Until  time.Time `json:"until,omitzero"`
}

// read makes a subscription of a stored one. What cannot be opened is kept as unreadable.
func (r *Registry) read(row *store.Subscription) *Subscription {
	s := &Subscription{
		ID: row.ID, Name: row.Name, Events: row.Events, Users: row.Users, Scopes: row.Scopes, Channel: row.Channel,
		Disabled: row.Disabled, Reason: row.Reason, Shown: row.Shown, Created: row.Created, Updated: row.Updated, Version: row.Version,
		sealed: row.Sealed,
	}
	text, err := r.o.Sealer.Open(s.Gate(), row.Sealed)
	if err != nil {
		s.unreadable = fmt.Errorf("%w: %w", ErrUnreadable, err)
		return s
	}
	var c content
	if err := json.Unmarshal([]byte(text.Reveal()), &c); err != nil {
		s.unreadable = fmt.Errorf("%w: it is not in the form of this version", ErrUnreadable) // and nothing of what stands there
		return s
	}
	s.url = secret.New(c.URL)
	s.headers = make(map[string]secret.Value, len(c.Headers))
	for name, value := range c.Headers {
		s.headers[name] = secret.New(value)
	}
	for _, k := range c.Secrets {
		s.keys = append(s.keys, key{secret: secret.New(k.Secret), until: k.Until})
	}
	return s
}

// row makes what is stored of a subscription.
func (r *Registry) row(s *Subscription) (store.Subscription, error) {
	if s.sealed == nil {
		if err := r.seal(s); err != nil {
			return store.Subscription{}, err
		}
	}
	return store.Subscription{
		ID: s.ID, Name: s.Name, Events: s.Events, Users: s.Users, Scopes: s.Scopes, Channel: s.Channel, Disabled: s.Disabled, Reason: s.Reason,
		Sealed: s.sealed, Shown: s.Shown, Created: s.Created, Updated: s.Updated, Version: s.Version,
	}, nil
}

func (r *Registry) seal(s *Subscription) error {
	c := content{URL: s.url.Reveal(), Headers: make(map[string]string, len(s.headers))}
	for name, value := range s.headers {
		c.Headers[name] = value.Reveal()
	}
	for _, k := range s.keys {
		c.Secrets = append(c.Secrets, sealedKey{Secret: k.secret.Reveal(), Until: k.until})
	}
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("writing a subscription: %w", err)
	}
	if s.sealed, err = r.o.Sealer.Seal(s.Gate(), secret.New(string(text))); err != nil {
		return fmt.Errorf("sealing a subscription: %w", err)
	}
	return nil
}
