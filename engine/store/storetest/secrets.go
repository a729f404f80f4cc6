package storetest

import (
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/store"
)

func secretChecks() []check {
	return []check{
		{"a sealed secret is kept byte for byte, over a restart too", secretsKept},
		{"the same secret again changes nothing", secretAgain},
		{"of one provider the newest secrets are kept", secretsBounded},
		{"secrets of one provider can be dropped", secretsDropped},
		{"secrets are not pruned", secretsNotPruned},
	}
}

func sealedSecret(provider, digest string) store.SealedSecret {
	return store.SealedSecret{
		Provider: provider, Digest: digest, Sealed: []byte("\x00\xff sealed " + digest), At: time.Date(2026, 3, 1, 11, 0, 0, 7, time.UTC),
	}
}

func (s *suite) putSecret(secret store.SealedSecret) {
	s.Helper()
	if err := s.store.PutSecret(s.Context(), secret); err != nil {
		s.Fatalf("PutSecret: %v", err)
	}
}

func (s *suite) secrets() []store.SealedSecret {
	s.Helper()
	all, err := s.store.Secrets(s.Context())
	if err != nil {
		s.Fatalf("Secrets: %v", err)
	}
	return all
}

func secretsKept(s *suite) {
	if got := s.secrets(); len(got) != 0 {
		s.Fatalf("a new store has secrets: %+v", got)
	}
	b, a, second := sealedSecret("b", "1"), sealedSecret("a", "1"), sealedSecret("b", "0")
	second.At = time.Time{}
	s.putSecret(b)
	s.putSecret(a)
	s.putSecret(second)
	second.At = s.clock.now()
	want := []store.SealedSecret{a, b, second}
	same(s, "the secrets", s.secrets(), want)
	s.restart()
	same(s, "the secrets after a restart", s.secrets(), want)
}

func secretAgain(s *suite) {
	first := sealedSecret("acme", "1")
	s.putSecret(first)
	again := first
	again.Sealed, again.At = []byte("sealed with another nonce"), s.clock.now()
	s.putSecret(again)
	same(s, "the secrets", s.secrets(), []store.SealedSecret{first})
}

func secretsBounded(s *suite) {
	other := sealedSecret("other", "1")
	s.putSecret(other)
	var want []store.SealedSecret
	for i := range store.MaxSecrets + 3 {
		one := sealedSecret("acme", fmt.Sprint(i))
		s.putSecret(one)
		want = append(want, one)
	}
	same(s, "the secrets", s.secrets(), append(want[3:], other))
}

func secretsDropped(s *suite) {
	kept := sealedSecret("other", "1")
	s.putSecret(sealedSecret("acme", "1"))
	s.putSecret(sealedSecret("acme", "2"))
	s.putSecret(kept)
	for range 2 {
		wants(s, "DropSecrets", s.store.DropSecrets(s.Context(), "acme"), nil)
		same(s, "the secrets", s.secrets(), []store.SealedSecret{kept})
	}
}

func secretsNotPruned(s *suite) {
	kept := sealedSecret("acme", "1")
	s.putSecret(kept)
	s.clock.advance(1000 * time.Hour)
	if _, err := s.store.Prune(s.Context(), store.Policy{Events: time.Minute}, 100); err != nil {
		s.Fatalf("Prune: %v", err)
	}
	same(s, "the secrets", s.secrets(), []store.SealedSecret{kept})
}
