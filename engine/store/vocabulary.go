package store

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
)

// What implementations must do alike is written here once.

// Kinds of a Revision.
const (
	SnapshotRevision = "snapshot"
	PipelineRevision = "pipeline"
)

// ErrNoRequest refuses Retry, Drop and Replay without a request id: they could not be told from a second one.
var ErrNoRequest = errors.New("a request id is needed")

// ErrBadCursor refuses a cursor that no page gave.
var ErrBadCursor = errors.New("not a cursor of this list")

// StatusProcessed is the EventQuery.Status that means accepted or routed.
const StatusProcessed = "processed"

const (
	defaultPage = 50
	maxPage     = 1000
)

// NextID gives the id of an event stored at that time after the event with the last id ever given.
func NextID(now time.Time, last event.ID) event.ID { return max(event.NewID(now, 0), last+1) }

// PageSize gives the number of entries that a page asked for with limit may have.
func PageSize(limit int) int {
	if limit <= 0 {
		return defaultPage
	}
	return min(limit, maxPage)
}

// FormatCursor makes the cursor of a place in a list; ParseCursor reads it. ParseCursor gives 0 for "", and an error that wraps
// ErrBadCursor for what FormatCursor did not make.
func FormatCursor(place int64) string {
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(place)))
}

// ParseCursor reads what FormatCursor made.
func ParseCursor(cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) != 8 || int64(binary.BigEndian.Uint64(b)) < 0 {
		return 0, fmt.Errorf("%q: %w", cursor, ErrBadCursor)
	}
	return int64(binary.BigEndian.Uint64(b)), nil
}

// Matches says whether an event passes the filters, cursor and limit aside. Since and Until are compared with the time that the
// event's id was given, which is the store's.
func (q *EventQuery) Matches(e *event.Event) bool {
	switch {
	case q.Provider != "" && q.Provider != e.Provider, q.Name != "" && q.Name != e.Name, q.Request != "" && q.Request != e.Request:
		return false
	case !q.Received.IsZero() && e.Received.UnixMilli() != q.Received.UnixMilli():
		return false
	case q.Status == StatusProcessed && e.State != event.Accepted && e.State != event.Routed:
		return false
	case q.Status != "" && q.Status != StatusProcessed && q.Status != string(e.State):
		return false
	}
	return e.ID >= q.Oldest() && e.ID < q.Newest()
}

// Oldest gives the first id that Since lets pass.
func (q *EventQuery) Oldest() event.ID {
	if q.Since.IsZero() {
		return 0
	}
	at := q.Since.Truncate(time.Millisecond)
	if at.Before(q.Since) {
		at = at.Add(time.Millisecond)
	}
	return max(event.NewID(at, 0), 0)
}

// Newest gives the first id that Until no longer lets pass.
func (q *EventQuery) Newest() event.ID {
	if q.Until.IsZero() {
		return 1<<63 - 1
	}
	return max(event.NewID(q.Until, 0), 0)
}

// Matches says whether a run passes the filters, cursor and limit aside.
func (q *RunQuery) Matches(r *run.Run) bool {
	return (q.Event == 0 || q.Event == r.Event) && (q.Pipeline == "" || q.Pipeline == r.Pipeline) &&
		(q.State == "" || q.State == r.State) && (q.Outcome == "" || q.Outcome == r.Outcome) &&
		(q.Reason == "" || q.Reason == r.Reason) && (q.Destination == "" || q.Destination == r.Destination) &&
		(q.Cause == "" || q.Cause == r.Cause.Kind) && (q.Ref == "" || q.Ref == r.Cause.Ref) &&
		(q.Since.IsZero() || !r.Created.Before(q.Since)) && (q.Until.IsZero() || r.Created.Before(q.Until))
}

// Term gives the term that counts runs of that state and outcome.
func (t *RunTerms) Term(s run.State, o run.Outcome) *int64 {
	switch s {
	case run.Open:
		return &t.Open
	case run.Parked:
		return &t.Parked
	case run.Dropped:
		return &t.Dropped
	}
	switch o {
	case run.Filtered:
		return &t.Filtered
	case run.Limited:
		return &t.Limited
	}
	return &t.Completed
}

// Balanced says whether the requests add up.
func (t *RequestTerms) Balanced() bool {
	return t.Recorded == t.Processed+t.Duplicate+t.Ignored+t.Quarantined+t.Rejected
}

// Balanced says whether the runs add up.
func (t *RunTerms) Balanced() bool {
	return t.Made == t.Open+t.Completed+t.Filtered+t.Limited+t.Parked+t.Dropped+t.Pruned
}

// Period gives the start and the end of the period that a time lies in. Where Per is not positive, all time is one period.
func (q *Quota) Period(now time.Time) (start, end time.Time) {
	if q.Per <= 0 {
		return time.Unix(0, 0).UTC(), time.Unix(0, 1<<63-1).UTC()
	}
	start = time.Unix(0, now.UnixNano()-now.UnixNano()%int64(q.Per)).UTC()
	return start, start.Add(q.Per)
}

// Turns gives the holds of a run, each key once: at its first place, with its last bound, kept where any of them is.
func (n *NewRun) Turns() []Hold {
	var out []Hold
	for _, h := range n.Holds {
		h.Max = max(h.Max, 1)
		if i := slices.IndexFunc(out, func(o Hold) bool { return o.Key == h.Key }); i >= 0 {
			h.Keep, h.Order = h.Keep || out[i].Keep, h.Order || out[i].Order
			out[i] = h
			continue
		}
		out = append(out, h)
	}
	return out
}

// Limit makes a run that would begin one that is stored as done because of a limit.
func Limit(r *run.Run, reason string) { r.State, r.Outcome, r.Reason = run.Done, run.Limited, reason }

// Run gives the run of a RunWait; false for any other wait.
func (w Wait) Run() (run.ID, bool) {
	if w.Group != RunGroup {
		return run.ID{}, false
	}
	id, err := run.ParseID(w.Key)
	return id, err == nil
}

// CodeLeaseLost is the code of an attempt whose holder's lease ran out.
const CodeLeaseLost = "lease_lost"

// HasAttempt says whether an attempt may be under way while the task is claimed: it stands before a hook.
func HasAttempt(t *run.Task) bool {
	return t.Kind == run.TaskStep && t.Path != "" && !strings.HasPrefix(t.Gate, "@")
}

// LostAttempt records an attempt whose holder's lease ran out: nobody knows how it ended. The task's N has not yet grown.
func LostAttempt(t *run.Task, round int, claimed, now time.Time) run.Attempt {
	return run.Attempt{
		Path: t.Path, Round: round, N: t.N + 1, Destination: t.Gate, Started: claimed, Took: now.Sub(claimed),
		Outcome: run.AttemptUnknown, Code: CodeLeaseLost,
	}
}
