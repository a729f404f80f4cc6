// Package payload reads and writes the bodies of events: a bounded check that needs no decoding, one grammar of paths, decoding
// into plain values that keeps every digit, and encoding back to JSON.
//
// It is the only reader of JSON and XML on a body, so a sender is never judged on one value and processed on another: names that occur
// twice in an object are refused, not chosen between. It knows nothing of events, headers or schemas.
//
// [Check] is the pass on the accept path, [Path] finds one value in raw bytes or in decoded ones, [Decode] and [Encode] turn bytes
// into values and back, [Document] does it when first asked. XML and forms have a reader each, with the same limits and the same kind
// of error: [CheckXML], [DecodeXML] and [Path.FindXML], [DecodeForm] and [ReadMultipart]. Everything here may be called by many goroutines at once.
package payload

import "fmt"

// Limits bound what [Check] reads.
type Limits struct {
	// Depth is how deep lists and objects may nest; 0 means DefaultDepth.
	Depth int
	// Tokens is how many values and names a body may hold; 0 means DefaultTokens.
	Tokens int
}

// The limits where none are given.
const (
	// DefaultDepth is well above what any known sender nests and well below what endangers a recursive reader.
	DefaultDepth = 128
	// DefaultTokens keeps the decoded form of a body below about 20 MB.
	DefaultTokens = 200_000
)

func (l Limits) withDefaults() Limits {
	if l.Depth == 0 {
		l.Depth = DefaultDepth
	}
	if l.Tokens == 0 {
		l.Tokens = DefaultTokens
	}
	return l
}

// Code says why a body was refused.
type Code string

// The codes of an Error.
const (
	Syntax        Code = "syntax"
	InvalidUTF8   Code = "invalid_utf8"
	DuplicateName Code = "duplicate_name"
	TooDeep       Code = "too_deep"
	TooManyTokens Code = "too_many_tokens"
	Unsupported   Code = "unsupported_value" // a value that has no JSON form, or an encoding of XML or of a form part that is not read
	TooLarge      Code = "too_large"         // of Encode with a limit
)

// Error tells why a body was refused and where.
type Error struct {
	// Offset is the byte at which the trouble was seen; 0 for errors of Encode.
	Offset  int
	Code    Code
	Message string
}

// Error gives the message and the offset.
func (e *Error) Error() string {
	if e.Offset == 0 && (e.Code == Unsupported || e.Code == TooLarge) {
		return e.Message
	}
	return fmt.Sprintf("%s at byte %d", e.Message, e.Offset)
}

func errorAt(offset int, code Code, format string, args ...any) *Error {
	return &Error{Offset: offset, Code: code, Message: fmt.Sprintf(format, args...)}
}
