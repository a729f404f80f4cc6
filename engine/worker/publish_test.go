package worker_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/subscription"
	"github.com/headgate/headgate/engine/worker"
)

// publishing is a pipeline whose hook tells subscribers, and a code node behind it.
const publishing = `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Made, type: code, props: {code: '{"greeting": "hello " + payload.name}'}}
  - label: Tell
    type: hook
    props:
      subscribers: {event: user.greeted, user: "{{ payload.user }}"}
      headers: {X-Event: "{{ event.name }}", X-Subscriber: "{{ subscription.id }}", X-Delivery: "{{ delivery.id }}"}
      body: {text: "{{ Made.greeting }}", for: "{{ subscription.name }}"}
      retry: [0s, 10s]
      timeout: 1s
  - {label: Then, type: code, props: {code: 'Tell.total'}}
`

// subscriber is a declared subscription at a path of the receiver.
func subscriber(name, more string) string {
	return fmt.Sprintf("---\nkind: subscription\nname: %s\ntitle: The %s\nurl: http://127.0.0.1:9000/%s\nevents: [user.greeted]\nusers: ['*']\n%s\n", name, name, name, more)
}

// living is the audience of the manifests that are live.
type living struct{ g *gate }

func (l living) Match(q subscription.Query) []*subscription.Subscription {
	return l.g.keeper.Current().Subscriptions().Match(q)
}

func (l living) Find(id string) (*subscription.Subscription, bool) {
	return l.g.keeper.Current().Subscriptions().Find(id)
}

// openAudience makes a gate whose worker tells the declared subscriptions.
func openAudience(t testing.TB, manifests string, h http.HandlerFunc) *gate {
	t.Helper()
	g := open(t, manifests, h)
	g.worker = g.another(func(o *worker.Options) { o.Audience = living{g} })
	return g
}

// deliveries gives the runs to subscribers of an event, by the gate that they pass.
func (g *gate) deliveries(id event.ID) map[string]store.RunRecord {
	g.t.Helper()
	out := map[string]store.RunRecord{}
	q := store.RunQuery{Event: id, Limit: 1000}
	for {
		page, err := g.store.Runs(g.t.Context(), q)
		if err != nil {
			g.t.Fatal(err)
		}
		for _, r := range page.Runs {
			_, _, subscriber, ok := pipeline.Publication(r.Cause)
			if !ok {
				continue
			}
			if _, twice := out[subscriber]; twice {
				g.t.Errorf("there are two runs to %s", subscriber)
			}
			if out[subscriber], err = g.store.Run(g.t.Context(), r.ID); err != nil {
				g.t.Fatal(err)
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return out
		}
	}
}

// sender gives the run of the pipeline itself.
func (g *gate) sender(id event.ID) store.RunRecord {
	g.t.Helper()
	page, err := g.store.Runs(g.t.Context(), store.RunQuery{Event: id, Pipeline: "flow"})
	if err != nil || len(page.Runs) != 1 {
		g.t.Fatalf("the pipeline has %d runs, want 1: %v", len(page.Runs), err)
	}
	rec, err := g.store.Run(g.t.Context(), page.Runs[0].ID)
	if err != nil {
		g.t.Fatal(err)
	}
	return rec
}

func TestEachSubscriberHasARunOfItsOwnAndTheSenderWaitsForNone(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	defer close(hang)
	g := openAudience(t, publishing+subscriber("good", "")+subscriber("bad", "")+subscriber("slow", "")+subscriber("other", "enabled: false"), func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/bad":
			w.WriteHeader(http.StatusInternalServerError)
		case "/slow":
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}
	})
	id := g.event(`{"name": "Ann", "user": "u1"}`)
	if _, _, err := g.worker.Step(t.Context()); err != nil { // routes, while no request is under way
		t.Fatal(err)
	}
	for g.worker.InFlight() > 0 {
		<-g.worker.Ended()
	}
	rec := g.sender(id)
	if rec.Run.State != run.Done || rec.Run.Outcome != run.Completed || string(stepOf(t, rec, "Then").Output) != "3" {
		t.Fatalf("before anything was sent the sender's run is %s %s (%s), want done", rec.Run.State, rec.Run.Outcome, rec.Run.Message)
	}
	var told struct {
		Total      int `json:"total"`
		Deliveries []struct{ Subscription, Run string }
	}
	if err := json.Unmarshal(stepOf(t, rec, "Tell").Output, &told); err != nil || told.Total != 3 || len(told.Deliveries) != 3 {
		t.Fatalf("the hook gave %s: %v, want three deliveries", stepOf(t, rec, "Tell").Output, err)
	}
	for i, want := range []string{"bad", "good", "slow"} {
		if d := told.Deliveries[i]; d.Subscription != want || d.Run != g.deliveries(id)[want].Run.ID.String() {
			t.Errorf("delivery %d is %+v, want that to %s with the id of its run", i, d, want)
		}
	}

	g.finish()
	all := g.deliveries(id)
	if len(all) != 3 {
		t.Fatalf("there are runs to %d subscribers, want 3", len(all))
	}
	good, bad, slow := all["good"], all["bad"], all["slow"]
	if good.Run.State != run.Done || good.Run.Outcome != run.Completed || len(good.Attempts) != 1 || good.Run.Pipeline != "flow/Tell" || good.Run.Revision != rec.Run.Revision {
		t.Errorf("the run to the good one is %+v with %d attempts, want done after one", good.Run, len(good.Attempts))
	}
	for name, failed := range map[string]store.RunRecord{"bad": bad, "slow": slow} {
		if failed.Run.State != run.Parked || failed.Run.Reason != worker.CodeRetriesSpent || !slices.Equal(numbers(failed, "Tell", 0), []int{1, 2}) ||
			failed.Run.Destination != "subscription/"+name || failed.Attempts[0].Destination != "subscription/"+name {
			t.Errorf("the run to the %s one is %+v with the attempts %+v, want parked after two", name, failed.Run, failed.Attempts)
		}
	}
	got := g.got("/good")
	if len(got) != 1 || string(got[0].Body) != `{"for":"The good","text":"hello Ann"}` || got[0].Header.Get("X-Event") != "order.created" || got[0].Header.Get("X-Subscriber") != "good" {
		t.Errorf("the good one got %+v", got)
	}
	keys := map[string]bool{}
	for _, r := range g.receiver.Got() {
		keys[r.Header.Get("Idempotency-Key")] = true
		if r.Header.Get("X-Delivery") != r.Header.Get("Idempotency-Key") {
			t.Errorf("the delivery is %q and the key %q", r.Header.Get("X-Delivery"), r.Header.Get("Idempotency-Key"))
		}
	}
	if len(keys) != 3 {
		t.Errorf("three subscribers got %d idempotency keys, want one each", len(keys))
	}
}

func TestOnlyTheDeliveryThatFailedIsRetried(t *testing.T) {
	t.Parallel()
	down := true
	g := openAudience(t, publishing+subscriber("good", "")+subscriber("bad", ""), func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" && down {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	id := g.event(`{"name": "Ann", "user": "u1"}`)
	g.finish()
	parked := g.deliveries(id)["bad"]
	first := g.got("/bad")[0].Header.Get("Idempotency-Key")
	down = false
	if err := g.store.Retry(t.Context(), store.RetryAsk{Request: "r1", Run: parked.Run.ID}); err != nil {
		t.Fatal(err)
	}
	g.finish()
	again := g.deliveries(id)["bad"]
	got := g.got("/bad")
	if again.Run.State != run.Done || len(got) != 3 || string(got[2].Body) != `{"for":"The bad","text":"hello Ann"}` || got[2].Header.Get("Idempotency-Key") != first {
		t.Errorf("the retried run is %+v after %d requests, want done, with the body and the key of before", again.Run, len(got))
	}
	if n := len(g.got("/good")); n != 1 {
		t.Errorf("the other one got %d requests, want 1", n)
	}
	if rec := g.sender(id); rec.Run.Round != 0 || rec.Run.State != run.Done {
		t.Errorf("the sender's run is %+v, want it left alone", rec.Run)
	}
}

func TestNobodyToTellIsNoFailure(t *testing.T) {
	t.Parallel()
	g := openAudience(t, publishing+subscriber("ann", "channel: flow/Tell")+strings.Replace(subscriber("late", ""), "users: ['*']", "users: [u2]", 1), nil)
	g.reload(publishing)
	id := g.event(`{"name": "Ann", "user": "u1"}`)
	g.finish()
	rec := g.wants(id, run.Done, "completed")
	if got := string(stepOf(t, rec, "Tell").Output); got != `{"total":0,"deliveries":[]}` {
		t.Errorf("the hook gave %s", got)
	}
}

func TestASubscriptionThatIsGoneOrDisabledParksWhatWasOnItsWay(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]string{"gone": publishing, "disabled": publishing + subscriber("ann", "enabled: false")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := openAudience(t, publishing+subscriber("ann", ""), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
			id := g.event(`{"name": "Ann", "user": "u1"}`)
			g.turn() // and the first attempt fails
			g.reload(after)
			g.finish()
			rec := g.deliveries(id)["ann"]
			if rec.Run.State != run.Parked || rec.Run.Reason != worker.CodeNoSubscription || len(rec.Attempts) != 1 {
				t.Errorf("the run is %+v after %d attempts, want parked after one", rec.Run, len(rec.Attempts))
			}
			if next := g.event(`{"name": "Bob", "user": "u1"}`); true {
				g.finish()
				if n := len(g.deliveries(next)); n != 0 {
					t.Errorf("the next event was published to %d", n)
				}
			}
			g.reload(publishing + subscriber("ann", ""))
			if err := g.store.Retry(t.Context(), store.RetryAsk{Request: "r1", Run: rec.Run.ID}); err != nil {
				t.Fatal(err)
			}
			g.turn()
			if n := len(g.deliveries(id)["ann"].Attempts); n != 2 {
				t.Errorf("back again and retried it has made %d attempts, want 2", n)
			}
		})
	}
}

func TestAnAnswer410DisablesTheGateOfOneSubscription(t *testing.T) {
	t.Parallel()
	g := openAudience(t, publishing+subscriber("ann", "")+subscriber("bob", ""), func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ann" {
			w.WriteHeader(http.StatusGone)
		}
	})
	for i, reason := range []string{worker.CodeGone, worker.CodeDisabled} {
		id := g.event(`{"name": "Ann", "user": "u1"}`)
		g.finish()
		all := g.deliveries(id)
		if all["ann"].Run.Reason != reason || all["bob"].Run.State != run.Done || g.sender(id).Run.State != run.Done {
			t.Errorf("event %d: the runs are %q for ann, %s for bob, want %q and done", i, all["ann"].Run.Reason, all["bob"].Run.State, reason)
		}
	}
	gone, err := g.store.Gate(t.Context(), "subscription/ann")
	if err != nil || gone.State != store.GateDisabled {
		t.Errorf("the gate of ann is %+v (%v), want disabled", gone, err)
	}
}

func TestTheHookOfARunThatWaitsSeesWhatItSawUnderItsRevision(t *testing.T) {
	t.Parallel()
	down := true
	g := openAudience(t, publishing+subscriber("ann", ""), func(w http.ResponseWriter, _ *http.Request) {
		if down {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	id := g.event(`{"name": "Ann", "user": "u1"}`)
	g.turn()
	// The body is that of the run's revision, headers and address are the live ones.
	g.reload(strings.NewReplacer(`hello `, `good-bye `, `"{{ Made.greeting }}"`, `"{{ Made.greeting }}!"`, `X-Event: `, `X-Name: `).Replace(publishing) +
		strings.Replace(subscriber("ann", ""), "9000/ann", "9000/moved", 1))
	down = false
	g.finish()
	got := g.got("/moved")
	if len(got) != 1 || string(got[0].Body) != `{"for":"The ann","text":"hello Ann"}` || got[0].Header.Get("X-Name") != "order.created" {
		t.Errorf("the new address got %+v", got)
	}
	if rec := g.deliveries(id)["ann"]; rec.Run.State != run.Done {
		t.Errorf("the run is %+v", rec.Run)
	}
}

func TestAHookWithoutABodyPassesOnTheBytesThatCame(t *testing.T) {
	t.Parallel()
	g := openAudience(t, `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Tell, type: hook, props: {subscribers: {event: user.greeted}}}
`+subscriber("ann", "headers: {X-Own: yes}"), nil)
	g.event(`{ "name" :  "Ann" }`)
	g.finish()
	if got := g.got("/ann"); len(got) != 1 || string(got[0].Body) != `{ "name" :  "Ann" }` || got[0].Header.Get("X-Own") != "yes" {
		t.Errorf("the subscriber got %+v, want the original bytes and its own header", got)
	}
}

func TestAThousandSubscribersAreToldInSlices(t *testing.T) {
	t.Parallel()
	const many = 1000
	var manifests strings.Builder
	manifests.WriteString(strings.NewReplacer(`, user: "{{ payload.user }}"`, "", "timeout: 1s", "timeout: 60s").Replace(publishing))
	for i := range many {
		manifests.WriteString(subscriber(fmt.Sprintf("s%04d", i), ""))
	}
	g := openAudience(t, manifests.String(), nil)
	watch := &settled{Queue: g.store}
	g.worker = g.another(func(o *worker.Options) { o.Audience, o.Queue = living{g}, watch })
	id := g.event(`{"name": "Ann", "user": "u1"}`)
	g.finish()
	if all := g.deliveries(id); len(all) != many {
		t.Fatalf("there are runs to %d subscribers, want %d", len(all), many)
	}
	rec := g.sender(id)
	var told struct {
		Total      int
		Deliveries []struct{ Subscription, Run string }
	}
	if err := json.Unmarshal(stepOf(t, rec, "Tell").Output, &told); err != nil || told.Total != many || len(told.Deliveries) != many {
		t.Errorf("the hook gave %d of %d: %v", len(told.Deliveries), told.Total, err)
	}
	if rec.Run.State != run.Done || string(stepOf(t, rec, "Then").Output) != "1000" {
		t.Errorf("the sender's run is %+v", rec.Run)
	}
	if n := len(g.receiver.Got()); n != many {
		t.Errorf("%d requests were made, want %d", n, many)
	}
	if watch.most > 512 {
		t.Errorf("one settlement began %d runs, want at most two slices of 250", watch.most)
	}
}

func TestPublishingIsDoneOnceHoweverOftenItIsCutOff(t *testing.T) {
	t.Parallel()
	const many = 620
	var manifests strings.Builder
	manifests.WriteString(strings.Replace(publishing, "timeout: 1s", "timeout: 60s", 1))
	for i := range many {
		manifests.WriteString(subscriber(fmt.Sprintf("s%04d", i), ""))
	}
	// Every settlement of the sender is lost once before it is written, and once after.
	for name, lost := range map[string]func(w *worker.Options, g *gate){
		"before it was written": func(o *worker.Options, g *gate) { o.Queue = &forgetful{Queue: g.store} },
		"after it was written":  func(o *worker.Options, g *gate) { o.Queue = &forgetful{Queue: g.store, writes: true} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := openAudience(t, manifests.String(), nil)
			g.worker = g.another(func(o *worker.Options) { o.Audience = living{g} }, func(o *worker.Options) { lost(o, g) })
			id := g.event(`{"name": "Ann", "user": "u1"}`)
			for range 40 {
				g.turn()
				g.clock.advance(2 * time.Minute) // leases run out
			}
			if all := g.deliveries(id); len(all) != many {
				t.Errorf("there are runs to %d subscribers, want %d", len(all), many)
			}
			if rec := g.sender(id); rec.Run.State != run.Done {
				t.Errorf("the sender's run is %+v", rec.Run)
			}
		})
	}
}

func TestSubscribersOfOneEventAreToldInItsOrder(t *testing.T) {
	t.Parallel()
	var order []string
	down := true
	g := openAudience(t, strings.Replace(publishing, "      timeout: 1s", "      ordering: {by: payload.user, on_exhausted: park}", 1)+subscriber("ann", "")+subscriber("bob", ""), func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ann" && down {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		order = append(order, r.URL.Path)
	})
	first, second := g.event(`{"name": "1", "user": "u1"}`), g.event(`{"name": "2", "user": "u1"}`)
	g.finish()
	if a, b := g.deliveries(first), g.deliveries(second); a["ann"].Run.State != run.Parked || b["ann"].Run.State != run.Open || len(b["ann"].Attempts) != 0 ||
		a["bob"].Run.State != run.Done || b["bob"].Run.State != run.Done {
		t.Errorf("ann's first is %s and her second %s, bob's are %s and %s; want parked, held, done and done",
			a["ann"].Run.State, b["ann"].Run.State, a["bob"].Run.State, b["bob"].Run.State)
	}
	down = false
	if err := g.store.Retry(t.Context(), store.RetryAsk{Request: "r1", Run: g.deliveries(first)["ann"].Run.ID}); err != nil {
		t.Fatal(err)
	}
	g.finish()
	var texts []string
	for _, r := range g.got("/ann") {
		texts = append(texts, string(r.Body))
	}
	if n := len(texts); n < 2 || !strings.Contains(texts[n-2], "hello 1") || !strings.Contains(texts[n-1], "hello 2") {
		t.Errorf("ann got %v, want the first before the second", texts)
	}
}

func TestADeliveryWhoseSenderIsGoneParks(t *testing.T) {
	t.Parallel()
	g := openAudience(t, publishing+subscriber("ann", ""), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	id := g.event(`{"name": "Ann", "user": "u1"}`)
	g.turn()
	g.worker = g.another(func(o *worker.Options) {
		o.Audience, o.Queue = living{g}, &pruned{Queue: g.store, gone: g.sender(id).Run.ID}
	})
	g.finish()
	if rec := g.deliveries(id)["ann"]; rec.Run.State != run.Parked || rec.Run.Reason != worker.CodeSenderLost || len(rec.Attempts) != 1 {
		t.Errorf("the run is %+v after %d attempts, want parked after one", rec.Run, len(rec.Attempts))
	}
}
