// Package service is how the long-lived parts of a process start and stop: a [Service] has Start and Stop, a [Group] starts
// several in order and stops them in reverse, and a [Loop] is a Service around one goroutine.
//
// It knows nothing of what the services do. Start and Stop of everything here may be called by many goroutines at once.
// Package servicetest holds the stress test that every Service should pass.
package service

import (
	"context"
	"errors"
)

// ErrStopping is the cause of every context that a stop cancels. Work that ends with it was not at fault: an attempt cut short
// by a shutdown is no failed attempt.
var ErrStopping = errors.New("stopping")

// ErrStarted refuses a second Start: a service lives once.
var ErrStarted = errors.New("started already")

// ErrStopped refuses a Start that comes after Stop.
var ErrStopped = errors.New("stopped already")

// Service is something with a life. Start and Stop may be called at the same time, in any order and more than once.
type Service interface {
	// Start returns when the service is ready, or with the reason why it is not; then nothing of it is left running. ctx bounds the
	// starting only and is not kept.
	Start(ctx context.Context) error
	// Stop ends the service and waits for every goroutine that it owns, as long as ctx lasts. Stopping twice, or what never
	// started, is no error.
	Stop(ctx context.Context) error
}

// Stopping says whether ctx ended because of a stop rather than a deadline or a caller that went away.
func Stopping(ctx context.Context) bool { return errors.Is(context.Cause(ctx), ErrStopping) }
