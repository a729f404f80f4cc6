package cli

import (
	"errors"
	"fmt"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/diag"
)

// The exit codes.
const (
	exitOK          = 0
	exitRuntime     = 1  // what was asked for failed
	exitFindings    = 2  // something in a file is wrong, and its line was printed
	exitEnvironment = 3  // settings, store, ports, or no gateway to talk to
	exitUsage       = 64 // the command line cannot be understood
)

// exitError is an error with its exit code. Every error that a command gives is one; what is none comes from reading the command
// line.
type exitError struct {
	code int
	err  error
	// hint is what to try next; "" for none.
	hint string
	// silent says that all was printed already.
	silent bool
}

func (e *exitError) Error() string { return e.err.Error() }

func (e *exitError) Unwrap() error { return e.err }

// failed is a failure while running.
func failed(err error) error { return &exitError{code: exitRuntime, err: err} }

// unusable says that the environment is at fault, and what to try.
func unusable(err error, hint string) error {
	return &exitError{code: exitEnvironment, err: err, hint: hint}
}

// misused says that the command line is at fault.
func misused(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// refused says that findings were printed.
func refused(err error) error { return &exitError{code: exitFindings, err: err, silent: true} }

// sorted gives an error of the engine or of a command its exit code.
func sorted(err error) *exitError {
	var known *exitError
	var findings *diag.FindingsError
	var env *engine.EnvironmentError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &findings):
		return &exitError{code: exitFindings, err: err}
	case errors.As(err, &env):
		return &exitError{code: exitEnvironment, err: err}
	}
	return &exitError{code: exitRuntime, err: err}
}
