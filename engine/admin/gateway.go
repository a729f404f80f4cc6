package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/job"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/vault"
)

// ErrHeld is what Gateway.Reload gives for manifests that would leave nothing at all: they wait for a person's yes.
var ErrHeld = errors.New("the folder holds no manifests any more; the running ones are kept until the reload is confirmed")

// Reader is what the API reads of a store.Store, and the writes that it makes. The contracts are those of store.Store.
type Reader interface {
	Event(ctx context.Context, id event.ID) (event.Event, error)
	Body(ctx context.Context, id event.ID) ([]byte, error)
	Events(ctx context.Context, q store.EventQuery) (store.EventPage, error)
	Run(ctx context.Context, id run.ID) (store.RunRecord, error)
	Runs(ctx context.Context, q store.RunQuery) (store.RunPage, error)
	Rejections(ctx context.Context, q store.RejectionQuery) (store.RejectionPage, error)
	Retry(ctx context.Context, ask store.RetryAsk) error
	Drop(ctx context.Context, ask store.DropAsk) error
	Gate(ctx context.Context, name string) (store.Gate, error)
	Gates(ctx context.Context) ([]store.GateView, error)
	SetGate(ctx context.Context, g store.Gate, by store.By) error
	Job(ctx context.Context, id string) (store.Job, error)
	Jobs(ctx context.Context, limit int) ([]store.Job, error)
	JobCounts(ctx context.Context) (map[store.JobState]int, error)
	PutAudit(ctx context.Context, e store.AuditEntry) error
	Audit(ctx context.Context, q store.AuditQuery) (store.AuditPage, error)
	Ledger(ctx context.Context) (store.Ledger, error)
	Append(ctx context.Context, arrivals []store.Arrival) ([]store.Receipt, error)
}

// Jobs does one thing to many events or runs. The contracts are those of job.Service.
type Jobs interface {
	Begin(ctx context.Context, j store.Job, by store.By) (store.Job, error)
	Plan(ctx context.Context, j store.Job) (job.Plan, error)
	Cancel(ctx context.Context, id string, by store.By) (store.Job, error)
	Resume(ctx context.Context, id string, by store.By) (store.Job, error)
	Outcomes(ctx context.Context, id, cursor string, limit int) (job.OutcomePage, error)
}

// Learned are the secrets that providers handed over in handshakes. The contracts are those of vault.Vault.
type Learned interface {
	List(ctx context.Context) ([]vault.Entry, error)
	Reveal(ctx context.Context, provider string) (vault.Entry, secret.Value, error)
	Drop(ctx context.Context, provider string) (int, error)
}

// Folder is the running configuration. The contracts are those of snapshot.Keeper.
type Folder interface {
	Current() *snapshot.Snapshot
	Diagram(ctx context.Context, name, revision string) (*pipeline.Diagram, error)
}

// Gateway is the running gateway as the API sees it. All methods may be called by many goroutines at once.
type Gateway interface {
	// Status describes the gateway now. It may read the store, and leaves out what it cannot read.
	Status(ctx context.Context) Status
	// Ready says whether requests should be sent here, and why. A failed reload is told as a check that is OK, with detail: the
	// running manifests serve on. It is called by every probe and must be cheap.
	Ready(ctx context.Context) (bool, []Check)
	// Reload loads the manifests again. The report is written as JSON. The list holds findings; with errors among them nothing has
	// changed. ErrHeld says that nothing has changed because confirm is false and the new manifests are none.
	Reload(ctx context.Context, confirm bool) (report any, findings *diag.List, err error)
	// Sign makes the request that the provider would send. What the caller can mend is a fault.Error of kind Invalid or Refused; a code
	// that ends in "not_found" answers 404.
	Sign(ctx context.Context, m Message) (SignedRequest, error)
}

// Message is what a request is made of.
type Message struct {
	Provider string
	// Event is the event's name.
	Event string
	// Handshake is the name or the number of a handshake whose example is sent instead of an event; "" for none.
	Handshake string
	// Delivery is the delivery id, "" for a fresh one.
	Delivery string
	// Body is nil for the event's example.
	Body []byte
}

// Check is one part of readiness.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// SignedRequest is a request that would be believed.
type SignedRequest struct {
	Method string
	// URL is where the provider would send it.
	URL    string
	Header http.Header
	Body   []byte
	// Starts are the pipelines that receive such events, filters aside; nil where that is not known. A Gateway leaves it to the API.
	Starts []string
}

// Status is what GET /api/v1/status answers.
type Status struct {
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	// UptimeS is in seconds.
	UptimeS   int64        `json:"uptime_s"`
	Ready     bool         `json:"ready"`
	Manifests Manifests    `json:"manifests"`
	Store     store.Info   `json:"store"`
	Ledger    store.Ledger `json:"ledger"`
	// Gone are the pipelines of the ledger that the folder does not hold any more. A Gateway leaves it to the API.
	Gone []string `json:"gone"`
	// Balanced says whether the ledger adds up. Parked is how many runs are. A Gateway leaves both to the API, and what follows up to Gates.
	Balanced bool  `json:"balanced"`
	Parked   int64 `json:"parked"`
	// Jobs is how many jobs are running.
	Jobs int `json:"jobs"`
	// Unsigned are the providers for which anybody can send who knows the address.
	Unsigned []string `json:"unsigned"`
	// Gates are those that do not let everything pass: paused, disabled, or with a breaker that is not closed.
	Gates []store.GateView `json:"gates"`
	// OldestDueS is how many seconds the oldest due task has been waiting; 0 where nothing is due.
	OldestDueS float64 `json:"oldest_due_s"`
	Listen     Listen  `json:"listen"`
	// Usage is how much is stored, Retention what is deleted when.
	Usage     store.Usage `json:"usage"`
	Retention Retention   `json:"retention"`
}

// Manifests describes the running snapshot.
type Manifests struct {
	Digest   string    `json:"digest"`
	LoadedAt time.Time `json:"loaded_at,omitzero"`
	// Commit is the revision of the folder that the operator's tools see, "" where it is not known.
	Commit       string `json:"commit,omitempty"`
	Providers    int    `json:"providers"`
	Pipelines    int    `json:"pipelines"`
	Destinations int    `json:"destinations"`
	// LastReload is nil before the first one.
	LastReload *LastReload `json:"last_reload,omitempty"`
	// Held says that a reload waits to be confirmed.
	Held bool `json:"held"`
}

// LastReload tells how the last reload went.
type LastReload struct {
	At time.Time `json:"at"`
	OK bool      `json:"ok"`
	// Reason is why it was not OK, in one word: "findings", "held", "store", …
	Reason   string    `json:"reason,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
}

// Listen tells where the gateway listens, as host:port.
type Listen struct {
	Public string `json:"public"`
	Admin  string `json:"admin"`
	Health string `json:"health,omitempty"`
}

// Finding is one finding of engine/diag as the API writes it.
type Finding struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Col      int    `json:"col"`
	EndLine  int    `json:"end_line"`
	EndCol   int    `json:"end_col"`
	Severity string `json:"severity"`
	Rule     string `json:"rule"`
	Message  string `json:"message"`
	Hint     string `json:"hint"`
}

// String gives the one line that a person reads: file:line:col: severity[rule]: message; hint.
func (f Finding) String() string {
	s := fmt.Sprintf("%s[%s]: %s", f.Severity, f.Rule, f.Message)
	if f.Hint != "" {
		s += "; " + f.Hint
	}
	if f.File == "" {
		return s
	}
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Col, s)
}

// Findings turns a list into what the API writes, in the order of files and lines; never nil, so that JSON shows a list.
func Findings(list *diag.List) []Finding {
	out := []Finding{}
	if list == nil {
		return out
	}
	for _, f := range list.Sorted() {
		v := Finding{Severity: f.Severity.String(), Rule: string(f.Rule), Message: f.Message, Hint: f.Hint}
		if f.Span.File != nil {
			v.File, v.Line, v.Col = f.Span.File.Name, f.Span.Start.Line, f.Span.Start.Col
			v.EndLine, v.EndCol = f.Span.End.Line, f.Span.End.Col
		}
		out = append(out, v)
	}
	return out
}
