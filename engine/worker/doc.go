// Package worker moves runs on: it claims tasks from the store, asks engine/pipeline what follows, performs the effects, decides
// about retry and parking, and settles.
//
//	route task:  decode the event once -> fold each pipeline it is for -> runs, steps and step tasks in one settlement
//	step task:   fold the record -> perform the effect (one attempt) -> done | again later | failed -> fold -> settle
//	timer task:  due when a wait is over, or a batch is closed
//	wait task:   due at once, to look back at what came already; then when an event wakes it, or its time is up
//	child task:  due when the run that it called is open no longer, or its time is up
//
// A settlement writes whatever follows from it with it: the runs that it calls, the events that it emits, the waits that a routed event
// wakes. What is only told (measurements, replies to open requests) is told when it is written, and never twice by one worker.
// A pipeline with limits gets its first steps when it is routed and a task for all else, which the store holds until it is its turn.
//
// Each destination has a gate: its slots, its rate and what its receiver asked for bound how many tasks are claimed (share.go, rate.go,
// health.go). Where it keeps failing its breaker opens; that is a row of the store, which hands nothing out behind it until one attempt
// may probe. Runs for an ordered destination take a lane when they begin (lanes.go). What fails is told by events where a pipeline
// receives them (internal.go). What a replay starts is said by its job (replay.go).
//
// Retry is decided here and nowhere else: nodes ask, hooks and destinations classify. A run that waits is a row with a due time; it
// holds no goroutine. The record is settled after every effect, so that a crash repeats at most the attempt under way.
// [Worker.Turn] does one pass and waits for it: tests and `headgate test` step it over simulated time; Start runs the same pass in a
// loop. Not here: what a node does, how a request is made, what is durable.
package worker
