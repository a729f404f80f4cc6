package store

import (
	"errors"
	"time"
)

// ErrBodyDropped says that the body of an event has been dropped by retention, though the event is kept: it cannot be read, and the event
// cannot be replayed.
var ErrBodyDropped = errors.New("the body was dropped by retention")

// Policy is what Prune may delete. What is open is never deleted, nor is an event that has an open run, a task, or has yet to be routed.
// A zero field keeps all.
type Policy struct {
	// Events is the age from which events go whose runs are done or dropped, with all that belongs to them.
	Events time.Duration
	// Parked is the age from which parked runs go, counted from when they were parked; their event goes when none of its runs is kept
	// any more and it is old enough itself.
	Parked time.Duration
	// Runs is the age from which done and dropped runs go, with their steps and attempts, though their event stays.
	Runs time.Duration
	// Attempts is the age from which the attempts of done and dropped runs go, though the runs and their steps stay.
	Attempts time.Duration
	// Bodies is the age from which the bodies of events go whose runs are done or dropped, though the events stay. They cannot be replayed.
	Bodies time.Duration
	// Rejections is the age from which the records of refused requests go; that of Events where 0.
	Rejections time.Duration
	// MaxEvents and MaxBytes are how many events, and how many bytes of bodies, are kept at most: beyond them the oldest of those that
	// may go are deleted, however young.
	MaxEvents int64
	MaxBytes  int64
}

// Empty says that the policy keeps all.
func (p Policy) Empty() bool { return p == Policy{} }

// Pruned counts what Prune deleted.
type Pruned struct {
	// Events and Runs are those that are gone. Attempts and Bodies are those that were taken from runs and events which are kept. The audit
	// log is never pruned.
	Events, Runs, Attempts, Bodies, Keys, Revisions, Rejections int
	// More says that there was more to delete than one call may, or to look at: the next call goes on there.
	More bool
}

// Usage is how much is stored.
type Usage struct {
	// Events and Bytes are what Policy.MaxEvents and MaxBytes are held against; Runs are all that are kept.
	Events int64 `json:"events"`
	Bytes  int64 `json:"bytes"`
	Runs   int64 `json:"runs"`
	// File is how large the store's files are together, 0 for one in memory; Free is how much of them is unused pages.
	File int64 `json:"file"`
	Free int64 `json:"free"`
}
