// Package vault keeps the secrets that providers hand over in handshakes: sealed in the store, open in memory.
//
// A provider that makes up its own secret sends it once. [Vault.Learn] seals it with AES-256-GCM under a key that is not in the
// store, bound to the provider's name, and returns when that is durable; [Vault.Learned] gives the live secrets to whoever verifies
// requests; [Vault.List], [Vault.Reveal] and [Vault.Drop] are for operators. The key comes from a [KeySource]: a setting, or a file that is
// made when it is first needed.
//
// [Vault.Seal] and [Vault.Open] lend the same key to others who keep secrets in the store, each bound to a purpose.
//
// Whether a secret may be learnt at all is not decided here. The methods of a Vault may be called by many goroutines at once.
package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/store"
)

// Store is what a Vault needs of a store.Store.
type Store interface {
	PutSecret(ctx context.Context, secret store.SealedSecret) error
	Secrets(ctx context.Context) ([]store.SealedSecret, error)
	DropSecrets(ctx context.Context, provider string) error
}

// maxSecretBytes bounds a secret: those of real providers are shorter than a hundred characters, a PEM key has two thousand.
const maxSecretBytes = 8 << 10

// Options is what New needs. All but Now is required.
type Options struct {
	Store  Store
	Key    KeySource
	Logger *slog.Logger
	// Now gives the time at which a secret is learnt, and until when it may be revealed; time.Now where nil.
	Now func() time.Time
}

// Vault holds learnt secrets.
type Vault struct {
	o Options

	learning sync.Mutex // one at a time: they are rare, and each looks at what is there
	seal     *seal      // nil until it is needed; under learning
	// newest is what each provider handed over last, unless that cannot be read; under learning.
	newest map[string]handover

	mu       sync.Mutex
	learned  map[string]*Learned
	revision uint64
}

// New makes a Vault; it reads nothing before Start. The error names the option that is missing.
func New(o Options) (*Vault, error) {
	switch {
	case o.Store == nil:
		return nil, errors.New("vault: Options.Store is missing")
	case o.Key == nil:
		return nil, errors.New("vault: Options.Key is missing")
	case o.Logger == nil:
		return nil, errors.New("vault: Options.Logger is missing")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Vault{o: o, learned: map[string]*Learned{}, newest: map[string]handover{}}, nil
}

// Start opens the stored secrets. Those that the key does not open stay where they are and are told in one warning: the providers
// that gave them are refused until the old key is back or they have made a new handshake. The error is the store's.
func (v *Vault) Start(ctx context.Context) error {
	v.learning.Lock()
	defer v.learning.Unlock()
	sealed, err := v.o.Store.Secrets(ctx)
	if err != nil {
		return fmt.Errorf("reading the learnt secrets: %w", err)
	}
	if len(sealed) == 0 {
		return nil // and no key is asked for
	}
	s, reason := v.openSeal(false)
	unreadable, count := map[string]bool{}, 0
	for i := range sealed {
		one := &sealed[i]
		if s != nil {
			text, err := s.open(one.Provider, one.Sealed)
			if err == nil {
				v.add(one.Provider, one.Digest, text)
				v.newest[one.Provider] = handover{secret: text, digest: one.Digest, at: one.At}
				continue
			}
			reason = err
		}
		delete(v.newest, one.Provider) // an older one must not pass for it
		unreadable[one.Provider] = true
		count++
	}
	if count > 0 {
		v.o.Logger.WarnContext(ctx, "stored secrets cannot be read: bring back the seal key they were stored under (HEADGATE_SEAL_KEY, or "+
			"the file seal.key in the data directory), or repeat the providers' handshakes; they are kept",
			"count", count, "provider", names(unreadable), "reason", reason.Error())
	}
	return nil
}

func names(set map[string]bool) string {
	var out []string
	for name := range set {
		out = append(out, name)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// openSeal gives the seal, whose key may be made where create says so. The caller holds learning.
func (v *Vault) openSeal(create bool) (*seal, error) {
	if v.seal != nil {
		return v.seal, nil
	}
	key, err := v.o.Key(create)
	if err != nil {
		return nil, err
	}
	s, err := newSeal(key)
	if err == nil {
		v.seal = s
	}
	return s, err
}

// Learn makes a secret one of the provider's: it is durable, and verifies requests, when Learn returns. Of a secret that is known nothing
// changes but that it is the one to reveal from now on, until the process ends: a provider may hand over the same one each time. Of one
// provider the newest store.MaxSecrets are kept.
func (v *Vault) Learn(ctx context.Context, provider string, s secret.Value) error {
	switch n := len(s.Reveal()); {
	case n == 0:
		return errors.New("learning a secret: it is empty")
	case n > maxSecretBytes:
		return fmt.Errorf("learning a secret: it has %d bytes, more than %d", n, maxSecretBytes)
	}
	v.learning.Lock()
	defer v.learning.Unlock()
	now := v.o.Now().UTC() // without the monotonic clock, which stands still while a machine sleeps
	have := v.Learned(provider).live.Load()
	if i := slices.IndexFunc(have.secrets, func(known secret.Value) bool { return known.Reveal() == s.Reveal() }); i >= 0 {
		v.newest[provider] = handover{secret: s, digest: have.digests[i], at: now}
		return nil
	}
	sl, err := v.openSeal(true)
	if err != nil {
		return fmt.Errorf("learning a secret: %w", err)
	}
	sealed := store.SealedSecret{Provider: provider, Digest: sl.digest(provider, s), Sealed: sl.seal(provider, s), At: now}
	if err := v.o.Store.PutSecret(ctx, sealed); err != nil {
		return fmt.Errorf("learning a secret: %w", err)
	}
	v.add(provider, sealed.Digest, s)
	v.newest[provider] = handover{secret: s, digest: sealed.Digest, at: now}
	return nil
}

// add publishes a secret. The caller holds learning.
func (v *Vault) add(provider, digest string, s secret.Value) {
	l := v.Learned(provider)
	v.mu.Lock()
	defer v.mu.Unlock()
	old := l.live.Load()
	secrets, digests := append(slices.Clone(old.secrets), s), append(slices.Clone(old.digests), digest)
	over := max(len(secrets)-store.MaxSecrets, 0)
	v.revision++
	l.live.Store(&live{version: v.revision, secrets: secrets[over:], digests: digests[over:]})
}

// Learned gives what a provider has handed over, now and from now on; never nil. It may be asked for before Start.
func (v *Vault) Learned(provider string) *Learned {
	v.mu.Lock()
	defer v.mu.Unlock()
	l := v.learned[provider]
	if l == nil {
		l = &Learned{}
		l.live.Store(&live{})
		v.learned[provider] = l
	}
	return l
}

// Learned are the secrets of one provider. Its methods take no lock: they are asked at every request.
type Learned struct{ live atomic.Pointer[live] }

type live struct {
	version uint64
	secrets []secret.Value
	digests []string // of the secrets, in their order
}

// Version changes whenever Secrets does.
func (l *Learned) Version() uint64 { return l.live.Load().version }

// Secrets gives all that are live, the oldest first. The caller must not change the slice.
func (l *Learned) Secrets() []secret.Value { return l.live.Load().secrets }
