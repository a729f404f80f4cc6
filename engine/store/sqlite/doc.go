// Package sqlite keeps the event log and the queue in one SQLite file, in pure Go.
//
// One goroutine writes. Callers hand it their work; it takes all that waits, does it in one transaction, commits with fsync
// (WAL, synchronous=FULL) and only then answers each: many callers share one fsync, and nobody hears of success before it is
// durable. What may be refused (a stale token, a run that moved) is checked before anything is written, so that one refusal does
// not touch its neighbours; an error of SQLite itself rolls the whole transaction back and everybody in it hears ErrUnavailable.
// Reads go through connections of their own.
//
// Rows are lean: ids are integers that grow, so that inserts append; names are interned; bodies lie in a table of their own with a
// checksum each; what lists never filter by is one JSON column. What a settlement adds to a run (steps, attempts) is one appended
// row; reading a run folds them.
//
// The file is locked against other processes. A full disk refuses writes and takes them again when there is space. A failed fsync or
// read ends the store: nothing more is acknowledged, [Store.Fatal] tells the engine, and the next start recovers from the log.
// A [Store]'s methods may be called by many goroutines at once.
package sqlite
