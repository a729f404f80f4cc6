// Package job does one thing to many events or runs: it replays events, opens parked runs again, or drops them, at a bounded rate, and goes
// on after a restart where it was.
//
// A [Service] works on every running job in a goroutine of its own. A job holds no list of what it is about: it reads a few ids from the
// store, oldest first, writes down that they are next, does them, and writes down that they are done together with the next few. Doing one
// twice is doing it once, because every store operation carries the job's id; so whenever the process dies, nothing is done twice, nothing
// is left out, and the counts are right.
//
//	store.Job.Batch:  what is being done and is not yet counted        store.Job.Cursor:  where to read on behind it
//
// What a job covers ends at the moment it was made: what comes later is never among it, so that every job ends.
//
// [Service.Plan] counts what a job would do, [Service.Outcomes] holds what a replay came to against what the event came to first.
// All methods may be called by many goroutines at once. Not here: what becomes of a task that a job made (engine/worker).
package job
