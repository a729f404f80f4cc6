package explain_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/explain"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/source"
)

const folder = `
kind: provider
name: acme
signature: none
event: {header: X-Acme-Event}
delivery: {header: X-Acme-Delivery, window: 72h}
events: [{name: order.created}, {name: order.refunded}]
---
kind: provider
name: globex
signature: none
events: [{name: ping}]
---
kind: pipeline
name: big
title: Big orders
nodes:
  - {label: Ordered, type: receive, props: {provider: acme, event: order.created, filter: payload.total > 100}}
  - {label: Ask, type: condition, props: {expression: payload.vip}}
  - {label: Tell, type: hook, props: {config: {url: "https://hooks.example.com/x"}}}
connections: ["Ordered -> Ask", "Ask[true] -> Tell"]
---
kind: pipeline
name: small
nodes:
  - {label: Ordered, type: receive, props: {provider: acme, event: order.created, filter: payload.total <= 100, include_payload: false}}
  - {label: Note, type: code, props: {code: "1"}}
---
kind: pipeline
name: refunds
nodes:
  - {label: Refunded, type: receive, props: {provider: acme, event: [order.refunded]}}
  - {label: Note, type: code, props: {code: "1"}}
---
kind: pipeline
name: pings
nodes:
  - {label: Ping, type: receive, props: {provider: globex}}
  - {label: Note, type: code, props: {code: "1"}}
---
kind: pipeline
name: off
enabled: false
nodes:
  - {label: Ordered, type: receive, props: {provider: acme}}
  - {label: Note, type: code, props: {code: "1"}}
---
kind: pipeline
name: by-hand
nodes:
  - {label: Go, type: start}
  - {label: Note, type: code, props: {code: "1"}}
`

func load(t *testing.T) *snapshot.Snapshot {
	t.Helper()
	s, list := snapshot.Load(t.Context(), snapshot.Options{
		Manifest: manifest.Options{Files: []*source.File{source.NewFile("gate/all.yaml", []byte(folder))}}, Types: engine.NodeTypes(),
	})
	if s == nil {
		t.Fatalf("the folder does not load: %v", list.Err())
	}
	return s
}

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func ordered(body string) *event.Event {
	return &event.Event{
		ID: event.NewID(now, 7), Provider: "acme", Name: "order.created", Received: now, ContentType: "application/json", Body: []byte(body),
		Source: event.Live, State: event.Routed,
	}
}

func find(t *testing.T, all []explain.Decision, name string) explain.Decision {
	t.Helper()
	i := slices.IndexFunc(all, func(d explain.Decision) bool { return d.Pipeline == name })
	if i < 0 {
		t.Fatalf("nothing is decided about %s", name)
	}
	return all[i]
}

func TestAPipelineThatWaitsForAnEventIsNotOneThatReceivesIt(t *testing.T) {
	t.Parallel()
	s, list := snapshot.Load(t.Context(), snapshot.Options{
		Manifest: manifest.Options{Files: []*source.File{source.NewFile("gate/all.yaml", []byte(`
kind: provider
name: acme
signature: none
event: {header: X-Acme-Event}
events: [{name: order.created}, {name: order.paid}, {name: order.refunded}]
---
kind: pipeline
name: payments
nodes:
  - {label: Ordered, type: receive, props: {provider: acme, event: order.created, filter: payload.total > 1}}
  - {label: Large, type: receive, props: {provider: acme, event: order.created}}
  - {label: Paid, type: wait, props: {provider: acme, event: order.paid, timeout: 1h}}
  - {label: Done, type: end}
connections: ["Ordered -> Paid", "Large -> Paid", "Paid -> Done"]
`))}}, Types: engine.NodeTypes(),
	})
	if s == nil {
		t.Fatalf("the folder does not load: %v", list.Err())
	}
	waited := run.NewID(event.NewID(now, 1), "payments", run.Cause{Kind: run.Live})
	woken := explain.WokenRun{Run: waited, Pipeline: "payments", Path: "Paid"}
	for _, r := range []struct {
		name    string
		state   event.State
		woken   *explain.Woken
		verdict explain.Verdict
		why     string
	}{
		{"order.paid", event.Routed, &explain.Woken{Runs: []explain.WokenRun{woken}}, explain.Woke, "it waits for such events: woke run " + waited.String() + " at `Paid`"},
		{"order.paid", event.Routed, &explain.Woken{}, explain.Awaits, "it waits for such events at `Paid`; no run waited for it"},
		{"order.paid", event.Routed, &explain.Woken{More: true}, explain.Awaits, "it waits for such events at `Paid`; no run that was looked at waited for it"},
		{"order.paid", event.Accepted, &explain.Woken{}, explain.Awaits, "it waits for such events at `Paid`; the event is stored, and will be routed soon"},
		{"order.paid", event.Routed, nil, explain.Awaits, "it waits for such events at `Paid`; nobody waits here"},
		{"order.refunded", event.Routed, &explain.Woken{}, explain.Event, "it receives order.created, and waits for order.paid"},
	} {
		ev := ordered("{}")
		ev.Name, ev.State = r.name, r.state
		if d := find(t, explain.Decide(s, ev, nil, r.woken), "payments"); d.Verdict != r.verdict || d.Why != r.why {
			t.Errorf("%s, %s: got %s: %s\nwant %s: %s", r.name, r.state, d.Verdict, d.Why, r.verdict, r.why)
		}
	}
}

func TestEveryPipelineOfTheFolderIsDecidedAbout(t *testing.T) {
	t.Parallel()
	s, ev := load(t), ordered(`{}`)
	record := func(name string, state run.State, outcome run.Outcome, reason string, cause run.CauseKind) run.Run {
		c := run.Cause{Kind: cause}
		return run.Run{ID: run.NewID(ev.ID, name, c), Event: ev.ID, Pipeline: name, Cause: c, State: state, Outcome: outcome, Reason: reason}
	}
	runs := []run.Run{
		record("big", run.Parked, "", "retries_spent", run.Live), record("small", run.Done, run.Filtered, "", run.Live),
		record("vanished", run.Done, run.Completed, "", run.Live), record("refunds", run.Done, run.Completed, "", run.Call),
	}
	got := explain.Decide(s, ev, runs, &explain.Woken{})
	rows := []struct {
		pipeline string
		verdict  explain.Verdict
		why      string
		run      bool
	}{
		{"big", explain.Started, "parked: retries_spent", true},
		{"small", explain.Filtered, "a filter or a condition let nothing of it pass", true},
		{"vanished", explain.Gone, "not in the folder any more", true},
		{"refunds", explain.Event, "it receives order.refunded", false},
		{"pings", explain.Provider, "it receives from globex", false},
		{"off", explain.Disabled, "enabled: false", false},
		{"by-hand", explain.Callable, "it receives no events", false},
	}
	if len(got) != len(rows) {
		t.Errorf("got %d decisions, want %d", len(got), len(rows))
	}
	for i, r := range rows {
		d := find(t, got, r.pipeline)
		if d.Verdict != r.verdict || !strings.Contains(d.Why, r.why) || (d.Run != nil) != r.run {
			t.Errorf("%s: got %s, %q, run %v, want %s, %q, a run: %t", r.pipeline, d.Verdict, d.Why, d.Run, r.verdict, r.why, r.run)
		}
		if got[i].Pipeline != r.pipeline {
			t.Errorf("place %d: got %s, want %s: what is near to the event stands first", i, got[i].Pipeline, r.pipeline)
		}
	}
}

func TestWhatDidNotBeginSaysWhy(t *testing.T) {
	t.Parallel()
	s := load(t)
	rows := []struct {
		name    string
		change  func(e *event.Event)
		runs    []run.Run
		verdict explain.Verdict
		why     string
	}{
		{"routed before the pipeline was there", func(*event.Event) {}, nil, explain.Changed, "added or changed since"},
		{"stored only", func(e *event.Event) { e.State = event.Accepted }, nil, explain.NotRouted, "will be routed soon"},
		{"ignored", func(e *event.Event) { e.State, e.Reason = event.Ignored, "ignore_list" }, nil, explain.NotRouted, "ignored (ignore_list)"},
		{"misspelt", func(e *event.Event) { e.Name = "order.creatd" }, nil, explain.Event, `the nearest to "order.creatd" is "order.created"`},
		{"without a name", func(e *event.Event) { e.Name = "" }, nil, explain.Event, "the event has no name"},
		{"a run by hand", func(e *event.Event) { e.Source, e.Provider = event.Manual, event.Internal }, nil, explain.Provider, "a run by hand"},
		{
			"had its runs", func(*event.Event) {},
			[]run.Run{{Pipeline: "big", Cause: run.Cause{Kind: run.Live}, State: run.Done, Outcome: run.Limited, Reason: run.RateLimited}},
			explain.Limited, "limits.runs",
		},
		{
			"as many as may be are open", func(*event.Event) {},
			[]run.Run{{Pipeline: "big", Cause: run.Cause{Kind: run.Live}, State: run.Done, Outcome: run.Limited, Reason: run.ConcurrencyLimited}},
			explain.Limited,
			"limits.concurrency",
		},
		{"a replay alone", func(*event.Event) {}, []run.Run{{Pipeline: "big", Cause: run.Cause{Kind: run.Replay}, State: run.Done}}, explain.Changed, "since"},
	}
	for _, r := range rows {
		ev := ordered(`{}`)
		r.change(ev)
		if d := find(t, explain.Decide(s, ev, r.runs, &explain.Woken{}), "big"); d.Verdict != r.verdict || !strings.Contains(d.Why, r.why) {
			t.Errorf("%s: got %s, %q, want %s, %q", r.name, d.Verdict, d.Why, r.verdict, r.why)
		}
	}
}

func TestTheManifestSaysWhatNamedAnEvent(t *testing.T) {
	t.Parallel()
	s, ev := load(t), ordered(`{}`)
	ev.Name = "order.creatd"
	got := explain.Identify(s, ev)
	want := explain.Identity{Event: "header X-Acme-Event", Delivery: "header X-Acme-Delivery", Window: "72h", Nearest: "order.created"}
	if got == nil || *got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	ev.Provider, ev.Name = "globex", "ping"
	if got := explain.Identify(s, ev); got == nil || *got != (explain.Identity{Event: "the provider's only event"}) {
		t.Errorf("a provider of one event: got %+v", got)
	}
	ev.Provider = "nobody"
	if got := explain.Identify(s, ev); got != nil {
		t.Errorf("a provider that is gone: got %+v, want nothing", got)
	}
}

func TestARehearsalGoesAsFarAsNothingIsDone(t *testing.T) {
	t.Parallel()
	s, ev := load(t), ordered(`{"total": 120, "vip": true}`)
	got := explain.Rehearse(t.Context(), s, ev, now)
	if len(got) != 2 {
		t.Fatalf("got %d rehearsals, want those of big and small", len(got))
	}
	big, small := got[0], got[1]
	if big.Run.State != run.Open || len(big.Steps) != 2 || big.Steps[1].Branch != "true" {
		t.Errorf("big: got %s with %d steps, want it open behind Ordered and Ask[true]", big.Run.State, len(big.Steps))
	}
	if len(big.Next) != 1 || big.Next[0].Path != "Tell" || !strings.Contains(big.Next[0].What, "would send a request") {
		t.Errorf("big goes on: got %+v, want the request of Tell", big.Next)
	}
	if small.Run.Outcome != run.Filtered || len(small.Steps) == 0 || len(small.Steps[0].Reads) == 0 || !small.Steps[0].Reads[0].Hidden {
		t.Errorf("small: got %s, %+v, want it filtered, its operand hidden", small.Run.Outcome, small.Steps)
	}
	runs := []run.Run{big.Run, small.Run}
	if d := find(t, explain.Decide(s, ev, runs, &explain.Woken{}), "small"); d.Verdict != explain.Filtered {
		t.Errorf("small: got %s, want filtered", d.Verdict)
	}
}
