// Package run is the record of what happened to an event: runs, their steps, the attempts of hooks and the tasks in which
// work waits. It is pure data and the rules of its state machine; engine/store keeps it, engine/pipeline folds it, engine/worker
// moves it on.
//
//	run:  open -> done {completed | filtered | limited}
//	      open -> parked {reason}      parked -> open (round + 1, only what failed)      parked -> dropped
//
// "done" is final: a replay is a new run. There is no stored cursor: what is ready follows from the finished steps.
package run

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/event"
)

// ID names a run: its event and a key derived from pipeline and cause, so that making the same run twice is seen as the same.
type ID struct {
	Event event.ID
	Key   uint64 // 50 bits
}

// ErrBadID is what ParseID wraps.
var ErrBadID = errors.New("not a run id")

const keyBits = 50

// NewID derives the id of the run of one pipeline for one event and cause (see Cause.Key).
func NewID(ev event.ID, pipeline string, cause Cause) ID {
	h := sha256.New()
	_ = binary.Write(h, binary.BigEndian, int64(ev))
	h.Write([]byte(pipeline + "\x00" + string(cause.Kind) + "\x00" + cause.Ref))
	return ID{Event: ev, Key: binary.BigEndian.Uint64(h.Sum(nil)) >> (64 - keyBits)}
}

// String gives "<event>-<10 characters>"; it sorts by event.
func (id ID) String() string { return id.Event.String() + "-" + event.ID(id.Key).String()[3:] }

// ParseID reads what String gave; the error wraps ErrBadID.
func ParseID(s string) (ID, error) {
	ev, key, ok := strings.Cut(s, "-")
	if !ok || len(key) != keyBits/5 {
		return ID{}, fmt.Errorf("%q: %w", s, ErrBadID)
	}
	e, err := event.ParseID(ev)
	if err != nil {
		return ID{}, fmt.Errorf("%q: %w", s, ErrBadID)
	}
	k, err := event.ParseID("000" + key)
	if err != nil {
		return ID{}, fmt.Errorf("%q: %w", s, ErrBadID)
	}
	return ID{Event: e, Key: uint64(k)}, nil
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

// State is where a run stands.
type State string

// The states of a run.
const (
	Open    State = "open"
	Done    State = "done"
	Parked  State = "parked"
	Dropped State = "dropped"
)

// Outcome tells how a done run ended.
type Outcome string

// The outcomes of a done run.
const (
	Completed Outcome = "completed" // every branch that was taken came to its end
	Filtered  Outcome = "filtered"  // the receive's filter, or a condition, ended it
	Limited   Outcome = "limited"
)

// CauseKind tells why a run exists.
type CauseKind string

// The causes of a run.
const (
	Live   CauseKind = "live"
	Replay CauseKind = "replay"
	Call   CauseKind = "call"
	Manual CauseKind = "manual"
)

// Cause tells why a run exists and, for all but live ones, names the replay request or the caller.
type Cause struct {
	Kind CauseKind `json:"kind"`
	Ref  string    `json:"ref,omitempty"`
}

// Run is one execution of one pipeline for one event.
type Run struct {
	ID       ID       `json:"id"`
	Event    event.ID `json:"event"`
	Pipeline string   `json:"pipeline"`
	// Revision is the digest of the pipeline's closure under which the run began and ends.
	Revision string    `json:"revision"`
	Cause    Cause     `json:"cause"`
	Now      time.Time `json:"now"` // the instant that `now` means in every expression of the run
	State    State     `json:"state"`
	Outcome  Outcome   `json:"outcome,omitempty"` // of a done run
	Reason   string    `json:"reason,omitempty"`  // of a parked run: a stable code, e.g. "retries_spent"
	Message  string    `json:"message,omitempty"` // the reason in a sentence, safe to show
	// Destination is that of the hook whose failure parked the run; "" for others.
	Destination string    `json:"destination,omitempty"`
	Version     int64     `json:"version"` // grows with every settlement
	Round       int       `json:"round"`   // grows with every retry of a parked run
	Created     time.Time `json:"created"`
	Finished    time.Time `json:"finished,omitzero"` // done, parked or dropped
	// Input is the payload of a run that was called or started by hand, instead of the event's; nil for others.
	Input json.RawMessage `json:"input,omitempty"`
	// Depth is how many calls lie above the run, at most MaxDepth.
	Depth  int               `json:"depth,omitempty"`
	Trace  string            `json:"traceparent,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
}

// MaxDepth bounds how deep pipelines call each other.
const MaxDepth = 16

// Why a run is limited (Run.Reason of a run with the outcome Limited).
const (
	RateLimited        = "rate_limited"        // the pipeline has had its runs of the period
	ConcurrencyLimited = "concurrency_limited" // as many runs as may be are open, and the pipeline does not let others wait
)

// StepState tells how a step ended.
type StepState string

// The states of a step.
const (
	StepDone     StepState = "done"
	StepFailed   StepState = "failed"
	StepSkipped  StepState = "skipped"  // its branch was not taken, or what it depends on failed
	StepFiltered StepState = "filtered" // a receive whose filter said no
)

// Limits on what a step keeps.
const (
	MaxReadBytes   = 1 << 10 // one operand's value
	MaxOutputBytes = 1 << 20 // a step's output; larger ones fail the step
	// MaxRunBytes bounds what a run keeps in all: outputs, payloads of emitted events, inputs of called runs, items of batches, what was
	// read and logged. A step beyond it fails. A foreach may copy one payload a thousand times, and whoever works on the run holds all of
	// it several times over, as text and as values: one event is not to take more than 64 MiB.
	MaxRunBytes = 8 << 20
)

// Limits of a batch, whose items are read, and handed on, as one output.
const (
	// MaxBatchBytes bounds the JSON of all items of a batch together. With it the output {key, count, items} has at most MaxOutputBytes:
	// the items are in it as they were put in, with a comma each, and a key takes six bytes for each of its 512 at worst.
	MaxBatchBytes = 900 << 10
	// MaxBatchItems bounds how many they are.
	MaxBatchItems = 10_000
)

// Read is one operand that an expression read and the value it had, as JSON, cut at MaxReadBytes.
type Read struct {
	Operand string `json:"operand"`
	Value   string `json:"value"`
	Cut     bool   `json:"cut,omitempty"`
	// Hidden says that the value is kept from the record (include_payload: false); Value is then "null".
	Hidden bool `json:"hidden,omitempty"`
}

// Failure is why a step failed.
type Failure struct {
	Kind    string `json:"kind"` // a kind of engine/fault: invalid, refused, temporary, permanent, internal
	Code    string `json:"code"` // stable, e.g. "retries_spent", "expression"
	Message string `json:"message"`
}

// Step is one node's execution inside a run.
type Step struct {
	// Path is the node's label, with visit and item where it has them ("Each[3]/Tell"); stable over revisions.
	Path string `json:"path"`
	// Node is the label alone ("Tell").
	Node    string          `json:"node"`
	Type    string          `json:"type"`
	State   StepState       `json:"state"`
	Branch  string          `json:"branch,omitempty"` // the handle taken: "true", "false", "error", …
	Reads   []Read          `json:"reads,omitempty"`
	Output  json.RawMessage `json:"output,omitempty"`
	Failure *Failure        `json:"failure,omitempty"`
	Log     []string        `json:"log,omitempty"`
	// Handed is how many bytes the step handed over that are kept elsewhere: the payload of an emitted event, the input of a called run,
	// an item of a batch. They count among what the run keeps.
	Handed  int           `json:"handed,omitempty"`
	Round   int           `json:"round,omitempty"`
	Started time.Time     `json:"started"`
	Took    time.Duration `json:"took"`
}

// AttemptOutcome tells how an outgoing try ended.
type AttemptOutcome string

// The outcomes of an attempt.
const (
	AttemptOK        AttemptOutcome = "ok"
	AttemptTemporary AttemptOutcome = "temporary"
	AttemptPermanent AttemptOutcome = "permanent"
	AttemptUnknown   AttemptOutcome = "unknown" // the request may have been seen: no answer was read, or we died meanwhile
)

// MaxExcerptBytes of an answer are kept in an Attempt.
const MaxExcerptBytes = 4 << 10

// Attempt is one outgoing HTTP try made by a hook node.
type Attempt struct {
	Path        string         `json:"path"`
	Round       int            `json:"round"`
	N           int            `json:"n"` // from 1, without gaps in a round
	Destination string         `json:"destination"`
	Line        string         `json:"line"` // method and URL as the manifest writes them, never resolved
	Started     time.Time      `json:"started"`
	Took        time.Duration  `json:"took"`
	Outcome     AttemptOutcome `json:"outcome"`
	Code        string         `json:"code,omitempty"` // why it was no success: "http_503", "timeout", "refused_by_egress_guard", …
	Status      int            `json:"status,omitempty"`
	RetryAfter  time.Duration  `json:"retry_after,omitempty"`
	// Headers are the request's headers that may be shown: never one that holds a secret or a signature.
	Headers map[string]string `json:"headers,omitempty"`
	Answer  string            `json:"answer,omitempty"` // its first MaxExcerptBytes, secrets scrubbed
}

// TaskKind tells what a task waits for.
type TaskKind string

// The kinds of a task.
const (
	TaskRoute TaskKind = "route" // an event whose runs are not yet written
	TaskStep  TaskKind = "step"  // a run's node whose effect is to be performed; with path "" the run is to be folded again
	TaskTimer TaskKind = "timer"
	TaskWait  TaskKind = "wait"
	TaskChild TaskKind = "child"
)

// Lane separates traffic inside a gate so that none starves another.
type Lane string

// The lanes.
const (
	LaneLive   Lane = "live"
	LaneRetry  Lane = "retry"
	LaneReplay Lane = "replay"
)

// RouteGate is the gate of route tasks: work that does not yet belong to a destination.
const RouteGate = "@route"

// Task is the queued unit: one event to route, or one place in a run where work waits.
type Task struct {
	ID    int64    `json:"id"`
	Kind  TaskKind `json:"kind"`
	Event event.ID `json:"event"`
	Run   ID       `json:"run,omitzero"` // zero for a route task
	Path  string   `json:"path,omitempty"`
	Cause Cause    `json:"cause,omitzero"` // of a route task: live, or which replay
	// Gate is the destination whose slots, rate and breaker bind the task; "@route" for a route task, "@<pipeline>" for a step task
	// that stands before no hook.
	Gate  string    `json:"gate"`
	Lane  Lane      `json:"lane"`
	Order string    `json:"order,omitempty"` // tasks of one order key are handed out one at a time
	Due   time.Time `json:"due"`
	N     int       `json:"n"`              // attempts made
	Lost  int       `json:"lost"`           // leases lost in a row
	Token int64     `json:"-"`              // the fencing token of the present claim
	First time.Time `json:"first,omitzero"` // when its first attempt began
	// Woken is the event that a waiting task was woken by (for one that waits for a run: that run's event); 0 where it was not.
	Woken event.ID `json:"woken,omitempty"`
	// Held says that the run waits for its turn under the limits of its pipeline.
	Held bool `json:"held,omitempty"`
}

// MaxLost leases lost in a row park a run: the task itself may be what kills the process.
const MaxLost = 3

// IdempotencyKey is stable over attempts, retries and replays of one hook of one pipeline for one event, and differs between any
// two hooks.
func IdempotencyKey(ev event.ID, pipeline, path string) string {
	sum := sha256.Sum256([]byte(pipeline + "\x00" + path))
	return "msg_" + ev.String() + strconv.FormatUint(binary.BigEndian.Uint64(sum[:8]), 36)
}
