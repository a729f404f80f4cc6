package admin_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func TestEventFiltersReachTheStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add("order.created", `{}`)
	a := w.ask(t, "GET", "/api/v1/events?provider=acme&event=order.created&status=processed&since=1d2h&limit=7&cursor=abc", "")
	a.check(t, http.StatusOK, "")
	want := store.EventQuery{
		Provider: "acme", Name: "order.created", Status: "processed", Since: instant().Add(-26 * time.Hour), Limit: 7, Cursor: "abc",
	}
	if got := w.records.asked; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if a.json["next"] != "further" {
		t.Errorf("next: got %v, want further", a.json["next"])
	}
	w.ask(t, "GET", "/api/v1/events?since=2026-03-01T00:00:00Z", "")
	if got, want := w.records.asked.Since, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("since: got %v, want %v", got, want)
	}
}

func TestParametersThatCannotBeReadAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, target := range []string{
		"/api/v1/events?limit=0", "/api/v1/events?limit=1001", "/api/v1/events?limit=x", "/api/v1/events?since=yesterday",
		"/api/v1/events?since=-1h", "/api/v1/events?since=d", "/api/v1/events?status=fine", "/api/v1/events?providr=acme",
		"/api/v1/runs?state=x", "/api/v1/runs?event=abc", "/api/v1/events/0000000000001?body=maybe",
	} {
		w.ask(t, "GET", target, "").check(t, http.StatusBadRequest, "bad_parameter")
	}
	w.ask(t, "POST", "/api/v1/reload?confirm=yes", "").check(t, http.StatusBadRequest, "bad_parameter")
}

func TestAnEventWithoutNameHasNull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add("", `{}`)
	a := w.ask(t, "GET", "/api/v1/events", "")
	list, _ := a.json["events"].([]any)
	if len(list) != 1 {
		t.Fatalf("got %d events, want 1", len(list))
	}
	ev, _ := list[0].(map[string]any)
	if name, ok := ev["event"]; !ok || name != nil {
		t.Errorf("event: got %v (%v), want null", name, ok)
	}
	if ev["status"] != "processed" {
		t.Errorf("status: got %v, want processed", ev["status"])
	}
}

func TestAnEventIsFoundByItsExecutionIDAndHasItsRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.add("order.created", `{"n":9007199254740993}`)
	w.records.runs = []store.RunRecord{aRun(id, run.Parked)}
	for _, name := range []string{id.String(), event.ExecutionID("acme", id), event.ExecutionID("my-own-shop", id)} {
		a := w.ask(t, "GET", "/api/v1/events/"+name, "")
		a.check(t, http.StatusOK, "")
		if runs, _ := a.json["runs"].([]any); len(runs) != 1 {
			t.Errorf("%s: got %d runs, want 1", name, len(runs))
		}
		if _, ok := a.json["body"]; ok {
			t.Errorf("%s: the body came unasked", name)
		}
	}
	w.ask(t, "GET", "/api/v1/events/nonsense", "").check(t, http.StatusNotFound, "not_found")
	w.ask(t, "GET", "/api/v1/events/"+event.ID(77).String(), "").check(t, http.StatusNotFound, "not_found")
}

func TestBodiesComeAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ raw, encoding, value string }{
		{`{"n":9007199254740993,"a":"<b>"}`, "json", `{"n":9007199254740993,"a":"<b>"}`},
		{"a=1&b=2", "text", `"a=1&b=2"`},
		{"\xff\x00", "base64", `"/wA="`},
	} {
		w := newWorld(t)
		id := w.add("x", row.raw)
		a := w.ask(t, "GET", "/api/v1/events/"+id.String()+"?body=true", "")
		var got struct{ Body admin.Body }
		if err := json.Unmarshal(a.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		var flat bytes.Buffer
		if err := json.Compact(&flat, got.Body.Value); err != nil {
			t.Fatal(err)
		}
		if got.Body.Encoding != row.encoding || flat.String() != row.value {
			t.Errorf("%q: got %s %s, want %s %s", row.raw, got.Body.Encoding, flat.String(), row.encoding, row.value)
		}
		raw := w.ask(t, "GET", "/api/v1/events/"+id.String()+"?body=raw", "")
		if raw.Body.String() != row.raw {
			t.Errorf("raw: got %q, want %q", raw.Body, row.raw)
		}
		if got := raw.Header().Get("Content-Type"); got != "application/octet-stream" {
			t.Errorf("raw: the type is %q, which a browser may show", got)
		}
	}
}

func TestRunFiltersReachTheStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.add("x", `{}`)
	w.ask(t, "GET", "/api/v1/runs?event="+event.ExecutionID("acme", id)+"&pipeline=p&state=filtered&limit=3", "").check(t, http.StatusOK, "")
	want := store.RunQuery{Event: id, Pipeline: "p", State: run.Done, Outcome: run.Filtered, Limit: 3}
	if got := w.records.askRuns; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	w.ask(t, "GET", "/api/v1/runs?state=parked", "")
	if got := w.records.askRuns; got.State != run.Parked || got.Outcome != "" {
		t.Errorf("got %+v, want parked without outcome", got)
	}
}

// aRun is a run that waits for, or has given up, its one hook.
func aRun(id event.ID, state run.State) store.RunRecord {
	r := run.Run{ID: run.NewID(id, "orders", run.Cause{Kind: run.Live}), Event: id, Pipeline: "orders", Revision: "rev1", State: state, Created: instant()}
	return store.RunRecord{
		Run: r,
		Steps: []run.Step{{
			Path: "Is big", Node: "Is big", Type: "condition", State: run.StepDone, Branch: "true", Took: 1500 * time.Microsecond,
			Reads: []run.Read{{Operand: "payload.total", Value: "25"}},
		}},
		Attempts: []run.Attempt{{
			Path: "Tell", N: 1, Destination: "ops", Line: "POST <<env.URL>>", Outcome: run.AttemptTemporary, Status: 503, Code: "http_503",
			Took: 20 * time.Millisecond, RetryAfter: 3 * time.Second,
		}},
		Tasks: []run.Task{{ID: 4, Event: id, Kind: run.TaskStep, Path: "Tell", Due: instant().Add(time.Minute), N: 1, Token: 99}},
	}
}

func TestARunIsShownWholeWithUnits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.add("x", `{}`)
	rec := aRun(id, run.Open)
	w.records.runs = []store.RunRecord{rec}
	a := w.ask(t, "GET", "/api/v1/runs/"+rec.Run.ID.String(), "")
	a.check(t, http.StatusOK, "")
	var got admin.RunDetail
	if err := json.Unmarshal(a.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Steps[0].TookMS != 1.5 || got.Attempts[0].TookMS != 20 || got.Attempts[0].RetryAfterS != 3 {
		t.Errorf("got %v, %v and %v", got.Steps[0].TookMS, got.Attempts[0].TookMS, got.Attempts[0].RetryAfterS)
	}
	if want := rec.Steps[0].Reads; !reflect.DeepEqual(got.Steps[0].Reads, want) {
		t.Errorf("reads: got %v, want %v", got.Steps[0].Reads, want)
	}
	if got.Event == nil || got.Event.ID != id {
		t.Errorf("event: got %v, want %s", got.Event, id)
	}
	if len(got.Tasks) != 1 || !got.Tasks[0].Due.Equal(rec.Tasks[0].Due) {
		t.Errorf("tasks: got %v, want %v", got.Tasks, rec.Tasks)
	}
	for _, hidden := range []string{`"took":`, `"retry_after":`, "99"} {
		if strings.Contains(a.Body.String(), hidden) {
			t.Errorf("the answer has %s\n%s", hidden, a.Body)
		}
	}
}

func TestARunOutlivesItsPrunedEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rec := aRun(event.ID(5), run.Open)
	w.records.runs = []store.RunRecord{rec}
	a := w.ask(t, "GET", "/api/v1/runs/"+rec.Run.ID.String(), "")
	a.check(t, http.StatusOK, "")
	if ev, ok := a.json["event"]; !ok || ev != nil {
		t.Errorf("event: got %v, want null", ev)
	}
}

func TestParkedRunsCanBeRetriedOnceARequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rec := aRun(w.add("x", `{}`), run.Parked)
	w.records.runs = []store.RunRecord{rec}
	path := "/api/v1/runs/" + rec.Run.ID.String() + "/retry"
	w.ask(t, "POST", path, "", "Idempotency-Key: one").check(t, http.StatusOK, "")
	w.ask(t, "POST", path, "", "Idempotency-Key: one").check(t, http.StatusOK, "")
	w.ask(t, "POST", path, "").check(t, http.StatusOK, "")
	w.ask(t, "POST", path, "").check(t, http.StatusOK, "")
	if got := len(w.records.retried); got != 3 || w.records.retried[0] != "one" {
		t.Errorf("got requests %q, want `one` and two made ones", w.records.retried)
	}
	w.records.runs[0].Run.State = run.Done
	w.ask(t, "POST", path, "").check(t, http.StatusConflict, "wrong_state")
	w.ask(t, "POST", "/api/v1/runs/x/retry", "").check(t, http.StatusNotFound, "not_found")
}

func TestStoreFailuresAreToldWithoutTheirCause(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		err    error
		status int
		code   string
	}{
		{store.ErrUnavailable, http.StatusServiceUnavailable, "store_unavailable"},
		{store.ErrBehind, http.StatusServiceUnavailable, "store_unavailable"},
		{store.ErrCorrupt, http.StatusInternalServerError, "body_corrupt"},
		{errors.New("reading /var/lib/secret.db: bad page"), http.StatusInternalServerError, "internal"},
	} {
		w := newWorld(t)
		w.records.fail = row.err
		a := w.ask(t, "GET", "/api/v1/events", "")
		a.check(t, row.status, row.code)
		if strings.Contains(a.Body.String(), "secret.db") {
			t.Errorf("the answer shows the cause: %s", a.Body)
		}
	}
}
