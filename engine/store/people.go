package store

import (
	"encoding/json"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
)

// By says who asked for a change. The zero By leaves no entry in the audit log: the change is part of one that has an entry, such as a job.
type By struct {
	// Who is what a person's tool says of itself, or the part of the gateway that acted ("redeliver", "retention").
	Who string `json:"who"`
	// From is the address that asked, without a port; "" for the gateway itself.
	From string `json:"from,omitempty"`
	// Request is the id of the request that asked.
	Request string `json:"request,omitempty"`
}

// AuditEntry is one thing that a person did. Entries are never changed; each holds the digest of the one before it, so that one that was
// taken out or altered shows.
type AuditEntry struct {
	ID event.ID  `json:"id"`
	At time.Time `json:"at"`
	By
	// Action is what was done: "run.retry", "run.drop", "destination.pause", "job.start", "subscription.rotate", …
	Action string `json:"action"`
	// Subject is what it was done to: a run's id, a gate's name, a job's id, …
	Subject string `json:"subject"`
	// Detail says more, as JSON; it holds no secret.
	Detail json.RawMessage `json:"detail,omitempty"`
	// Digest is SHA-256 in hex over the digest of the entry before and this entry's other fields.
	Digest string `json:"digest"`
}

// The actions that stores write by themselves; AuditEntry.Action of others is the caller's.
const (
	ActionRetry = "run.retry"
	ActionDrop  = "run.drop"
	// ActionDropSubscription deletes a subscription.
	ActionDropSubscription = "subscription.delete"
)

// AuditQuery filters Audit. Zero fields do not filter.
type AuditQuery struct {
	Action  string // or what it begins with, up to a dot: "run"
	Subject string
	Since   time.Time
	Until   time.Time
	Limit   int // default 50, at most 1000
	Cursor  string
}

// AuditPage is a page of entries, newest first; Next is "" at the end.
type AuditPage struct {
	Entries []AuditEntry
	Next    string
}

// RetryAsk opens a parked run again.
type RetryAsk struct {
	// Request makes asking twice for the same run the same as once.
	Request string
	Run     run.ID
	// Revision is the one that the run goes on under; its own where "".
	Revision string
	// Lane is where its tasks go; LaneRetry where "".
	Lane run.Lane
	By   By
}

// DropAsk ends a parked run for good.
type DropAsk struct {
	Request string
	Run     run.ID
	By      By
}

// ReplayAsk routes stored events again.
type ReplayAsk struct {
	// Request is the id of the job that replays them: Cause.Ref of the runs.
	Request string
	Events  []event.ID
}

// JobKind is what a job does to each of its events or runs.
type JobKind string

// The kinds of a job.
const (
	JobReplay JobKind = "replay" // routes events again
	JobRetry  JobKind = "retry"  // opens parked runs again
	JobDrop   JobKind = "drop"   // drops parked runs
)

// JobAction is what the audit log calls putting a job in a state: "job.start" for a new one, else "job.pause", "job.cancel", "job.resume" or
// "job.end".
func JobAction(j *Job) string {
	switch {
	case j.Version == 0:
		return "job.start"
	case j.State == JobPaused:
		return "job.pause"
	case j.State == JobCanceled:
		return "job.cancel"
	case j.State == JobRunning:
		return "job.resume"
	}
	return "job.end"
}

// Ended says that a job in this state does nothing any more, unless somebody resumes it.
func (s JobState) Ended() bool { return s == JobDone || s == JobCanceled || s == JobFailed }

// JobState tells how far a job is.
type JobState string

// The states of a job.
const (
	JobRunning  JobState = "running"
	JobPaused   JobState = "paused" // until somebody resumes it
	JobDone     JobState = "done"
	JobCanceled JobState = "canceled"
	JobFailed   JobState = "failed" // Message says why; it can be resumed
)

// Job is something to be done to many events or runs, a few at a time. It survives a restart and goes on where it was.
type Job struct {
	// ID is given by the caller, unique: asking for the same one twice is asking once.
	ID   string  `json:"id"`
	Kind JobKind `json:"kind"`
	// Events says which events a replay is about, Runs which runs the others. Their Ascending counts as set; Limit and Cursor do not count.
	Events EventQuery `json:"events,omitzero"`
	Runs   RunQuery   `json:"runs,omitzero"`
	// IDs, where there are any, name them one by one, at most MaxJobIDs, instead of the queries. They are what a new job was put with, and
	// stay so; lists of jobs leave them out, and they go when nobody asks for them any more (KeepsIDs, MaxNamed). Named is how many there
	// were, which the store says.
	IDs   []string `json:"ids,omitempty"`
	Named int      `json:"named,omitempty"`
	// Pipelines, where there are any, are the only ones that a replay starts.
	Pipelines []string `json:"pipelines,omitempty"`
	// Pinned replays and retries under the revisions that the runs were made under; else a replay takes the live ones, and Current says
	// the same of a retry.
	Pinned  bool `json:"pinned,omitempty"`
	Current bool `json:"current,omitempty"`
	// Rate is how many a second are done at most.
	Rate float64 `json:"rate"`
	// Lane is where the tasks go.
	Lane run.Lane `json:"lane,omitempty"`

	State   JobState `json:"state"`
	Message string   `json:"message,omitempty"`
	// Total is how many there were when the job was made.
	Total int64 `json:"total"`
	// Cursor is how far it is; Done, Skipped and Failed count what was done, what was not there or not parked any more, and what was refused.
	Cursor string `json:"cursor,omitempty"`
	// Batch is what lies before Cursor and may be half done: it is not yet counted, and is done again after a restart, which does no harm.
	Batch   []string  `json:"batch,omitempty"`
	Done    int64     `json:"done"`
	Skipped int64     `json:"skipped"`
	Failed  int64     `json:"failed"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
	// By is who asked for it.
	By By `json:"by"`
	// Version is the stored one when a job is put again (ErrMoved else), 0 for a new one; it grows by one.
	Version int64 `json:"version"`
}

// Written gives the job as it is stored at a time over the one that was there, nil for a new one.
func (j Job) Written(before *Job, by By, now time.Time) Job {
	j.Version++
	j.Updated = now
	if before != nil {
		j.Created, j.By, j.IDs, j.Named = before.Created, before.By, before.IDs, before.Named
		return j
	}
	j.Created, j.Named = now, len(j.IDs)
	if j.By == (By{}) {
		j.By = by
	}
	return j
}

// KeepsIDs says that the ids of a job may still be of use: it can go on, or is a replay whose outcomes people look at.
func (j *Job) KeepsIDs() bool { return j.State != JobDone || j.Kind == JobReplay }

// MaxJobIDs bounds Job.IDs, and MaxJobs how many ended jobs are kept, the newest; of those that ended within JobsKept all are, for what they
// replay may not be routed yet. Of the ended ones MaxNamed keep their ids, the newest of those that have some: all together are not many
// megabytes.
const (
	MaxJobIDs = 10_000
	MaxJobs   = 1000
	MaxNamed  = 50
	JobsKept  = 24 * time.Hour
)

// Subscription is one registered through the API: where somebody wants to hear of what. Those that manifests declare are not stored.
type Subscription struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	// Events, Users and Scopes say what it is about (see engine/subscription).
	Events []string `json:"events"`
	Users  []string `json:"users,omitempty"`
	Scopes []string `json:"scopes,omitempty"`
	// Channel is the hook that serves it, "" for any.
	Channel  string `json:"channel,omitempty"`
	Disabled bool   `json:"disabled,omitempty"`
	Reason   string `json:"reason,omitempty"`
	// Sealed holds what is secret of it, its URL, headers and secrets, sealed by who stores it; Shown is what people may see of the URL.
	Sealed  []byte    `json:"-"`
	Shown   string    `json:"url"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
	Version int64     `json:"version"`
}

// Written gives the subscription as it is stored at a time over the one that was there, nil for a new one.
func (s Subscription) Written(before *Subscription, now time.Time) Subscription {
	s.Version++
	s.Created, s.Updated = now, now
	if before != nil {
		s.Created = before.Created
	}
	return s
}
