package pipeline

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/script"
)

// Record is what a run has come to: the event with its body, the run, and its finished steps.
type Record struct {
	Event *event.Event
	// Payload is the decoded body; decode it once an event with Decode. Run.Input takes its place.
	Payload any
	Run     *run.Run
	Steps   []run.Step
	// Place is where the node of a pipeline for subscribers stands in the run that published to them (see [Diagram.Sub]); nil for all
	// other diagrams, and where nothing is evaluated.
	Place *Place
	// Slice bounds what a fold does before it leaves the rest to the next one; nil for no bound.
	Slice *Slice
	// Turns says that the run may have to wait for turns beside those of the pipeline's own limits, as for an ordered destination.
	Turns bool
}

// Decode gives the value that expressions see as `payload`: a JSON document, a form as a map, text as a string. A body that does not
// read as its format says is given as text, so that an event that was accepted can always be worked on; one that is not UTF-8 is
//
//	{"base64": "…", "bytes": 1234}
func Decode(ev *event.Event) any {
	doc := payload.New(ev.Body, ev.ContentType)
	v, err := doc.Value()
	if _, text := v.(string); (err != nil || text) && !utf8.Valid(ev.Body) {
		return map[string]any{"base64": base64.StdEncoding.EncodeToString(ev.Body), "bytes": int64(len(ev.Body))}
	}
	if err != nil {
		return string(ev.Body)
	}
	return v
}

// PayloadOf gives what `payload` means in a run: its input where it was called or started by hand, else the event's. A run that was called
// never sees the event's: its caller may have it hidden from it.
func PayloadOf(r *run.Run, eventPayload any) any {
	if r.Input == nil {
		if r.Cause.Kind == run.Call {
			return nil
		}
		return eventPayload
	}
	v, err := payload.Decode(r.Input)
	if err != nil {
		return nil // it was written by payload.Encode
	}
	return v
}

// eventEnv makes the names that expressions see of an event.
func eventEnv(ev *event.Event, value any) *script.Env {
	headers := make(map[string]any, len(ev.Headers))
	for _, h := range ev.Headers {
		headers[h.Name] = h.Value
	}
	query := queryValues(ev.Query)
	return &script.Env{
		Event: map[string]any{
			"id": ev.ID.String(), "name": nullable(ev.Name), "provider": ev.Provider, "delivery": nullable(ev.Delivery),
			"received": ev.Received.UTC().Format(time.RFC3339Nano), "source": nullable(string(ev.Source)),
			"headers": headers, "query": query, "payload": value,
		},
		Payload: value, Headers: headers, Query: query, Body: ev.Body,
	}
}

// env makes the names that expressions of a record see, outputs and vars left out. Where the run has an input of its own, that is the
// payload, and the event's body is nobody's: a pipeline from which it is hidden may have called this one.
func (r *Record) env(value any) *script.Env {
	env := eventEnv(r.Event, value)
	if r.Run.Input != nil || r.Run.Cause.Kind == run.Call {
		env.Body = nil
	}
	env.Run = map[string]any{
		"id": r.Run.ID.String(), "pipeline": r.Run.Pipeline, "revision": r.Run.Revision, "cause": string(r.Run.Cause.Kind),
		"round": int64(r.Run.Round),
	}
	if r.Run.Input != nil {
		env.Run["input"] = PayloadOf(r.Run, nil)
	}
	env.Now = r.Run.Now
	return env
}

// withPayload gives an environment with another payload.
func withPayload(env *script.Env, value any) *script.Env {
	out := *env
	out.Payload = value
	out.Event = maps.Clone(env.Event)
	out.Event["payload"] = value
	return &out
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

var errOutputSize = fmt.Errorf("the output has more than the %d bytes that a step may keep", run.MaxOutputBytes)

// encodeOutput gives a step's output as it is kept, or the failure that it is too large.
func encodeOutput(v any) (json.RawMessage, error) {
	if v == nil {
		return nil, nil
	}
	b, err := payload.EncodeMax(v, run.MaxOutputBytes)
	var e *payload.Error
	switch {
	case errors.As(err, &e) && e.Code == payload.TooLarge:
		return nil, errOutputSize
	case err != nil:
		return nil, fmt.Errorf("writing the output as JSON: %w", err)
	}
	if len(b) > payload.DefaultTokens { // below that there cannot be too many values for those who read it back
		if err := payload.Check(b, payload.Limits{}); err != nil {
			return nil, fmt.Errorf("the output could not be read back: %w", err)
		}
	}
	return b, nil
}

// encodeReads gives operands as they are kept; hidden ones without their values.
func encodeReads(reads []script.Read, hidden bool) []run.Read {
	var out []run.Read
	for _, r := range reads {
		if hidden {
			out = append(out, run.Read{Operand: r.Operand, Value: "null", Hidden: true})
			continue
		}
		text, cut, err := payload.EncodeCut(r.Value, run.MaxReadBytes)
		if err != nil {
			text = `"unprintable"`
		}
		out = append(out, run.Read{Operand: r.Operand, Value: text, Cut: cut})
	}
	return out
}
