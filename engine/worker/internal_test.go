package worker_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/worker"
)

// listener is a pipeline that hears of what fails.
const listener = `
kind: pipeline
name: alarm
nodes:
  - {label: Told, type: receive, props: {provider: internal, event: [run.parked, "destination.*"]}}
  - {label: Page, type: hook, props: {url: "http://127.0.0.1:9000/page", retry: [0s]}}
`

// heard gives the events that Headgate told of itself, by name, and their payloads.
func (g *gate) heard() (names []string, payloads []map[string]any) {
	g.t.Helper()
	for _, ev := range g.events(event.Internal) {
		body, err := g.store.Body(g.t.Context(), ev.ID)
		if err != nil {
			g.t.Fatal(err)
		}
		var payload map[string]any
		if err := json.Unmarshal(body, &payload); err != nil {
			g.t.Fatal(err)
		}
		names, payloads = append(names, ev.Name), append(payloads, payload)
	}
	return names, payloads
}

func TestPipelinesHearOfParkedRuns(t *testing.T) {
	t.Parallel()
	g := openAll(t, strings.Replace(oneHook, "url: http", "retry: [0s, 1s]\nurl: http", 1)+"---"+listener, at("/ops", 503))
	id := g.event(`{}`)
	g.finish()
	rec := g.of(id, "flow")
	g.is(rec, run.Parked, worker.CodeRetriesSpent)
	if rec.Run.Destination != "ops" {
		t.Errorf("it is parked because of %q, want ops", rec.Run.Destination)
	}
	names, payloads := g.heard()
	if strings.Join(names, " ") != event.RunParked {
		t.Fatalf("told was %q", names)
	}
	want := map[string]any{
		"run": rec.Run.ID.String(), "event": id.String(), "provider": "acme", "event_name": "order.created", "pipeline": "flow", "reason": "retries_spent",
		"message": "Tell: 2 attempts failed, the last with http_503", "destination": "ops", "round": 0.0, "attempts": 2.0,
		"execution_id": "webhook-acme-" + id.String(),
	}
	for key, want := range want {
		if got := payloads[0][key]; got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	if len(payloads[0]) != len(want) || len(g.got("/page")) != 1 {
		t.Errorf("the payload is %v; %d pages were sent", payloads[0], len(g.got("/page")))
	}

	if err := g.store.Retry(t.Context(), store.RetryAsk{Request: "r", Run: rec.Run.ID}); err != nil {
		t.Fatal(err)
	}
	g.finish()
	if _, payloads = g.heard(); len(payloads) != 2 || payloads[1]["round"] != 1.0 || payloads[1]["attempts"] != 4.0 {
		t.Errorf("after a retry in vain told was %v", payloads)
	}
}

func TestWhatIsToldHasTheShapeThatIsDeclared(t *testing.T) {
	t.Parallel()
	ops := &switched{}
	ops.status.Store(503)
	g := open(t, fragile+"---"+listener, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ops" {
			ops.ServeHTTP(w, r)
		}
	})
	for range 3 {
		g.event(`{}`)
	}
	g.turn()
	ops.status.Store(410)
	g.clock.advance(30 * time.Second)
	g.turn()
	seen := map[string]bool{}
	names, payloads := g.heard()
	for i, name := range names {
		for _, d := range event.Own() {
			if d.Name != name {
				continue
			}
			seen[name] = true
			var example map[string]any
			if err := json.Unmarshal([]byte(d.Example), &example); err != nil {
				t.Fatal(err)
			}
			for key := range example {
				if _, ok := payloads[i][key]; !ok {
					t.Errorf("%s has no %s: %v", name, key, payloads[i])
				}
			}
			if len(example) != len(payloads[i]) {
				t.Errorf("%s is %v, want what is declared: %v", name, payloads[i], example)
			}
		}
	}
	if len(seen) != len(event.Own()) || len(names) != 5 {
		t.Errorf("told was %q, want that it fails, that it is disabled, and three parked runs", names)
	}
}

func TestNothingIsToldWhereNobodyListens(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{"acme", `"*"`} {
		g := openAll(t, strings.Replace(oneHook, "url: http", "retry: [0s]\nurl: http", 1)+"---"+
			strings.Replace(strings.Replace(listener, "provider: internal", "provider: "+provider, 1), `event: [run.parked, "destination.*"]`, `event: "*"`, 1), at("/ops", 410))
		g.event(`{}`)
		g.finish()
		if names, _ := g.heard(); len(names) != 0 {
			t.Errorf("with a receive of %s told was %q", provider, names)
		}
	}
}

func TestAFailureToTellOfAFailureIsNotToldOf(t *testing.T) {
	t.Parallel()
	g := openAll(t, strings.Replace(oneHook, "url: http", "retry: [0s]\nurl: http", 1)+"---"+listener, answers(410))
	for range 3 {
		g.event(`{}`)
	}
	g.finish()
	counts := map[string]int{}
	names, _ := g.heard()
	for _, n := range names {
		counts[n]++
	}
	// ops is disabled once; each of three runs is parked; the page's own gate is disabled by a run that tells of destination.disabled.
	if counts[event.RunParked] > 3+counts[event.DestinationDisabled] || counts[event.DestinationDisabled] == 0 || counts[event.DestinationDisabled] > 2 {
		t.Errorf("told was %v", counts)
	}
}

func TestARunThatIsParkedWhenItBeginsIsToldOf(t *testing.T) {
	t.Parallel()
	g := openAll(t, `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Bad, type: code, props: {code: 'payload.n + 1'}}
---`+listener, nil)
	id := g.event(`{"n": "x"}`)
	g.finish()
	names, payloads := g.heard()
	if strings.Join(names, " ") != event.RunParked || payloads[0]["run"] != g.of(id, "flow").Run.ID.String() || payloads[0]["destination"] != "" {
		t.Errorf("told was %q, %v", names, payloads)
	}
}

// at answers requests to a path with a status, all others with 200.
func at(path string, status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path {
			w.WriteHeader(status)
		}
	}
}
