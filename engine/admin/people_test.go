package admin_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/hook"
	"github.com/headgate/headgate/engine/node/receive"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/store"
)

// stored makes a world over a store that holds all that is written, with a folder of one pipeline and two destinations.
func stored(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.Reader = w.records.Store
	s, out := snapshot.Load(t.Context(), snapshot.Options{
		Types: []node.Type{receive.Type(), hook.Type()}, Dev: true,
		Manifest: manifest.Options{Dev: true, Files: []*source.File{source.NewFile("a.yaml", []byte(`
kind: provider
name: acme
signature: none
event: {header: X-Event}
unknown_events: accept
---
kind: pipeline
name: orders
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Tell shop, type: hook, props: {destination: shop}}
  - {label: Tell mail, type: hook, props: {config: {url: "https://mail.example/x", hold: true}}}
---
kind: destination
name: shop
type: http
url: https://shop.example/orders
rate_limit: {rate: 5/s, burst: 9}
breaker: off
ordering: {by: event.id, on_exhausted: park}
`))}},
	})
	if s == nil {
		t.Fatal(out.Sorted())
	}
	w.Folder = folder{s}
	return w
}

// park stores an event with a parked run, and gives the run.
func (w *world) park(t *testing.T, reason, destination string) run.ID {
	t.Helper()
	s := w.records.Store
	receipts, err := s.Append(t.Context(), []store.Arrival{{Event: event.Event{Provider: "acme", Name: "made", Body: []byte("{}")}, Route: true}})
	if err != nil {
		t.Fatal(err)
	}
	claimed, err := s.Claim(t.Context(), store.Claim{Gate: run.RouteGate, Lane: run.LaneLive, Max: 1, Lease: time.Minute})
	if err != nil || len(claimed) != 1 {
		t.Fatalf("claiming: got %d, %v", len(claimed), err)
	}
	cause := run.Cause{Kind: run.Live}
	id := run.NewID(receipts[0].ID, "orders", cause)
	errs, err := s.Settle(t.Context(), []store.Settlement{{Held: claimed[0].Held(), Routed: true, NewRuns: []store.NewRun{{Run: run.Run{
		ID: id, Event: receipts[0].ID, Pipeline: "orders", Revision: "r1", Cause: cause, State: run.Parked, Reason: reason, Destination: destination,
	}}}}})
	if err := errors.Join(append(errs, err)...); err != nil {
		t.Fatal(err)
	}
	return id
}

// into reads an answer.
func into[T any](t *testing.T, a answerOf) T {
	t.Helper()
	a.check(t, http.StatusOK, "")
	var v T
	if err := json.Unmarshal(a.Body.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestWhoAsksIsWrittenDown(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ header, who string }{
		{"Headgate-Actor: night@laptop", "night@laptop"},
		{"Headgate-Actor:   Zoë ", "Zoë"},
		{"Headgate-Actor: ", "admin"},
		{"Headgate-Actor: " + strings.Repeat("x", 129), "admin"},
		{"Headgate-Actor: a\x1b[31mb", "admin"},
		{"Headgate-Actor: a\xff", "admin"},
		{"X-Nothing: x", "admin"},
	} {
		w := stored(t)
		id := w.park(t, "retries_spent", "shop")
		a := w.ask(t, "POST", "/api/v1/runs/"+id.String()+"/drop", "", row.header, "X-Request-Id: req-17", "From: [::ffff:192.0.2.7]:1234")
		a.check(t, http.StatusOK, "")
		if got := a.Header().Get("X-Request-Id"); got != "req-17" {
			t.Errorf("the answer has the request id %q, want req-17", got)
		}
		page := into[admin.AuditPage](t, w.ask(t, "GET", "/api/v1/audit?subject="+id.String(), ""))
		want := store.By{Who: row.who, From: "192.0.2.7", Request: "req-17"}
		if len(page.Entries) != 1 || page.Entries[0].By != want || page.Entries[0].Action != store.ActionDrop {
			t.Errorf("%q: got %+v, want one run.drop by %+v", row.header, page.Entries, want)
		}
	}
}

func TestRequestIDsThatAreNoneAreReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []string{"", "a b", strings.Repeat("x", 65), "é"} {
		a := w.ask(t, "GET", "/healthz", "", "X-Request-Id: "+id)
		if got := a.Header().Get("X-Request-Id"); got == id || len(got) < 16 {
			t.Errorf("%q: got %q, want a fresh one", id, got)
		}
	}
}

func TestParkedRunsAreFilteredAndUnknownNamesRefused(t *testing.T) {
	t.Parallel()
	w := stored(t)
	id := w.park(t, "retries_spent", "shop")
	w.park(t, "destination_disabled", "shop")
	for target, want := range map[string]int{
		"": 2, "?reason=retries_spent": 1, "?destination=shop&pipeline=orders": 2, "?reason=x": 0, "?until=1h": 0, "?since=1h": 2,
	} {
		if got := into[admin.RunPage](t, w.ask(t, "GET", "/api/v1/parked"+target, "")); len(got.Runs) != want {
			t.Errorf("%s: got %d, want %d", target, len(got.Runs), want)
		}
	}
	w.ask(t, "GET", "/api/v1/parked?pipeline=order", "").check(t, http.StatusNotFound, "pipeline_not_found")
	w.ask(t, "GET", "/api/v1/parked?destination=shp", "").check(t, http.StatusNotFound, "destination_not_found")
	w.ask(t, "GET", "/api/v1/parked?state=open", "").check(t, http.StatusBadRequest, "bad_parameter")
	path := "/api/v1/runs/" + id.String() + "/drop"
	w.ask(t, "POST", path, "", "Idempotency-Key: k").check(t, http.StatusOK, "")
	w.ask(t, "POST", path, "", "Idempotency-Key: k").check(t, http.StatusOK, "")
	w.ask(t, "POST", path, "").check(t, http.StatusConflict, "wrong_state")
	w.ask(t, "POST", "/api/v1/runs/x/drop", "").check(t, http.StatusNotFound, "not_found")
}

func TestARetryMayGoOnUnderTheLiveRevision(t *testing.T) {
	t.Parallel()
	w := stored(t)
	id := w.park(t, "no_pipeline", "")
	a := w.ask(t, "POST", "/api/v1/runs/"+id.String()+"/retry?current=true", "")
	got := into[admin.RunDetail](t, a)
	if live := w.Folder.Current().Pipelines()[0].Revision; got.Run.Revision != live || got.Run.State != run.Open {
		t.Errorf("got %s at revision %s, want it open at %s", got.Run.State, got.Run.Revision, live)
	}
}

func TestJobsAreAskedFor(t *testing.T) {
	t.Parallel()
	w := stored(t)
	id := w.park(t, "retries_spent", "shop")
	w.park(t, "destination_disabled", "shop")
	plan := into[admin.JobPlan](t, w.ask(t, "POST", "/api/v1/jobs", `{"kind":"retry","destination":"shop","dry_run":true}`))
	if plan.Plan.Count != 2 || len(plan.Plan.Parts) != 2 {
		t.Errorf("dry run: got %+v, want 2 of two reasons", plan.Plan)
	}
	if all := into[admin.JobPage](t, w.ask(t, "GET", "/api/v1/jobs", "")); len(all.Jobs) != 0 {
		t.Errorf("a dry run made %v", all.Jobs)
	}
	for range 2 {
		a := w.ask(t, "POST", "/api/v1/jobs", `{"kind":"replay","ids":["`+event.ExecutionID("acme", id.Event)+`"],"rate":5}`, "Idempotency-Key: job-1")
		got := into[admin.JobDetail](t, a)
		if got.Job.ID != "job-1" || got.Job.Named != 1 || got.Job.Total != 1 || got.Job.State != store.JobRunning || got.Job.LeftS != 0.2 {
			t.Errorf("got %+v, want job-1 of one, running", got.Job)
		}
		for _, hidden := range []string{`"ids"`, `"batch"`, `"cursor"`} {
			if strings.Contains(a.Body.String(), hidden) {
				t.Errorf("the answer has %s: %s", hidden, a.Body)
			}
		}
	}
	detail := into[admin.JobDetail](t, w.ask(t, "GET", "/api/v1/jobs/job-1", ""))
	if len(detail.Outcomes) != 1 || detail.Outcomes[0].First == nil || detail.Outcomes[0].First.Run != id {
		t.Errorf("outcomes: got %+v, want the first run beside nothing", detail.Outcomes)
	}
	if got := into[admin.JobDetail](t, w.ask(t, "POST", "/api/v1/jobs/job-1/cancel", "")); got.Job.State != store.JobCanceled {
		t.Errorf("cancel: got %s", got.Job.State)
	}
	if got := into[admin.JobDetail](t, w.ask(t, "POST", "/api/v1/jobs/job-1/resume", "")); got.Job.State != store.JobRunning {
		t.Errorf("resume: got %s", got.Job.State)
	}
	if got := into[admin.JobPage](t, w.ask(t, "GET", "/api/v1/jobs?state=running&limit=1", "")); len(got.Jobs) != 1 {
		t.Errorf("running: got %d, want 1", len(got.Jobs))
	}
	w.ask(t, "GET", "/api/v1/jobs/none", "").check(t, http.StatusNotFound, "not_found")
	w.ask(t, "POST", "/api/v1/jobs/none/cancel", "").check(t, http.StatusNotFound, "not_found")
	w.ask(t, "GET", "/api/v1/jobs/job-1?limit=101", "").check(t, http.StatusBadRequest, "bad_parameter")
}

func TestJobsThatWouldDoAnotherThingAreRefused(t *testing.T) {
	t.Parallel()
	w := stored(t)
	for body, want := range map[string]string{
		`{"kind":"replay"}`:                                        "bad_job",
		`{"kind":"drop"}`:                                          "bad_job",
		`{"kind":"sell","all":true}`:                               "bad_job",
		`{"kind":"replay","pipeline":"orders"}`:                    "bad_job",
		`{"kind":"retry","provider":"acme"}`:                       "bad_job",
		`{"kind":"retry","ids":["x"],"all":true}`:                  "bad_job",
		`{"kind":"retry","ids":["x"]}`:                             "bad_job",
		`{"kind":"retry","all":true,"reason":"x"}`:                 "bad_job",
		`{"kind":"retry","all":true,"rate":-1}`:                    "bad_job",
		`{"kind":"retry","since":"yesterday"}`:                     "bad_parameter",
		`{"kind":"replay","status":"fine"}`:                        "bad_parameter",
		`{"kind":"replay","providr":"acme"}`:                       "bad_body",
		`{"kind":"retry","all":true,"pinned":true,"current":true}`: "bad_job",
	} {
		w.ask(t, "POST", "/api/v1/jobs", body).check(t, http.StatusBadRequest, want)
	}
	for body, want := range map[string]string{
		`{"kind":"replay","provider":"acm"}`:                 "provider_not_found",
		`{"kind":"retry","pipeline":"order"}`:                "pipeline_not_found",
		`{"kind":"replay","all":true,"pipelines":["order"]}`: "pipeline_not_found",
		`{"kind":"retry","destination":"shp"}`:               "destination_not_found",
		`{"kind":"replay","ids":["0000000000001"]}`:          "not_found",
		`{"kind":"replay","ids":["x"]}`:                      "not_found",
	} {
		w.ask(t, "POST", "/api/v1/jobs", body).check(t, http.StatusNotFound, want)
	}
}

// change posts a change of a destination and gives what it answered.
func (w *world) change(t *testing.T, name, verb, body string) answerOf {
	t.Helper()
	return w.ask(t, "POST", "/api/v1/destinations/"+url.PathEscape(name)+"/"+verb, body)
}

func TestDestinationsAreWhatTheFolderAndTheStoreSay(t *testing.T) {
	t.Parallel()
	w := stored(t)
	got := into[admin.DestinationList](t, w.ask(t, "GET", "/api/v1/destinations", ""))
	if len(got.Destinations) != 2 {
		t.Fatalf("got %+v, want the inline one and shop", got.Destinations)
	}
	mail, shop := got.Destinations[0], got.Destinations[1]
	if mail.Name != "orders/Tell mail" || !mail.Hold || !mail.Live || mail.Where != "a.yaml:9" || mail.Settings.Breaker == nil || mail.State != store.GateOpen {
		t.Errorf("got %+v, want the inline one, held by its manifest", mail)
	}
	set := shop.Settings
	if shop.Name != "shop" || shop.Type != "http" || shop.Where != "a.yaml:16" || shop.Request != "POST https://shop.example/orders" || len(shop.Pipelines) != 1 ||
		set.RatePerS != 5 || set.Burst != 9 || set.Breaker != nil || !set.Ordered || set.Attempts != 10 || set.RetryS != 272_105 || set.MaxAgeS != 96*3600 {
		t.Errorf("got %+v with %+v", shop, set)
	}
}

func TestADestinationIsPausedResumedDisabledAndEnabled(t *testing.T) {
	t.Parallel()
	w := stored(t)
	const inline = "orders/Tell mail"
	paused := into[admin.DestinationChanged](t, w.change(t, inline, "pause", `{"for":"2h","reason":"maintenance"}`)).Destination
	if paused.State != store.GatePaused || !paused.Until.Equal(instant().Add(2*time.Hour)) || paused.Reason != "maintenance" || paused.Name != inline {
		t.Errorf("pause: got %+v", paused)
	}
	w.change(t, inline, "enable", "").check(t, http.StatusConflict, "wrong_state")
	if open := into[admin.DestinationChanged](t, w.change(t, inline, "resume", "")).Destination; open.State != store.GateOpen || open.Reason != "" || !open.Until.IsZero() {
		t.Errorf("resume: got %+v", open)
	}
	off := into[admin.DestinationChanged](t, w.change(t, "shop", "disable", "")).Destination
	if off.State != store.GateDisabled || off.Reason != "disabled by hand" {
		t.Errorf("disable: got %+v", off)
	}
	w.change(t, "shop", "pause", "").check(t, http.StatusConflict, "wrong_state")
	w.change(t, "shop", "resume", "").check(t, http.StatusConflict, "wrong_state")
	status := into[admin.Status](t, w.ask(t, "GET", "/api/v1/status", ""))
	if len(status.Gates) != 1 || status.Gates[0].Name != "shop" || len(status.Unsigned) != 1 || status.Unsigned[0] != "acme" {
		t.Errorf("status: got gates %+v, unsigned %v", status.Gates, status.Unsigned)
	}

	w.park(t, "destination_disabled", "shop")
	w.park(t, "destination_disabled", inline)
	w.park(t, "retries_spent", "shop")
	w.park(t, "destination_answered_gone", "shop")
	on := into[admin.DestinationChanged](t, w.change(t, "shop", "enable", `{"reason":"mended"}`))
	if on.Destination.State != store.GateOpen || on.Job == nil || on.Job.Total != 1 || on.Job.Rate != 50 || on.Job.Lane != run.LaneReplay || on.Job.Kind != store.JobRetry {
		t.Errorf("enable: got %+v with job %+v, want one that retries the one run", on.Destination, on.Job)
	}
	if on.Gone == nil || on.Gone.Total != 1 || on.Gone.Runs.Reason != "destination_answered_gone" {
		t.Errorf("enable: the job for what its 410 parked is %+v, want one that retries the one run", on.Gone)
	}
	if again := into[admin.DestinationChanged](t, w.change(t, "shop", "enable", "")); again.Job == nil {
		t.Error("what is parked still is not let go when it is enabled once more")
	}
	if none := into[admin.DestinationChanged](t, w.change(t, "orders/Tell mail", "disable", "")); none.Job != nil {
		t.Errorf("disabling: got job %+v", none.Job)
	}
	page := into[admin.AuditPage](t, w.ask(t, "GET", "/api/v1/audit?action=destination", ""))
	var actions []string
	for _, e := range page.Entries {
		actions = append(actions, strings.TrimPrefix(e.Action, "destination."))
	}
	if got := strings.Join(actions[2:], " "); got != "enable disable resume pause" {
		t.Errorf("audit: got %s", got)
	}
}

func TestPipelinesHearOfADestinationThatAPersonDisables(t *testing.T) {
	t.Parallel()
	w := stored(t)
	w.change(t, "shop", "disable", "").check(t, http.StatusOK, "")
	if page, err := w.records.Store.Events(t.Context(), store.EventQuery{}); err != nil || len(page.Events) != 0 {
		t.Errorf("nobody listens: got %v, %v, want no event", page.Events, err)
	}
	s, out := snapshot.Load(t.Context(), snapshot.Options{
		Types: []node.Type{receive.Type(), hook.Type()}, Dev: true,
		Manifest: manifest.Options{Dev: true, Files: []*source.File{source.NewFile("a.yaml", []byte(`
kind: pipeline
name: alarm
nodes:
  - {label: In, type: receive, props: {provider: internal, event: destination.disabled}}
  - {label: Tell, type: hook, props: {destination: shop}}
---
kind: destination
name: shop
type: http
url: https://shop.example/orders
`))}},
	})
	if s == nil {
		t.Fatal(out.Sorted())
	}
	w = newWorld(t)
	w.Reader, w.Folder = w.records.Store, folder{s}
	for range 2 { // the second changes nothing
		w.change(t, "shop", "disable", `{"reason":"it has moved"}`).check(t, http.StatusOK, "")
	}
	page, err := w.records.Store.Events(t.Context(), store.EventQuery{Provider: event.Internal, Name: event.DestinationDisabled})
	if err != nil || len(page.Events) != 1 {
		t.Fatalf("got %v, %v, want one event", page.Events, err)
	}
	body, err := w.records.Store.Body(t.Context(), page.Events[0].ID)
	if err != nil || string(body) != `{"at":"2026-03-04T12:00:00Z","destination":"shop","reason":"it has moved"}` {
		t.Errorf("got %s, %v", body, err)
	}
}

func TestChangesOfDestinationsAreChecked(t *testing.T) {
	t.Parallel()
	w := stored(t)
	w.change(t, "shp", "pause", "").check(t, http.StatusNotFound, "destination_not_found")
	w.change(t, run.RouteGate, "pause", "").check(t, http.StatusNotFound, "destination_not_found")
	w.change(t, "@nothing", "pause", "").check(t, http.StatusNotFound, "destination_not_found")
	w.change(t, "subscription/none", "pause", "").check(t, http.StatusNotFound, "destination_not_found")
	w.change(t, "shop", "pause", `{"for":"soon"}`).check(t, http.StatusBadRequest, "bad_body")
	w.change(t, "shop", "pause", `{"for":"-1h"}`).check(t, http.StatusBadRequest, "bad_body")
	w.change(t, "shop", "pause", `{"reason":"a\nb"}`).check(t, http.StatusBadRequest, "bad_body")
	own := into[admin.DestinationChanged](t, w.change(t, "@orders", "pause", "")).Destination
	if own.Type != "pipeline" || own.State != store.GatePaused || !own.Live {
		t.Errorf("a pipeline's gate: got %+v", own)
	}
	if open := into[admin.DestinationChanged](t, w.change(t, "@orders", "resume", "")).Destination; open.State != store.GateOpen || open.Name != "@orders" {
		t.Errorf("a pipeline's gate, resumed: got %+v", open)
	}
}

func TestTheLedgerAddsUp(t *testing.T) {
	t.Parallel()
	w := stored(t)
	w.park(t, "retries_spent", "shop")
	got := into[admin.Ledger](t, w.ask(t, "GET", "/api/v1/ledger", ""))
	if !got.Balanced || !got.Requests.Balanced || got.Requests.Recorded != 1 || got.Total.Parked != 1 || !got.Runs["orders"].Balanced {
		t.Errorf("got %+v", got)
	}
	wrong := admin.LedgerDocument(store.Ledger{Runs: map[string]store.RunTerms{"a": {Made: 2, Open: 1}, "b": {Made: 1, Open: 2}}})
	if wrong.Balanced || wrong.Runs["a"].Balanced || !wrong.Requests.Balanced || !wrong.Total.Balanced {
		t.Errorf("one that does not add up: got %+v", wrong)
	}
}

func TestWhatIsDoneByHandLeavesAnEntry(t *testing.T) {
	t.Parallel()
	w := newWorld(t).withPipelines(t)
	w.Reader = w.records
	w.ask(t, "POST", "/api/v1/pipelines/doubles/run", `{"input":{"n":1}}`).check(t, http.StatusOK, "")
	page := into[admin.AuditPage](t, w.ask(t, "GET", "/api/v1/audit?limit=1", ""))
	if len(page.Entries) != 1 || page.Entries[0].Action != "pipeline.run" || page.Entries[0].Subject != "doubles" {
		t.Errorf("got %+v, want one pipeline.run of doubles", page.Entries)
	}
	w.ask(t, "GET", "/api/v1/audit?cursor=x", "").check(t, http.StatusBadRequest, "bad_parameter")
}
