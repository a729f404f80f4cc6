package vault_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/vault"
)

// clock stands still until it is set.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func (c *clock) pass(d time.Duration) { c.at = c.at.Add(d) }

// newClockedHouse is a house whose vault goes by a clock of ours.
func newClockedHouse(t *testing.T) (*house, *clock) {
	t.Helper()
	c := &clock{at: time.Date(2026, 3, 4, 12, 0, 0, 0, time.FixedZone("", 3600))}
	h := &house{T: t, dir: t.TempDir(), now: c.now}
	h.open(vault.FileKey(h.keyFile()))
	t.Cleanup(h.close)
	return h, c
}

func (h *house) reveals(provider, want string) vault.Entry {
	h.Helper()
	e, s, err := h.vault.Reveal(h.Context(), provider)
	if err != nil || s.Reveal() != want || e.Provider != provider || !e.Live {
		h.Errorf("revealed of %s is %q (%+v, %v), want %q", provider, s.Reveal(), e, err, want)
	}
	return e
}

func (h *house) doesNotReveal(provider string, want error) {
	h.Helper()
	e, s, err := h.vault.Reveal(h.Context(), provider)
	if !errors.Is(err, want) || !s.IsZero() || e != (vault.Entry{}) {
		h.Errorf("revealed of %s is %q (%+v) with error %v, want nothing and %v", provider, s.Reveal(), e, err, want)
	}
}

func TestASecretIsRevealedForTenMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := inMemory(t, func(s store.Store) vault.Store { return s })
		if err := v.Learn(t.Context(), "acme", secret.New(hook)); err != nil {
			t.Fatal(err)
		}
		<-time.After(10*time.Minute - time.Second)
		if _, s, err := v.Reveal(t.Context(), "acme"); err != nil || s.Reveal() != hook {
			t.Errorf("after 9m59s: got %q, %v, want %q", s.Reveal(), err, hook)
		}
		<-time.After(2 * time.Second)
		if _, s, err := v.Reveal(t.Context(), "acme"); !errors.Is(err, vault.ErrRevealExpired) || !s.IsZero() {
			t.Errorf("after 10m01s: got %q, %v, want %v", s.Reveal(), err, vault.ErrRevealExpired)
		}
		if got := v.Learned("acme").Secrets(); len(got) != 1 {
			t.Errorf("%d secrets are live after that, want 1", len(got))
		}
	})
}

func TestOnlyTheNewestSecretIsRevealed(t *testing.T) {
	t.Parallel()
	h, c := newClockedHouse(t)
	h.doesNotReveal("acme", vault.ErrNothingToReveal)
	h.learn("acme", hook)
	first := h.reveals("acme", hook)
	if !first.At.Equal(c.at) || first.At.Location() != time.UTC {
		t.Errorf("it was learnt at %v, want %v in UTC", first.At, c.at)
	}
	c.pass(9 * time.Minute)
	h.learn("acme", "the second secret")
	h.learn("other", "a secret")
	second := h.reveals("acme", "the second secret")
	all, err := h.vault.List(t.Context())
	if err != nil || len(all) != 3 || all[0] != first || all[1] != second {
		t.Errorf("listed are %+v (%v), revealed %+v and %+v: want the same entries", all, err, first, second)
	}
	c.pass(9 * time.Minute)
	h.reveals("acme", "the second secret")
	c.pass(2 * time.Minute)
	h.doesNotReveal("acme", vault.ErrRevealExpired)
	h.doesNotReveal("nobody", vault.ErrNothingToReveal)
}

func TestTheSameSecretHandedOverAgainIsRevealedAnew(t *testing.T) {
	t.Parallel()
	h, c := newClockedHouse(t)
	h.learn("acme", hook)
	first := h.reveals("acme", hook)
	h.learn("acme", "the second secret")
	c.pass(time.Hour)
	h.doesNotReveal("acme", vault.ErrRevealExpired)
	h.learn("acme", hook)
	again := h.reveals("acme", hook)
	if again.Digest != first.Digest || !again.At.Equal(c.at) {
		t.Errorf("got %+v, want the digest %s and the time %v", again, first.Digest, c.at)
	}
	h.wants("acme", hook, "the second secret")
}

func TestRevealingOutlivesTheProcessButNotItsTime(t *testing.T) {
	t.Parallel()
	h, c := newClockedHouse(t)
	h.learn("acme", "the first secret")
	h.learn("acme", hook)
	c.pass(9*time.Minute + 59*time.Second)
	h.restart(vault.FileKey(h.keyFile()))
	h.reveals("acme", hook)
	c.pass(2 * time.Second)
	h.doesNotReveal("acme", vault.ErrRevealExpired)
	h.restart(vault.FileKey(h.keyFile()))
	h.doesNotReveal("acme", vault.ErrRevealExpired)
	c.pass(-time.Hour)
	h.doesNotReveal("acme", vault.ErrRevealExpired)
}

func TestWhatIsDroppedOrCannotBeReadIsNotRevealed(t *testing.T) {
	t.Parallel()
	h, _ := newClockedHouse(t)
	h.learn("acme", hook)
	h.learn("other", hook)
	h.drop("acme")
	h.doesNotReveal("acme", vault.ErrNothingToReveal)
	h.reveals("other", hook)

	h.restart(text(t, "quite another key"))
	h.doesNotReveal("other", vault.ErrNothingToReveal)
	h.learn("other", "under the other key")
	h.reveals("other", "under the other key")
	h.restart(vault.FileKey(h.keyFile())) // the newest cannot be read, an older one can
	h.wants("other", hook)
	h.doesNotReveal("other", vault.ErrNothingToReveal)
}

func TestEachRevealIsLoggedWithoutTheSecret(t *testing.T) {
	t.Parallel()
	h, c := newClockedHouse(t)
	h.learn("acme", hook)
	e := h.reveals("acme", hook)
	h.reveals("acme", hook)
	log := h.log.String()
	want := fmt.Sprintf("level=WARN msg=\"a learnt secret was revealed\" provider=acme digest=%s\n", e.Digest)
	if strings.Count(log, want) != 2 || strings.Contains(log, hook) {
		t.Errorf("the log is\n%swant %q twice, and no secret", log, want)
	}
	c.pass(time.Hour)
	h.doesNotReveal("acme", vault.ErrRevealExpired)
	if h.log.String() != log {
		t.Errorf("nothing was revealed, but the log says\n%s", h.log.String())
	}
}
