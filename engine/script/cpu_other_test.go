//go:build !unix

package script_test

import (
	"testing"
	"time"
)

// worked is not known here: the clock goes on as fast, so it decides alone.
func worked(*testing.T) time.Duration { return time.Duration(time.Now().UnixNano()) }
