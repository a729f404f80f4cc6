package pipeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/script"
)

// Record is what a run has come to: the event with its body, the run, and its finished steps.
type Record struct {
	Event *event.Event
	// Payload is the decoded body; decode it once an event with Decode.
	Payload any
	Run     *run.Run
	Steps   []run.Step
}

// Decode gives the value that expressions see as `payload`: a JSON document, a form as a map, text as a string. A body that does not
// read as its format says is given as text, so that an event that was accepted can always be worked on.
func Decode(ev *event.Event) any {
	v, err := payload.New(ev.Body, ev.ContentType).Value()
	if err != nil {
		return string(ev.Body)
	}
	return v
}

// env makes the names that expressions of a record see.
func (r *Record) env(outputs map[string]any) *script.Env {
	headers := make(map[string]any, len(r.Event.Headers))
	for _, h := range r.Event.Headers {
		headers[h.Name] = h.Value
	}
	query := queryValues(r.Event.Query)
	return &script.Env{
		Event: map[string]any{
			"id": r.Event.ID.String(), "name": nullable(r.Event.Name), "provider": r.Event.Provider,
			"delivery": nullable(r.Event.Delivery), "received": r.Event.Received.UTC().Format(time.RFC3339Nano),
			"headers": headers, "query": query, "payload": r.Payload,
		},
		Payload: r.Payload, Headers: headers, Query: query,
		Run: map[string]any{
			"id": r.Run.ID.String(), "pipeline": r.Run.Pipeline, "revision": r.Run.Revision, "cause": string(r.Run.Cause.Kind),
			"round": int64(r.Run.Round),
		},
		Now:     r.Run.Now,
		Outputs: outputs,
	}
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func queryValues(raw string) map[string]any {
	v, err := payload.DecodeForm([]byte(raw))
	if err != nil {
		return map[string]any{}
	}
	return v
}

// encodeOutput gives a step's output as it is kept, or the failure that it is too large.
func encodeOutput(v any) (json.RawMessage, error) {
	if v == nil {
		return nil, nil
	}
	b, err := payload.EncodeMax(v, run.MaxOutputBytes)
	var e *payload.Error
	switch {
	case errors.As(err, &e) && e.Code == payload.TooLarge:
		return nil, fmt.Errorf("the output has more than the %d bytes that a step may keep", run.MaxOutputBytes)
	case err != nil:
		return nil, fmt.Errorf("writing the output as JSON: %w", err)
	}
	return b, nil
}

// encodeReads gives operands as they are kept.
func encodeReads(reads []script.Read) []run.Read {
	var out []run.Read
	for _, r := range reads {
		text, cut, err := payload.EncodeCut(r.Value, run.MaxReadBytes)
		if err != nil {
			text = `"unprintable"`
		}
		out = append(out, run.Read{Operand: r.Operand, Value: text, Cut: cut})
	}
	return out
}
