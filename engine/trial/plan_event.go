package trial

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/source"
)

// input encodes the input of a start.
func (p planner) input(path string, n *source.Node) []byte {
	if n.Kind != source.Map {
		p.out.Errorf(diag.WrongType, n.Span, "write a map such as {service: api}; {} is an empty one", "`%s` takes a map, not %s", path, n.Kind.WithArticle())
		return nil
	}
	body, err := encoded(n)
	if err != nil {
		p.out.Errorf(diag.BadValue, n.Span, "", "`%s` cannot be written as JSON: %s", path, err)
	}
	return body
}

// startable wants a pipeline that can be run by hand.
func (p planner) startable(s *suite, v *field.Values) {
	if s.pipeline == nil {
		return
	}
	places := placesOf(s.pipeline.Root, "")
	if len(places) > 0 && !slices.ContainsFunc(places, func(at place) bool { return at.typ == "start" }) {
		p.out.Errorf(diag.BadValue, v.KeySpan("input"), "give it a node of type `start`, or write `send: PROVIDER/EVENT`", "pipeline `%s` takes no input: it has no start node",
			s.pipeline.Name)
	}
}

// plainEvent makes an event that no request carried.
func (p planner) plainEvent(v *field.Values) *event.Event {
	e := &event.Event{
		Provider: v.String("provider"), Name: v.String("event"), Delivery: v.String("delivery"), Query: strings.TrimPrefix(v.String("query"), "?"),
		ContentType: "application/json", Source: event.Live, State: event.Accepted, Verification: event.Verification{Rule: "none"},
	}
	if e.Provider == event.Internal {
		e.Source = event.Emitted
	} else if v.Good("provider") && v.Has("provider") {
		p.known(e.Provider, v.Span("provider"))
	}
	for name, value := range v.StringMap("headers") {
		e.Headers = append(e.Headers, event.Header{Name: strings.ToLower(name), Value: value})
	}
	slices.SortFunc(e.Headers, func(a, b event.Header) int { return strings.Compare(a.Name, b.Name) })
	e.Body = []byte("null")
	if n := v.Node("payload"); n != nil {
		body, err := encoded(n)
		if err != nil {
			p.out.Errorf(diag.BadValue, n.Span, "", "`%s` cannot be written as JSON: %s", v.Path("payload"), err)
		}
		e.Body = body
	}
	return e
}

// stored reads an event as `headgate events get ID --body --json` prints it.
func (p planner) stored(doc *manifest.Document, v *field.Values) *event.Event {
	data, err := doc.ReadFileAt(v.Node("stored"), v.String("stored"))
	if err != nil {
		p.out.Errorf(diag.Unreadable, v.Span("stored"), "", "%s", err)
		return nil
	}
	e, err := storedEvent(data)
	if err != nil {
		p.out.Errorf(diag.BadValue, v.Span("stored"), "write what `headgate events get ID --body --json` prints into it", "`%s` holds no stored event: %s", v.String("stored"), err)
		return nil
	}
	if e.Provider != event.Internal {
		p.known(e.Provider, v.Span("stored"))
	}
	return e
}

// storedEvent reads the document of an event that a gateway keeps, and its body.
func storedEvent(data []byte) (*event.Event, error) {
	if err := payload.Check(data, payload.Limits{}); err != nil {
		return nil, err
	}
	var doc struct {
		event.Event
		Name *string `json:"event"`
		Body *struct {
			Encoding string          `json:"encoding"`
			Value    json.RawMessage `json:"value"`
		} `json:"body"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("reading the event: %w", err)
	}
	e := doc.Event
	switch {
	case e.Provider == "":
		return nil, fmt.Errorf("it names no provider")
	case doc.Body == nil:
		return nil, fmt.Errorf("it has no body; it was printed without --body")
	}
	if doc.Name != nil {
		e.Name = *doc.Name
	}
	e.Body = doc.Body.Value
	if doc.Body.Encoding != "json" {
		var text string
		if err := json.Unmarshal(doc.Body.Value, &text); err != nil {
			return nil, fmt.Errorf("reading its body: %w", err)
		}
		e.Body = []byte(text)
	}
	if doc.Body.Encoding == "base64" {
		body, err := base64.StdEncoding.DecodeString(string(e.Body))
		if err != nil {
			return nil, fmt.Errorf("reading its body: %w", err)
		}
		e.Body = body
	}
	// It comes again as if it were new.
	e.ID, e.Received, e.State, e.Reason, e.Duplicates = 0, time.Time{}, event.Accepted, "", 0
	return &e, nil
}
