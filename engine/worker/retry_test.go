package worker_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/worker"
	"github.com/headgate/headgate/hooks"
)

// answers gives each status in turn, the last one for ever.
func answers(statuses ...int) http.HandlerFunc {
	var n atomic.Int64
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(statuses[min(int(n.Add(1))-1, len(statuses)-1)])
	}
}

// checkSchedule compares when attempts were made with a schedule, of which each delay may be a fifth longer or shorter.
func checkSchedule(t *testing.T, rec store.RunRecord, delays []time.Duration) {
	t.Helper()
	if len(rec.Attempts) != len(delays)+1 {
		t.Fatalf("%d attempts were made, want %d", len(rec.Attempts), len(delays)+1)
	}
	for i, want := range delays {
		got := rec.Attempts[i+1].Started.Sub(rec.Attempts[i].Started)
		if got < want*8/10 || got > want*12/10 {
			t.Errorf("between attempts %d and %d were %v, want %v a fifth more or less", i+1, i+2, got, want)
		}
	}
	for i, n := range numbers(rec, "Tell", 0) {
		if n != i+1 {
			t.Errorf("attempt %d has the number %d", i+1, n)
		}
	}
}

func TestAReceiverThatIsDownIsTriedForThreeDays(t *testing.T) {
	t.Parallel()
	g := open(t, oneHook, answers(503))
	id := g.event(`{}`)
	begun := g.clock.time()
	g.finish()
	rec := g.wants(id, run.Parked, worker.CodeRetriesSpent)
	checkSchedule(t, rec, hooks.DefaultPolicy().Delays())
	if took := g.clock.time().Sub(begun); took < 60*time.Hour || took > 91*time.Hour {
		t.Errorf("the last attempt was %v after the first, want 75 h 35 m a fifth more or less", took)
	}
	keys := map[string]bool{}
	for i, got := range g.got("/ops") {
		keys[got.Header.Get("Idempotency-Key")] = true
		if n := got.Header.Get("Headgate-Attempt"); n != strconv.Itoa(i+1) {
			t.Errorf("request %d says it is attempt %s", i+1, n)
		}
	}
	if len(keys) != 1 {
		t.Errorf("ten attempts had %d Idempotency-Keys, want 1", len(keys))
	}
	step := stepOf(t, rec, "Tell")
	if step.State != run.StepFailed || step.Failure.Code != worker.CodeRetriesSpent || step.Failure.Kind != "temporary" {
		t.Errorf("the step is %s: %+v", step.State, step.Failure)
	}
	if !step.Started.Equal(rec.Attempts[0].Started) || step.Took != g.clock.time().Sub(begun) {
		t.Errorf("the step began %v and took %v, want the time of all attempts", step.Started, step.Took)
	}
	if !strings.Contains(rec.Run.Message, "10 attempts") || !strings.Contains(rec.Run.Message, "http_503") {
		t.Errorf("the run is parked because %q", rec.Run.Message)
	}
}

func TestAReceiverThatSaysNoIsTriedFourTimes(t *testing.T) {
	t.Parallel()
	for _, status := range []int{404, 400, 302} {
		g := open(t, oneHook, answers(status))
		id := g.event(`{}`)
		g.finish()
		rec := g.wants(id, run.Parked, worker.CodeRetriesSpent)
		checkSchedule(t, rec, hooks.ShortPolicy().Delays())
	}
}

func TestAScheduleOfItsOwnIsKept(t *testing.T) {
	t.Parallel()
	g := open(t, strings.Replace(oneHook, "url: http", "retry: [0s, 10s, 1m]\nurl: http", 1), answers(500))
	id := g.event(`{}`)
	g.finish()
	checkSchedule(t, g.wants(id, run.Parked, worker.CodeRetriesSpent), []time.Duration{10 * time.Second, time.Minute})

	g = open(t, strings.Replace(oneHook, "url: http", "retry: {max_attempts: 1}\nurl: http", 1), answers(500))
	id = g.event(`{}`)
	g.finish()
	rec := g.wants(id, run.Parked, worker.CodeRetriesSpent)
	if len(rec.Attempts) != 1 || !strings.Contains(rec.Run.Message, "the only attempt failed with http_500") {
		t.Errorf("%d attempts, parked because %q", len(rec.Attempts), rec.Run.Message)
	}
}

func TestAReceiverThatComesBackGetsItsMessage(t *testing.T) {
	t.Parallel()
	g := open(t, oneHook, answers(503, 429, 200))
	id := g.event(`{"a": 1}`)
	next := g.turn()
	rec := g.run(id)
	if rec.Run.State != run.Open || len(rec.Tasks) != 1 || rec.Tasks[0].Lane != run.LaneRetry || rec.Tasks[0].N != 1 || next <= 0 {
		t.Fatalf("after a failure the run is %s with tasks %+v, next in %v", rec.Run.State, rec.Tasks, next)
	}
	g.clock.advance(next - time.Millisecond)
	g.turn()
	if n := len(g.receiver.Got()); n != 1 {
		t.Fatalf("before it is due the receiver got %d requests, want 1", n)
	}
	g.finish()
	rec = g.wants(id, run.Done, "completed")
	if got := numbers(rec, "Tell", 0); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("the attempts are numbered %v", got)
	}
	if step := stepOf(t, rec, "Tell"); !step.Started.Equal(rec.Attempts[0].Started) {
		t.Errorf("the step began %v, want with its first attempt %v", step.Started, rec.Attempts[0].Started)
	}
}

func TestRetryAfterIsHonouredUpToADay(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{"3600": time.Hour, "1": 4 * time.Second, "999999": hooks.MaxRetryAfter} {
		first := true
		g := open(t, oneHook, func(w http.ResponseWriter, _ *http.Request) {
			if first {
				w.Header().Set("Retry-After", header)
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			first = false
		})
		id := g.event(`{}`)
		next := g.turn()
		if next < want || next > want*13/10+3*time.Second {
			t.Errorf("Retry-After: %s makes the next attempt due in %v, want %v", header, next, want)
		}
		if got := g.run(id).Attempts[0].RetryAfter; header == "3600" && got != time.Hour {
			t.Errorf("the attempt records a Retry-After of %v, want 1h", got)
		}
		g.finish()
		g.wants(id, run.Done, "completed")
	}
}

func TestAnUnknownOutcomeIsCountedAndTriedAgain(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	g := open(t, oneHook, func(http.ResponseWriter, *http.Request) {
		if n.Add(1) == 1 {
			panic(http.ErrAbortHandler) // the request has been read, no answer comes
		}
	})
	id := g.event(`{}`)
	g.finish()
	rec := g.wants(id, run.Done, "completed")
	if got := outcomes(rec); !slices.Equal(got, []run.AttemptOutcome{run.AttemptUnknown, run.AttemptOK}) {
		t.Errorf("the outcomes are %v, want unknown and ok", got)
	}
	got := g.got("/ops")
	if len(got) != 2 || got[0].Header.Get("Idempotency-Key") != got[1].Header.Get("Idempotency-Key") {
		t.Errorf("the receiver got %d requests, want 2 of one Idempotency-Key", len(got))
	}
}

func TestGoneParksTheRunAndDisablesTheDestination(t *testing.T) {
	t.Parallel()
	g := open(t, oneHook, answers(410, 200))
	first := g.event(`{}`)
	g.finish()
	rec := g.wants(first, run.Parked, worker.CodeGone)
	if len(rec.Attempts) != 1 {
		t.Errorf("after 410 there were %d attempts, want 1", len(rec.Attempts))
	}
	gate := func() store.GateState {
		got, err := g.store.Gate(t.Context(), "ops")
		if err != nil {
			t.Fatal(err)
		}
		return got.State
	}
	if got := gate(); got != store.GateDisabled {
		t.Errorf("the gate is %s, want disabled", got)
	}
	second := g.event(`{}`)
	g.finish()
	if rec := g.wants(second, run.Parked, worker.CodeDisabled); len(rec.Attempts) != 0 {
		t.Errorf("at a disabled destination there were %d attempts", len(rec.Attempts))
	}
	if n := len(g.receiver.Got()); n != 1 {
		t.Fatalf("the receiver got %d requests, want 1", n)
	}

	// A retry does not pass it either; the way back is to enable it.
	g.retry(second, "r1")
	g.finish()
	g.wants(second, run.Parked, worker.CodeDisabled)
	g.sets("ops", store.GateOpen)
	g.retry(second, "r2")
	g.finish()
	g.wants(second, run.Done, "completed")
	third := g.event(`{}`)
	g.finish()
	g.wants(third, run.Done, "completed")
}

func TestARetryRepeatsOnlyWhatFailed(t *testing.T) {
	t.Parallel()
	broken := true
	g := open(t, `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Good, type: hook, props: {url: "http://127.0.0.1:9000/good"}}
  - {label: Bad, type: hook, props: {url: "http://127.0.0.1:9000/bad", retry: [0s, 1s]}}
  - {label: After, type: hook, props: {url: "http://127.0.0.1:9000/after", body: {was: "{{ Bad.status }}"}}}
connections: [In -> Good, In -> Bad -> After]
`, func(w http.ResponseWriter, r *http.Request) {
		if broken && r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	id := g.event(`{}`)
	g.finish()
	rec := g.wants(id, run.Parked, worker.CodeRetriesSpent)
	if stepOf(t, rec, "After").State != run.StepSkipped || stepOf(t, rec, "Good").State != run.StepDone {
		t.Errorf("the steps are %+v", rec.Steps)
	}

	g.clock.advance(time.Hour)
	g.retry(id, "r1") // still broken
	g.finish()
	rec = g.wants(id, run.Parked, worker.CodeRetriesSpent)
	if rec.Run.Round != 1 {
		t.Errorf("the run is in round %d, want 1", rec.Run.Round)
	}
	broken = false
	g.retry(id, "r2")
	g.retry(id, "r2") // the same request twice is once
	g.finish()
	rec = g.wants(id, run.Done, "completed")
	for round, want := range [][]int{{1, 2}, {1, 2}, {1}} {
		if got := numbers(rec, "Bad", round); !slices.Equal(got, want) {
			t.Errorf("in round %d the attempts are numbered %v, want %v", round, got, want)
		}
	}
	if good, after := len(g.got("/good")), g.got("/after"); good != 1 || len(after) != 1 || string(after[0].Body) != `{"was":200}` {
		t.Errorf("what had been done was sent %d times, what was skipped %d times", good, len(after))
	}
	keys := map[string]bool{}
	for _, r := range g.got("/bad") {
		keys[r.Header.Get("Idempotency-Key")] = true
	}
	if len(keys) != 1 {
		t.Errorf("over three rounds there were %d Idempotency-Keys, want 1", len(keys))
	}
}

func TestReplaysCarryTheSameKeyInARunOfTheirOwn(t *testing.T) {
	t.Parallel()
	g := open(t, oneHook, nil)
	id := g.event(`{}`)
	g.finish()
	g.job(store.Job{ID: "again"})
	if n, err := g.store.Replay(t.Context(), store.ReplayAsk{Request: "again", Events: []event.ID{id}}); err != nil || n != 1 {
		t.Fatalf("Replay gives %d, %v", n, err)
	}
	g.finish()
	page, err := g.store.Runs(t.Context(), store.RunQuery{Event: id})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Runs) != 2 || page.Runs[0].Cause != (run.Cause{Kind: run.Replay, Ref: "again"}) || page.Runs[0].State != run.Done {
		t.Fatalf("the runs are %+v", page.Runs)
	}
	got := g.got("/ops")
	if len(got) != 2 || got[0].Header.Get("Idempotency-Key") != got[1].Header.Get("Idempotency-Key") {
		t.Errorf("the receiver got %d requests, want two of one Idempotency-Key", len(got))
	}
}

func TestARequestThatCannotBeMadeParksWithoutAnAttempt(t *testing.T) {
	t.Parallel()
	g := open(t, strings.Replace(oneHook, "9000/ops", "9000/{{ payload.missing }}", 1), nil)
	id := g.event(`{}`)
	g.finish()
	rec := g.wants(id, run.Parked, worker.CodeRequest)
	if len(rec.Attempts) != 0 || len(g.receiver.Got()) != 0 {
		t.Errorf("%d attempts are recorded and %d requests came, want none", len(rec.Attempts), len(g.receiver.Got()))
	}
	if !strings.Contains(rec.Run.Message, "path of the URL") {
		t.Errorf("the run is parked because %q", rec.Run.Message)
	}
}

func TestAFailureOfAHookTakesItsErrorHandle(t *testing.T) {
	t.Parallel()
	g := open(t, `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Tell, type: hook, props: {url: "http://127.0.0.1:9000/tell", retry: [0s]}}
  - {label: Alarm, type: hook, props: {url: "http://127.0.0.1:9000/alarm", body: {why: "{{ Tell.error.code }}", kind: "{{ Tell.error.kind }}"}}}
connections: [In -> Tell, "Tell[error] -> Alarm"]
`, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/tell" {
			panic(http.ErrAbortHandler)
		}
	})
	id := g.event(`{}`)
	g.finish()
	rec := g.wants(id, run.Done, "completed")
	if step := stepOf(t, rec, "Tell"); step.State != run.StepFailed || step.Branch != "error" {
		t.Errorf("the failed hook is recorded as %s [%s]", step.State, step.Branch)
	}
	if got := g.got("/alarm"); len(got) != 1 || string(got[0].Body) != `{"kind":"temporary","why":"retries_spent"}` {
		t.Errorf("the alarm is %q", got)
	}
}
