package worker

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"sync"
	"testing"
	"time"

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
	shares, _ := w.shares(work)
	for _, s := range shares {
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
	if got, most := lanes[run.LaneLive], maxInFlight-keptFromSilent; got < most*9/10 || got > most {
		t.Fatalf("%d slots were given, want nearly %d: the others are kept for who has nothing under way", got, most)
	}
	for i := range 300 {
		if n := gates[fmt.Sprintf("gate-%03d", i)]; n < 2 || n > 3 {
			t.Errorf("gate %d got %d slots, want 2 or 3 like all others", i, n)
		}
	}
	// From now on one attempt ends at a time: no gate gets what is free instead of others.
	for range 600 {
		for name, n := range w.inFlight {
			if n > 0 {
				w.end(name, 1)
				break
			}
		}
		take(w, work, lanes, gates)
		for name, n := range w.inFlight {
			if n < 2 || n > 3 {
				t.Fatalf("%s has %d under way, want 2 or 3 like all others", name, n)
			}
		}
	}
}

func TestDestinationsThatHangLeaveRoomForOthers(t *testing.T) {
	t.Parallel()
	for hanging, most := range map[int]int{110: defaultSlots, 300: defaultSlots, 5000: 1} {
		w := idle(t)
		var work []store.Work
		for i := range hanging {
			work = append(work, store.Work{Gate: fmt.Sprintf("dead-%04d", i), Lane: run.LaneLive})
		}
		take(w, work, map[run.Lane]int{}, map[string]int{})
		gates := map[string]int{}
		take(w, append(work, store.Work{Gate: "new", Lane: run.LaneLive}), map[run.Lane]int{}, gates)
		if hanging < maxInFlight/2 && gates["new"] == 0 {
			t.Errorf("beside %d destinations that hang, one that nobody knows gets no slot", hanging)
		}
		w.note("shop", destination.Breaker{Off: true}, false)
		take(w, append(work, store.Work{Gate: "shop", Lane: run.LaneLive}, store.Work{Gate: "@flow", Lane: run.LaneLive}), map[run.Lane]int{}, gates)
		if gates["shop"] != most || gates["@flow"] != computingSlots {
			t.Errorf("beside %d destinations that hang, one that answers gets %d slots and a pipeline %d; want %d and %d", hanging, gates["shop"],
				gates["@flow"], most, computingSlots)
		}
	}
}

func TestAHundredBusyDestinationsThatAnswerHaveTheirSlots(t *testing.T) {
	t.Parallel()
	w := idle(t)
	var work []store.Work
	for i := range 100 {
		gate := fmt.Sprintf("gate-%03d", i)
		work = append(work, store.Work{Gate: gate, Lane: run.LaneLive})
		w.note(gate, destination.Breaker{Off: true}, false)
	}
	gates := map[string]int{}
	take(w, work, map[run.Lane]int{}, gates)
	for gate, n := range gates {
		if n < defaultSlots-1 || n > defaultSlots {
			t.Errorf("%s gets %d slots, want %d or one less", gate, n, defaultSlots)
		}
	}
	if len(gates) != 100 {
		t.Errorf("%d of 100 gates got slots", len(gates))
	}
}

func TestAGateHasNoMoreThanItsSlots(t *testing.T) {
	t.Parallel()
	w := idle(t)
	work := []store.Work{{Gate: "a", Lane: run.LaneLive}, {Gate: "b", Lane: run.LaneLive, Disabled: true}, {Gate: run.RouteGate, Lane: run.LaneLive}}
	gates := map[string]int{}
	shares, _ := w.shares(work)
	for _, s := range shares {
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
	shares, _ = w.shares(work)
	for _, s := range shares {
		if s.gate != "b" {
			t.Errorf("%s is full and gets %d", s.gate, s.max)
		}
	}
}

func TestAPipelineWaitsForManyCommitsAndComputesOnFewProcessors(t *testing.T) {
	t.Parallel()
	w := idle(t)
	shares, _ := w.shares([]store.Work{{Gate: "@flow", Lane: run.LaneLive}})
	if len(shares) != 1 || shares[0].max != computingSlots {
		t.Errorf("a pipeline gets %+v, want %d slots", shares, computingSlots)
	}
	most := max(2, runtime.GOMAXPROCS(0))
	entered, leave := make(chan struct{}, computingSlots), make(chan struct{})
	var all sync.WaitGroup
	for range computingSlots {
		all.Go(func() { w.compute("@flow", func() { entered <- struct{}{}; <-leave }) })
	}
	for range most {
		<-entered
	}
	// Others are not held back by it.
	w.compute("@other", func() {})
	w.compute("ops", func() {})
	if n := len(entered); n != 0 {
		t.Errorf("%d more than %d compute at once", n, most)
	}
	close(leave)
	all.Wait()
}

func TestAGateThatIsHeldBackSaysWhenItGoesOn(t *testing.T) {
	t.Parallel()
	w := idle(t)
	w.healthOf("a").asked = w.now().Add(time.Minute)
	shares, wait := w.shares([]store.Work{{Gate: "a", Lane: run.LaneLive}, {Gate: "b", Lane: run.LaneLive}})
	if len(shares) != 1 || shares[0].gate != "b" || wait <= 0 || wait > time.Minute {
		t.Errorf("the shares are %+v, with more in %v", shares, wait)
	}
	shares, wait = w.shares([]store.Work{{Gate: "b", Lane: run.LaneLive, Probe: true}})
	if len(shares) != 1 || !shares[0].probe || wait >= 0 {
		t.Errorf("the shares are %+v, with more in %v; want a probe", shares, wait)
	}
}
