package admin

import (
	"crypto/rand"
	"net/http"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// parked lists the parked runs: what /api/v1/runs answers, with the filters of a job that retries or drops them.
func (a *api) parked(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r, "pipeline", "reason", "destination", "since", "until", "limit", "cursor")
	ask := store.RunQuery{
		State: run.Parked, Pipeline: q.text("pipeline"), Reason: q.text("reason"), Destination: q.text("destination"),
		Since: q.time("since", a.now()), Until: q.time("until", a.now()), Limit: q.limit(), Cursor: q.text("cursor"),
	}
	if err := q.err(); err != nil {
		return err
	}
	page, err := a.reader.Runs(r.Context(), ask)
	if err != nil {
		return err
	}
	if len(page.Runs) == 0 && ask.Cursor == "" {
		if err := a.knownPipeline(r.Context(), ask.Pipeline); err != nil {
			return err
		}
		if err := a.knownGate(r.Context(), ask.Destination); err != nil {
			return err
		}
	}
	answer(w, a.log, http.StatusOK, RunPage{Runs: runDocuments(page.Runs), Next: page.Next})
	return nil
}

// idempotencyKey is what makes asking twice asking once; a fresh one where the caller has none.
func idempotencyKey(r *http.Request) string {
	if key := r.Header.Get("Idempotency-Key"); key != "" {
		return key
	}
	return rand.Text()
}

func (a *api) retry(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r, "current")
	current := q.oneOf("current", []string{"true", "false"}) == "true"
	if err := q.err(); err != nil {
		return err
	}
	rec, err := a.runOf(r)
	if err != nil {
		return err
	}
	ask := store.RetryAsk{Request: idempotencyKey(r), Run: rec.Run.ID, By: By(r)}
	if current {
		if ask.Revision, err = a.liveRevision(rec.Run.Pipeline); err != nil {
			return err
		}
	}
	if err := a.reader.Retry(r.Context(), ask); err != nil {
		return err
	}
	a.log.InfoContext(r.Context(), "a parked run was opened again", "run", ask.Run.String(), "pipeline", rec.Run.Pipeline, "request", ask.Request)
	return a.answerRun(w, r, ask.Run)
}

func (a *api) drop(w http.ResponseWriter, r *http.Request) error {
	if err := readQuery(r).err(); err != nil {
		return err
	}
	rec, err := a.runOf(r)
	if err != nil {
		return err
	}
	ask := store.DropAsk{Request: idempotencyKey(r), Run: rec.Run.ID, By: By(r)}
	if err := a.reader.Drop(r.Context(), ask); err != nil {
		return err
	}
	a.log.InfoContext(r.Context(), "a parked run was dropped", "run", ask.Run.String(), "pipeline", rec.Run.Pipeline, "request", ask.Request)
	return a.answerRun(w, r, ask.Run)
}

// runOf reads the run that a path names.
func (a *api) runOf(r *http.Request) (store.RunRecord, error) {
	id, err := run.ParseID(r.PathValue("id"))
	if err != nil {
		return store.RunRecord{}, err
	}
	return a.reader.Run(r.Context(), id)
}

func (a *api) answerRun(w http.ResponseWriter, r *http.Request, id run.ID) error {
	rec, err := a.reader.Run(r.Context(), id)
	if err != nil {
		return err
	}
	answer(w, a.log, http.StatusOK, a.runDetail(r.Context(), rec))
	return nil
}

// liveRevision gives the revision under which a pipeline is live; where it is not, that is a conflict.
func (a *api) liveRevision(name string) (string, error) {
	for _, d := range a.live() {
		if d.Name == name {
			return d.Revision, nil
		}
	}
	return "", refuse(http.StatusConflict, "no_pipeline", "the run's pipeline is not in the folder any more")
}
