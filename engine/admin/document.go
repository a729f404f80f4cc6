package admin

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// Event is an event as the API writes it.
type Event struct {
	event.Event
	// Name is null where the event has none.
	Name *string `json:"event"`
	// Status is what the sender was told: processed, ignored or quarantined.
	Status      string `json:"status"`
	ExecutionID string `json:"execution_id"`
}

func eventDocument(ev event.Event) Event {
	d := Event{Event: ev, Status: string(ev.State), ExecutionID: event.ExecutionID(ev.Provider, ev.ID)}
	if ev.Name != "" {
		d.Name = &ev.Name
	}
	if ev.State == event.Accepted || ev.State == event.Routed {
		d.Status = statusProcessed
	}
	return d
}

// EventPage is a page of events. Next goes into `cursor` to read on; "" at the end.
type EventPage struct {
	Events []Event `json:"events"`
	Next   string  `json:"next"`
}

// EventDetail is one event whole.
type EventDetail struct {
	Event
	Body *Body `json:"body,omitempty"`
	Runs []Run `json:"runs"`
	// MoreRuns says that Runs does not hold all of them: ask /api/v1/runs?event=….
	MoreRuns bool `json:"more_runs,omitempty"`
}

// Body is an event's body inside a document.
type Body struct {
	// Encoding tells what Value is: "json" the document itself, "text" a string, "base64" a string of any bytes.
	Encoding string          `json:"encoding"`
	Value    json.RawMessage `json:"value"`
}

func bodyDocument(raw []byte) *Body {
	switch {
	case json.Valid(raw):
		return &Body{Encoding: "json", Value: raw}
	case utf8.Valid(raw):
		return &Body{Encoding: "text", Value: quote(string(raw))}
	default:
		return &Body{Encoding: "base64", Value: quote(base64.StdEncoding.EncodeToString(raw))}
	}
}

// quote writes a string as JSON, < > & as they are.
func quote(text string) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // a string into memory cannot fail
	return bytes.TrimRight(b.Bytes(), "\n")
}

// Run is a run as the API writes it.
type Run struct{ run.Run }

// RunPage is a page of runs. Next goes into `cursor` to read on; "" at the end.
type RunPage struct {
	Runs []Run  `json:"runs"`
	Next string `json:"next"`
}

// RunDetail is one run whole.
type RunDetail struct {
	Run Run `json:"run"`
	// Event is null where it has been pruned.
	Event *Event `json:"event"`
	// Steps are in the order of the diagram, the items of a foreach by their numbers; where the run's revision is gone in the order they
	// ended. Attempts and Tasks are ordered alike.
	Steps    []Step     `json:"steps"`
	Attempts []Attempt  `json:"attempts"`
	Tasks    []run.Task `json:"tasks"`
	// Waits tells of each task what it waits for.
	Waits []Wait `json:"waits"`
	// Result is what a run that is done has come to; null for others, and where its revision or its event is gone.
	Result json.RawMessage `json:"result"`
}

// Step is a step as the API writes it: durations carry their unit.
type Step struct {
	run.Step
	// Took hides the record's own field, which has no unit.
	Took   *struct{} `json:"took,omitempty"`
	TookMS float64   `json:"took_ms"`
}

// Attempt is an attempt as the API writes it: durations carry their unit.
type Attempt struct {
	run.Attempt
	// Took and RetryAfter hide the record's own fields, which have no unit.
	Took        *struct{} `json:"took,omitempty"`
	RetryAfter  *struct{} `json:"retry_after,omitempty"`
	TookMS      float64   `json:"took_ms"`
	RetryAfterS float64   `json:"retry_after_s,omitempty"`
}

func runDocuments(runs []run.Run) []Run {
	out := make([]Run, 0, len(runs))
	for _, r := range runs {
		out = append(out, Run{r})
	}
	return out
}

func runDetail(rec store.RunRecord, now time.Time) RunDetail {
	d := RunDetail{Run: Run{rec.Run}, Steps: []Step{}, Attempts: []Attempt{}, Tasks: []run.Task{}, Waits: []Wait{}}
	for _, s := range rec.Steps {
		d.Steps = append(d.Steps, Step{Step: s, TookMS: milliseconds(s.Took)})
	}
	for _, a := range rec.Attempts {
		d.Attempts = append(d.Attempts, Attempt{Attempt: a, TookMS: milliseconds(a.Took), RetryAfterS: a.RetryAfter.Seconds()})
	}
	d.Tasks = append(d.Tasks, rec.Tasks...)
	for _, t := range rec.Tasks {
		d.Waits = append(d.Waits, waitDocument(t, now))
	}
	return d
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
