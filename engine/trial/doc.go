// Package trial runs the tests that stand in manifests: documents of kind `test`, and `tests:` in the documents of what is tested.
//
// The case of a provider sends one request: an event's example or a handshake's, signed by the provider's own rule and perhaps changed
// afterwards, or a request that is written out or was saved. It then holds what the gateway would make of it and answer against what the
// case expects. The case of a pipeline goes on from there: the event goes into a store in memory, and engine/worker works on it as in a
// gateway, with a receiver that answers hooks by script and a clock that jumps to whatever comes next: a task that is due, an outstanding
// answer, a later event of the case. Tasks are done one after the other. So retries of three days take milliseconds, and ids, times and the
// order of all that happens are the same each time.
//
// Nothing is listened on or sent. The parts are those of the gateway, the clock is the test's, and secrets are made up where the test
// gives none: the operator's own are never needed and never used. References have no value here, and stand in requests as the manifest
// writes them.
//
// [Check] says what is wrong with tests, [Run] runs them and gives a [Report]. [Rehearse] runs a pipeline by hand with the same means, and
// [Perform] in real time with a real deliverer. All may be called by many goroutines at once with different lists.
package trial
