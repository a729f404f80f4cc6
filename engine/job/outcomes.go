package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/fault"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

const (
	// MaxEvents of a replay are compared in one go: each costs two whole runs of every pipeline that it started.
	MaxEvents     = 100
	defaultEvents = 20
	// maxRunsOfEvent are looked through for those that belong together.
	maxRunsOfEvent = 1000
)

// OutcomePage is what became of some events of a replay. Next is "" at the end.
type OutcomePage struct {
	Outcomes []Outcome
	Next     string
}

// Outcomes holds what a replay came to against what its events came to first, oldest event first; limit is how many events, 20 where 0 and
// at most MaxEvents. An event that started nothing, and starts nothing now, is not among them; of a job whose ids the store has dropped
// there are none. The error wraps store.ErrNotFound where
// there is no such job, and is a *fault.Error where it is no replay.
func (s *Service) Outcomes(ctx context.Context, id, cursor string, limit int) (OutcomePage, error) {
	j, err := s.o.Store.Job(ctx, id)
	if err != nil {
		return OutcomePage{}, fmt.Errorf("reading a job: %w", err)
	}
	if j.Kind != store.JobReplay {
		return OutcomePage{}, fault.New(fault.Invalid, "no_replay", "only the runs of a replay can be compared", nil)
	}
	if limit <= 0 {
		limit = defaultEvents
	}
	events, next, err := s.eventsOf(ctx, j, cursor, min(limit, MaxEvents))
	if err != nil {
		return OutcomePage{}, err
	}
	page := OutcomePage{Next: next}
	for i := range events {
		out, err := s.outcomesOf(ctx, &j, &events[i])
		if err != nil {
			return OutcomePage{}, err
		}
		page.Outcomes = append(page.Outcomes, out...)
	}
	return page, nil
}

// eventsOf gives a page of the events that a replay is about.
func (s *Service) eventsOf(ctx context.Context, j store.Job, cursor string, limit int) (events []event.Event, next string, err error) {
	if j.Named > 0 && len(j.IDs) == 0 {
		return nil, "", nil // dropped since
	}
	if len(j.IDs) == 0 {
		q := j.Events
		q.Limit, q.Cursor = limit, cursor
		page, err := s.o.Store.Events(ctx, q)
		if err != nil {
			return nil, "", fmt.Errorf("reading the events of a job: %w", err)
		}
		return page.Events, page.Next, nil
	}
	from, err := strconv.Atoi(orZero(cursor))
	if err != nil || from < 0 || from > len(j.IDs) {
		return nil, "", fmt.Errorf("%q: %w", cursor, store.ErrBadCursor)
	}
	to := min(from+limit, len(j.IDs))
	for _, text := range j.IDs[from:to] {
		id, err := event.ParseID(text)
		if err != nil {
			return nil, "", fmt.Errorf("reading a job: %w", err)
		}
		ev, err := s.o.Store.Event(ctx, id)
		switch {
		case err == nil:
			events = append(events, ev)
		case !errors.Is(err, store.ErrNotFound):
			return nil, "", fmt.Errorf("reading an event of a job: %w", err)
		}
	}
	if to < len(j.IDs) {
		next = strconv.Itoa(to)
	}
	return events, next, nil
}

// pair are the runs of one pipeline.
type pair struct{ first, replayed *run.Run }

// outcomesOf compares what a replay made of one event, by pipeline.
func (s *Service) outcomesOf(ctx context.Context, j *store.Job, ev *event.Event) ([]Outcome, error) {
	page, err := s.o.Store.Runs(ctx, store.RunQuery{Event: ev.ID, Ascending: true, Limit: maxRunsOfEvent})
	if err != nil {
		return nil, fmt.Errorf("reading the runs of an event: %w", err)
	}
	pairs := map[string]*pair{}
	var names []string
	of := func(pipeline string) *pair {
		if pairs[pipeline] == nil {
			pairs[pipeline] = &pair{}
			names = append(names, pipeline)
		}
		return pairs[pipeline]
	}
	for i := range page.Runs {
		switch r := &page.Runs[i]; {
		case r.Cause == (run.Cause{Kind: run.Replay, Ref: j.ID}):
			of(r.Pipeline).replayed = r
		case r.Cause.Kind == run.Live || r.Cause.Kind == run.Manual:
			of(r.Pipeline).first = r
		}
	}
	awaited := map[string]bool{}
	if j.State == store.JobRunning || j.State == store.JobPaused || j.State == store.JobDone {
		awaited = s.awaited(j, ev, pairs)
		if len(awaited) > 0 && j.Failed > 0 {
			if _, err := s.o.Store.Body(ctx, ev.ID); errors.Is(err, store.ErrBodyDropped) {
				clear(awaited) // it was refused
			}
		}
		for name := range awaited {
			of(name)
		}
	}
	slices.Sort(names)
	var out []Outcome
	for _, name := range names {
		o, err := s.outcome(ctx, ev.ID, name, *pairs[name], awaited[name])
		if err != nil {
			return nil, err
		}
		if o.Verdict == Without && len(j.Pipelines) > 0 && !slices.Contains(j.Pipelines, name) {
			continue // nobody asked for it
		}
		out = append(out, o)
	}
	return out, nil
}

// awaited are the pipelines that a replay starts for an event: those that are live, or those that had a run.
func (s *Service) awaited(j *store.Job, ev *event.Event, pairs map[string]*pair) map[string]bool {
	out := map[string]bool{}
	if !j.Pinned {
		for _, name := range s.starting(j, ev.Provider, ev.Name) {
			out[name] = true
		}
		return out
	}
	for name, p := range pairs {
		if p.first != nil && (len(j.Pipelines) == 0 || slices.Contains(j.Pipelines, name)) {
			out[name] = true
		}
	}
	return out
}

// outcome compares the runs of one pipeline.
func (s *Service) outcome(ctx context.Context, id event.ID, pipeline string, p pair, awaited bool) (Outcome, error) {
	out := Outcome{Event: id, Pipeline: pipeline, First: briefOf(p.first), Replayed: briefOf(p.replayed)}
	switch {
	case p.replayed == nil && awaited, p.replayed != nil && p.replayed.State == run.Open:
		out.Verdict = Pending
		return out, nil
	case p.replayed == nil:
		out.Verdict = Without
		return out, nil
	case p.first == nil:
		out.Verdict = Added
		return out, nil
	}
	first, err := s.o.Store.Run(ctx, p.first.ID)
	if err != nil {
		return out, fmt.Errorf("reading run %s: %w", p.first.ID, err)
	}
	replayed, err := s.o.Store.Run(ctx, p.replayed.ID)
	if err != nil {
		return out, fmt.Errorf("reading run %s: %w", p.replayed.ID, err)
	}
	out.Differences, out.More = Compare(first, replayed, s.o.Folder.Order(ctx, pipeline, p.replayed.Revision))
	out.Verdict = Same
	if len(out.Differences) > 0 {
		out.Verdict = Differs
	}
	return out, nil
}

func briefOf(r *run.Run) *Brief {
	if r == nil {
		return nil
	}
	return &Brief{Run: r.ID, Revision: r.Revision, State: r.State, Outcome: r.Outcome, Reason: r.Reason}
}
