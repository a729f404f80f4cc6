//go:build !race

package sqlite_test

import "time"

const (
	randomOperations = 2000
	crashes          = 5
	crowded          = 1_000_000
	lookings         = 100
	crashingRuns     = 9
	endingRuns       = 30
	// closedGateTakes is some ten times of what it takes here; looking at each task of a crowd takes a thousand times.
	closedGateTakes = time.Millisecond
)
