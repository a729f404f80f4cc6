package admin

import (
	"context"
	"net/http"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/job"
	"github.com/headgate/headgate/engine/store"
)

// JobRequest is the body of POST /api/v1/jobs: what is to be done, to which events or runs, and how.
type JobRequest struct {
	// Kind is "replay" (of events), "retry" or "drop" (of parked runs).
	Kind store.JobKind `json:"kind"`
	// IDs name events, or runs; nothing else then says which. An event may be named by its execution_id.
	IDs []string `json:"ids,omitempty"`
	// Provider, Event and Status filter events.
	Provider string `json:"provider,omitempty"`
	Event    string `json:"event,omitempty"`
	Status   string `json:"status,omitempty"`
	// Pipeline, Reason and Destination filter parked runs.
	Pipeline    string `json:"pipeline,omitempty"`
	Reason      string `json:"reason,omitempty"`
	Destination string `json:"destination,omitempty"`
	// Since and Until bound when events came, or runs were made: a duration back from now, or a time.
	Since string `json:"since,omitempty"`
	Until string `json:"until,omitempty"`
	// All says that there is no filter on purpose.
	All bool `json:"all,omitempty"`
	// Pipelines are the only ones that a replay starts.
	Pipelines []string `json:"pipelines,omitempty"`
	// Pinned replays under the revisions that the first runs were made under, Current retries under the live one.
	Pinned  bool `json:"pinned,omitempty"`
	Current bool `json:"current,omitempty"`
	// Rate is how many a second at most; 10 where it is left out.
	Rate float64 `json:"rate,omitempty"`
	// DryRun only counts.
	DryRun bool `json:"dry_run,omitempty"`
}

// Job is a job as the API writes it.
type Job struct {
	store.Job
	// IDs hides the list, which may be long.
	IDs *struct{} `json:"ids,omitempty"`
	// Batch and Cursor hide how the job finds its way.
	Batch  *struct{} `json:"batch,omitempty"`
	Cursor *struct{} `json:"cursor,omitempty"`
	// LeftS is how many seconds the rest takes at the job's rate; 0 where it is not running.
	LeftS float64 `json:"left_s"`
}

// JobPage is what GET /api/v1/jobs answers: the newest, those that go on first.
type JobPage struct {
	Jobs []Job `json:"jobs"`
}

// JobDetail is one job; of a replay with what became of its events, oldest first. Next goes into `cursor` to read on; "" at the end.
type JobDetail struct {
	Job      Job           `json:"job"`
	Outcomes []job.Outcome `json:"outcomes,omitempty"`
	Next     string        `json:"next,omitempty"`
}

// JobPlan is what a dry run answers.
type JobPlan struct {
	Plan job.Plan `json:"plan"`
}

func jobDocument(j store.Job) Job {
	d := Job{Job: j}
	if left := j.Total - j.Done - j.Skipped - j.Failed; j.State == store.JobRunning && left > 0 && j.Rate > 0 {
		d.LeftS = float64(left) / j.Rate
	}
	return d
}

func (a *api) beginJob(w http.ResponseWriter, r *http.Request) error {
	if err := readQuery(r).err(); err != nil {
		return err
	}
	var ask JobRequest
	if err := readBody(r, &ask); err != nil {
		return err
	}
	j, err := a.readJob(r.Context(), ask)
	if err != nil {
		return err
	}
	if ask.DryRun {
		plan, err := a.jobs.Plan(r.Context(), j)
		if err != nil {
			return err
		}
		answer(w, a.log, http.StatusOK, JobPlan{Plan: plan})
		return nil
	}
	j.ID = r.Header.Get("Idempotency-Key")
	if j, err = a.jobs.Begin(r.Context(), j, By(r)); err != nil {
		return err
	}
	a.log.InfoContext(r.Context(), "a job was begun", "job", j.ID, "reason", string(j.Kind), "count", j.Total)
	answer(w, a.log, http.StatusOK, JobDetail{Job: jobDocument(j)})
	return nil
}

// readJob makes a job of what was asked for, and refuses names that nobody knows: a filter with a typo would do nothing, and say so too late.
func (a *api) readJob(ctx context.Context, ask JobRequest) (store.Job, error) {
	bad := func(text string) error { return refuse(http.StatusBadRequest, "bad_job", text) }
	events := ask.Provider != "" || ask.Event != "" || ask.Status != ""
	runs := ask.Pipeline != "" || ask.Reason != "" || ask.Destination != ""
	filtered := events || runs || ask.Since != "" || ask.Until != ""
	replay := ask.Kind == store.JobReplay
	switch {
	case replay && runs:
		return store.Job{}, bad("pipeline, reason and destination filter parked runs, not events; pipelines says what a replay starts")
	case !replay && events:
		return store.Job{}, bad("provider, event and status filter events, not parked runs")
	case len(ask.IDs) > 0 && (filtered || ask.All):
		return store.Job{}, bad("give ids or a filter, not both")
	case ask.All && filtered:
		return store.Job{}, bad("all means without a filter")
	case len(ask.IDs) == 0 && !filtered && !ask.All:
		return store.Job{}, bad("say which: ids, a filter, or all")
	}
	q := query{}
	q.values = map[string][]string{"since": {ask.Since}, "until": {ask.Until}, "status": {ask.Status}}
	since, until := q.time("since", a.now()), q.time("until", a.now())
	j := store.Job{
		Kind: ask.Kind, Pipelines: ask.Pipelines, Pinned: ask.Pinned, Current: ask.Current, Rate: ask.Rate,
		Events: store.EventQuery{Provider: ask.Provider, Name: ask.Event, Status: q.oneOf("status", eventStatuses()), Since: since, Until: until},
		Runs:   store.RunQuery{Pipeline: ask.Pipeline, Reason: ask.Reason, Destination: ask.Destination, Since: since, Until: until},
	}
	if err := q.err(); err != nil {
		return store.Job{}, err
	}
	for _, id := range ask.IDs {
		if replay {
			ev, err := parseEventID(id)
			if err != nil {
				return store.Job{}, err
			}
			id = ev.String()
		}
		j.IDs = append(j.IDs, id)
	}
	for _, name := range append([]string{ask.Pipeline}, ask.Pipelines...) {
		if err := a.knownPipeline(ctx, name); err != nil {
			return store.Job{}, err
		}
	}
	if err := a.knownProvider(ctx, ask.Provider); err != nil {
		return store.Job{}, err
	}
	if err := a.knownGate(ctx, ask.Destination); err != nil {
		return store.Job{}, err
	}
	return j, a.thereIs(ctx, replay, j.IDs)
}

// thereIs refuses a single id of which there is nothing: of a list what is not there is skipped, and counted.
func (a *api) thereIs(ctx context.Context, replay bool, ids []string) error {
	if !replay || len(ids) != 1 {
		return nil
	}
	id, err := event.ParseID(ids[0])
	if err == nil {
		_, err = a.reader.Event(ctx, id)
	}
	return err
}

func (a *api) listJobs(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r, "state", "limit")
	state, limit := store.JobState(q.oneOf("state", jobStates())), q.limit()
	if err := q.err(); err != nil {
		return err
	}
	if limit == 0 {
		limit = defaultJobs
	}
	all, err := a.reader.Jobs(r.Context(), store.MaxJobs)
	if err != nil {
		return err
	}
	out := JobPage{Jobs: []Job{}}
	for _, j := range all {
		if (state == "" || j.State == state) && len(out.Jobs) < limit {
			out.Jobs = append(out.Jobs, jobDocument(j))
		}
	}
	answer(w, a.log, http.StatusOK, out)
	return nil
}

// defaultJobs are listed where no limit is given.
const defaultJobs = 50

func jobStates() []string {
	return []string{string(store.JobRunning), string(store.JobPaused), string(store.JobDone), string(store.JobCanceled), string(store.JobFailed)}
}

func (a *api) job(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r, "limit", "cursor")
	limit, cursor := q.limit(), q.text("cursor")
	if limit > job.MaxEvents {
		q.refuse("limit: of a job at most %d events", job.MaxEvents)
	}
	if err := q.err(); err != nil {
		return err
	}
	j, err := a.reader.Job(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	out := JobDetail{Job: jobDocument(j)}
	if j.Kind == store.JobReplay {
		page, err := a.jobs.Outcomes(r.Context(), j.ID, cursor, limit)
		if err != nil {
			return err
		}
		out.Outcomes, out.Next = page.Outcomes, page.Next
	}
	answer(w, a.log, http.StatusOK, out)
	return nil
}

func (a *api) cancelJob(w http.ResponseWriter, r *http.Request) error {
	return a.moveJob(w, r, a.jobs.Cancel)
}

func (a *api) resumeJob(w http.ResponseWriter, r *http.Request) error {
	return a.moveJob(w, r, a.jobs.Resume)
}

func (a *api) moveJob(w http.ResponseWriter, r *http.Request, move func(context.Context, string, store.By) (store.Job, error)) error {
	if err := readQuery(r).err(); err != nil {
		return err
	}
	j, err := move(r.Context(), r.PathValue("id"), By(r))
	if err != nil {
		return err
	}
	a.log.InfoContext(r.Context(), "a job was stopped or resumed", "job", j.ID, "state", string(j.State))
	answer(w, a.log, http.StatusOK, JobDetail{Job: jobDocument(j)})
	return nil
}

// releaseRate is how many runs a second are opened again when their destination is enabled: quicker than what a person asks for, because
// they have waited, and behind live traffic all the same.
const releaseRate = 50

// release opens the runs again that were parked for a reason at a destination; nil where there are none.
func (a *api) release(ctx context.Context, gate, reason string, by store.By) (*Job, error) {
	page, err := a.reader.Runs(ctx, releasing(gate, reason, 1))
	if err != nil || len(page.Runs) == 0 {
		return nil, err
	}
	j, err := a.jobs.Begin(ctx, store.Job{Kind: store.JobRetry, Runs: releasing(gate, reason, 0), Rate: releaseRate}, by)
	if err != nil {
		return nil, err
	}
	d := jobDocument(j)
	return &d, nil
}
