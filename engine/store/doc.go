// Package store is the contract of the event log and the queue: what an implementation promises, and the vocabulary that it
// is spoken in. Implementations are store/memory and store/sqlite; store/storetest is the suite that each must pass.
//
//	event:  accepted -> routed          ignored, quarantined: recorded, start nothing
//	task:   held (its run has not got its turns) -> waiting
//	        waiting -> claimed (token, lease) -> closed
//	           ^          |  |
//	           |          |  +- lease ran out: waiting again, lost + 1, the attempt under way is unknown
//	           +----------+---- settled "again" (due later), or released (not charged)
//	run:    open -> done {completed, filtered, limited}
//	        open -> parked -> open (round + 1) | dropped
//
// A claim is fenced: its token is needed to settle, and a later claim of the same task makes it stale. A settlement names the
// version of the run that it was worked out on; if the run has moved since, it is refused and the record must be folded again.
// Beside events and runs a store keeps a bounded list of refused requests, and secrets that reach it sealed.
//
// A task is due at a time, and before it where it is woken: by a settlement (an event that it waits for), by a run that ends, or by a
// batch that is full. Limits of a pipeline (Quota, Hold) are kept here, because they must hold over all settlements and over a crash.
//
// Nothing here decides about retries, routing or fairness: that is engine/worker's.
package store
