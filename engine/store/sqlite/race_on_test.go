//go:build race

package sqlite_test

// The race detector makes SQLite, which is Go here, some thirty times slower, and finds nothing in what one goroutine does.
const (
	randomOperations = 200
	crashes          = 2
)
