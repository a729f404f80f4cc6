package worker

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"testing"

	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/hooks"
)

// nothing is a worker's surroundings where only its sharing of slots is looked at.
type nothing struct{ Queue }

func (nothing) Pipelines(string, string) []*pipeline.Diagram                       { return nil }
func (nothing) Diagram(context.Context, string, string) (*pipeline.Diagram, error) { return nil, nil }

func (nothing) Pipeline(string) (*pipeline.Diagram, bool)           { return nil, false }
func (nothing) Destination(string) (*destination.Destination, bool) { return nil, false }

func (nothing) Deliver(context.Context, hooks.Request) (hooks.Attempt, error) {
	return hooks.Attempt{}, nil
}

func idle(t *testing.T) *Worker {
	t.Helper()
	w, err := New(Options{Queue: nothing{}, World: nothing{}, Deliverer: nothing{}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// take claims all that the worker may have now, and counts it by lane and by gate.
func take(w *Worker, work []store.Work, lanes map[run.Lane]int, gates map[string]int) {
	for _, s := range w.shares(work) {
		w.begin(s.gate, s.max)
		w.charge(s.gate, s.lane, s.max)
		lanes[s.lane] += s.max
		gates[s.gate] += s.max
	}
}

func TestLanesShareAGateByWeightHoweverFewItsSlots(t *testing.T) {
	t.Parallel()
	work := []store.Work{{Gate: "ops", Lane: run.LaneLive}, {Gate: "ops", Lane: run.LaneReplay}, {Gate: "ops", Lane: run.LaneRetry}}
	for _, slots := range []int{1, 2, 3, defaultSlots} {
		w := idle(t)
		w.begin("ops", defaultSlots-slots) // taken for good
		lanes := map[run.Lane]int{}
		for range 1100 {
			take(w, work, lanes, map[string]int{})
			if got := w.inFlight["ops"]; got != defaultSlots {
				t.Fatalf("of %d free slots %d are left", slots, defaultSlots-got)
			}
			w.end("ops", 1)
		}
		total := float64(lanes[run.LaneLive] + lanes[run.LaneRetry] + lanes[run.LaneReplay])
		for lane, want := range map[run.Lane]float64{run.LaneLive: 8, run.LaneRetry: 2, run.LaneReplay: 1} {
			if got := float64(lanes[lane]) / total * 11; math.Abs(got-want) > 0.1 {
				t.Errorf("with %d slots lane %s gets %.2f of 11, want %.0f", slots, lane, got, want)
			}
		}
	}
}

func TestALaneAloneGetsAllAndOwesNothingLater(t *testing.T) {
	t.Parallel()
	w := idle(t)
	lanes := map[run.Lane]int{}
	retries := []store.Work{{Gate: "ops", Lane: run.LaneRetry}}
	for range 200 {
		take(w, retries, lanes, map[string]int{})
		w.end("ops", 1)
	}
	if got := lanes[run.LaneRetry]; got != 209 {
		t.Fatalf("alone the lane got %d slots, want all 209", got)
	}
	both := []store.Work{{Gate: "ops", Lane: run.LaneLive}, {Gate: "ops", Lane: run.LaneRetry}}
	clear(lanes)
	for range 20 {
		take(w, both, lanes, map[string]int{})
		w.end("ops", 1)
	}
	if lanes[run.LaneRetry] == 0 || lanes[run.LaneLive] < 12 {
		t.Errorf("when live traffic came the lanes got %v, want about 16 and 4", lanes)
	}
}

func TestNoGateWaitsForEverWhenAllSlotsAreTaken(t *testing.T) {
	t.Parallel()
	w := idle(t)
	var work []store.Work
	for i := range 300 {
		work = append(work, store.Work{Gate: fmt.Sprintf("gate-%03d", i), Lane: run.LaneLive})
	}
	lanes, gates := map[run.Lane]int{}, map[string]int{}
	take(w, work, lanes, gates)
	if got := lanes[run.LaneLive]; got != maxInFlight {
		t.Fatalf("%d slots were given, want all %d", got, maxInFlight)
	}
	if len(gates) != 300 {
		t.Errorf("%d of 300 gates got a slot", len(gates))
	}
	// From now on one attempt at the first gate ends at a time: the slot must not always go back to it.
	clear(gates)
	for range 600 {
		for name, n := range w.inFlight {
			if n > 0 {
				w.end(name, 1)
				break
			}
		}
		take(w, work, lanes, gates)
	}
	for i := range 300 {
		if n := gates[fmt.Sprintf("gate-%03d", i)]; n == 0 || n > 8 {
			t.Errorf("gate %d got %d of 600 slots that became free, want about 2", i, n)
		}
	}
}

func TestAGateHasNoMoreThanItsSlots(t *testing.T) {
	t.Parallel()
	w := idle(t)
	work := []store.Work{{Gate: "a", Lane: run.LaneLive}, {Gate: "b", Lane: run.LaneLive, Disabled: true}, {Gate: run.RouteGate, Lane: run.LaneLive}}
	gates := map[string]int{}
	for _, s := range w.shares(work) {
		gates[s.gate] += s.max
		if s.disabled != (s.gate == "b") {
			t.Errorf("gate %s is disabled: %t", s.gate, s.disabled)
		}
	}
	if gates["a"] != defaultSlots || gates["b"] != defaultSlots || gates[run.RouteGate] != routeBatch {
		t.Errorf("the gates get %v", gates)
	}
	w.begin("a", defaultSlots)
	w.begin(run.RouteGate, 1)
	w.begin(run.RouteGate, 1)
	for _, s := range w.shares(work) {
		if s.gate != "b" {
			t.Errorf("%s is full and gets %d", s.gate, s.max)
		}
	}
}
