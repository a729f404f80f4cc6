package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// happening is something that Headgate tells of itself by an event.
type happening struct {
	name    string
	payload any
}

func failing(gate string, trips int, until time.Time) happening {
	return happening{event.DestinationFailing, struct {
		Destination string    `json:"destination"`
		Trips       int       `json:"trips"`
		Until       time.Time `json:"until"`
	}{gate, trips, until.UTC()}}
}

func disabled(gate, reason string, at time.Time) happening {
	return happening{event.DestinationDisabled, struct {
		Destination string    `json:"destination"`
		Reason      string    `json:"reason"`
		At          time.Time `json:"at"`
	}{gate, reason, at.UTC()}}
}

// parkedRun is the payload of event.RunParked.
type parkedRun struct {
	Run         string `json:"run"`
	Event       string `json:"event"`
	Provider    string `json:"provider"`
	EventName   string `json:"event_name"`
	Pipeline    string `json:"pipeline"`
	Reason      string `json:"reason"`
	Message     string `json:"message"`
	Destination string `json:"destination"`
	Round       int    `json:"round"`
	// Attempts counts those of all rounds.
	Attempts    int    `json:"attempts"`
	ExecutionID string `json:"execution_id"`
}

// wanted says whether a pipeline wants to hear of something, and may: what tells of failures is told of no failure itself, so that it cannot
// go round in a circle.
func (w *Worker) wanted(cause *event.Event, name string) bool {
	if cause.Provider == event.Internal && cause.Name == event.RunParked || cause.Depth >= event.MaxDepth {
		return false
	}
	return len(w.o.World.Pipelines(event.Internal, name)) > 0
}

// arrival is the event that tells of a happening. Its delivery id makes it the same one however often it is settled.
func (h happening) arrival(cause *event.Event, by run.ID, delivery string) (store.Arrival, bool) {
	body, err := json.Marshal(h.payload)
	if err != nil {
		return store.Arrival{}, false
	}
	return store.Arrival{
		Event: event.Event{
			Request: cause.Request, Provider: event.Internal, Name: h.name, Delivery: delivery, Routes: cause.Routes,
			ContentType: "application/json", Body: body, Source: event.Emitted, Cause: by.String(), Depth: cause.Depth + 1,
		},
		Window: emissionWindow, Route: true,
	}, true
}

// happened tells with the job's settlement of what its attempt brought about at a gate, given as it was before: of several attempts that
// see it so, one tells.
func (j *job) happened(h happening, before store.Gate) {
	if !j.w.wanted(&j.c.Event, h.name) {
		return
	}
	if a, ok := h.arrival(&j.c.Event, j.c.Run.ID, fmt.Sprintf("%s/%d/%s", h.name, before.Version, before.Name)); ok {
		j.events = append(j.events, a)
	}
}

// tellParked adds to a settlement the events that tell of the runs which it parks. own is the run that it moves on, attempts how many of
// its attempts it adds.
func (w *Worker) tellParked(ctx context.Context, s *store.Settlement, cause *event.Event, own *run.Run) {
	wanted := false
	add := func(r *run.Run, attempts int) {
		h := happening{event.RunParked, parkedRun{
			Run: r.ID.String(), Event: cause.ID.String(), Provider: cause.Provider, EventName: cause.Name, Pipeline: r.Pipeline, Reason: r.Reason,
			Message: r.Message, Destination: r.Destination, Round: r.Round, Attempts: attempts,
			ExecutionID: event.ExecutionID(cause.Provider, cause.ID),
		}}
		if a, ok := h.arrival(cause, r.ID, fmt.Sprintf("%s/parked/%d", r.ID, r.Round)); ok {
			s.Events = append(s.Events, a)
		}
	}
	asked := func() bool {
		wanted = wanted || w.wanted(cause, event.RunParked)
		return wanted
	}
	for i := range s.NewRuns {
		if r := &s.NewRuns[i].Run; r.State == run.Parked && asked() {
			add(r, 0)
		}
	}
	if d := s.Run; d != nil && d.State == run.Parked && asked() {
		attempts := len(d.Attempts)
		if rec, err := w.o.Queue.Run(context.WithoutCancel(ctx), d.ID); err == nil {
			attempts += len(rec.Attempts)
		}
		r := *own
		r.Reason, r.Message, r.Destination = d.Reason, d.Message, d.Destination
		add(&r, attempts)
	}
}
