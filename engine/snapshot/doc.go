// Package snapshot is the running configuration: Load turns a manifest folder into one immutable [Snapshot], and a [Keeper]
// publishes snapshots behind one pointer, keeps their sources in the store first, and finds old revisions again.
//
// Load is THE compile path: validate, start and reload go through it, so that they cannot disagree; engine/trial, which puts a test's
// secrets in the place of the operator's, compiles the provider under test with the same provider.Compile. A Snapshot is plain memory that any number of goroutines may read; nobody closes it. A revision is the digest of one
// pipeline and all that it uses, so that a reload leaves runs of unchanged pipelines alone.
// Not here: watching files (snapshot/watch), what the parts mean (engine/provider, engine/destination, engine/pipeline).
package snapshot
