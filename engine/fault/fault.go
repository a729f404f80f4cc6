// Package fault sorts errors: what kind of failure one is, what may be said of it in public, and how long to wait before a
// second try.
//
// An [Error] keeps the public sentence apart from its cause, so that an answer to a sender never carries what only the
// operator may read. [Of] and [OfOutgoing] are the one classifier; nobody else decides what an unknown error counts as.
// Complaints about files are no faults: they are findings of engine/diag. Whether something is tried again is decided by
// engine/worker, never here. All functions may be called by many goroutines at once; an Error is not changed after it is made.
package fault

import (
	"errors"
	"strings"
	"time"
)

// Kind is what sort of failure an error is. Its zero value is no kind: it counts as an error that says nothing.
type Kind uint8

// The kinds.
const (
	Invalid   Kind = iota + 1 // the input is wrong; the same input fails again
	Refused                   // the input may be right, but a rule says no: signature, limit, guard
	Temporary                 // a later try may succeed
	Permanent                 // no later try will succeed
	Internal                  // our own mistake
)

// String gives the kind in lower case, as records and logs write it; "unknown" for the zero Kind.
func (k Kind) String() string {
	switch k {
	case Invalid:
		return "invalid"
	case Refused:
		return "refused"
	case Temporary:
		return "temporary"
	case Permanent:
		return "permanent"
	case Internal:
		return "internal"
	default:
		return "unknown"
	}
}

// Error is a failure of a known kind.
type Error struct {
	Kind Kind
	// Code is a stable word for programs, such as "invalid_signature".
	Code string
	// Public is one sentence that anybody may read. It holds nothing secret and nothing of the cause.
	Public string
	// RetryAfter is how long the other side asked to wait; 0 where it said nothing.
	RetryAfter time.Duration
	// Err is the cause, for the operator only; may be nil.
	Err error
}

// New makes an Error. The cause may be nil; code and public should not be empty, but where they are, those of the cause count.
func New(kind Kind, code, public string, err error) *Error {
	return &Error{Kind: kind, Code: code, Public: public, Err: err}
}

// Error gives code, public sentence and cause, for logs. It is not for the other side: that gets PublicText.
func (e *Error) Error() string {
	parts := make([]string, 0, 3)
	if e.Code != "" {
		parts = append(parts, e.Code)
	}
	if e.Public != "" {
		parts = append(parts, e.Public)
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	if len(parts) == 0 {
		return e.Kind.String() + " error"
	}
	return strings.Join(parts, ": ")
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Outgoing is what errors of outgoing calls answer, so that packages which know nothing of this one (hooks) can be sorted
// too. Both methods are asked for, because many errors of the standard library have a Temporary that says false where it
// does not know.
type Outgoing interface {
	error
	// Temporary says whether a later try may succeed.
	Temporary() bool
	// RetryAfter is how long the receiver asked to wait; 0 where it said nothing.
	RetryAfter() time.Duration
}

// Of gives the kind of an error. One that nobody has classified is Internal: what we did not foresee is our mistake. Of(nil)
// is the zero Kind.
func Of(err error) Kind { return classify(err, Internal) }

// OfOutgoing gives the kind of an error of an outgoing call. One that nobody has classified is Temporary: a try too many does
// less harm than a message lost. OfOutgoing(nil) is the zero Kind.
func OfOutgoing(err error) Kind { return classify(err, Temporary) }

// classify takes the outermost error that has a kind: whoever wrapped it knew more.
func classify(err error, unknown Kind) Kind {
	if err == nil {
		return 0
	}
	for e := range faults(err) {
		if e.Kind != 0 {
			return e.Kind
		}
	}
	var o Outgoing
	if errors.As(err, &o) {
		if o.Temporary() {
			return Temporary
		}
		return Permanent
	}
	return unknown
}

// Code gives the outermost code of an error, "internal" where there is none, "" for nil.
func Code(err error) string {
	if err == nil {
		return ""
	}
	for e := range faults(err) {
		if e.Code != "" {
			return e.Code
		}
	}
	return "internal"
}

// PublicText gives the outermost sentence that anybody may read, "internal error" where there is none, "" for nil. It never
// gives the text of an error that is no Error.
func PublicText(err error) string {
	if err == nil {
		return ""
	}
	for e := range faults(err) {
		if e.Public != "" {
			return e.Public
		}
	}
	return "internal error"
}

// RetryAfter gives how long the other side asked to wait, 0 where nobody said.
func RetryAfter(err error) time.Duration {
	for e := range faults(err) {
		if e.RetryAfter > 0 {
			return e.RetryAfter
		}
	}
	var o Outgoing
	if errors.As(err, &o) {
		return o.RetryAfter()
	}
	return 0
}

// faults goes through the Errors of a chain, outermost first.
func faults(err error) func(yield func(*Error) bool) {
	return func(yield func(*Error) bool) {
		for err != nil {
			var e *Error
			if !errors.As(err, &e) || !yield(e) {
				return
			}
			err = e.Err
		}
	}
}
