//go:build unix

package script_test

import (
	"syscall"
	"testing"
	"time"
)

// worked gives the processors' time that the process has had. Beside the clock it tells a slow bomb from a busy computer.
func worked(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
