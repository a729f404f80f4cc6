package sqlite

import (
	"slices"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// Words of closed lists are stored as their index; a list may only grow at its end.

func eventStates() []event.State {
	return []event.State{event.Accepted, event.Routed, event.Ignored, event.Quarantined}
}

func runStates() []run.State { return []run.State{run.Open, run.Done, run.Parked, run.Dropped} }

func outcomes() []run.Outcome { return []run.Outcome{"", run.Completed, run.Filtered, run.Limited} }

func causes() []run.CauseKind {
	return []run.CauseKind{"", run.Live, run.Replay, run.Call, run.Manual}
}

func taskKinds() []run.TaskKind {
	return []run.TaskKind{run.TaskRoute, run.TaskStep, run.TaskTimer, run.TaskWait, run.TaskChild}
}

func lanes() []run.Lane { return []run.Lane{run.LaneLive, run.LaneRetry, run.LaneReplay} }

func gateStates() []store.GateState {
	return []store.GateState{"", store.GateOpen, store.GatePaused, store.GateDisabled}
}

func breakerStates() []store.BreakerState {
	return []store.BreakerState{store.BreakerClosed, store.BreakerOpen}
}

// code gives a word's index; a word that is in no list is a mistake of the program and gets the first place.
func code[T comparable](list []T, word T) int64 { return int64(max(slices.Index(list, word), 0)) }

// word gives the word of an index; what a newer version wrote and this one does not know gives the zero word.
func word[T any](list []T, at int64) T {
	if at < 0 || at >= int64(len(list)) {
		var zero T
		return zero
	}
	return list[at]
}
