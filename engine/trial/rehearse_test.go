package trial_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/manifest"
	runs "github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/trial"
	"github.com/headgate/headgate/hooks"
)

const nightly = `kind: pipeline
name: nightly
nodes:
  - {label: Start, type: start, props: {input: {day: {required: true}}}}
  - {label: Later, type: wait, props: {for: 10m}}
  - label: Tell
    type: hook
    props: {url: "<<env.URL>>/{{ payload.day }}", headers: {Authorization: "Bearer <<env.TOKEN>>"}, retry: [0s, 1s]}
  - {label: Done, type: emit, props: {event: report.done}}
---
kind: pipeline
name: quick
nodes:
  - {label: Start, type: start}
  - {label: Tell, type: hook, props: {url: https://shop.example.com/told, retry: [0s, 0.01s]}}
---
kind: pipeline
name: fixed
nodes:
  - {label: Start, type: receive, props: {provider: internal}}
`

func snapshotOf(t *testing.T, text string) *snapshot.Snapshot {
	t.Helper()
	snap, list := snapshot.Load(t.Context(), snapshot.Options{
		Manifest: manifest.Options{NoEnv: true, Files: []*source.File{source.NewFile("all.yaml", []byte(text))}}, Types: engine.NodeTypes(),
	})
	if snap == nil {
		t.Fatal(list.Sorted())
	}
	return snap
}

func TestARehearsalSendsNothingAndWaitsForNothing(t *testing.T) {
	t.Parallel()
	begun := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	done, err := trial.Rehearse(t.Context(), trial.RunOptions{
		Snapshot: snapshotOf(t, nightly), Pipeline: "nightly", Input: []byte(`{"day":"monday"}`), Now: func() time.Time { return begun },
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(done.Runs) != 1 || done.Runs[0].Run.State != runs.Done || !done.Ended.Equal(begun.Add(10*time.Minute)) {
		t.Errorf("the runs are %+v, and ended at %s", done.Runs, done.Ended)
	}
	if len(done.Requests) != 1 {
		t.Fatalf("%d requests were made, want 1", len(done.Requests))
	}
	r := done.Requests[0]
	got := fmt.Sprintf("%s %s %s %s %s", r.Node("nightly"), r.Method, r.URL, r.Header.Get("Authorization"), r.Answer)
	if want := "Tell POST <<env.URL>>/monday Bearer <<env.TOKEN>> 200"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(done.Emitted) != 1 || done.Emitted[0].Name != "report.done" {
		t.Errorf("emitted were %+v", done.Emitted)
	}
}

// stand is a deliverer that fails once and then answers.
type stand struct {
	mu   sync.Mutex
	made int
	wait <-chan struct{}
	// arrived is closed when the first request is there.
	arrived chan<- struct{}
}

func (s *stand) Deliver(ctx context.Context, r hooks.Request) (hooks.Attempt, error) {
	s.mu.Lock()
	s.made++
	n := s.made
	s.mu.Unlock()
	if s.wait != nil {
		if n == 1 {
			close(s.arrived)
		}
		select {
		case <-s.wait:
		case <-ctx.Done():
			return hooks.Attempt{}, &hooks.Error{Class: hooks.Temporary, Code: hooks.CodeCanceled}
		}
	}
	if n == 1 {
		return hooks.Attempt{Status: http.StatusBadGateway, Wrote: true}, &hooks.Error{Class: hooks.Temporary, Code: "http_502", Status: http.StatusBadGateway}
	}
	return hooks.Attempt{Status: http.StatusOK, Wrote: true, Body: []byte("thanks for " + r.Line)}, nil
}

func TestAPipelineIsRunInRealTime(t *testing.T) {
	t.Parallel()
	receiver := &stand{}
	done, err := trial.Perform(t.Context(), trial.RunOptions{
		Snapshot: snapshotOf(t, nightly), Pipeline: "quick", Now: time.Now, Deliverer: receiver, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(done.Runs) != 1 || done.Runs[0].Run.State != runs.Done || len(done.Runs[0].Attempts) != 2 || receiver.made != 2 {
		t.Errorf("got %+v after %d requests", done.Runs, receiver.made)
	}
	if got, want := fmt.Sprint(done.Result), "map[body:thanks for POST https://shop.example.com/told status:200]"; got != want {
		t.Errorf("it came to %s, want %s", got, want)
	}
}

func TestARunThatIsGivenUpTellsWhatWasDone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	enough, arrived := errors.New("enough"), make(chan struct{})
	receiver := &stand{wait: make(chan struct{}), arrived: arrived}
	go func() {
		<-arrived
		cancel(enough)
	}()
	done, err := trial.Perform(ctx, trial.RunOptions{
		Snapshot: snapshotOf(t, nightly), Pipeline: "quick", Now: time.Now, Deliverer: receiver, Logger: slog.New(slog.DiscardHandler),
	})
	if !errors.Is(err, enough) || len(done.Runs) != 1 || done.Runs[0].Run.State != runs.Open {
		t.Errorf("got %+v, %v; want an open run and the cause of the end", done, err)
	}
}

func TestOnlyAPipelineWithAStartIsRun(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"nightyl": "there is no pipeline \"nightyl\"; did you mean `nightly`?", "fixed": `pipeline "fixed" has no start node: it runs when an event comes`,
		"xyzzy": `there is no pipeline "xyzzy"`,
	} {
		_, err := trial.Rehearse(t.Context(), trial.RunOptions{Snapshot: snapshotOf(t, nightly), Pipeline: name, Now: time.Now})
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
}
