package vault

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/headgate/headgate/engine/store"
)

// Entry is a learnt secret as an operator may see it.
type Entry struct {
	Provider string `json:"provider"`
	// Digest tells the secrets of a provider apart. It is keyed and cut: nobody can guess a secret with it.
	Digest string `json:"digest"`
	// At is when the secret was learnt.
	At time.Time `json:"at"`
	// Live says that requests are verified with it; false where it was sealed under another key.
	Live bool `json:"live"`
}

const (
	// digestDigits of a digest are shown: the few secrets of one provider do not meet in 48 bits.
	digestDigits = 12
	// dropTime bounds a Drop: longer than any commit of a store that can take writes at all.
	dropTime = 10 * time.Second
)

// List gives all stored secrets without the secrets themselves, by provider, the oldest first; those too that cannot be read. The error
// is the store's.
func (v *Vault) List(ctx context.Context) ([]Entry, error) {
	v.learning.Lock() // so that what is stored is live already
	defer v.learning.Unlock()
	sealed, err := v.o.Store.Secrets(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the learnt secrets: %w", err)
	}
	out := make([]Entry, 0, len(sealed))
	for i := range sealed {
		one := &sealed[i]
		out = append(out, Entry{
			Provider: one.Provider, Digest: shown(one.Digest), At: one.At,
			Live: slices.Contains(v.Learned(one.Provider).live.Load().digests, one.Digest),
		})
	}
	return out, nil
}

// shown cuts a digest to what operators see.
func shown(digest string) string { return digest[:min(len(digest), digestDigits)] }

// Drop forgets all secrets of a provider, those too that cannot be read, and says how many there were; none is no error. When it returns
// that is durable, and no request is verified with them any more; with an error, which is the store's, they verify as before. It does not
// end with ctx: what is dropped in the store alone would verify until the process ends. The provider's next handshake is learnt as the
// first one was.
func (v *Vault) Drop(ctx context.Context, provider string) (int, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTime)
	defer cancel()
	v.learning.Lock()
	defer v.learning.Unlock()
	sealed, err := v.o.Store.Secrets(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the learnt secrets: %w", err)
	}
	sealed = slices.DeleteFunc(sealed, func(s store.SealedSecret) bool { return s.Provider != provider })
	if err := v.o.Store.DropSecrets(ctx, provider); err != nil {
		return 0, fmt.Errorf("dropping the learnt secrets: %w", err)
	}
	delete(v.newest, provider)
	return max(len(sealed), v.forget(provider)), nil
}

// forget takes a provider's secrets out of memory and counts them. Whoever has asked for them before sees it.
func (v *Vault) forget(provider string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	l := v.learned[provider]
	if l == nil || len(l.Secrets()) == 0 {
		return 0
	}
	n := len(l.Secrets())
	v.revision++
	l.live.Store(&live{version: v.revision})
	return n
}
