package job

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

const (
	// countTime is how long the items of a plan are counted: as long as a person waits for an answer. Of what is left then nothing is known.
	// totalTime is how long those of a job that is begun are: its total grows while it goes on.
	countTime = 10 * time.Second
	totalTime = 2 * time.Second
	// countPage is the largest page.
	countPage = 1000
	// maxParts bounds Plan.Parts; what comes later is counted under the word other.
	maxParts = 200
	other    = "other"
)

// Plan is what a job would do.
type Plan struct {
	Kind store.JobKind `json:"kind"`
	// Count is how many there are; more than that where More, because counting took too long.
	Count int64 `json:"count"`
	More  bool  `json:"more,omitempty"`
	// Missing are those of the ids named that are not there, or not parked.
	Missing int64 `json:"missing,omitempty"`
	// Oldest and Newest are when the first and the last of those counted came or were made; zero where there is none.
	Oldest time.Time `json:"oldest,omitzero"`
	Newest time.Time `json:"newest,omitzero"`
	// Took is how long the job would take at its rate.
	Took time.Duration `json:"-"`
	// TookS is the same in seconds.
	TookS float64 `json:"takes_s"`
	// Parts is what they are, the largest part first.
	Parts []Part `json:"parts"`
}

// Part counts what is alike: runs of a pipeline that are parked for the same reason, or events of a name.
type Part struct {
	Pipeline    string `json:"pipeline,omitempty"`
	Reason      string `json:"reason,omitempty"`
	Destination string `json:"destination,omitempty"`
	Provider    string `json:"provider,omitempty"`
	Event       string `json:"event,omitempty"`
	// Starts are the live pipelines that a replay would start, filters aside.
	Starts []string `json:"starts,omitempty"`
	Count  int64    `json:"count"`
}

// key is what of a part is alike.
type key struct{ pipeline, reason, destination, provider, event string }

// Plan counts what a job would do, without doing it. The fields that Begin reads are read. The error is a *fault.Error where the job
// makes no sense.
func (s *Service) Plan(ctx context.Context, j store.Job) (Plan, error) {
	j, err := s.checked(j)
	if err == nil {
		j, err = s.bounded(ctx, j)
	}
	if err != nil {
		return Plan{}, err
	}
	parts := map[key]*Part{}
	p, err := s.count(ctx, j, countTime, parts)
	if err != nil {
		return Plan{}, err
	}
	for _, part := range parts {
		if j.Kind == store.JobReplay && part.Provider != other {
			part.Starts = s.starting(&j, part.Provider, part.Event)
		}
		p.Parts = append(p.Parts, *part)
	}
	slices.SortFunc(p.Parts, func(a, b Part) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Pipeline+a.Provider, b.Pipeline+b.Provider), cmp.Compare(a.Event+a.Reason, b.Event+b.Reason),
			cmp.Compare(a.Destination, b.Destination))
	})
	p.Took = time.Duration(float64(p.Count) / j.Rate * float64(time.Second))
	p.TookS = p.Took.Seconds()
	return p, nil
}

// starting gives the live pipelines that a replay of such events starts.
func (s *Service) starting(j *store.Job, provider, name string) []string {
	return slices.DeleteFunc(slices.Clone(s.o.Folder.Starting(provider, name)), func(pipeline string) bool {
		return len(j.Pipelines) > 0 && !slices.Contains(j.Pipelines, pipeline)
	})
}

// count counts the items of a checked job for a while, into parts where that is not nil.
func (s *Service) count(ctx context.Context, j store.Job, most time.Duration, parts map[key]*Part) (Plan, error) {
	c := counter{plan: Plan{Kind: j.Kind, Parts: []Part{}}, parts: parts}
	if len(j.IDs) > 0 && parts == nil {
		c.plan.Count = int64(len(j.IDs))
		return c.plan, nil
	}
	began := time.Now()
	for cursor := ""; ; {
		next, err := s.countPage(ctx, j, cursor, &c)
		if err != nil {
			return Plan{}, err
		}
		if next == "" {
			return c.plan, nil
		}
		if time.Since(began) >= most {
			c.plan.More = true
			return c.plan, nil
		}
		cursor = next
	}
}

// countPage counts a page behind a cursor and gives the cursor behind that, "" at the end.
func (s *Service) countPage(ctx context.Context, j store.Job, cursor string, c *counter) (next string, err error) {
	switch {
	case len(j.IDs) > 0:
		return "", s.countIDs(ctx, j, c)
	case j.Kind == store.JobReplay:
		q := j.Events
		q.Limit, q.Cursor = countPage, cursor
		page, err := s.o.Store.Events(ctx, q)
		if err != nil {
			return "", fmt.Errorf("counting events: %w", err)
		}
		for i := range page.Events {
			c.event(&page.Events[i])
		}
		return page.Next, nil
	default:
		q := j.Runs
		q.Limit, q.Cursor = countPage, cursor
		page, err := s.o.Store.Runs(ctx, q)
		if err != nil {
			return "", fmt.Errorf("counting runs: %w", err)
		}
		for i := range page.Runs {
			c.run(&page.Runs[i])
		}
		return page.Next, nil
	}
}

// countIDs looks at each of the ids that a job names.
func (s *Service) countIDs(ctx context.Context, j store.Job, c *counter) error {
	for _, text := range j.IDs {
		var err error
		if j.Kind == store.JobReplay {
			var id event.ID
			var ev event.Event
			if id, err = event.ParseID(text); err == nil {
				ev, err = s.o.Store.Event(ctx, id)
			}
			if err == nil {
				c.event(&ev)
			}
		} else {
			var id run.ID
			var rec store.RunRecord
			if id, err = run.ParseID(text); err == nil {
				rec, err = s.o.Store.Run(ctx, id)
			}
			if err == nil && rec.Run.State != run.Parked {
				err = store.ErrWrongState
			}
			if err == nil {
				c.run(&rec.Run)
			}
		}
		switch {
		case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrWrongState):
			c.plan.Missing++
		case err != nil:
			return fmt.Errorf("looking at %s: %w", text, err)
		}
	}
	return nil
}

// counter adds up a plan.
type counter struct {
	plan  Plan
	parts map[key]*Part
}

func (c *counter) event(ev *event.Event) {
	c.add(key{provider: ev.Provider, event: ev.Name}, ev.Received)
}

func (c *counter) run(r *run.Run) {
	c.add(key{pipeline: r.Pipeline, reason: r.Reason, destination: r.Destination}, r.Created)
}

func (c *counter) add(k key, at time.Time) {
	c.plan.Count++
	if c.plan.Oldest.IsZero() || at.Before(c.plan.Oldest) {
		c.plan.Oldest = at
	}
	if at.After(c.plan.Newest) {
		c.plan.Newest = at
	}
	if c.parts == nil {
		return
	}
	part := c.parts[k]
	if part == nil && len(c.parts) >= maxParts {
		if k.provider != "" {
			k = key{provider: other}
		} else {
			k = key{pipeline: other}
		}
		part = c.parts[k]
	}
	if part == nil {
		part = &Part{Pipeline: k.pipeline, Reason: k.reason, Destination: k.destination, Provider: k.provider, Event: k.event}
		c.parts[k] = part
	}
	part.Count++
}
