package vault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/memory"
	"github.com/headgate/headgate/engine/store/sqlite"
	"github.com/headgate/headgate/engine/vault"
)

// house is a data directory with a store and a vault, which can be started again.
type house struct {
	*testing.T
	dir   string
	store store.Store
	vault *vault.Vault
	log   strings.Builder
	now   func() time.Time // nil for time.Now
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{T: t, dir: t.TempDir()}
	h.open(vault.FileKey(h.keyFile()))
	t.Cleanup(h.close)
	return h
}

func (h *house) keyFile() string { return filepath.Join(h.dir, "seal.key") }

func (h *house) open(key vault.KeySource) {
	h.Helper()
	st, err := sqlite.New(sqlite.Options{Path: filepath.Join(h.dir, "headgate.db")})
	if err != nil {
		h.Fatal(err)
	}
	if err := st.Start(h.Context()); err != nil {
		h.Fatal(err)
	}
	h.store = st
	h.log.Reset()
	if h.vault, err = vault.New(vault.Options{Store: st, Key: key, Logger: slog.New(slog.NewTextHandler(&h.log, nil)), Now: h.now}); err != nil {
		h.Fatal(err)
	}
	if err := h.vault.Start(h.Context()); err != nil {
		h.Fatal(err)
	}
}

func (h *house) close() {
	h.Helper()
	if err := h.store.Stop(context.Background()); err != nil {
		h.Errorf("stopping the store: %v", err)
	}
}

// restart ends the process, so to say, and goes on with the key given.
func (h *house) restart(key vault.KeySource) {
	h.Helper()
	h.close()
	h.open(key)
}

func (h *house) learn(provider, text string) {
	h.Helper()
	if err := h.vault.Learn(h.Context(), provider, secret.New(text)); err != nil {
		h.Fatalf("learning: %v", err)
	}
}

func (h *house) wants(provider string, want ...string) {
	h.Helper()
	var got []string
	for _, s := range h.vault.Learned(provider).Secrets() {
		got = append(got, s.Reveal())
	}
	if !slices.Equal(got, want) {
		h.Errorf("%s has %q, want %q", provider, got, want)
	}
}

func (h *house) stored() int {
	h.Helper()
	all, err := h.store.Secrets(h.Context())
	if err != nil {
		h.Fatal(err)
	}
	return len(all)
}

func text(t *testing.T, s string) vault.KeySource {
	t.Helper()
	key, err := vault.TextKey(secret.New(s))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

const hook = "whk-9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d"

func TestALearntSecretOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.learn("acme", hook)
	h.learn("acme", "the second secret")
	h.learn("other", hook)
	h.wants("acme", hook, "the second secret")
	h.restart(vault.FileKey(h.keyFile()))
	h.wants("acme", hook, "the second secret")
	h.wants("other", hook)
	h.wants("nobody")
	if h.log.Len() > 0 {
		t.Errorf("the log says %q, want nothing", h.log.String())
	}
}

func TestNoFileHoldsASecretInTheClear(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.learn("acme", hook)
	key, err := os.ReadFile(h.keyFile())
	if err != nil {
		t.Fatal(err)
	}
	for _, closed := range []bool{false, true} {
		if closed {
			h.restart(vault.FileKey(h.keyFile())) // the log has been copied into the file
		}
		files, err := filepath.Glob(filepath.Join(h.dir, "headgate.db*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("files %q, %v", files, err)
		}
		found := false
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found = found || bytes.Contains(data, []byte("acme"))
			for _, never := range []string{hook, hook[4:20], strings.TrimSpace(string(key))} {
				if bytes.Contains(data, []byte(never)) {
					t.Errorf("%s holds %q", filepath.Base(file), never)
				}
			}
		}
		if !found {
			t.Error("no file holds the provider's name: the search looks at the wrong files")
		}
	}
}

func TestTheKeyFileIsMadeAtFirstNeedForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if _, err := os.Stat(h.keyFile()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("before anything was learnt: %v, want no file", err)
	}
	h.learn("acme", hook)
	st, err := os.Stat(h.keyFile())
	if err != nil {
		t.Fatal(err)
	}
	if got := st.Mode().Perm(); got != 0o600 {
		t.Errorf("the file has mode %o, want 600", got)
	}
	before, _ := os.ReadFile(h.keyFile())
	h.learn("acme", "another one")
	h.restart(vault.FileKey(h.keyFile()))
	h.learn("acme", "a third one")
	if after, _ := os.ReadFile(h.keyFile()); !bytes.Equal(after, before) {
		t.Error("the key has changed")
	}
}

func TestAnEmptyKeyFileIsFilled(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if err := os.WriteFile(h.keyFile(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.learn("acme", hook)
	h.restart(vault.FileKey(h.keyFile()))
	h.wants("acme", hook)
}

func TestTheKeyOfTheFileMayBeMovedIntoTheSetting(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.learn("acme", hook)
	key, err := os.ReadFile(h.keyFile())
	if err != nil {
		t.Fatal(err)
	}
	h.restart(text(t, string(key)))
	h.wants("acme", hook)
}

func TestSecretsUnderAnotherKeyAreToldAndKept(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.learn("acme", hook)
	h.learn("other", hook)
	h.learn("other", "a second one")
	h.restart(text(t, "quite another key"))
	h.wants("acme")
	h.wants("other")
	log := h.log.String()
	if n := strings.Count(log, "level=WARN"); n != 1 {
		t.Errorf("%d warnings, want one: %s", n, log)
	}
	for _, want := range []string{"count=3", `provider="acme, other"`, "HEADGATE_SEAL_KEY", "seal.key", "handshake", "not sealed with this key"} {
		if !strings.Contains(log, want) {
			t.Errorf("the warning lacks %q: %s", want, log)
		}
	}
	if strings.Contains(log, hook) {
		t.Errorf("the warning tells the secret: %s", log)
	}

	h.learn("acme", hook) // a new handshake, with the secret of old
	h.wants("acme", hook)
	if got := h.stored(); got != 4 {
		t.Errorf("%d secrets are stored, want the three of old and the new one", got)
	}
	h.restart(vault.FileKey(h.keyFile()))
	h.wants("other", hook, "a second one")
}

func TestAMissingKeyFileIsNotReplacedUntilSomethingIsLearnt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.learn("acme", hook)
	if err := os.Rename(h.keyFile(), h.keyFile()+".moved"); err != nil {
		t.Fatal(err)
	}
	h.restart(vault.FileKey(h.keyFile()))
	if !strings.Contains(h.log.String(), "count=1") || !strings.Contains(h.log.String(), h.keyFile()) {
		t.Errorf("the log says %q, want a warning that names the file", h.log.String())
	}
	if _, err := os.Stat(h.keyFile()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a key was made over the lost one: %v", err)
	}
	if err := os.Rename(h.keyFile()+".moved", h.keyFile()); err != nil {
		t.Fatal(err)
	}
	h.restart(vault.FileKey(h.keyFile()))
	h.wants("acme", hook)
}

func TestABrokenKeyFileIsNoReasonToCrashOrToOverwrite(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.learn("acme", hook)
	if err := os.WriteFile(h.keyFile(), []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.restart(vault.FileKey(h.keyFile()))
	h.wants("acme")
	if !strings.Contains(h.log.String(), "64 hexadecimal digits") || strings.Contains(h.log.String(), "not a key") {
		t.Errorf("the log says %q, want what a key is and not what the file holds", h.log.String())
	}
	if err := h.vault.Learn(t.Context(), "acme", secret.New("new")); err == nil || !strings.Contains(err.Error(), h.keyFile()) {
		t.Errorf("learning gave %v, want an error that names the file", err)
	}
	h.wants("acme")
	if data, _ := os.ReadFile(h.keyFile()); string(data) != "not a key" {
		t.Errorf("the file was overwritten: %q", data)
	}
}

func TestASecretDoesNotOpenForAnotherProvider(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.learn("acme", hook)
	all, err := h.store.Secrets(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	moved := all[0]
	moved.Provider = "mallory"
	if err := h.store.PutSecret(t.Context(), moved); err != nil {
		t.Fatal(err)
	}
	damaged := all[0]
	damaged.Digest, damaged.Sealed = "damaged", append(slices.Clone(all[0].Sealed[:20]), all[0].Sealed[21:]...)
	newer := all[0]
	newer.Digest, newer.Sealed = "newer", []byte{9}
	for _, s := range []store.SealedSecret{damaged, newer} {
		if err := h.store.PutSecret(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	h.restart(vault.FileKey(h.keyFile()))
	h.wants("mallory")
	h.wants("acme", hook)
	if !strings.Contains(h.log.String(), "count=3") {
		t.Errorf("the log says %q, want three that cannot be read", h.log.String())
	}
}

func TestLearningTwiceIsLearningOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	l := h.vault.Learned("acme")
	if got := l.Version(); got != 0 {
		t.Errorf("the version is %d before anything was learnt", got)
	}
	h.learn("acme", hook)
	first := l.Version()
	h.learn("acme", hook)
	if first == 0 || l.Version() != first {
		t.Errorf("versions %d and %d, want one that is not 0, twice", first, l.Version())
	}
	h.learn("acme", "another one")
	if l.Version() == first {
		t.Error("the version has not changed with the secrets")
	}
	if got := h.stored(); got != 2 {
		t.Errorf("%d secrets are stored, want 2", got)
	}
}

func TestTheNewestSecretsAreKept(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var want []string
	for i := range store.MaxSecrets + 3 {
		want = append(want, fmt.Sprint("secret ", i))
		h.learn("acme", want[i])
	}
	h.wants("acme", want[3:]...)
	h.restart(vault.FileKey(h.keyFile()))
	h.wants("acme", want[3:]...)
}

func TestWhatIsNoSecretIsNotLearnt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, bad := range []string{"", strings.Repeat("x", 9<<10)} {
		if err := h.vault.Learn(t.Context(), "acme", secret.New(bad)); err == nil {
			t.Errorf("a secret of %d bytes was learnt", len(bad))
		}
	}
	h.wants("acme")
}

// refuser is a store that cannot write.
type refuser struct{ store.Store }

func (refuser) PutSecret(context.Context, store.SealedSecret) error { return store.ErrUnavailable }

func TestWhatIsNotDurableIsNotLearnt(t *testing.T) {
	t.Parallel()
	v := inMemory(t, func(s store.Store) vault.Store { return refuser{s} })
	if err := v.Learn(t.Context(), "acme", secret.New(hook)); !errors.Is(err, store.ErrUnavailable) || strings.Contains(err.Error(), hook) {
		t.Errorf("got error %v, want %v", err, store.ErrUnavailable)
	}
	if got := v.Learned("acme").Secrets(); len(got) != 0 {
		t.Errorf("it is live although it was not stored: %v", got)
	}
}

func inMemory(t *testing.T, wrap func(store.Store) vault.Store) *vault.Vault {
	t.Helper()
	st := memory.New(memory.Options{})
	if err := st.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	v, err := vault.New(vault.Options{Store: wrap(st), Key: vault.FreshKey(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestManyLearnAndReadAtOnce(t *testing.T) {
	t.Parallel()
	v := inMemory(t, func(s store.Store) vault.Store { return s })
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			l := v.Learned("acme")
			for i := range 20 {
				one := secret.New(fmt.Sprint("secret ", (g+i)%20))
				if err := v.Learn(t.Context(), "acme", one); err != nil {
					t.Errorf("learning: %v", err)
				}
				if l.Version() == 0 || len(l.Secrets()) == 0 {
					t.Error("what was learnt is not live")
				}
			}
		})
	}
	all.Wait()
	if got := len(v.Learned("acme").Secrets()); got != 20 {
		t.Errorf("%d secrets, want 20", got)
	}
}

func TestAKeyThatIsTooShortIsRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "short", "   fifteen chars   ", strings.Repeat(" ", 20)} {
		if _, err := vault.TextKey(secret.New(bad)); err == nil || !strings.Contains(err.Error(), "16") {
			t.Errorf("%q: got error %v, want one that says how many characters it needs", bad, err)
		}
	}
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	whole := vault.Options{Store: memory.New(memory.Options{}), Key: vault.FreshKey(), Logger: slog.New(slog.DiscardHandler)}
	for want, drop := range map[string]func(*vault.Options){
		"Options.Store":  func(o *vault.Options) { o.Store = nil },
		"Options.Key":    func(o *vault.Options) { o.Key = nil },
		"Options.Logger": func(o *vault.Options) { o.Logger = nil },
	} {
		o := whole
		drop(&o)
		if _, err := vault.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one that names %s", err, want)
		}
	}
}

func TestOthersKeepTheirSecretsSealedForTheirPurpose(t *testing.T) {
	t.Parallel()
	st := memory.New(memory.Options{})
	if err := st.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	open := func(key vault.KeySource) *vault.Vault {
		v, err := vault.New(vault.Options{Store: st, Key: key, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	key := vault.FreshKey()
	v := open(key)
	sealed, err := v.Seal("subscription/sub_1", secret.New("canary"))
	if err != nil || bytes.Contains(sealed, []byte("canary")) {
		t.Fatalf("sealed is %q: %v", sealed, err)
	}
	again, err := v.Seal("subscription/sub_1", secret.New("canary"))
	if err != nil || bytes.Equal(sealed, again) {
		t.Errorf("sealing twice gives the same: %v", err)
	}
	for name, v := range map[string]*vault.Vault{"at once": v, "by another process": open(key)} {
		if text, err := v.Open("subscription/sub_1", sealed); err != nil || text.Reveal() != "canary" {
			t.Errorf("%s: it does not open: %v", name, err)
		}
		if _, err := v.Open("subscription/sub_2", sealed); err == nil {
			t.Errorf("%s: it opens for another purpose", name)
		}
	}
	if _, err := open(vault.FreshKey()).Open("subscription/sub_1", sealed); err == nil {
		t.Error("it opens with another key")
	}
	if _, err := v.Seal("acme", secret.New("x")); err == nil {
		t.Error("a purpose may be the name of a provider")
	}
	if _, err := v.Open("acme", sealed); err == nil {
		t.Error("a purpose to open for may be the name of a provider")
	}
	if _, err := v.Open("subscription/sub_1", nil); err == nil {
		t.Error("nothing opens")
	}
}
