package vault

import (
	"context"
	"errors"
	"time"

	"github.com/headgate/headgate/engine/secret"
)

// RevealTime is how long after its handshake a secret may be revealed: enough for a person who has the sender's settings page open and
// looks up the command first, and over before whoever finds the door open later thinks of asking.
const RevealTime = 10 * time.Minute

// Why there is nothing to reveal.
var (
	// ErrNothingToReveal says that nothing was learnt from the provider, or that the newest cannot be read.
	ErrNothingToReveal = errors.New("there is no learnt secret that can be read")
	// ErrRevealExpired says that RevealTime has passed.
	ErrRevealExpired = errors.New("the time to reveal the learnt secret has passed")
)

// handover is a secret and when its provider handed it over last.
type handover struct {
	secret secret.Value
	digest string
	at     time.Time
}

// Reveal gives the secret that a provider handed over last, within RevealTime of that, for the settings page that wants it back. At of the
// entry is when that was. Each secret that is given is logged at warn, by provider and digest; an older one is never given instead. The
// error is ErrNothingToReveal or ErrRevealExpired. The store is not asked; ctx is for the log.
func (v *Vault) Reveal(ctx context.Context, provider string) (Entry, secret.Value, error) {
	v.learning.Lock()
	defer v.learning.Unlock()
	last, ok := v.newest[provider]
	if !ok {
		return Entry{}, secret.Value{}, ErrNothingToReveal
	}
	// A handshake in the future is one before the clock was set back: nobody knows how long ago.
	if since := v.o.Now().UTC().Sub(last.at); since < 0 || since > RevealTime {
		return Entry{}, secret.Value{}, ErrRevealExpired
	}
	e := Entry{Provider: provider, Digest: shown(last.digest), At: last.at, Live: true}
	v.o.Logger.WarnContext(ctx, "a learnt secret was revealed", "provider", provider, "digest", e.Digest)
	return e, last.secret, nil
}
