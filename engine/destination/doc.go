// Package destination compiles outgoing targets: a document of kind destination, or the same keys inside a hook node, becomes a
// [Destination] that builds requests and judges their answers.
//
// Two pure halves frame an attempt that somebody else makes. [Destination.Build] renders address, headers and body into a
// hooks.Request; [Destination.Judge] turns what came of it into a [Verdict], which [Destination.Retry] turns into a schedule. The
// package opens no socket, waits for nothing and decides about no run.
//
// The host of an address is fixed when the manifests are compiled. Templates may stand in its path and query only, and each value
// is escaped, so that no event chooses where a request goes. Bodies that are JSON are built as values and encoded once; nothing is
// pasted into JSON text. What leaves here for people to read (Line, Verdict.Answer, errors) names references and holds none of
// their contents.
//
// A type (what speaks at the other end) and a form of signatures are data: the files in presets, read by the one loader of presets.go and
// held by its tests to what this package knows. What signs is engine/signature, by the same rules that check what comes in, so that every
// request that is sent could be verified by a gateway.
//
// A Destination is immutable and may be used by any number of goroutines.
package destination
