//go:build race

package sqlite_test

import "time"

// The race detector makes SQLite, which is Go here, some thirty times slower, and finds nothing in what one goroutine does.
const (
	randomOperations = 200
	crashes          = 2
	crowded          = 3_000
	lookings         = 10
	crashingRuns     = 5
	endingRuns       = 12
	closedGateTakes  = 20 * time.Millisecond
)
