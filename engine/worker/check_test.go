package worker_test

import (
	"slices"
	"testing"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/worker"
)

// checker gives one finding of every payload that holds no id, and counts how often it was asked.
type checker struct{ asked int }

func (c *checker) Findings(e *event.Event, value func() any) []event.Finding {
	c.asked++
	if object, ok := value().(map[string]any); ok && e.Name == "order.created" {
		if _, has := object["id"]; !has {
			return []event.Finding{{Rule: "required", Message: "missing property 'id'"}}
		}
	}
	return nil
}

func TestFindingsOfAPayloadAreRecordedAndStopNothing(t *testing.T) {
	t.Parallel()
	c := &checker{}
	g := open(t, oneHook, nil, func(o *worker.Options) { o.Checker = c })
	for body, want := range map[string]int{`{}`: 1, `{"id":1}`: 0} {
		id := g.event(body)
		g.finish()
		g.wants(id, "done", "completed")
		ev, err := g.store.Event(t.Context(), id)
		if err != nil || ev.State != event.Routed || len(ev.Findings) != want {
			t.Errorf("%s: the event is %s with %v (%v), want %d findings", body, ev.State, ev.Findings, err, want)
		}
	}
	if c.asked != 2 {
		t.Errorf("two events were looked at %d times", c.asked)
	}
}

func TestTheKeeperKnowsWhichEventsToLookAt(t *testing.T) {
	t.Parallel()
	g := open(t, `
kind: provider
name: strict
signature: none
delivery: body
event: {body: type}
events:
  - {name: order, schema: {required: [id]}}
  - {name: free}
---
kind: provider
name: early
use: strict
schema_policy: reject
`, nil)
	value := func() any { return map[string]any{} }
	for _, test := range []struct {
		provider, name string
		want           []event.Finding
	}{
		{"strict", "order", []event.Finding{{Rule: "required", Message: "missing property 'id'"}}},
		{"strict", "free", nil},
		{"strict", "other", nil},
		{"early", "order", nil},
		{"nobody", "order", nil},
	} {
		if got := g.keeper.Findings(&event.Event{Provider: test.provider, Name: test.name}, value); !slices.Equal(got, test.want) {
			t.Errorf("%s %s: got %v, want %v", test.provider, test.name, got, test.want)
		}
	}
}
