package worker

import (
	"runtime"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// share is what one gate and lane may claim now.
type share struct {
	gate     string
	lane     run.Lane
	max      int
	disabled bool
}

// lanes are the lanes by weight, and weights what they get of a gate's attempts while all of them have work: retries and replays go on
// beside live traffic and never before it.
func lanes() [3]run.Lane { return [3]run.Lane{run.LaneLive, run.LaneRetry, run.LaneReplay} }

func weights() turns { return turns{8, 2, 1} }

// turns is a number for each lane: of a gate, how far each is ahead of its share.
type turns [3]float64

func place(l run.Lane) int {
	all := lanes()
	return max(0, slices.Index(all[:], l))
}

// gateWork is one gate with due tasks while slots are shared out.
type gateWork struct {
	name     string
	disabled bool
	slots    int // free ones
	due      [3]bool
	grants   [3]int
	ahead    turns
}

// grant gives a free slot to the lane with due work that is least ahead.
func (g *gateWork) grant() bool {
	best := -1
	for i := range g.due {
		if g.due[i] && (best < 0 || g.ahead[i] < g.ahead[best]) {
			best = i
		}
	}
	if best < 0 || g.slots <= 0 {
		return false
	}
	g.slots--
	g.grants[best]++
	g.ahead[best] += 1 / weights()[best]
	return true
}

// shares divides free slots, one at a time: among the gates in turn, and inside a gate among its lanes by weight.
func (w *Worker) shares(work []store.Work) []share {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []share
	var gates []*gateWork
	byName := map[string]*gateWork{}
	for _, it := range work {
		if it.Gate == run.RouteGate {
			if w.inFlight[it.Gate] < routeBatches {
				out = append(out, share{gate: it.Gate, lane: it.Lane, max: routeBatch})
			}
			continue
		}
		g := byName[it.Gate]
		if g == nil {
			g = &gateWork{name: it.Gate, disabled: it.Disabled, slots: w.slots(it.Gate) - w.inFlight[it.Gate]}
			byName[it.Gate] = g
			gates = append(gates, g)
		}
		g.due[place(it.Lane)] = true
	}
	for _, g := range gates {
		g.ahead = w.balance(g)
	}
	w.grantAll(gates)
	for _, g := range gates {
		for i, lane := range lanes() {
			if g.grants[i] > 0 {
				out = append(out, share{gate: g.name, lane: lane, max: g.grants[i], disabled: g.disabled})
			}
		}
	}
	return out
}

// grantAll goes round the gates, beginning behind the one that was served last, so that none waits for ever where there are more due
// attempts than may be under way.
func (w *Worker) grantAll(gates []*gateWork) {
	slices.SortFunc(gates, func(a, b *gateWork) int { return strings.Compare(a.name, b.name) })
	first, _ := slices.BinarySearchFunc(gates, w.lastGate+"\x00", func(g *gateWork, name string) int { return strings.Compare(g.name, name) })
	order := slices.Concat(gates[first:], gates[:first])
	free := maxInFlight - w.total
	for granted := true; granted; {
		granted = false
		for _, g := range order {
			if free > 0 && g.grant() {
				free--
				granted, w.lastGate = true, g.name
			}
		}
	}
}

// balance gives how far the lanes of a gate are ahead of each other. What all lanes with work are ahead is nothing, and a lane
// without work saves up nothing.
func (w *Worker) balance(g *gateWork) turns {
	t := w.ahead[g.name]
	if t == nil {
		return turns{}
	}
	least := -1.0
	for i, due := range g.due {
		if due && (least < 0 || t[i] < least) {
			least = t[i]
		}
	}
	for i := range t {
		t[i] = max(0, t[i]-least)
	}
	if *t == (turns{}) {
		delete(w.ahead, g.name)
	}
	return *t
}

// charge notes what a lane has got.
func (w *Worker) charge(gate string, lane run.Lane, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.ahead[gate]
	if t == nil {
		t = &turns{}
		w.ahead[gate] = t
	}
	i := place(lane)
	t[i] += float64(n) / weights()[i]
}

func (w *Worker) slots(gate string) int {
	if d, ok := w.o.World.Destination(gate); ok && d.Concurrency() > 0 {
		return d.Concurrency()
	}
	if strings.HasPrefix(gate, "@") { // what is done there is computing: one pipeline is to leave room for others
		return max(2, runtime.GOMAXPROCS(0))
	}
	return defaultSlots
}
