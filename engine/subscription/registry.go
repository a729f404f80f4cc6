package subscription

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/store"
)

// Store is what a Registry needs of a store.Store.
type Store interface {
	PutSubscription(ctx context.Context, s store.Subscription, action string, by store.By) error
	Subscriptions(ctx context.Context) ([]store.Subscription, error)
	DropSubscription(ctx context.Context, id string, by store.By) error
}

// Sealer seals what is secret; *vault.Vault is one.
type Sealer interface {
	Seal(purpose string, text secret.Value) ([]byte, error)
	Open(purpose string, sealed []byte) (secret.Value, error)
}

// Options is what NewRegistry needs. All but Now is required.
type Options struct {
	Store  Store
	Sealer Sealer
	Logger *slog.Logger
	// Now says when something is registered, and which secrets still count; time.Now where nil.
	Now func() time.Time
}

// MaxRegistered is how many subscriptions may be registered: a set of them is held in memory.
const MaxRegistered = 100_000

// Registry holds the audience: what manifests declare and what was registered. Its methods may be called by many goroutines at once.
type Registry struct {
	o       Options
	current atomic.Pointer[Set]

	// writing holds one change at a time, from the store to the set.
	writing    sync.Mutex
	declared   []*Subscription
	registered map[string]*Subscription
}

// NewRegistry makes a Registry without members; the error names the option that is missing.
func NewRegistry(o Options) (*Registry, error) {
	switch {
	case o.Store == nil:
		return nil, errors.New("subscription: Options.Store is missing")
	case o.Sealer == nil:
		return nil, errors.New("subscription: Options.Sealer is missing")
	case o.Logger == nil:
		return nil, errors.New("subscription: Options.Logger is missing")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Registry{o: o, registered: map[string]*Subscription{}}
	r.current.Store(NewSet())
	return r, nil
}

// Start reads the registered subscriptions. Those that the key does not open stay members: what is published to them parks until the old
// key is back. The error is the store's.
func (r *Registry) Start(ctx context.Context) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	stored, err := r.o.Store.Subscriptions(ctx)
	if err != nil {
		return fmt.Errorf("reading the subscriptions: %w", err)
	}
	count, reason := 0, error(nil)
	for i := range stored {
		s := r.read(&stored[i])
		r.registered[s.ID] = s
		if s.unreadable != nil {
			count, reason = count+1, s.unreadable
		}
	}
	r.publish()
	if count > 0 {
		r.o.Logger.WarnContext(ctx, "subscriptions cannot be read: bring back the seal key they were stored under (HEADGATE_SEAL_KEY, or the file "+
			"seal.key in the data directory), or register them anew; what is published to them is parked", "count", count, "reason", reason.Error())
	}
	return nil
}

// Declare replaces the subscriptions that manifests declare.
func (r *Registry) Declare(declared []*Subscription) {
	r.writing.Lock()
	defer r.writing.Unlock()
	r.declared = declared
	r.publish()
}

// publish makes the set anew. The caller holds writing.
func (r *Registry) publish() {
	all := make([]*Subscription, 0, len(r.declared)+len(r.registered))
	all = append(all, r.declared...)
	for _, s := range r.registered {
		all = append(all, s)
	}
	r.current.Store(NewSet(all...))
}

// Set gives the audience as it is now.
func (r *Registry) Set() *Set { return r.current.Load() }

// Match gives the subscriptions that a query means now, by id.
func (r *Registry) Match(q Query) []*Subscription { return r.Set().Match(q) }

// Find gives a subscription by its id, disabled ones too.
func (r *Registry) Find(id string) (*Subscription, bool) { return r.Set().Find(id) }
