// Package sqlite keeps the event log and the queue in one SQLite file, in pure Go.
//
// One goroutine writes. Callers hand it their work; it takes all that waits, does it in one transaction, commits with fsync
// (WAL, synchronous=FULL) and only then answers each: many callers share one fsync, and nobody hears of success before it is
// durable. What may be refused (a stale token, a run that moved) is checked before anything is written, so that one refusal does
// not touch its neighbours; where SQLite itself refuses a transaction, each of its jobs gets one of its own. Reads go through
// connections of their own, and the log is copied into the file beside the writer (checkpoint.go).
//
// Rows are lean: ids are integers that grow, so that inserts append; names are interned; what lists never filter by is one JSON
// column beside the body, which has a checksum. Delivery ids are kept in memory until they can be moved to their table many at a time
// (keys.go). What a settlement adds to a run is one appended row; reading a run folds them. Of an order key's tasks only the first
// of each queue can be found by a claim (writer.reorder). Where each queue begins is known in memory, so that what waits for later, or
// before a closed gate, is not looked at to tell what is due (heads.go): whoever makes a task ready, or due earlier, calls writer.ready.
//
// What a run waits for is found from the side that it comes from: the groups that are waited for are counted in memory, a wake finds its
// tasks by an index, and a run that ends finds the next of each of its turns by another (limits.go). Tasks of a run that has not got its
// turn are of a stage that claims never see. Batches and their items are rows until the leading run has ended (batches.go).
//
// The file is locked against other processes. So leases and tokens live in memory, and a process that starts knows that nobody holds
// a task any more: all that was claimed is taken back at once, as lost. Time is the process's monotonic clock, from where the file
// left off.
//
// A full disk refuses writes with ErrUnavailable, and takes them again when there is space. A failed fsync, write or read ends the
// store: nothing more is acknowledged, [Store.Fatal] tells the engine, and the next start recovers from the log.
// The main type is [Store]; its methods may be called by many goroutines at once.
package sqlite
