package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/explain"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

const (
	// eventsOfRequest is how many events of one request are explained; a batch may hold more.
	eventsOfRequest = 50
	// explainedRuns is how many runs of an event are told with their steps.
	explainedRuns = 20
	// alikeRejections is how many of the same kind are counted.
	alikeRejections = 1000
	// around is how far the store's clock may be from the listener's: more than a slow body takes to arrive.
	around = 15 * time.Minute
)

// RejectionPage is a page of refused requests. Next goes into `cursor` to read on; "" at the end.
type RejectionPage struct {
	Rejections []store.Rejection `json:"rejections"`
	Next       string            `json:"next"`
}

func (a *api) rejections(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r, "provider", "code", "request", "since", "limit", "cursor")
	ask := store.RejectionQuery{
		Provider: q.text("provider"), Code: q.text("code"), Request: q.text("request"), Since: q.time("since", a.now()), Limit: q.limit(),
		Cursor: q.text("cursor"),
	}
	if err := q.err(); err != nil {
		return err
	}
	page, err := a.reader.Rejections(r.Context(), ask)
	if err != nil {
		return err
	}
	if len(page.Rejections) == 0 && ask.Cursor == "" {
		if err := a.knownProvider(r.Context(), ask.Provider); err != nil {
			return err
		}
	}
	answer(w, a.log, http.StatusOK, RejectionPage{Rejections: append([]store.Rejection{}, page.Rejections...), Next: page.Next})
	return nil
}

// Explanation tells what became of a request: it was refused, or it brought events.
type Explanation struct {
	// ID is what was asked for, Request the X-Request-Id of the request.
	ID      string `json:"id"`
	Request string `json:"request"`
	// Verdict is "rejected", or what the sender was told of the first event: processed, ignored, quarantined.
	Verdict string `json:"verdict"`
	// Rehearsed says that nothing of it happened: it tells what a request that was read from a file would come to.
	Rehearsed bool `json:"rehearsed,omitempty"`
	// Handshake is set where the request is one, of a request that was read from a file.
	Handshake *Handshake       `json:"handshake,omitempty"`
	Rejection *store.Rejection `json:"rejection,omitempty"`
	// Alike is about refused requests of the same provider and code; of a rejection only.
	Alike *Alike `json:"alike,omitempty"`
	// Events are in the order of the request.
	Events []ExplainedEvent `json:"events,omitempty"`
	// MoreEvents says that Events does not hold all of them.
	MoreEvents bool `json:"more_events,omitempty"`
}

// Alike counts the refused requests on record that have the same provider and code.
type Alike struct {
	// Requests counts those too that have no record of their own.
	Requests int `json:"requests"`
	// Since and Last are the times of the first and the last one on record.
	Since time.Time `json:"since"`
	Last  time.Time `json:"last"`
	// More says that there are older ones, which are not counted.
	More bool `json:"more,omitempty"`
}

// Handshake is how a request that is no delivery is answered.
type Handshake struct {
	// Name is the handshake's own, or its number.
	Name   string `json:"name"`
	Status int    `json:"status"`
	// Stores says that it hands over a secret; Confirms that an address has to be called before the answer.
	Stores   bool `json:"stores,omitempty"`
	Confirms bool `json:"confirms,omitempty"`
}

// ExplainedEvent is one event with its runs whole.
type ExplainedEvent struct {
	Event
	// Identity says what gave the event its name and delivery id; null where its provider is not in the manifests any more.
	Identity *explain.Identity `json:"identity"`
	// Decisions tell what every pipeline of the running manifests made of it, those that have to do with it first.
	Decisions []explain.Decision `json:"decisions"`
	Runs      []ExplainedRun     `json:"runs"`
	// MoreRuns says that Runs does not hold all of them: ask /api/v1/runs?event=….
	MoreRuns bool `json:"more_runs,omitempty"`
}

// ExplainedRun is a run with what its steps read and its attempts got.
type ExplainedRun struct {
	Run
	Steps    []Step     `json:"steps"`
	Attempts []Attempt  `json:"attempts"`
	Tasks    []run.Task `json:"tasks"`
	// Waits tells of each task what it waits for.
	Waits []Wait `json:"waits"`
	// Next are the places where a run that was only rehearsed would go on by doing something.
	Next []explain.Next `json:"next,omitempty"`
}

func (a *api) explain(w http.ResponseWriter, r *http.Request) error {
	if err := readQuery(r).err(); err != nil {
		return err
	}
	id := r.PathValue("id")
	out := Explanation{ID: id}
	var err error
	if requestTime(id).IsZero() {
		err = a.explainEvent(r.Context(), id, &out)
	} else {
		err = a.explainRequest(r.Context(), id, &out)
	}
	if err != nil {
		return err
	}
	answer(w, a.log, http.StatusOK, out)
	return nil
}

// explainEvent tells of one event, named by its id or by the execution id that its sender got.
func (a *api) explainEvent(ctx context.Context, text string, out *Explanation) error {
	if id, err := run.ParseID(text); err == nil {
		return a.explainRun(ctx, id, out)
	}
	id, err := parseEventID(text)
	if err != nil {
		return refuse(http.StatusNotFound, "not_found", fmt.Sprintf("%q is neither a request's id (X-Request-Id), nor an event's or a run's, nor an execution_id", text))
	}
	ev, err := a.reader.Event(ctx, id)
	if err != nil {
		return err
	}
	return a.addEvents(ctx, []event.Event{ev}, out)
}

// explainRun tells of the event of a run, and of that run alone.
func (a *api) explainRun(ctx context.Context, id run.ID, out *Explanation) error {
	if _, err := a.reader.Run(ctx, id); err != nil {
		return err
	}
	ev, err := a.reader.Event(ctx, id.Event)
	if err != nil {
		return err
	}
	if err := a.addEvents(ctx, []event.Event{ev}, out); err != nil {
		return err
	}
	one := &out.Events[0]
	one.Runs = slices.DeleteFunc(one.Runs, func(r ExplainedRun) bool { return r.ID != id })
	one.Decisions = slices.DeleteFunc(one.Decisions, func(d explain.Decision) bool { return d.Run == nil || *d.Run != id })
	return nil
}

// explainRequest tells of a request, named by its X-Request-Id.
func (a *api) explainRequest(ctx context.Context, id string, out *Explanation) error {
	page, err := a.reader.Rejections(ctx, store.RejectionQuery{Request: id, Limit: 1})
	if err != nil {
		return err
	}
	if len(page.Rejections) > 0 {
		return a.addRejection(ctx, &page.Rejections[0], out)
	}
	found, err := a.eventsOf(ctx, id)
	if err != nil {
		return err
	}
	if len(found.Events) == 0 {
		return refuse(http.StatusNotFound, "not_found", "there is no record of this request. A delivery that was here already has none: ask for the "+
			"execution_id in its answer, which is the first one's. Nor has a handshake, one of many that were refused alike (which are only counted), "+
			"and what was pruned")
	}
	out.MoreEvents = found.Next != ""
	return a.addEvents(ctx, found.Events, out)
}

func (a *api) addRejection(ctx context.Context, r *store.Rejection, out *Explanation) error {
	out.Request, out.Verdict, out.Rejection = r.Request, "rejected", r
	like, err := a.reader.Rejections(ctx, store.RejectionQuery{Provider: r.Provider, Code: r.Code, Limit: alikeRejections})
	if err != nil {
		return err
	}
	out.Alike = &Alike{More: like.Next != ""}
	for i := range like.Rejections {
		one := &like.Rejections[i]
		if one.Provider != r.Provider { // a query cannot ask for those without a provider
			continue
		}
		out.Alike.Requests += one.Count
		if out.Alike.Since.IsZero() || one.At.Before(out.Alike.Since) {
			out.Alike.Since = one.At
		}
		if one.At.After(out.Alike.Last) {
			out.Alike.Last = one.At
		}
	}
	return nil
}

// requestTime gives the millisecond in which a request came, which its id begins with; zero where the text is no request's id.
func requestTime(id string) time.Time {
	const timeDigits, chanceDigits = 9, 7
	if len(id) != timeDigits+chanceDigits {
		return time.Time{}
	}
	if _, err := event.ParseID("000001" + id[timeDigits:]); err != nil {
		return time.Time{}
	}
	ms, err := event.ParseID("0000" + id[:timeDigits])
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms)).UTC()
}

// eventsOf finds the events of a request. They have no index of their own: the time in the request's id says where to look. The store's
// clock stands still while a machine sleeps, so that it may be behind by as much as the newest event tells.
func (a *api) eventsOf(ctx context.Context, id string) (store.EventPage, error) {
	came := requestTime(id)
	look := func(at time.Time) (store.EventPage, error) {
		return a.reader.Events(ctx, store.EventQuery{
			Request: id, Received: came, Since: at.Add(-around), Until: at.Add(around), Limit: eventsOfRequest,
		})
	}
	page, err := look(came)
	if err != nil || len(page.Events) > 0 {
		return page, err
	}
	newest, err := a.reader.Events(ctx, store.EventQuery{Limit: 1})
	if err != nil || len(newest.Events) == 0 {
		return store.EventPage{}, err
	}
	last := &newest.Events[0]
	behind := last.Received.Sub(last.ID.Time())
	if behind.Abs() < around/2 {
		return store.EventPage{}, nil
	}
	return look(came.Add(-behind))
}

// addEvents adds events, which stand newest first, with their runs.
func (a *api) addEvents(ctx context.Context, events []event.Event, out *Explanation) error {
	for i := len(events) - 1; i >= 0; i-- {
		one := ExplainedEvent{Event: eventDocument(events[i]), Runs: []ExplainedRun{}, Decisions: []explain.Decision{}}
		page, err := a.reader.Runs(ctx, store.RunQuery{Event: events[i].ID, Limit: explainedRuns})
		if err != nil {
			return err
		}
		one.MoreRuns = page.Next != ""
		if a.folder != nil {
			snap := a.folder.Current()
			woken, err := a.woken(ctx, snap, &events[i])
			if err != nil {
				return err
			}
			one.Identity, one.Decisions = explain.Identify(snap, &events[i]), explain.Decide(snap, &events[i], page.Runs, woken)
		}
		for _, r := range page.Runs {
			rec, err := a.reader.Run(ctx, r.ID)
			if errors.Is(err, store.ErrNotFound) {
				continue // pruned meanwhile
			}
			if err != nil {
				return err
			}
			d := a.runDetail(ctx, rec)
			a.tellWaits(ctx, rec, events[i], d.Waits)
			one.Runs = append(one.Runs, ExplainedRun{Run: d.Run, Steps: d.Steps, Attempts: d.Attempts, Tasks: d.Tasks, Waits: d.Waits})
		}
		out.Events = append(out.Events, one)
	}
	first := &out.Events[0]
	out.Request, out.Verdict = first.Request, first.Status
	return nil
}
