package hooks

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"
)

// MaxAnswerBytes of an answer are read; what follows is dropped.
const MaxAnswerBytes = 64 << 10

// Attempt is what became of one request. Printed by any verb it shows status, time and size, never the answer, for receivers
// echo what they were sent.
type Attempt struct {
	Started time.Time
	Took    time.Duration
	// Status is the answer's; 0 where none was read.
	Status int
	// Header holds the answer's Content-Type and Retry-After, and no others.
	Header http.Header
	// Body is what was read of the answer, at most MaxAnswerBytes.
	Body []byte
	// Cut says that the answer went on after Body.
	Cut bool
	// Wrote says that the whole request was written: the receiver may have acted on it, whatever came back.
	Wrote bool
	// NotSent marks the synthetic success of a Client that only logs.
	NotSent bool

	token string
}

// Secrets gives what the request carried and its maker did not know: the access tokens of its Request.Token. Receivers echo what they
// were sent, so whoever keeps Body takes these out of it.
func (a Attempt) Secrets() []string {
	if a.token == "" {
		return nil
	}
	return []string{a.token}
}

// String gives status, time taken and size.
func (a Attempt) String() string {
	if a.NotSent {
		return "not sent"
	}
	return fmt.Sprintf("status %d in %v, %d bytes", a.Status, a.Took, len(a.Body))
}

// Format writes String for every verb.
func (a Attempt) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, a.String()) }

// LogValue gives status, time taken and size.
func (a Attempt) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("status", a.Status), slog.Duration("took", a.Took), slog.Int("bytes", len(a.Body)), slog.Bool("wrote", a.Wrote))
}
