package main

import (
	"context"
	"fmt"
	"math"
	"time"
)

// verdict is what a judgement found.
type verdict struct {
	acked, lost, duplicates, inFlight int
	// parked and open are runs of acknowledged events that were not delivered, and whose row says so.
	parked, open int
	// reach is how long before a fault the oldest delivery had begun that was made again.
	reach time.Duration
	// rest is how long it took until nothing was open any more.
	rest   time.Duration
	faults []string
}

func (v *verdict) fault(format string, args ...any) {
	if len(v.faults) < maxFaults {
		v.faults = append(v.faults, fmt.Sprintf(format, args...))
	}
}

// lose counts an acknowledged event as lost, and says why.
func (v *verdict) lose(format string, args ...any) {
	v.lost++
	v.fault("lost: "+format, args...)
}

// harm is a time from just before something was done to the gateway to when it was certainly done.
type harm struct{ from, to time.Time }

// late is how long after it was sent a request may show at the receiver, which has to get a processor first.
const late = 250 * time.Millisecond

// trial is what a judgement looks at.
type trial struct {
	g        *gateway
	book     *book
	receiver *receiver
	// patience is how long what is open may take to come to its end before it is judged.
	patience time.Duration
	// harms are the times of the harm. A delivery that is made again must have begun before the end of one of them and come again after its
	// beginning. Where there are none nothing may come twice, but for attempts that failed.
	harms []harm
	// hostile says of a pipeline that it sends to receivers that mean no good: its runs must have rows, wherever they stand. May be nil.
	hostile func(pipeline string) bool
	// loose says that the harm was none of a moment: that a delivery may come again does not depend on times.
	loose bool
}

// present checks that the acknowledged events from the from-th letter on are in the store, and gives the number of letters looked at.
func (t *trial) present(ctx context.Context, from int) (lost []string, upTo int, err error) {
	want, upTo := t.book.acknowledged(from)
	missing := make(map[string]string, len(want))
	for _, l := range want {
		missing[l.delivery] = l.id
	}
	oldest := ""
	for _, l := range want {
		if oldest == "" || l.id < oldest {
			oldest = l.id
		}
	}
	err = t.g.events(ctx, func(page []eventRecord) bool {
		for _, e := range page {
			if missing[e.Delivery] == e.ID {
				delete(missing, e.Delivery)
			}
		}
		// Ids sort by time: what is older than the oldest that is looked for cannot be among it.
		return len(missing) > 0 && len(page) > 0 && page[len(page)-1].ID >= oldest
	})
	for delivery, id := range missing {
		lost = append(lost, fmt.Sprintf("%s, acknowledged as %s, is not in the store", delivery, id))
	}
	return lost, upTo, err
}

// longestDrain is how long what has piled up over hundreds of rounds may take to be delivered.
const longestDrain = 10 * time.Minute

// settled waits until every event has its run, no run is open and nothing is due. Patience is for the time in which nothing gets less.
func (t *trial) settled(ctx context.Context) error {
	quiet, least, progress := 0, int64(math.MaxInt64), time.Now()
	stuck, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	return until(stuck, max(longestDrain, t.patience), 50*time.Millisecond, func() (bool, error) {
		if time.Since(progress) > t.patience {
			stop(errTooLong)
		}
		s, err := t.g.status(ctx)
		if err != nil {
			return false, err
		}
		total := s.Ledger.total()
		waiting := s.Ledger.Requests.Processed - total.Made
		for name, c := range s.Ledger.Runs {
			if t.isHostile(name) {
				total.Open -= c.Open
				s.OldestDueS = 0 // what is due may be theirs
			}
		}
		if total.Open > 0 || waiting > 0 || s.OldestDueS > 0 {
			quiet = 0
			if left := int64(total.Open + waiting); left < least {
				least, progress = left, time.Now()
			}
			return false, fmt.Errorf("%d runs are open, %d events have none yet, the oldest task is due since %.1f s", total.Open, waiting, s.OldestDueS)
		}
		quiet++
		return quiet == 2, nil // the terms are of one moment, what is due is of another
	})
}

// judge looks at everything, when nothing more is sent. The gateway runs before and after.
func (t *trial) judge(ctx context.Context) (*verdict, error) {
	if t.patience == 0 {
		t.patience = 30 * time.Second
	}
	v := &verdict{}
	begun := time.Now()
	if err := t.settled(ctx); err != nil {
		v.fault("it does not come to rest within %s: %v", t.patience, err)
	}
	v.rest = time.Since(begun)
	s, err := t.g.status(ctx)
	if err != nil {
		return nil, err
	}
	if text := s.Ledger.unbalanced(); text != "" {
		v.fault("the ledger does not balance: %s", text)
	}
	events := map[string]eventRecord{} // by delivery id
	byID := map[string]eventRecord{}
	if err := t.g.events(ctx, func(page []eventRecord) bool {
		for _, e := range page {
			if e.Source != "live" {
				continue
			}
			if was, ok := events[e.Delivery]; ok {
				v.fault("%s is two events, %s and %s", e.Delivery, was.ID, e.ID)
			}
			events[e.Delivery], byID[e.ID] = e, e
		}
		return true
	}); err != nil {
		return nil, err
	}
	runs, err := t.g.runs(ctx)
	if err != nil {
		return nil, err
	}
	if made := s.Ledger.total().Made; made != int64(len(runs)) {
		v.fault("the ledger counts %d runs, and there are %d", made, len(runs))
	}
	if n := s.Ledger.Requests.Processed; n != int64(len(events)) {
		v.fault("the ledger counts %d requests processed, and there are %d events", n, len(events))
	}
	byEvent := map[string][]int{}
	for i, r := range runs {
		if _, ok := byID[r.Event]; !ok {
			continue
		}
		byEvent[r.Event] = append(byEvent[r.Event], i)
	}
	parcels, wrong := t.receiver.all()
	for _, w := range wrong {
		v.fault("%s", w)
	}
	for _, w := range t.book.strays() {
		v.fault("%s", w)
	}
	t.kept(v, events, byEvent, runs, parcels)
	attempts, err := t.g.attempts(ctx, runs)
	if err != nil {
		return nil, err
	}
	t.repeated(v, byID, runs, attempts, parcels)
	return v, nil
}

// kept looks for each acknowledged event, its run, and what the run delivered.
func (t *trial) kept(v *verdict, events map[string]eventRecord, byEvent map[string][]int, runs []runRecord, parcels map[place]parcel) {
	acked, _ := t.book.acknowledged(0)
	v.acked = len(acked)
	for _, l := range acked {
		e, ok := events[l.delivery]
		switch {
		case !ok || e.ID != l.id:
			v.lose("%s, acknowledged as %s, is not in the store", l.delivery, l.id)
			continue
		case e.Event != l.event:
			v.fault("%s was sent as %s and is stored as %s", l.delivery, l.event, e.Event)
		}
		if len(byEvent[e.ID]) == 0 && e.State == "accepted" { // it waits to be routed, and its row says so
			v.open++
			continue
		}
		if len(byEvent[e.ID]) != 1 {
			v.lose("%s has %d runs, want 1", l.delivery, len(byEvent[e.ID]))
			continue
		}
		r := runs[byEvent[e.ID][0]]
		if t.isHostile(r.Pipeline) {
			switch r.State {
			case "open":
				v.open++
			case "parked":
				v.parked++
			}
			continue
		}
		switch r.State {
		case "done":
			for _, hook := range hooksOf(l.event) {
				if len(parcels[place{"/" + r.Pipeline + "/" + hook, l.delivery}].arrivals) == 0 {
					v.lose("%s: run %s is done, and %s never arrived", l.delivery, r.ID, hook)
				}
			}
		case "parked":
			v.parked++
			if r.Reason != "lost_leases" { // it was under way at three faults in a row
				v.fault("run %s is parked as %q, and its receiver answers", r.ID, r.Reason)
			}
		case "open":
			v.open++
		default:
			v.fault("run %s is %q", r.ID, r.State)
		}
	}
	for p := range parcels {
		if _, ok := events[p.delivery]; !ok {
			v.lose("%s arrived at %s, and there is no such event", p.delivery, p.path)
		}
	}
}

// repeated looks at what came more than once, and at the numbers of the attempts.
func (t *trial) repeated(v *verdict, byID map[string]eventRecord, runs []runRecord, attempts [][]attemptRecord, parcels map[place]parcel) {
	for i, r := range runs {
		e, ok := byID[r.Event]
		if !ok {
			continue
		}
		type series struct {
			path  string
			round int
		}
		last, again := map[series]int{}, map[string]int{}
		for _, a := range attempts[i] {
			at := series{a.Path, a.Round}
			if last[at]++; a.N != last[at] {
				v.fault("run %s: attempt %d of %s stands where %d should", r.ID, a.N, a.Path, last[at])
			}
			if a.Outcome == "unknown" && !t.isHostile(r.Pipeline) {
				v.inFlight++
				again[a.Path]++
			}
		}
		if t.isHostile(r.Pipeline) {
			continue
		}
		for _, hook := range hooksOf(e.Event) {
			p := parcels[place{"/" + r.Pipeline + "/" + hook, e.Delivery}]
			n := len(p.arrivals)
			if n < 2 {
				continue
			}
			v.duplicates += n - 1
			if n-1 > again[hook] {
				v.fault("%s came %d times to %s, and run %s has %d attempts there that were under way at a fault: %+v", e.Delivery, n, hook, r.ID,
					again[hook], attempts[i])
			}
			t.explain(v, e.Delivery, p)
		}
	}
}

func (t *trial) isHostile(pipeline string) bool { return t.hostile != nil && t.hostile(pipeline) }

// explain checks that each arrival but the last had begun before a fault after which the next one came.
func (t *trial) explain(v *verdict, delivery string, p parcel) {
	if t.loose {
		return
	}
	for i := 1; i < len(p.arrivals); i++ {
		found := false
		for _, h := range t.harms {
			if p.arrivals[i-1].Before(h.to.Add(late)) && p.arrivals[i].After(h.from) {
				v.reach, found = max(v.reach, h.from.Sub(p.arrivals[i-1])), true
				break
			}
		}
		if !found {
			v.fault("%s came again %s later with no fault between", delivery, short(p.arrivals[i].Sub(p.arrivals[i-1])))
		}
	}
}
