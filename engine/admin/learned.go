package admin

import (
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/vault"
)

// LearnedList is what GET /api/v1/learned answers. It has no pages: of each provider there are store.MaxSecrets at most.
type LearnedList struct {
	Learned []vault.Entry `json:"learned"`
}

func (a *api) listLearned(w http.ResponseWriter, r *http.Request) error {
	if err := readQuery(r).err(); err != nil {
		return err
	}
	all, err := a.learned.List(r.Context())
	if err != nil {
		return err
	}
	answer(w, a.log, http.StatusOK, LearnedList{Learned: append([]vault.Entry{}, all...)})
	return nil
}

// LearnedRevealed is what POST /api/v1/learned/{provider}/reveal answers: the only document of this API with a secret in it.
type LearnedRevealed struct {
	Provider string `json:"provider"`
	// Digest is the one under which the list has the secret.
	Digest string `json:"digest"`
	// At is when the provider handed it over last.
	At     time.Time `json:"at"`
	Secret string    `json:"secret,omitempty"`
	// SecretBase64 is there instead of Secret where that is no UTF-8 text.
	SecretBase64 []byte `json:"secret_base64,omitempty"`
}

// revealLearned logs nothing: the vault does, whoever asks it.
func (a *api) revealLearned(w http.ResponseWriter, r *http.Request) error {
	if err := readQuery(r).err(); err != nil {
		return err
	}
	provider := r.PathValue("provider")
	e, s, err := a.learned.Reveal(r.Context(), provider)
	switch {
	case errors.Is(err, vault.ErrNothingToReveal):
		return refuse(http.StatusNotFound, "not_found", fmt.Sprintf("no secret that can be read is learnt from a provider %.80q", provider))
	case errors.Is(err, vault.ErrRevealExpired):
		return refuse(http.StatusGone, "reveal_expired", fmt.Sprintf("what %.80q handed over is shown for %.0f minutes, and they have passed: "+
			"repeat the handshake in the provider's settings, then ask again", provider, vault.RevealTime.Minutes()))
	case err != nil:
		return err
	}
	a.note(r, actionReveal, provider, map[string]string{"digest": e.Digest})
	out := LearnedRevealed{Provider: e.Provider, Digest: e.Digest, At: e.At}
	if text := s.Reveal(); utf8.ValidString(text) {
		out.Secret = text
	} else {
		out.SecretBase64 = []byte(text)
	}
	answer(w, a.log, http.StatusOK, out)
	return nil
}

// LearnedDropped is what DELETE /api/v1/learned/{provider} answers.
type LearnedDropped struct {
	Provider string `json:"provider"`
	// Dropped is how many secrets there were.
	Dropped int `json:"dropped"`
}

// dropLearned answers 404 where nothing was dropped: a misspelt name must not look like a leaked secret that is gone.
func (a *api) dropLearned(w http.ResponseWriter, r *http.Request) error {
	if err := readQuery(r).err(); err != nil {
		return err
	}
	provider := r.PathValue("provider")
	n, err := a.learned.Drop(r.Context(), provider)
	if err != nil {
		return err
	}
	if n == 0 {
		return refuse(http.StatusNotFound, "not_found", fmt.Sprintf("no secret is learnt from a provider %.80q", provider))
	}
	a.note(r, actionForget, provider, map[string]int{"dropped": n})
	a.log.InfoContext(r.Context(), "learnt secrets were dropped", "provider", provider, "count", n)
	answer(w, a.log, http.StatusOK, LearnedDropped{Provider: provider, Dropped: n})
	return nil
}
