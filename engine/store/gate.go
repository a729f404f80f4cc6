package store

import (
	"cmp"
	"strings"
	"time"
)

// GateState tells whether tasks pass a gate.
type GateState string

// The states of a gate.
const (
	GateOpen     GateState = "open"
	GatePaused   GateState = "paused"   // tasks wait
	GateDisabled GateState = "disabled" // tasks are parked
)

// Gate is what a destination's tasks must pass. "@<pipeline>" is that of a pipeline, with which its runs can be paused.
type Gate struct {
	Name   string    `json:"name"`
	State  GateState `json:"state"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	// Until is when a paused gate opens by itself, in the store's time; zero for one that somebody must resume. The store opens it, and
	// Due.Next counts it.
	Until time.Time `json:"until,omitzero"`
	// For, where positive, sets Until that long after the store's now when a paused gate is written. It is how a caller says so whose own
	// clock may be another. It is never read back.
	For     time.Duration `json:"-"`
	Breaker Breaker       `json:"breaker"`
	Version int64         `json:"version"`
}

// BreakerState tells whether a destination that keeps failing is left alone.
type BreakerState string

// The states of a breaker.
const (
	BreakerClosed   BreakerState = "closed"
	BreakerOpen     BreakerState = "open"      // tasks wait, and are charged no attempt
	BreakerHalfOpen BreakerState = "half_open" // one attempt at a time finds out whether the destination is back
)

// Breaker leaves a destination alone that keeps failing. It survives a restart. Of a gate that is paused or disabled, that counts first.
type Breaker struct {
	// State is half_open from Until on; the store makes it so whenever it is read.
	State BreakerState `json:"state"`
	// Trips is how often it opened without closing in between.
	Trips int `json:"trips,omitempty"`
	// Since is when it opened first, Until when the next probe may go; zero for a closed one.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
}

// At gives the gate as it stands at a time: a pause that has ended is over, a breaker whose time has come is half open. What has no
// state is open, with a closed breaker.
func (g Gate) At(now time.Time) Gate {
	g.State, g.Breaker.State = cmp.Or(g.State, GateOpen), cmp.Or(g.Breaker.State, BreakerClosed)
	if g.State == GatePaused && !g.Until.IsZero() && !g.Until.After(now) {
		g.State, g.Reason, g.Since, g.Until = GateOpen, "", g.Until, time.Time{}
	}
	if g.Breaker.State == BreakerOpen && !g.Breaker.Until.After(now) {
		g.Breaker.State = BreakerHalfOpen
	}
	return g
}

// Closed says whether tasks wait before the gate at a time, and until when; the zero time means until somebody resumes it. A disabled
// gate is not closed: its tasks pass, in order to be parked.
func (g Gate) Closed(now time.Time) (until time.Time, closed bool) {
	g = g.At(now)
	open := g.Breaker.State == BreakerOpen
	switch {
	case g.State == GatePaused && (g.Until.IsZero() || !open || g.Until.After(g.Breaker.Until)):
		return g.Until, true
	case open && g.State != GateDisabled:
		return g.Breaker.Until, true
	}
	return time.Time{}, false
}

// Written gives the gate as it is stored at a time over the one that was there: with the next version and that one's breaker, and with
// what For says.
func (g Gate) Written(before Gate, now time.Time) Gate {
	g.Breaker, g.Version = before.Breaker, before.Version+1
	g.State, g.Breaker.State = cmp.Or(g.State, GateOpen), cmp.Or(g.Breaker.State, BreakerClosed)
	switch {
	case g.State != GatePaused:
		g.Until = time.Time{}
	case g.For > 0:
		g.Until = now.Add(g.For)
	}
	g.Since, g.Until, g.For = g.Since.Round(0).UTC(), g.Until.Round(0).UTC(), 0
	return g
}

// Apply gives the gate as it is stored at a time after its breaker was opened or closed; changed is false where that changes nothing.
func (t Trip) Apply(g Gate, now time.Time) (tripped Gate, changed bool) {
	was := g.At(now).Breaker
	switch {
	case t.Open:
		g.Breaker = Breaker{State: BreakerOpen, Trips: t.Trips, Since: was.Since, Until: now.Add(t.In)}
		if was.State == BreakerClosed || t.Anew {
			g.Breaker.Since = now
		}
	case was.State == BreakerClosed:
		return g, false
	default:
		g.Breaker = Breaker{State: BreakerClosed}
	}
	g.Name, g.State = t.Gate, cmp.Or(g.State, GateOpen)
	g.Version++
	return g, true
}

// GateAction is what the audit log calls a change of a gate's state: "destination.pause", "destination.resume", "destination.disable" or
// "destination.enable"; of a pipeline's gate "pipeline.pause" and so on.
func GateAction(before, after Gate) string {
	kind := "destination."
	if strings.HasPrefix(after.Name, "@") {
		kind = "pipeline."
	}
	switch {
	case after.State == GatePaused:
		return kind + "pause"
	case after.State == GateDisabled:
		return kind + "disable"
	case before.State == GateDisabled:
		return kind + "enable"
	}
	return kind + "resume"
}

// Trip opens or closes a gate's breaker.
type Trip struct {
	Gate string
	// Open opens it for In; else it is closed.
	Open bool
	In   time.Duration
	// Trips is Breaker.Trips from now on.
	Trips int
	// Anew sets Breaker.Since to now where it opens a breaker that was not closed.
	Anew bool
}

// GateView is a gate as people see it.
type GateView struct {
	Gate
	// Waiting is how many of its tasks wait, claimed ones aside, counted up to MaxWaiting: more than that show as MaxWaiting.
	Waiting int `json:"waiting"`
	// Oldest is when the task was due that has been due the longest; zero where none is due.
	Oldest time.Time `json:"oldest,omitzero"`
}

// MaxWaiting is as far as GateView.Waiting counts.
const MaxWaiting = 10_000
