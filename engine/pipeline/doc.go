// Package pipeline turns a pipeline document into a [Diagram] and folds a run's record over it.
//
// Compile checks the picture: nodes, connections, handles, joins, bodies, reachability. [Diagram.Starts] says whether an event starts a
// run, [Diagram.Begin] begins one, and [Diagram.Next] says, for a record, which steps follow, which effects are asked for, and whether
// the run is over. All are pure: no goroutine, no socket, no clock but the one handed in. There is no stored cursor, so that recovery,
// joins, explanations and replays are all that one fold.
//
// A node with a body holds a diagram of its own, which the same compiler makes and the same fold runs for each item; its steps have
// paths such as "Each[3]/Tell". Where a path is asked for, it may be given with or without the numbers (see [Definition]).
//
// A Diagram is immutable and may be used by many goroutines at once. Not here: performing effects and retries (engine/worker),
// loading files (engine/manifest), what a node type does (engine/node/*).
package pipeline
