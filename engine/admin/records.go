package admin

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// runsOfEvent is how many runs an event's document holds: more than one event starts in any sane folder.
const runsOfEvent = 100

func (a *api) events(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r, "provider", "event", "status", "since", "until", "limit", "cursor")
	ask := store.EventQuery{
		Provider: q.text("provider"), Name: q.text("event"), Status: q.oneOf("status", eventStatuses()),
		Since: q.time("since", a.now()), Until: q.time("until", a.now()), Limit: q.limit(), Cursor: q.text("cursor"),
	}
	if err := q.err(); err != nil {
		return err
	}
	page, err := a.reader.Events(r.Context(), ask)
	if err != nil {
		return err
	}
	if len(page.Events) == 0 && ask.Cursor == "" {
		if err := a.knownProvider(r.Context(), ask.Provider); err != nil {
			return err
		}
	}
	out := EventPage{Events: make([]Event, 0, len(page.Events)), Next: page.Next}
	for _, ev := range page.Events {
		out.Events = append(out.Events, eventDocument(ev))
	}
	answer(w, a.log, http.StatusOK, out)
	return nil
}

func (a *api) event(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r, "body")
	body := q.oneOf("body", []string{"true", "false", "raw"})
	if err := q.err(); err != nil {
		return err
	}
	id, err := parseEventID(r.PathValue("id"))
	if err != nil {
		return err
	}
	if body == "raw" {
		raw, err := a.reader.Body(r.Context(), id)
		if err != nil {
			return err
		}
		writeRaw(w, id.String(), raw)
		return nil
	}
	ev, err := a.reader.Event(r.Context(), id)
	if err != nil {
		return err
	}
	page, err := a.reader.Runs(r.Context(), store.RunQuery{Event: id, Limit: runsOfEvent})
	if err != nil {
		return err
	}
	out := EventDetail{Event: eventDocument(ev), Runs: runDocuments(page.Runs), MoreRuns: page.Next != ""}
	if body == "true" {
		raw, err := a.reader.Body(r.Context(), id)
		if err != nil {
			return err
		}
		out.Body = bodyDocument(raw)
	}
	answer(w, a.log, http.StatusOK, out)
	return nil
}

// writeRaw answers a stranger's bytes: never under the type that they claim, and never shown by a browser.
func writeRaw(w http.ResponseWriter, name string, raw []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", `attachment; filename="`+name+`.body"`)
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(raw) // the client may be gone
}

func (a *api) runs(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r, "event", "pipeline", "state", "reason", "destination", "job", "since", "until", "limit", "cursor")
	ask := store.RunQuery{
		Event: q.eventID("event"), Pipeline: q.text("pipeline"), Reason: q.text("reason"), Destination: q.text("destination"),
		Ref: q.text("job"), Since: q.time("since", a.now()), Until: q.time("until", a.now()), Limit: q.limit(), Cursor: q.text("cursor"),
	}
	if ask.Ref != "" {
		ask.Cause = run.Replay
	}
	switch state := q.oneOf("state", runStates()); state {
	case string(run.Completed), string(run.Filtered), string(run.Limited):
		ask.State, ask.Outcome = run.Done, run.Outcome(state)
	default:
		ask.State = run.State(state)
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
	}
	answer(w, a.log, http.StatusOK, RunPage{Runs: runDocuments(page.Runs), Next: page.Next})
	return nil
}

func (a *api) run(w http.ResponseWriter, r *http.Request) error {
	id, err := run.ParseID(r.PathValue("id"))
	if err != nil {
		return err
	}
	rec, err := a.reader.Run(r.Context(), id)
	if err != nil {
		return err
	}
	out := a.runDetail(r.Context(), rec)
	ev, err := a.reader.Event(r.Context(), rec.Run.Event)
	switch {
	case err == nil:
		doc := eventDocument(ev)
		out.Event = &doc
		a.tellWaits(r.Context(), rec, ev, out.Waits)
		out.Result = a.result(r.Context(), rec, &ev)
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	answer(w, a.log, http.StatusOK, out)
	return nil
}
