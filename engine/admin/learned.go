package admin

import (
	"fmt"
	"net/http"

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
	a.log.InfoContext(r.Context(), "learnt secrets were dropped", "provider", provider, "count", n)
	answer(w, a.log, http.StatusOK, LearnedDropped{Provider: provider, Dropped: n})
	return nil
}
