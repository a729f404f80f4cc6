// Package event is one received happening as a frozen value, and the ids that name it.
//
// An Event is made by engine/provider from a verified request and never changed afterwards; nobody after that sees the
// request. The package holds no behaviour but ids: reading a body is engine/payload's work.
package event

import (
	"errors"
	"fmt"
	"time"
)

// ID names an event. Ids are given by the store, unique, positive and increasing with time; their text form has a fixed
// width and sorts as they do.
type ID int64

const idDigits = "0123456789abcdefghjkmnpqrstvwxyz" // Crockford's base 32, lower case

// idWidth digits of 5 bits hold the 63 bits of a positive id.
const idWidth = 13

// ErrBadID is what ParseID wraps for text that is no id.
var ErrBadID = errors.New("not an event id")

// NewID makes an id of a time and a number below 2^20 that tells events of one millisecond apart.
func NewID(at time.Time, seq int64) ID { return ID(at.UnixMilli()<<20 | seq&(1<<20-1)) }

// Time gives the millisecond that NewID was given.
func (id ID) Time() time.Time { return time.UnixMilli(int64(id) >> 20).UTC() }

// String gives the 13 characters that people and APIs see.
func (id ID) String() string {
	var b [idWidth]byte
	n := uint64(id)
	for i := idWidth - 1; i >= 0; i-- {
		b[i] = idDigits[n&31]
		n >>= 5
	}
	return string(b[:])
}

// ParseID reads what String gave; the error wraps ErrBadID.
func ParseID(s string) (ID, error) {
	if len(s) != idWidth {
		return 0, fmt.Errorf("%q is %d characters long, not %d: %w", s, len(s), idWidth, ErrBadID)
	}
	var n uint64
	for i := range len(s) {
		v := -1
		for j := range len(idDigits) {
			if idDigits[j] == s[i] {
				v = j
			}
		}
		if v < 0 {
			return 0, fmt.Errorf("%q: character %q: %w", s, s[i], ErrBadID)
		}
		n = n<<5 | uint64(v)
	}
	if n == 0 || n >= 1<<63 {
		return 0, fmt.Errorf("%q: %w", s, ErrBadID)
	}
	return ID(n), nil
}

// MarshalText gives the text form.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads the text form.
func (id *ID) UnmarshalText(b []byte) error {
	v, err := ParseID(string(b))
	if err == nil {
		*id = v
	}
	return err
}

// ExecutionID is the id that the sender's answer carries: webhook-<provider>-<id>.
func ExecutionID(provider string, id ID) string { return "webhook-" + provider + "-" + id.String() }

// State is where an event stands.
type State string

// The states of an event.
const (
	Accepted    State = "accepted" // durable, not yet routed
	Routed      State = "routed"   // its runs are written
	Ignored     State = "ignored"  // recorded, starts nothing: on the ignore list, or of an undeclared name
	Quarantined State = "quarantined"
)

// Source tells where an event came from.
type Source string

// The sources of an event.
const (
	Live      Source = "live"
	Emitted   Source = "emit"
	Reconcile Source = "reconcile"
	// Manual is an event that a person or program made to run one pipeline, which Event.Cause names.
	Manual Source = "manual"
)

// Internal is the provider of events that nobody sent: emitted ones, those that Headgate tells of itself, and manual runs. No manifest
// may declare it.
const Internal = "internal"

// MaxDepth bounds chains of emitted events.
const MaxDepth = 16

// MaxEmitted is how many events one run may emit, given the depth of the event that it is for. A run for an event that somebody sent may
// emit one for each item of a long list. Where emitted events emit others the numbers multiply: pipelines that start each other in a
// circle, each with twenty items, would make 20^16 runs of one request. With these bounds a circle makes at most 1000 * 30 * 3 events of
// a depth, and from there on it is a chain that MaxDepth ends; what is meant so, an event for each of a list's entries and some for each
// of these, has room.
func MaxEmitted(depth int) int {
	switch {
	case depth <= 0:
		return 1000
	case depth == 1:
		return 30
	case depth == 2:
		return 3
	}
	return 1
}

// Header is one stored header; the name is in lower case.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Verification tells how a request was found genuine, without anything secret.
type Verification struct {
	// Rule is the signature rule that held, e.g. "signature[0] hmac-sha256"; "none" for an unsigned provider.
	Rule string `json:"rule"`
	// Secret is the index of the secret that held, from 0: among those of the manifest, or among the learnt ones where Learned.
	Secret int `json:"secret"`
	// Learned says that the provider handed the secret over in a handshake.
	Learned bool `json:"learned,omitempty"`
}

// Finding is one way in which an event's content differs from its schema. It tells where and against which rule, never the value.
type Finding struct {
	// Path is where in the content, e.g. "issue.number"; "" for the content as a whole.
	Path string `json:"path"`
	// Rule is the keyword of the schema that does not hold, e.g. "required".
	Rule string `json:"rule"`
	// Message says it in words.
	Message string `json:"message,omitempty"`
}

// Event is one verified and identified happening. It is frozen once made: do not change it or what it points to.
type Event struct {
	ID       ID     `json:"id"`
	Request  string `json:"request"`         // the request's X-Request-Id
	Index    int    `json:"index,omitempty"` // its place in a batch request
	Provider string `json:"provider"`
	// Name is the event's name, "" where it has none (which its JSON form shows as null).
	Name         string            `json:"event"`
	Delivery     string            `json:"delivery,omitempty"` // the sender's delivery id, "" where there is none
	Received     time.Time         `json:"received"`
	Routes       string            `json:"routes,omitempty"` // digest of the snapshot that received it
	Verification Verification      `json:"verification"`
	Headers      []Header          `json:"headers,omitempty"` // by allow-list only
	Query        string            `json:"query,omitempty"`
	ContentType  string            `json:"content_type,omitempty"`
	BodySize     int               `json:"body_size"`
	BodyCRC      uint32            `json:"body_crc32c"`
	Source       Source            `json:"source"`
	Cause        string            `json:"cause,omitempty"` // the run that emitted it, or the pipeline that a manual event is for
	Depth        int               `json:"depth,omitempty"`
	State        State             `json:"state"`
	Reason       string            `json:"reason,omitempty"`     // why it is ignored or quarantined: "ignore_list", "unknown_event", "no_event_name", …
	Duplicates   int               `json:"duplicates,omitempty"` // how many later requests carried the same delivery id
	Labels       map[string]string `json:"labels,omitempty"`
	Findings     []Finding         `json:"findings,omitempty"` // how its content differs from its schema
	// Body is the request's raw bytes; lists never carry it.
	Body []byte `json:"-"`
}
