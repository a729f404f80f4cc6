package admin_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/memory"
)

// realWorld is a world over a store in memory, whose clock is behind the time of the API by what is given.
func realWorld(t *testing.T, behind time.Duration) (*world, store.Store) {
	t.Helper()
	st := memory.New(memory.Options{Now: func() time.Time { return instant().Add(-behind) }})
	if err := st.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.Reader = st
	return w, st
}

// requestID is an id as the public listener makes them.
func requestID(at time.Time) string {
	return strings.TrimPrefix(event.ID(at.UnixMilli()).String(), "0000") + event.ID(rand.Int64N(1 << 35)).String()[6:]
}

// received stores what a request has brought and gives the events' ids.
func received(t *testing.T, st store.Store, request string, names ...string) []event.ID {
	t.Helper()
	var arrivals []store.Arrival
	for i, name := range names {
		arrivals = append(arrivals, store.Arrival{Route: true, Event: event.Event{
			Request: request, Index: i, Provider: "acme", Name: name, Received: instant(), Source: event.Live,
			Verification: event.Verification{Rule: "signature[0] hmac-sha256", Secret: 1}, Delivery: fmt.Sprint("d", i), Body: []byte("{}"),
		}})
	}
	receipts, err := st.Append(t.Context(), arrivals)
	if err != nil {
		t.Fatal(err)
	}
	var ids []event.ID
	for _, r := range receipts {
		ids = append(ids, r.ID)
	}
	return ids
}

// filtered routes the next event to a run that ends at a condition.
func filtered(t *testing.T, st store.Store) run.ID {
	t.Helper()
	claimed, err := st.Claim(t.Context(), store.Claim{Gate: run.RouteGate, Lane: run.LaneLive, Max: 1, Lease: time.Minute})
	if err != nil || len(claimed) != 1 {
		t.Fatalf("claimed %d tasks, %v", len(claimed), err)
	}
	c := claimed[0]
	id := run.NewID(c.Event.ID, "big-orders", run.Cause{Kind: run.Live})
	errs, err := st.Settle(t.Context(), []store.Settlement{{
		Held: c.Held(), Routed: true, Findings: []event.Finding{{Path: "/total", Rule: "type", Message: "got string, want number"}},
		NewRuns: []store.NewRun{{
			Run: run.Run{ID: id, Pipeline: "big-orders", State: run.Done, Outcome: run.Filtered, Version: 1, Reason: "filtered"},
			Steps: []run.Step{{
				Path: "Large?", Node: "Large?", Type: "condition", State: run.StepFiltered,
				Reads: []run.Read{{Operand: "payload.total", Value: "12"}},
			}},
		}},
	}})
	if err != nil || errs[0] != nil {
		t.Fatal(err, errs)
	}
	return id
}

func (w *world) explain(t *testing.T, id string) admin.Explanation {
	t.Helper()
	a := w.ask(t, "GET", "/api/v1/explain/"+id, "")
	a.check(t, http.StatusOK, "")
	var out admin.Explanation
	if err := json.Unmarshal(a.Body.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAnEventIsExplainedWithWhatItsRunsRead(t *testing.T) {
	t.Parallel()
	w, st := realWorld(t, 0)
	request := requestID(instant())
	id := received(t, st, request, "order.created")[0]
	runID := filtered(t, st)
	for _, name := range []string{request, id.String(), event.ExecutionID("acme", id)} {
		got := w.explain(t, name)
		if got.ID != name || got.Request != request || got.Verdict != "processed" || got.Rejection != nil || len(got.Events) != 1 {
			t.Fatalf("%s: got %+v", name, got)
		}
		ev := got.Events[0]
		if ev.ID != id || ev.Verification.Secret != 1 || ev.Delivery != "d0" || len(ev.Findings) != 1 || ev.Findings[0].Path != "/total" {
			t.Errorf("%s: the event is %+v", name, ev.Event)
		}
		if len(ev.Runs) != 1 || ev.Runs[0].ID != runID || ev.Runs[0].Outcome != run.Filtered || ev.Runs[0].Steps[0].Reads[0].Value != "12" {
			t.Errorf("%s: the runs are %+v", name, ev.Runs)
		}
	}
}

func TestTheEventsOfABatchAreExplainedInTheirOrder(t *testing.T) {
	t.Parallel()
	w, st := realWorld(t, 0)
	request := requestID(instant())
	ids := received(t, st, request, "a", "b", "c")
	received(t, st, requestID(instant()), "other")
	got := w.explain(t, request)
	var found []event.ID
	for _, ev := range got.Events {
		found = append(found, ev.ID)
	}
	if !slices.Equal(found, ids) || got.MoreEvents {
		t.Errorf("got events %v, want %v", found, ids)
	}
}

func TestARequestIsFoundAlthoughTheStoreSleptWithTheMachine(t *testing.T) {
	t.Parallel()
	w, st := realWorld(t, 9*time.Hour)
	request := requestID(instant())
	id := received(t, st, request, "order.created")[0]
	if got := w.explain(t, request); len(got.Events) != 1 || got.Events[0].ID != id {
		t.Errorf("got %+v, want event %s", got, id)
	}
}

func TestARefusedRequestIsExplainedWithTheOthersLikeIt(t *testing.T) {
	t.Parallel()
	w, st := realWorld(t, 0)
	request := requestID(instant())
	refused := store.Rejection{
		Request: request, Provider: "acme", Status: 401, Code: "invalid_signature", Reason: "the signature is base64, hex was expected",
		Rule: "signature[0] hmac-sha256", Address: "203.0.113.7", At: instant(), Headers: []string{"x-acme-signature"},
	}
	before, other := refused, refused
	before.Request, before.Count, before.At = requestID(instant()), 41, instant().Add(-time.Hour)
	other.Request, other.Provider = requestID(instant()), "other"
	if err := st.PutRejections(t.Context(), []store.Rejection{before, refused, other}); err != nil {
		t.Fatal(err)
	}
	got := w.explain(t, request)
	if got.Verdict != "rejected" || got.Rejection == nil || got.Rejection.Reason != refused.Reason || got.Rejection.Rule != refused.Rule || got.Events != nil {
		t.Fatalf("got %+v", got)
	}
	if a := got.Alike; a.Requests != 42 || !a.Since.Equal(before.At) || !a.Last.Equal(refused.At) || a.More {
		t.Errorf("alike are %+v, want 42 within the hour", a)
	}
}

func TestWhatHasNoRecordIsSaidToHaveNone(t *testing.T) {
	t.Parallel()
	w, st := realWorld(t, 0)
	received(t, st, requestID(instant()), "order.created")
	for id, want := range map[string]string{
		requestID(instant()):                    "was here already",
		event.ID(77).String():                   "pruned",
		"nonsense":                              "X-Request-Id",
		"0123456789abcdeu":                      "X-Request-Id", // no u among the digits
		"webhook-acme-" + event.ID(77).String(): "pruned",
	} {
		a := w.ask(t, "GET", "/api/v1/explain/"+id, "")
		a.check(t, http.StatusNotFound, "not_found")
		if !strings.Contains(a.Body.String(), want) {
			t.Errorf("%s: the answer lacks %q: %s", id, want, a.Body)
		}
	}
	w.ask(t, "GET", "/api/v1/explain/nonsense?body=true", "").check(t, http.StatusBadRequest, "bad_parameter")
}

func TestRejectionsAreListedAndFiltered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.ask(t, "GET", "/api/v1/rejections?provider=acme&code=invalid_signature&request=r1&since=1h&limit=7&cursor=abc", "")
	a.check(t, http.StatusOK, "")
	want := store.RejectionQuery{
		Provider: "acme", Code: "invalid_signature", Request: "r1", Since: instant().Add(-time.Hour), Limit: 7, Cursor: "abc",
	}
	if got := w.records.askRejections; len(got) != 1 || got[0] != want {
		t.Errorf("the store was asked %+v, want %+v", got, want)
	}
	if list, ok := a.json["rejections"].([]any); !ok || len(list) != 0 {
		t.Errorf("rejections: got %v, want an empty list", a.json["rejections"])
	}
	w.records.rejections = []store.Rejection{{ID: 7, Provider: "acme", Code: "invalid_signature", Count: 3, At: instant()}}
	a = w.ask(t, "GET", "/api/v1/rejections", "")
	list, _ := a.json["rejections"].([]any)
	if len(list) != 1 {
		t.Fatalf("got %d rejections, want 1", len(list))
	}
	if one, _ := list[0].(map[string]any); one["id"] != event.ID(7).String() || one["count"] != 3.0 {
		t.Errorf("got %v", one)
	}
	w.ask(t, "GET", "/api/v1/rejections?codes=x", "").check(t, http.StatusBadRequest, "bad_parameter")
}

func TestExplanationsAreBehindTheToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withToken()
	for _, path := range []string{"/api/v1/rejections", "/api/v1/explain/x"} {
		w.ask(t, "GET", path, "").check(t, http.StatusUnauthorized, "token_required")
	}
}
