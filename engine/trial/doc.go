// Package trial runs the tests that stand in manifests: documents of kind `test`.
//
// A case sends one request to one provider: an event's example or a handshake's, signed by the provider's own rule and perhaps changed
// afterwards, or a request that is written out. It then holds what the gateway would make of it and answer against what the case
// expects. Nothing is listened on, stored or sent: the parts are those of the gateway (engine/provider, and the answers of
// engine/ingress), the clock is the test's, and secrets are made up where the test gives none. The operator's own secrets are never
// needed and never used.
//
// [Check] says what is wrong with test documents, [Run] runs them and gives a [Report]. Both are pure but for reading the files that
// manifests name, and may be called by many goroutines at once with different lists.
package trial
