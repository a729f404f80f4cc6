package ingress

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// sentAgain are providers whose requests come twice.
const sentAgain = `kind: provider
name: plain
signature: none
delivery: {body: id}
---
kind: provider
name: mending
signature: none
delivery: {body: id}
redeliver: retry_parked
---
kind: provider
name: items
signature: none
each: json
delivery: {body: id}
redeliver: retry_parked
---
kind: provider
name: worded
signature: none
delivery: {body: id}
redeliver: retry_parked
ack: {body: thanks}
`

// reopener remembers what was asked for.
type reopener struct {
	asked []string
	n     int
	err   error
}

func (r *reopener) Redeliver(_ context.Context, id event.ID, request string) (int, error) {
	r.asked = append(r.asked, id.String()+" "+request)
	return r.n, r.err
}

// park routes what waits in the store: each event gets a run that is parked.
func park(t *testing.T, s store.Store) {
	t.Helper()
	tasks, err := s.Claim(t.Context(), store.Claim{Gate: run.RouteGate, Lane: run.LaneLive, Max: 10, Lease: time.Minute})
	if err != nil || len(tasks) == 0 {
		t.Fatalf("claiming route tasks: got %d, %v", len(tasks), err)
	}
	for i := range tasks {
		cause, ev := run.Cause{Kind: run.Live}, tasks[i].Event.ID
		errs, err := s.Settle(t.Context(), []store.Settlement{{Held: tasks[i].Held(), Routed: true, NewRuns: []store.NewRun{{Run: run.Run{
			ID: run.NewID(ev, "orders", cause), Event: ev, Pipeline: "orders", Cause: cause, State: run.Parked, Reason: "retries_spent",
		}}}}})
		if err := errors.Join(append(errs, err)...); err != nil {
			t.Fatal(err)
		}
	}
}

// sends posts a body to a provider and gives the answer's body.
func (g *gate) sends(t *testing.T, name, body string) string {
	t.Helper()
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/"+name, strings.NewReader(body)))
	if w.Code != http.StatusOK {
		t.Fatalf("%s to %s: got %d %s", body, name, w.Code, w.Body)
	}
	return w.Body.String()
}

func TestADuplicateTellsOfParkedRunsAndOpensThemWhereItIsAskedTo(t *testing.T) {
	t.Parallel()
	const one, two = `{"id":"1"}`, `[{"id":"1"},{"id":"2"},{"id":"1"}]`
	for _, row := range []struct {
		name, first, second string
		opener              reopener
		want                string // the end of the answer to the second
		asked               int
	}{
		{"plain", one, one, reopener{n: 1}, `,"parked":1}`, 0},
		{"mending", one, one, reopener{n: 1}, `,"parked":1,"retried":1}`, 1},
		{"mending", one, one, reopener{err: store.ErrUnavailable}, `,"parked":1}`, 1},
		{"items", `[{"id":"1"},{"id":"2"}]`, two, reopener{n: 1}, `,"events":3,"parked":2,"retried":2}`, 2},
		{"items", `[{"id":"1"},{"id":"2"}]`, `[{"id":"2"},{"id":"3"}]`, reopener{n: 1}, `,"events":2,"parked":1,"retried":1}`, 1},
		{"worded", one, one, reopener{n: 1}, `thanks`, 1},
	} {
		all := providers(t, sentAgain)
		g := open(t, func(o *Options) {
			o.Snapshot = func() Snapshot { return Snapshot{Providers: all} }
			o.Redeliverer = &row.opener
		})
		if first := g.sends(t, row.name, row.first); strings.Contains(first, "parked") {
			t.Errorf("%s, first: got %s, want nothing parked", row.name, first)
		}
		before := g.sends(t, row.name, row.first)
		if strings.Contains(before, "parked") || len(row.opener.asked) > 0 {
			t.Errorf("%s, while nothing is parked: got %s and %v", row.name, before, row.opener.asked)
		}
		park(t, g.store)
		got := g.sends(t, row.name, row.second)
		if !strings.HasSuffix(got, row.want) || len(row.opener.asked) != row.asked {
			t.Errorf("%s: got %s after %v, want %s after %d", row.name, got, row.opener.asked, row.want, row.asked)
		}
	}
}
