package vault_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/vault"
)

// listed gives what an operator sees, as "provider live".
func (h *house) listed() string {
	h.Helper()
	all, err := h.vault.List(h.Context())
	if err != nil {
		h.Fatal(err)
	}
	var out []string
	for _, e := range all {
		if len(e.Digest) != 12 || e.At.IsZero() || time.Since(e.At) > time.Hour {
			h.Errorf("listed is %+v, want a digest of 12 characters and when it was learnt", e)
		}
		out = append(out, fmt.Sprint(e.Provider, " ", e.Live))
	}
	return strings.Join(out, ", ")
}

func (h *house) drop(provider string) int {
	h.Helper()
	n, err := h.vault.Drop(h.Context(), provider)
	if err != nil {
		h.Fatalf("dropping: %v", err)
	}
	return n
}

func TestAListShowsEverySecretButNotItself(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if got := h.listed(); got != "" {
		t.Errorf("a new vault lists %q", got)
	}
	h.learn("other", "a secret")
	h.learn("acme", hook)
	h.learn("acme", "the second secret")
	if got, want := h.listed(), "acme true, acme true, other true"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	all, err := h.vault.List(t.Context())
	if text := fmt.Sprintf("%+v", all); err != nil || strings.Contains(text, hook) || all[0].Digest == all[1].Digest {
		t.Errorf("got %s, %v, want digests that differ and no secret", text, err)
	}
	h.restart(text(t, "quite another key"))
	h.learn("acme", "a third one")
	if got, want := h.listed(), "acme false, acme false, acme true, other false"; got != want {
		t.Errorf("under another key: got %q, want %q", got, want)
	}
}

func TestWhatIsDroppedIsGoneAtOnceAndForGood(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.learn("acme", hook)
	h.learn("acme", "the second secret")
	h.learn("other", hook)
	held := h.vault.Learned("acme") // as a compiled provider has it
	before := held.Version()
	if got := h.drop("acme"); got != 2 {
		t.Errorf("dropped are %d, want 2", got)
	}
	if got := held.Secrets(); len(got) != 0 || held.Version() == before {
		t.Errorf("who asked before still has %d secrets of version %d", len(got), held.Version())
	}
	h.wants("other", hook)
	if got := h.drop("acme"); got != 0 {
		t.Errorf("dropped again are %d, want 0", got)
	}
	if got := h.drop("nobody"); got != 0 {
		t.Errorf("dropped of nobody are %d, want 0", got)
	}
	h.restart(vault.FileKey(h.keyFile()))
	h.wants("acme")
	h.wants("other", hook)
	h.learn("acme", hook) // a new handshake, with the secret of old
	h.wants("acme", hook)
	if got, want := h.listed(), "acme true, other true"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSecretsThatCannotBeReadCanBeDropped(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.learn("acme", hook)
	h.restart(text(t, "quite another key"))
	if got := h.drop("acme"); got != 1 || h.stored() != 0 {
		t.Errorf("dropped are %d and stored %d, want 1 and none", got, h.stored())
	}
}

func TestACallerThatIsGoneDoesNotStopADrop(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.learn("acme", hook)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := h.vault.Drop(ctx, "acme"); n != 1 || err != nil || h.stored() != 0 {
		t.Errorf("dropped are %d (%v) and stored %d, want 1 and none", n, err, h.stored())
	}
	h.wants("acme")
}

// keeper is a store that cannot drop.
type keeper struct{ store.Store }

func (keeper) DropSecrets(context.Context, string) error { return store.ErrUnavailable }

func TestWhatIsNotDroppedDurablyStaysLive(t *testing.T) {
	t.Parallel()
	v := inMemory(t, func(s store.Store) vault.Store { return keeper{s} })
	if err := v.Learn(t.Context(), "acme", secret.New(hook)); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Drop(t.Context(), "acme"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got error %v, want %v", err, store.ErrUnavailable)
	}
	if got := v.Learned("acme").Secrets(); len(got) != 1 {
		t.Errorf("%d secrets are live, want 1: an error must not look like half a success", len(got))
	}
}

func TestManyLearnListAndDropAtOnce(t *testing.T) {
	t.Parallel()
	v := inMemory(t, func(s store.Store) vault.Store { return s })
	var all sync.WaitGroup
	var mu sync.Mutex
	dropped := 0
	for g := range 4 {
		all.Go(func() {
			for i := range 20 {
				if err := v.Learn(t.Context(), "acme", secret.New(fmt.Sprint("secret ", g, " ", i))); err != nil {
					t.Errorf("learning: %v", err)
				}
				entries, err := v.List(t.Context())
				if err != nil || slices.ContainsFunc(entries, func(e vault.Entry) bool { return !e.Live }) {
					t.Errorf("listing: %+v, %v", entries, err)
				}
				if i%5 == 4 {
					n, err := v.Drop(t.Context(), "acme")
					if err != nil {
						t.Errorf("dropping: %v", err)
					}
					mu.Lock()
					dropped += n
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	left, err := v.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := dropped + len(left); got != 80 || len(v.Learned("acme").Secrets()) != len(left) {
		t.Errorf("%d were dropped and %d are left, want 80 together", dropped, len(left))
	}
}
