package worker_test

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/worker"
)

func TestAnEventRunsToItsEnd(t *testing.T) {
	t.Parallel()
	g := open(t, `
kind: pipeline
name: flow
labels: {team: core}
nodes:
  - {label: In, type: receive, props: {provider: acme, filter: payload.action == "opened"}}
  - {label: Is big, type: condition, props: {expression: payload.n > 20}}
  - {label: Raw, type: hook, props: {url: "http://127.0.0.1:9000/raw"}}
  - {label: Message, type: code, props: {code: '{"text": "n is " + string(payload.n)}'}}
  - {label: Tell, type: hook, props: {url: "http://127.0.0.1:9000/tell/{{ payload.n }}", headers: {X-Run: "{{ run.pipeline }}"}}}
  - {label: After, type: code, props: {code: '[Tell.status, Tell.body.ok]'}}
connections:
  - In -> Is big
  - "Is big[true] -> Raw"
  - "Is big[true] -> Message -> Tell -> After"
`, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"ok": "yes"}`)) })
	body := "{ \"action\": \"opened\",\n \"n\": 25 }"
	id := g.event(body)
	if next := g.turn(); next >= 0 {
		t.Errorf("after the run something is due in %v", next)
	}
	rec := g.wants(id, run.Done, "completed")
	if ev, err := g.store.Event(t.Context(), id); err != nil || ev.State != event.Routed {
		t.Errorf("the event is %s (%v), want routed", ev.State, err)
	}
	if got := stepOf(t, rec, "After").Output; string(got) != `[200,"yes"]` {
		t.Errorf("behind the hook its answer is %s", got)
	}
	if got := stepOf(t, rec, "Is big"); got.Branch != "true" || len(got.Reads) != 1 || got.Reads[0] != (run.Read{Operand: "payload.n", Value: "25"}) {
		t.Errorf("the condition is recorded as %+v", got)
	}
	if rec.Run.Labels["team"] != "core" || rec.Run.Revision == "" || !rec.Run.Now.Equal(g.clock.time()) {
		t.Errorf("the run is recorded as %+v", rec.Run)
	}
	raw, tell := g.got("/raw"), g.got("/tell/25")
	if len(raw) != 1 || len(tell) != 1 {
		t.Fatalf("the receiver got %d raw and %d rendered requests, want one each", len(raw), len(tell))
	}
	if string(raw[0].Body) != body || raw[0].Header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("behind a condition the hook sent %q as %q, want the sender's own bytes", raw[0].Body, raw[0].Header.Get("Content-Type"))
	}
	if string(tell[0].Body) != `{"text":"n is 25"}` || tell[0].Header.Get("Content-Type") != "application/json" {
		t.Errorf("the hook sent %q as %q", tell[0].Body, tell[0].Header.Get("Content-Type"))
	}
	h := tell[0].Header
	want := run.IdempotencyKey(id, "flow", "Tell")
	if h.Get("X-Run") != "flow" || h.Get("User-Agent") != "Headgate/test" || h.Get("Headgate-Attempt") != "1" || h.Get("Idempotency-Key") != want {
		t.Errorf("the request's headers are %v, want Idempotency-Key %s", h, want)
	}
	if raw[0].Header.Get("Idempotency-Key") == want {
		t.Error("two hooks of a run have one Idempotency-Key")
	}
	if len(rec.Attempts) != 2 || rec.Attempts[1].Line != "POST http://127.0.0.1:9000/tell/{{ payload.n }}" && rec.Attempts[0].Line != "POST http://127.0.0.1:9000/tell/{{ payload.n }}" {
		t.Errorf("the attempts are %+v, want lines as the manifest writes them", rec.Attempts)
	}
	if len(rec.Tasks) != 0 {
		t.Errorf("the finished run has open tasks: %+v", rec.Tasks)
	}
}

func TestEveryRequestOfARunCarriesItsTrace(t *testing.T) {
	t.Parallel()
	g := open(t, `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: A, type: hook, props: {url: "http://127.0.0.1:9000/a"}}
  - {label: B, type: hook, props: {url: "http://127.0.0.1:9000/b"}}
`, nil)
	g.event(`{}`)
	g.turn()
	a, b := g.got("/a")[0].Header.Get("Traceparent"), g.got("/b")[0].Header.Get("Traceparent")
	if !regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`).MatchString(a) || a != b {
		t.Errorf("two requests of a run have the traces %q and %q", a, b)
	}

	const theirs = "0af7651916cd43dd8448eb211c80319c"
	for value, goesOn := range map[string]bool{
		"00-" + theirs + "-b7ad6b7169203331-00":                               true,
		"cc-" + theirs + "-b7ad6b7169203331-01-what-else":                     true,
		"00-" + theirs + "-b7ad6b7169203331-01-more":                          false,
		"00-" + theirs + "-0000000000000000-01":                               false,
		"00-" + hex.EncodeToString(make([]byte, 16)) + "-b7ad6b7169203331-01": false,
		"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01":             false,
		"ff-" + theirs + "-b7ad6b7169203331-01":                               false,
		"nonsense":                                                            false,
		"00-" + theirs + "-b7ad6b7169203331-zz":                               false,
		"00-" + theirs + "-b7ad6b7169203331-" + string(make([]byte, 2)):       false,
	} {
		receipts, err := g.store.Append(t.Context(), []store.Arrival{{Route: true, Event: event.Event{
			Provider: "acme", Name: "order.created", Body: []byte(`{}`), Headers: []event.Header{{Name: "traceparent", Value: value}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		g.turn()
		trace := g.run(receipts[0].ID).Run.Trace
		if got := trace[3:35] == theirs; got != goesOn {
			t.Errorf("behind the sender's %q the trace is %q, want that it goes on: %t", value, trace, goesOn)
		}
	}
}

func TestAFilteredRunIsRecordedWithItsReads(t *testing.T) {
	t.Parallel()
	g := open(t, `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme, filter: payload.action == "opened"}}
  - {label: Tell, type: hook, props: {url: "http://127.0.0.1:9000/x"}}
`, nil)
	id := g.event(`{"action": "closed"}`)
	g.turn()
	rec := g.wants(id, run.Done, "filtered")
	step := stepOf(t, rec, "In")
	if step.State != run.StepFiltered || len(step.Reads) != 1 || step.Reads[0] != (run.Read{Operand: "payload.action", Value: `"closed"`}) {
		t.Errorf("the receive is recorded as %+v", step)
	}
	if n := len(g.receiver.Got()); n != 0 {
		t.Errorf("a filtered run sent %d requests", n)
	}
	ledger, err := g.store.Ledger(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if terms := ledger.Runs["flow"]; terms.Made != 1 || terms.Filtered != 1 {
		t.Errorf("the ledger counts %+v, want one filtered run", terms)
	}
}

func TestAnEventStartsOneRunOfEachPipelineThatWaitsForIt(t *testing.T) {
	t.Parallel()
	g := open(t, `
kind: pipeline
name: one
nodes:
  - {label: In, type: receive, props: {provider: acme, event: order.created}}
  - {label: Again, type: receive, props: {provider: acme}}
---
kind: pipeline
name: two
nodes: [{label: In, type: receive, props: {provider: acme, event: "order.*"}}]
---
kind: pipeline
name: three
nodes: [{label: In, type: receive, props: {provider: acme, event: bill.sent}}]
`, nil)
	names := func(id event.ID) []string {
		page, err := g.store.Runs(t.Context(), store.RunQuery{Event: id})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, r := range page.Runs {
			out = append(out, r.Pipeline)
		}
		slices.Sort(out)
		return out
	}
	created, none := g.event(`{}`), g.named("other", `{}`)
	g.turn()
	if got := names(created); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("order.created starts %v, want one and two", got)
	}
	if got := names(none); !slices.Equal(got, []string{"one"}) {
		t.Errorf("another event starts %v, want the pipeline that takes all", got)
	}
}

func TestManyHooksOfARunSettleAtOnceAndNothingIsLost(t *testing.T) {
	t.Parallel()
	const hooks = 60
	manifests := "kind: pipeline\nname: flow\nnodes:\n  - {label: In, type: receive, props: {provider: acme}}\n"
	connections := "connections:\n"
	for i := range hooks {
		label := string(rune('A'+i/26)) + string(rune('a'+i%26))
		manifests += "  - {label: " + label + ", type: hook, props: {url: \"http://127.0.0.1:9000/" + label + "\"}}\n"
		connections += "  - In -> " + label + " -> End\n"
	}
	manifests += "  - {label: End, type: code, props: {code: 'len(keys(steps))'}}\n" + connections
	// All are held until all are there, so that they settle at once.
	all := make(chan struct{})
	arrived := make(chan struct{}, hooks)
	narrow := &narrow{}
	g := open(t, manifests, func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-all
	}, func(o *worker.Options) {
		narrow.Queue = o.Queue
		o.Queue = narrow
	})
	id := g.event(`{}`)
	go func() {
		for range hooks {
			<-arrived
		}
		close(all)
	}()
	g.turn()
	rec := g.wants(id, run.Done, "completed")
	if got := string(stepOf(t, rec, "End").Output); got != "61" {
		t.Errorf("the join saw %s outputs, want 61", got)
	}
	if len(rec.Attempts) != hooks || len(g.receiver.Got()) != hooks {
		t.Errorf("%d attempts are recorded and %d requests came, want %d of each", len(rec.Attempts), len(g.receiver.Got()), hooks)
	}
	// Every settlement moves the run by one version. One after the other, each is refused once at most.
	if got := rec.Run.Version; got != hooks+1 {
		t.Errorf("the run is at version %d, want %d", got, hooks+1)
	}
	if most, moved := narrow.most.Load(), narrow.moved.Load(); most != 1 || moved > hooks {
		t.Errorf("up to %d of the run's hooks settled at a time, and %d settlements were refused; want 1 and at most %d", most, moved, hooks)
	}
}

// narrow counts how many settle at a time, and how often in vain.
type narrow struct {
	worker.Queue
	now, most, moved atomic.Int64
}

func (n *narrow) Settle(ctx context.Context, s []store.Settlement) ([]error, error) {
	now := n.now.Add(1)
	defer n.now.Add(-1)
	for most := n.most.Load(); now > most && !n.most.CompareAndSwap(most, now); most = n.most.Load() {
	}
	for range 100 {
		runtime.Gosched() // a commit takes its time
	}
	errs, err := n.Queue.Settle(ctx, s)
	for _, e := range errs {
		if errors.Is(e, store.ErrMoved) {
			n.moved.Add(1)
		}
	}
	return errs, err
}
