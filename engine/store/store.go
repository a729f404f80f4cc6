package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
)

// Sentinels that callers test with errors.Is.
var (
	// ErrFenced refuses a settlement whose task was taken back or closed since: nothing was changed.
	ErrFenced = errors.New("the task has another holder")
	// ErrMoved refuses a settlement made for an older version of the run: nothing was changed; fold the record again.
	ErrMoved = errors.New("the run has moved on")
	// ErrFailed is wrapped beside ErrUnavailable where the store has failed for good, and only a new start can tell what is durable: asking
	// again is in vain.
	ErrFailed = errors.New("the store has failed")
	// ErrNotFound says that there is no such event, run, gate or revision.
	ErrNotFound = errors.New("not found")
	// ErrUnavailable says that nothing can be made durable now (disk full, I/O error, closing). Nothing was half-written.
	ErrUnavailable = errors.New("the store cannot take writes now")
	// ErrBehind says that a read could not yet see what a write returned.
	ErrBehind = errors.New("the store's reader is behind its writer")
	// ErrCorrupt says that a stored body no longer matches its checksum.
	ErrCorrupt = errors.New("a stored body does not match its checksum")
	// ErrWrongState refuses an operation on a run that is not in the state it needs.
	ErrWrongState = errors.New("wrong state")
	// ErrLocked says that another process holds the store.
	ErrLocked = errors.New("another process has the store open")
)

// Store is the event log and the queue. All methods may be called by many goroutines at once. What a write returned, a later
// read sees. Time is the store's: callers pass durations. What is passed to a store is not
// changed afterwards.
type Store interface {
	// Append makes events durable and gives a Receipt for each, in order. It returns after the commit, never before; many callers
	// share one. It fails whole (ErrUnavailable) or succeeds whole. An arrival whose delivery key is live in its window is a
	// duplicate of the first: nothing of it is stored but the count. When ctx ends first, the error wraps its cause and
	// ErrUnavailable, and whether the events were stored is open; so it is for every other write.
	Append(ctx context.Context, arrivals []Arrival) ([]Receipt, error)

	// Settle applies each settlement all-or-nothing and gives an error for each in order: nil, ErrFenced, ErrMoved, or ErrNotFound
	// where the run is gone. The second result is for the whole batch (ErrUnavailable): then nothing of it was applied. A holder
	// whose lease ran out may still settle as long as no Claim has taken the task back. Within a settlement the order is: the
	// task is closed or put back, then Routed, NewRuns, Run, Events, Gate, Trip, and last what that wakes, RunWait before Wakes.
	Settle(ctx context.Context, settlements []Settlement) ([]error, error)

	// Due says which gates and lanes have tasks that are due and that a Claim would hand out, and when the next one will be. It
	// counts no rows. Gates that are closed (Gate.Closed: paused, or with an open breaker) are left out, disabled ones are not (their
	// tasks are claimed in order to park them); so are tasks that wait for another one of their order key, and those whose run waits
	// for its turn (Task.Held).
	Due(ctx context.Context) (Due, error)

	// Claim hands out up to Max due tasks of one gate and lane in (due, id) order, each under a lease with a new token; tokens strictly
	// increase. Of one order key never more than one task is out, over all gates. A closed gate hands out nothing and is not looked
	// into. Of a gate whose breaker is half open no more than Max are handed out either: that only one attempt is under way is the
	// caller's to see to.
	//
	// Every Claim first takes back the tasks of all gates whose lease ran out: they are due as before, their Lost has grown by
	// one, and where the task stands before a hook (HasAttempt) the attempt under way is recorded as unknown and counted in N.
	// A store that only one process can hold takes back all claims when it starts.
	Claim(ctx context.Context, c Claim) ([]Claimed, error)

	// Extend renews leases; the result has ErrFenced for each that is lost.
	Extend(ctx context.Context, held []Held, lease time.Duration) ([]error, error)

	// Release gives claimed tasks back as they were, due at once and not charged; stale holders are ignored.
	Release(ctx context.Context, held []Held) error

	// Retry reopens a parked run: round + 1, what parked it is removed (it keeps run.Reopened) and one step task with path "" is added in the
	// lane asked for, at the gate "@<pipeline>". It goes on under the revision given, or its own where that is "". A turn that it kept
	// (Hold.Keep) it has still. The same request id for the same run twice is once, audit entry and all. ErrNoRequest, ErrNotFound,
	// ErrWrongState.
	Retry(ctx context.Context, ask RetryAsk) error

	// Drop ends a parked run for good. The same request id for the same run twice is once. ErrNoRequest, ErrNotFound, ErrWrongState.
	Drop(ctx context.Context, ask DropAsk) error

	// Replay adds a route task in the replay lane for each event, with cause {replay, request}. The same request id and event twice is
	// once. It gives the count added. ErrNoRequest; ErrNotFound where an event is gone, ErrBodyDropped where its body is: then nothing was
	// added.
	Replay(ctx context.Context, ask ReplayAsk) (int, error)

	// Waits gives the groups for which at least one open task waits (Wait.Group) and was not yet woken, in order; "run" is the one of
	// RunWait. It may be asked for every batch of routed events: a store that may hold many tasks looks at none of them.
	Waits(ctx context.Context) ([]string, error)

	// Gate gives a gate as it stands now (Gate.At); the zero Gate with its name where none is stored. SetGate writes it for a person;
	// Version must be the stored one (ErrMoved else) and grows by one. Of g.Breaker it heeds one thing: BreakerClosed closes it. Where
	// By is not zero, an audit entry says what was done (GateAction).
	Gate(ctx context.Context, name string) (Gate, error)
	SetGate(ctx context.Context, g Gate, by By) error
	// Gates gives every gate that is stored or that tasks wait at, by name. It counts tasks: it is for people and scrapes, not for every
	// turn of a loop.
	Gates(ctx context.Context) ([]GateView, error)

	// PutJob stores a job. A new one has Version 0, and its Created is set; where its id is taken, it has been asked for already and
	// nothing is changed. One that is put again has the Version stored (ErrMoved else; ErrNotFound where it is gone). Version grows by one
	// and Updated is set; its IDs stay those that it was first put with. Where by is not zero, an audit entry says what was done
	// (JobAction). Of the jobs that have ended the newest MaxJobs are kept and those of the last JobsKept, and the ids
	// of the newest MaxNamed.
	PutJob(ctx context.Context, j Job, by By) error
	// Job gives a job, or ErrNotFound. Jobs gives first those that may go on, then those that have ended, the newest of each first, all
	// without IDs; limit is as EventQuery.Limit. JobCounts says how many there are in each state, and reads none.
	Job(ctx context.Context, id string) (Job, error)
	Jobs(ctx context.Context, limit int) ([]Job, error)
	JobCounts(ctx context.Context) (map[JobState]int, error)

	// PutSubscription stores a subscription; Version is as with PutJob, but that an id that is taken gives ErrMoved. Created and Updated
	// are set. Subscriptions gives all, the first made first. DropSubscription deletes one (ErrNotFound). Where by is not zero, an audit
	// entry has the action given; that of DropSubscription is ActionDropSubscription.
	PutSubscription(ctx context.Context, s Subscription, action string, by By) error
	Subscriptions(ctx context.Context) ([]Subscription, error)
	DropSubscription(ctx context.Context, id string, by By) error

	// PutAudit adds an entry to the audit log, which sets its ID, At and Digest and bounds its texts (AuditEntry.Chained). Entries are
	// never changed or pruned. Audit lists them, newest first, with cursors as Events has them.
	PutAudit(ctx context.Context, e AuditEntry) error
	Audit(ctx context.Context, q AuditQuery) (AuditPage, error)

	// PutRevision stores sources under a digest; storing the same digest again only makes it the newest. It is durable on return.
	PutRevision(ctx context.Context, r Revision) error
	// Revision gives what PutRevision stored, or ErrNotFound. LastSnapshot gives the newest revision of kind "snapshot".
	Revision(ctx context.Context, digest string) (Revision, error)
	LastSnapshot(ctx context.Context) (Revision, error)

	// PutRejections stores refused requests in order, each with a new id, its texts cut (Rejection.Bounded). Of all rejections the
	// newest MaxRejections are kept; older ones go in the same commit. It is for callers that wait: it shares commits with others.
	PutRejections(ctx context.Context, rejections []Rejection) error
	// Rejections lists refused requests, newest first, with cursors as Events has them.
	Rejections(ctx context.Context, q RejectionQuery) (RejectionPage, error)

	// PutSecret stores a sealed secret; the same provider and digest again changes nothing. Of one provider the newest MaxSecrets are
	// kept. It is durable on return. Secrets gives all, by provider, the first stored first. DropSecrets deletes those of a provider;
	// it is no error where there are none.
	PutSecret(ctx context.Context, secret SealedSecret) error
	Secrets(ctx context.Context) ([]SealedSecret, error)
	DropSecrets(ctx context.Context, provider string) error

	// Usage says how much is stored.
	Usage(ctx context.Context) (Usage, error)

	// Prune deletes what the policy lets go, and counts it: parked runs, then events with all that belongs to them, runs, attempts and
	// bodies, of each the oldest first, and of all together at most max a call. Kept are accepted events, which nobody has routed yet,
	// those that wait to be replayed, and those with a run that is open or parked; a parked run stays while its event has an open one.
	// Delivery keys go within a day of their window's end. Revisions go that are as old as Policy.Events and that no kept run or event
	// names (Run.Revision, Event.Routes), but never the newest of its kind and name. It deletes a few at a time, so that it can be called
	// again at once where there is more, and it is cheap where there is nothing to do, however much has to be kept.
	Prune(ctx context.Context, p Policy, max int) (Pruned, error)

	// Event gives an event without its body; Body its bytes, checked against their checksum (ErrCorrupt); ErrBodyDropped where
	// retention has dropped them.
	Event(ctx context.Context, id event.ID) (event.Event, error)
	Body(ctx context.Context, id event.ID) ([]byte, error)
	// Events lists events, newest first, without bodies. Runs lists runs, the last made first, without Input. Cursors are opaque and
	// never skip; ErrBadCursor refuses what no page gave.
	Events(ctx context.Context, q EventQuery) (EventPage, error)
	Runs(ctx context.Context, q RunQuery) (RunPage, error)
	// Run gives one run whole.
	Run(ctx context.Context, id run.ID) (RunRecord, error)
	// Tail gives events stored after the cursor, oldest first, and the cursor to go on from, which is never ""; the cursor "" starts
	// after the newest. max is as EventQuery.Limit.
	Tail(ctx context.Context, cursor string, max int) (EventPage, error)
	// Ledger gives the counters, read in one snapshot.
	Ledger(ctx context.Context) (Ledger, error)

	// Changed gives a channel that receives (without blocking the store) when there may be new due work. One receiver.
	Changed() <-chan struct{}
	// Info says what durability the store really gives.
	Info() Info

	// Start opens the store and returns when it is ready; Stop finishes the commits under way and closes it. Stop is idempotent.
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}

// Arrival is one event to append. Its body belongs to the store from now on.
type Arrival struct {
	// Event gets its ID, BodySize and BodyCRC from the store, and its Received and State (accepted) where they are zero.
	Event event.Event
	// Window is how long the delivery id counts as seen; 0 de-duplicates nothing (as does an empty Event.Delivery).
	Window time.Duration
	// Route adds the route task; false for events that start nothing (ignored, quarantined).
	Route bool
	// Order is the order key of the route task, "" for none.
	Order string
}

// Receipt is what became of an arrival.
type Receipt struct {
	// ID is the event's, or the first one's where Duplicate.
	ID        event.ID
	Duplicate bool
	// State is the state of the event that ID names, as it was stored first.
	State event.State
	// Mismatch says that the duplicate's body differs from the first one's.
	Mismatch bool
	// Parked is how many runs of the first one are parked when a duplicate comes.
	Parked int
}

// Held names a claim.
type Held struct {
	Task  int64
	Token int64
}

// Claim asks for due tasks.
type Claim struct {
	Gate  string
	Lane  run.Lane
	Max   int
	Lease time.Duration
}

// Claimed is a task handed out, with all that is needed to work on it.
type Claimed struct {
	Task run.Task
	// Event has its body.
	Event event.Event
	// Run and Steps are the record that the task belongs to; nil for a route task.
	Run   *run.Run
	Steps []run.Step
	// Reclaimed says that the last holder's lease ran out.
	Reclaimed bool
	// Gathered is set for a task with Gather.
	Gathered *Gathered
	// Corrupt says that the stored body does not match its checksum, or that a part of the record cannot be read: Event.Body is nil, Steps may
	// lack some, and nothing must be sent anywhere.
	Corrupt bool
}

// Held gives the claim's name.
func (c Claimed) Held() Held { return Held{Task: c.Task.ID, Token: c.Task.Token} }

// Settlement is what one holder has done with its task.
type Settlement struct {
	Held Held
	// Routed moves the event from accepted to routed: a settlement that closes the event's own route task, not one that puts it back, nor
	// that of a replay.
	Routed bool
	// Findings, where not empty, replace those of the task's event.
	Findings []event.Finding
	// NewRuns are written with their steps and tasks; one that exists already (same id) is left alone. The store sets Event,
	// Created, Finished where the run is not open, and State (open) where it is "".
	NewRuns []NewRun
	// Run moves the task's run on; nil leaves it.
	Run *RunDelta
	// Events are emitted by the run; each is appended as by Append.
	Events []Arrival
	// Then tells what becomes of the task. The zero Then closes it.
	Then Then
	// Barred, where not "", is a gate that must be disabled: where it no longer is, the settlement is refused with ErrMoved.
	Barred string
	// Gate, where not nil, is written with the rest, but for its Breaker. Its Version is not checked: the settlement wins.
	Gate *Gate
	// Trip, where not nil, opens or closes the breaker of a gate and leaves the rest of it alone.
	Trip *Trip
	// Wakes are applied last: each makes the open tasks that wait under its group and key due now, with Task.Woken set; tasks that the
	// same settlement adds are among them. A task that is claimed meanwhile is due at once when it is put back, whatever Then.In says.
	// A task is woken once: from then on it waits for nothing but its time, and a second wake changes nothing. To wait again, it is
	// closed and a new one is added.
	Wakes []Wake
}

// Wait is what a task waits for beside its due time: a wake of this group and key. The zero Wait is none. Whoever makes the groups gives
// them their meaning, but for RunWait, which the store wakes itself.
type Wait struct{ Group, Key string }

// Wake wakes what waits under a group and key.
type Wake struct {
	Wait
	Event event.ID
}

// RunWait is what a task waits for that waits for a run to be open no longer: a store wakes it when the run is done, parked or dropped,
// in whatever way, with the run's event. That counts, too, where it happens in the settlement that adds the task (a run that is stored
// as done), and before it: a task that waits for a run which is done, dropped or not there is woken when it is added. One that is added
// when the run was parked already waits for what becomes of that: it is woken when the run ends, or parks anew.
func RunWait(id run.ID) Wait { return Wait{Group: RunGroup, Key: id.String()} }

// RunGroup is the group of every RunWait.
const RunGroup = "run"

// NewRun is a run that begins.
type NewRun struct {
	Run   run.Run
	Steps []run.Step
	Tasks []NewTask
	// Quota and Holds apply to runs that are open; a run that is made already (same id), or that is stored as done, uses up nothing.
	//
	// Quota, where not nil, counts the run. Where the period has had its runs, the run is stored as done and limited with the reason
	// run.RateLimited and the steps given, without tasks.
	Quota *Quota
	// Holds are turns that the run must have before its tasks may be claimed, taken one after the other in this order (a key that comes
	// twice counts once), but for those with Order; until then its tasks are Held, and what is due meanwhile is due from the moment that it has the last one. A turn
	// is given back when the run is no longer open, with the same write, and goes to the one of the runs waiting for it that was made
	// first; a parked run keeps those that it has and that say Keep, until it is done, dropped or pruned. A run that is opened again by
	// Retry takes none.
	Holds []Hold
	// Drop says that a run which would have to wait for a turn is stored as done and limited instead, with the reason
	// run.ConcurrencyLimited, as above.
	Drop bool
}

// Quota bounds the runs of a period: at most Max of one key. Periods begin at whole multiples of Per since 1970 UTC: with 24h at midnight.
// The bound and the period of the run that is being made count.
type Quota struct {
	Key string
	Max int
	Per time.Duration
}

// Hold is a turn of which at most Max runs have one at once; Max below 1 means 1. The Max of the run of the key that was made last counts
// for all: where it is less than before, no turn is taken away.
type Hold struct {
	Key string
	Max int
	// Order says that the turn is for the sake of order: the run queues up for it when it is made, whatever else it waits for, so that
	// runs have the turn in the order in which they were made. Holds with Order come before others.
	Order bool
	// Keep says that the turn is not given back while the run is parked, so that what comes behind it waits for what becomes of it.
	Keep bool
}

// RunDelta moves a run on.
type RunDelta struct {
	ID run.ID
	// Version is the one that the work was done on; it grows by one.
	Version int64
	// State, Outcome, Reason and Message are written as they stand; Finished is set by the store when State is not open.
	State   run.State
	Outcome run.Outcome
	Reason  string
	Message string
	// Destination is that of a hook whose failure parked the run (its gate); "" for others.
	Destination string
	// Steps are added; a step of the same path replaces the earlier one.
	Steps    []run.Step
	Attempts []run.Attempt
	// Tasks are added; one whose path and kind are open already is left alone. When State is not open, all of the run's tasks are
	// closed, claimed ones too, and none is added.
	Tasks []NewTask
}

// NewTask is a task that a run asks for.
type NewTask struct {
	Kind  run.TaskKind
	Path  string
	Gate  string
	Lane  run.Lane
	Order string
	In    time.Duration // from now until due
	// Wait, where not zero, is what may wake the task before it is due.
	Wait Wait
	// Gather, where not nil, puts an item into a batch; In is how long the batch may stay open.
	Gather *Gather
}

// Gather puts an item into the open batch of a key. The task that opens a batch leads it: it is due when In has passed, when Count items
// (its own Count, at most run.MaxBatchItems, which is also meant by 0) are there, or when an item came for which there was no room: the
// items of a batch have run.MaxBatchBytes together. Nothing more comes in from then on, nor from the moment that its task is claimed as
// due or that the leading run is no longer open: the next item opens another batch, and so does the one that found no room. A single
// larger item is for the caller to refuse; one that comes is alone in its batch. The tasks of later items are due at once.
//
// What was gathered is kept until the leading run is done or dropped. A run that was parked and asks for the same path again leads the
// same batch, due at once. An item of the same run and path counts once: asked for again, it belongs to the batch that it came into.
type Gather struct {
	Key   string
	Item  json.RawMessage
	Count int
}

// Gathered is what became of a task with Gather.
type Gathered struct {
	// Leader leads the batch. Items are those of a claimed task that leads, in the order they came, its own first.
	Leader run.ID
	Leads  bool
	Items  []json.RawMessage
}

// Then tells what becomes of a settled task: closed, or due again.
type Then struct {
	Again bool
	In    time.Duration
	// N is the count of attempts from now on, Lane the lane; kept where "". Lost is 0 from now on.
	N    int
	Lane run.Lane
	// First is when the first attempt began; kept where zero.
	First time.Time
}

// Due tells where work waits.
type Due struct {
	Work []Work
	// Next is how long until the next task becomes due, or the next lease runs out, that is not so now; negative where there is
	// none. A gate that is closed until a known time counts from then on, one that somebody must resume does not.
	Next time.Duration
	// Oldest is how long the oldest task of Work has been due; 0 where nothing is due.
	Oldest time.Duration
}

// Work is one gate and lane with at least one due task.
type Work struct {
	Gate     string
	Lane     run.Lane
	Disabled bool // the gate is disabled: its tasks are to be parked
	// Probe says that the gate's breaker is half open: one attempt at a time may find out whether the destination is back.
	Probe bool
}

// Revision is a set of sources under a digest.
type Revision struct {
	Digest string
	// Kind is "snapshot" or "pipeline".
	Kind string
	// Name is the pipeline's; "" for a snapshot.
	Name  string
	Files []RevisionFile
	// Stored is when it was stored; set by the store.
	Stored time.Time
}

// RevisionFile is one source. Files of equal content are stored once.
type RevisionFile struct {
	Path string
	Data []byte
}

// EventQuery filters Events. Zero fields do not filter.
type EventQuery struct {
	Provider string `json:"provider,omitempty"`
	Name     string `json:"event,omitempty"`
	// Status is an event state, or "processed" for accepted and routed.
	Status string `json:"status,omitempty"`
	// Request is an X-Request-Id, Received the millisecond of Event.Received. No index helps with them: Since and Until should bound what
	// is looked at.
	Request  string    `json:"request,omitempty"`
	Received time.Time `json:"received,omitzero"`
	Since    time.Time `json:"since,omitzero"`
	Until    time.Time `json:"until,omitzero"`
	// Ascending lists from the oldest on, instead of from the newest; a cursor belongs to one direction.
	Ascending bool   `json:"ascending,omitempty"`
	Limit     int    `json:"limit,omitempty"` // default 50, at most 1000
	Cursor    string `json:"cursor,omitempty"`
}

// EventPage is a page of events; Next is "" at the end.
type EventPage struct {
	Events []event.Event
	Next   string
}

// RunQuery filters Runs. Zero fields do not filter.
type RunQuery struct {
	Event    event.ID    `json:"event,omitzero"`
	Pipeline string      `json:"pipeline,omitempty"`
	State    run.State   `json:"state,omitempty"`
	Outcome  run.Outcome `json:"outcome,omitempty"`
	// Reason and Destination are those of parked runs (Run.Reason, Run.Destination).
	Reason      string `json:"reason,omitempty"`
	Destination string `json:"destination,omitempty"`
	// Cause and Ref are those of Run.Cause: with "replay" and a job's id, the runs that it made.
	Cause run.CauseKind `json:"cause,omitempty"`
	Ref   string        `json:"ref,omitempty"`
	Since time.Time     `json:"since,omitzero"`
	Until time.Time     `json:"until,omitzero"`
	// Ascending lists from the first made on, instead of from the last; a cursor belongs to one direction.
	Ascending bool   `json:"ascending,omitempty"`
	Limit     int    `json:"limit,omitempty"` // default 50, at most 1000
	Cursor    string `json:"cursor,omitempty"`
}

// RunPage is a page of runs; Next is "" at the end.
type RunPage struct {
	Runs []run.Run
	Next string
}

// RunRecord is one run whole.
type RunRecord struct {
	Run      run.Run
	Steps    []run.Step // in the order they ended
	Attempts []run.Attempt
	Tasks    []run.Task // the open ones
}

// Ledger is the account of requests and runs. Each term is a counter of its own, written in the commit it counts:
// requests recorded = processed + duplicate + ignored + quarantined + rejected; runs made = open + completed + filtered + limited +
// parked + dropped + pruned.
type Ledger struct {
	Requests RequestTerms        `json:"requests"`
	Runs     map[string]RunTerms `json:"runs"` // by pipeline
}

// RequestTerms counts events by what was answered.
type RequestTerms struct {
	Recorded    int64 `json:"recorded"`
	Processed   int64 `json:"processed"`
	Duplicate   int64 `json:"duplicate"`
	Ignored     int64 `json:"ignored"`
	Quarantined int64 `json:"quarantined"`
	Rejected    int64 `json:"rejected"` // those that PutRejections recorded, by their Count
	Pruned      int64 `json:"pruned"`   // of the recorded events, how many retention has deleted since
}

// RunTerms counts the runs of one pipeline.
type RunTerms struct {
	Made      int64 `json:"made"`
	Open      int64 `json:"open"`
	Completed int64 `json:"completed"`
	Filtered  int64 `json:"filtered"`
	Limited   int64 `json:"limited"`
	Parked    int64 `json:"parked"`
	Dropped   int64 `json:"dropped"`
	Pruned    int64 `json:"pruned"`
}

// Info says what durability the store really gives.
type Info struct {
	Kind string `json:"kind"` // "sqlite", "memory", "postgres"
	Path string `json:"path,omitempty"`
	// FileSystem is the type of the file system under the file, e.g. "ext4".
	FileSystem string `json:"file_system,omitempty"`
	// Warning is set where an acknowledged event may not survive a power cut, and says why.
	Warning string `json:"warning,omitempty"`
	Schema  int    `json:"schema,omitempty"`
}
