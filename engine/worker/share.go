package worker

import (
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// share is what one gate and lane may claim now.
type share struct {
	gate     string
	lane     run.Lane
	max      int
	disabled bool
	probe    bool // its breaker is half open
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
	probe    bool
	well     bool // the last attempt at it was answered
	under    int  // how many are under way
	slots    int  // free ones
	due      [3]bool
	grants   [3]int
	ahead    turns
}

// computes says whether a gate's tasks compute, or wait for commits: they stand before no destination.
func computes(gate string) bool { return strings.HasPrefix(gate, "@") }

// Of the slots of all attempts together an eighth is kept from gates that did not answer last, and half of that from every second attempt at
// any gate: whoever has nothing under way finds room.
const (
	keptFromSilent = maxInFlight / 8
	keptFromMore   = maxInFlight / 16
)

// room says whether the gate may have one more of the slots of all attempts together, of which so many are taken. Destinations that hang
// keep theirs for as long as an attempt may take, so what a gate may have more of depends on what is left: one that answered last has no
// more than half of it under way, another one no more than an eighth. The more gates want slots, the fewer each of them gets, and those
// that hang leave most of the rest to those that answer.
func (g *gateWork) room(taken int) bool {
	left := maxInFlight - taken
	switch {
	case g.under == 0 && g.well:
		return left > 0
	case g.under == 0:
		return left > keptFromMore
	case g.well:
		return g.under < (left-keptFromMore)/2
	}
	return g.under < (left-keptFromSilent)/8
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
	g.under++
	g.grants[best]++
	g.ahead[best] += 1 / weights()[best]
	return true
}

// shares divides free slots, one at a time: among the gates in turn, and inside a gate among its lanes by weight. Where gates wait
// for their rate, or because their receivers asked for time, wait is how long until one of them may go on; negative for none.
func (w *Worker) shares(work []store.Work) (out []share, wait time.Duration) {
	now := w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	wait = -1
	var gates []*gateWork
	byName := map[string]*gateWork{}
	for _, it := range work {
		if it.Gate == run.RouteGate {
			switch under := w.inFlight[it.Gate]; {
			case w.wary[it.Gate] && under == 0 && !slices.ContainsFunc(out, func(s share) bool { return s.gate == it.Gate }):
				out = append(out, share{gate: it.Gate, lane: it.Lane, max: 1})
			case !w.wary[it.Gate] && under < routeBatches:
				out = append(out, share{gate: it.Gate, lane: it.Lane, max: routeBatch})
			}
			continue
		}
		g := byName[it.Gate]
		if g == nil {
			free, later := w.allowance(it, now)
			wait = sooner(wait, later)
			g = &gateWork{
				name: it.Gate, disabled: it.Disabled, probe: it.Probe && !it.Disabled, slots: free, under: w.inFlight[it.Gate],
				well: w.healths[it.Gate] != nil && w.healths[it.Gate].well,
			}
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
				out = append(out, share{gate: g.name, lane: lane, max: g.grants[i], disabled: g.disabled, probe: g.probe})
			}
		}
	}
	return out, wait
}

// grantAll goes round the gates, beginning behind the one that was served last, so that none waits for ever where there are more due
// attempts than may be under way.
func (w *Worker) grantAll(gates []*gateWork) {
	slices.SortFunc(gates, func(a, b *gateWork) int { return strings.Compare(a.name, b.name) })
	first, _ := slices.BinarySearchFunc(gates, w.lastGate+"\x00", func(g *gateWork, name string) int { return strings.Compare(g.name, name) })
	order := slices.Concat(gates[first:], gates[:first])
	attempts, computing := w.total, w.computed
	for granted := true; granted; {
		granted = false
		for _, g := range order {
			taken, room := &attempts, g.room(attempts)
			if computes(g.name) {
				taken, room = &computing, computing < maxInFlight
			}
			if room && g.grant() {
				*taken++
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

// slots is how many tasks of a gate may be under way. w.mu is held.
func (w *Worker) slots(gate string) int {
	if computes(gate) {
		return computingSlots
	}
	if l, _ := w.limits(gate); l.concurrency > 0 {
		return l.concurrency
	}
	return defaultSlots
}

// compute calls f, of which each pipeline may have as many under way as there are processors: one pipeline is to leave room for others.
// Attempts are not computing; their slots bound them.
func (w *Worker) compute(gate string, f func()) {
	if !computes(gate) {
		f()
		return
	}
	w.mu.Lock()
	room := w.computing[gate]
	if room == nil {
		room = make(chan struct{}, max(2, runtime.GOMAXPROCS(0)))
		w.computing[gate] = room
	}
	w.mu.Unlock()
	room <- struct{}{}
	defer func() { <-room }()
	f()
}
