package job

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/fault"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/service"
	"github.com/headgate/headgate/engine/store"
)

// Limits of jobs.
const (
	// DefaultRate a second is slow enough that nobody notices a replay beside live traffic, MaxRate as fast as a small disk commits.
	DefaultRate = 10
	MaxRate     = 1000
	// MaxRunning jobs are worked on at once; each is a goroutine and at most four commits a second.
	MaxRunning = 32
	// MaxIDBytes bounds Job.ID.
	MaxIDBytes = 64
)

// Store is what jobs need of a store.Store; the contracts are those.
type Store interface {
	Event(ctx context.Context, id event.ID) (event.Event, error)
	Events(ctx context.Context, q store.EventQuery) (store.EventPage, error)
	Body(ctx context.Context, id event.ID) ([]byte, error)
	Run(ctx context.Context, id run.ID) (store.RunRecord, error)
	Runs(ctx context.Context, q store.RunQuery) (store.RunPage, error)
	Replay(ctx context.Context, ask store.ReplayAsk) (int, error)
	Retry(ctx context.Context, ask store.RetryAsk) error
	Drop(ctx context.Context, ask store.DropAsk) error
	PutJob(ctx context.Context, j store.Job, by store.By) error
	Job(ctx context.Context, id string) (store.Job, error)
	Jobs(ctx context.Context, limit int) ([]store.Job, error)
}

// Folder is the running configuration as jobs need it. It may be asked by many goroutines at once.
type Folder interface {
	// Starting gives the names of the live pipelines that such events start, filters aside.
	Starting(provider, name string) []string
	// Revision gives the live revision of a pipeline; false where there is none.
	Revision(pipeline string) (string, bool)
	// Order gives a comparison of step paths by their places in a pipeline as it was at a revision; nil where that is not known.
	Order(ctx context.Context, pipeline, revision string) func(a, b string) int
}

// Options is what New needs; Store, Folder and Logger are required.
type Options struct {
	Store  Store
	Folder Folder
	Logger *slog.Logger
}

// Service works on the running jobs. Make it with New.
type Service struct {
	o Options

	// change is held by whoever changes the state of a job, so that two who do are one after the other.
	change chan struct{}

	mu      sync.Mutex
	started bool
	stopped bool
	running map[string]*worker
	work    sync.WaitGroup
}

// worker is the goroutine of one job.
type worker struct {
	cancel context.CancelCauseFunc
	done   chan struct{}
}

var _ service.Service = (*Service)(nil)

// errHalted ends the goroutine of a job that somebody stops.
var errHalted = errors.New("the job was stopped")

// New checks the options; the error names the field that is missing. Nothing is read before Start.
func New(o Options) (*Service, error) {
	switch {
	case o.Store == nil:
		return nil, errors.New("job: Options.Store is missing")
	case o.Folder == nil:
		return nil, errors.New("job: Options.Folder is missing")
	case o.Logger == nil:
		return nil, errors.New("job: Options.Logger is missing")
	}
	return &Service{o: o, change: make(chan struct{}, 1), running: map[string]*worker{}}, nil
}

// Start goes on with the jobs that were running when the process ended, and returns at once.
func (s *Service) Start(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.mu.Lock()
	switch {
	case s.stopped:
		s.mu.Unlock()
		return service.ErrStopped
	case s.started:
		s.mu.Unlock()
		return service.ErrStarted
	}
	s.started = true
	s.mu.Unlock()
	jobs, err := s.o.Store.Jobs(ctx, store.MaxJobs)
	if err != nil {
		return fmt.Errorf("reading the jobs: %w", err)
	}
	for _, j := range jobs {
		if j.State == store.JobRunning {
			if j, err = s.o.Store.Job(ctx, j.ID); err != nil { // the list has no ids
				return fmt.Errorf("reading a job: %w", err)
			}
			s.o.Logger.InfoContext(ctx, "a job goes on", "job", j.ID, "reason", string(j.Kind), "count", j.Done+j.Skipped+j.Failed)
			s.spawn(j)
		}
	}
	return nil
}

// Stop ends the work and waits for it, as long as ctx lasts. The jobs stay running in the store: the next process goes on with them.
func (s *Service) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	for _, w := range s.running {
		w.cancel(service.ErrStopping)
	}
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		s.work.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for jobs to end: %w", context.Cause(ctx))
	}
}

// Running is how many jobs are worked on.
func (s *Service) Running() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.running)
}

// Begin makes a job and begins to work on it. Of the job are read ID (a fresh one where ""), Kind, Events, Runs, IDs, Pipelines, Pinned,
// Current, Rate (DefaultRate where 0) and Lane (the replay lane where ""). Where there is a job of that ID already, it gives that and
// changes nothing. The error is a *fault.Error where the job makes no sense or too many are running.
func (s *Service) Begin(ctx context.Context, j store.Job, by store.By) (store.Job, error) {
	if j.ID == "" {
		j.ID = strings.ToLower(rand.Text()[:16])
	}
	if known, err := s.o.Store.Job(ctx, j.ID); err == nil || !errors.Is(err, store.ErrNotFound) {
		return known, err
	}
	j, err := s.checked(j)
	if err == nil {
		j, err = s.bounded(ctx, j)
	}
	if err != nil {
		return store.Job{}, err
	}
	plan, err := s.count(ctx, j, totalTime, nil)
	if err != nil {
		return store.Job{}, err
	}
	j.Total, j.State, j.By = plan.Count, store.JobRunning, by
	if err := s.lock(ctx); err != nil {
		return store.Job{}, err
	}
	defer s.unlock()
	if s.Running() >= MaxRunning {
		return store.Job{}, fault.New(fault.Refused, "too_many_jobs", fmt.Sprintf("%d jobs are running already; wait for one to end, or cancel one", MaxRunning), nil)
	}
	if err := s.o.Store.PutJob(ctx, j, by); errors.Is(err, store.ErrMoved) {
		return s.o.Store.Job(ctx, j.ID) // somebody asked for the same one meanwhile
	} else if err != nil {
		return store.Job{}, fmt.Errorf("storing a job: %w", err)
	}
	if j, err = s.o.Store.Job(ctx, j.ID); err != nil {
		return store.Job{}, fmt.Errorf("reading a job: %w", err)
	}
	s.spawn(j)
	return j, nil
}

// checked gives a job with its defaults; the error is a *fault.Error.
func (s *Service) checked(j store.Job) (store.Job, error) {
	invalid := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "bad_job", fmt.Sprintf(format, args...), nil)
	}
	replay := j.Kind == store.JobReplay
	switch {
	case j.Kind != store.JobReplay && j.Kind != store.JobRetry && j.Kind != store.JobDrop:
		return j, invalid("a job's kind is replay, retry or drop, not %q", j.Kind)
	case len(j.ID) > MaxIDBytes || strings.ContainsFunc(j.ID, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return j, invalid("a job's id has at most %d characters of ASCII and no spaces", MaxIDBytes)
	case len(j.IDs) > store.MaxJobIDs:
		return j, invalid("a job names at most %d ids; ask for more with a filter", store.MaxJobIDs)
	case math.IsNaN(j.Rate) || j.Rate < 0 || j.Rate > MaxRate:
		return j, invalid("a rate is above 0 and at most %d a second", MaxRate)
	case j.Pinned && j.Current:
		return j, invalid("a job is pinned or current, not both")
	case !replay && len(j.Pipelines) > 0:
		return j, invalid("only a replay names the pipelines that it starts")
	case j.Kind == store.JobDrop && (j.Pinned || j.Current):
		return j, invalid("what is dropped goes on under no revision")
	case j.Lane != "" && j.Lane != run.LaneRetry && j.Lane != run.LaneReplay:
		return j, invalid("a job's lane is retry or replay, not %q", j.Lane)
	case !replay && j.Runs.State != "" && j.Runs.State != run.Parked:
		return j, invalid("only parked runs can be retried or dropped")
	}
	for _, id := range j.IDs {
		var err error
		if replay {
			_, err = event.ParseID(id)
		} else {
			_, err = run.ParseID(id)
		}
		if err != nil {
			return j, invalid("%v", err)
		}
	}
	if j.Rate == 0 {
		j.Rate = DefaultRate
	}
	if j.Lane == "" {
		j.Lane = run.LaneReplay
	}
	j.Version = 0
	j.Cursor, j.Batch, j.Message, j.Done, j.Skipped, j.Failed = "", nil, "", 0, 0, 0
	j.Events.Limit, j.Events.Cursor, j.Events.Ascending = 0, "", true
	j.Runs.Limit, j.Runs.Cursor, j.Runs.Ascending = 0, "", true
	if replay {
		j.Runs = store.RunQuery{}
	} else {
		j.Events = store.EventQuery{}
		j.Runs.State = run.Parked
	}
	if len(j.IDs) > 0 {
		j.Events, j.Runs = store.EventQuery{}, store.RunQuery{}
	}
	return j, nil
}

// bounded ends a checked job's query behind what there is now: what comes later is never among it. The newest record tells when now is,
// for the store has a clock of its own.
func (s *Service) bounded(ctx context.Context, j store.Job) (store.Job, error) {
	switch {
	case len(j.IDs) > 0:
	case j.Kind == store.JobReplay:
		page, err := s.o.Store.Events(ctx, store.EventQuery{Limit: 1})
		if err != nil {
			return j, fmt.Errorf("looking for the newest event: %w", err)
		}
		if len(page.Events) > 0 {
			j.Events.Until = ending(j.Events.Until, page.Events[0].ID.Time())
		}
	default:
		page, err := s.o.Store.Runs(ctx, store.RunQuery{Limit: 1})
		if err != nil {
			return j, fmt.Errorf("looking for the newest run: %w", err)
		}
		if len(page.Runs) > 0 {
			j.Runs.Until = ending(j.Runs.Until, page.Runs[0].Created)
		}
	}
	return j, nil
}

// ending gives where a query ends, so that what came at newest is the last that is among it. A query for nothing yet ends at once.
func ending(until, newest time.Time) time.Time {
	behind := newest.Truncate(time.Millisecond).Add(time.Millisecond)
	if until.IsZero() || until.After(behind) {
		return behind
	}
	return until
}

// Cancel ends a job for now; it can be resumed. One that is done is refused with store.ErrWrongState, an unknown one with
// store.ErrNotFound.
func (s *Service) Cancel(ctx context.Context, id string, by store.By) (store.Job, error) {
	if err := s.lock(ctx); err != nil {
		return store.Job{}, err
	}
	defer s.unlock()
	if err := s.halt(ctx, id); err != nil {
		return store.Job{}, err
	}
	j, err := s.move(ctx, id, by, func(j *store.Job) (changed bool, err error) {
		switch j.State {
		case store.JobCanceled:
			return false, nil
		case store.JobDone:
			return false, fmt.Errorf("job %s is done: %w", id, store.ErrWrongState)
		}
		j.State, j.Message = store.JobCanceled, ""
		return true, nil
	})
	if err != nil {
		// It was not stopped after all.
		if left, lookErr := s.o.Store.Job(context.WithoutCancel(ctx), id); lookErr == nil && left.State == store.JobRunning {
			s.spawn(left)
		}
	}
	return j, err
}

// Resume goes on with a job that was canceled, paused, or failed. One that is running stays so; one that is done, or whose ids the store
// has dropped, is refused with store.ErrWrongState, an unknown one with store.ErrNotFound.
func (s *Service) Resume(ctx context.Context, id string, by store.By) (store.Job, error) {
	if err := s.lock(ctx); err != nil {
		return store.Job{}, err
	}
	defer s.unlock()
	j, err := s.move(ctx, id, by, func(j *store.Job) (changed bool, err error) {
		switch {
		case j.State == store.JobRunning:
			return false, nil
		case j.State == store.JobDone:
			return false, fmt.Errorf("job %s is done: %w", id, store.ErrWrongState)
		case j.Named > 0 && len(j.IDs) == 0:
			return false, fmt.Errorf("job %s ended so long ago that its ids are gone: %w", id, store.ErrWrongState)
		case s.Running() >= MaxRunning:
			return false, fault.New(fault.Refused, "too_many_jobs", fmt.Sprintf("%d jobs are running already", MaxRunning), nil)
		}
		j.State, j.Message = store.JobRunning, ""
		return true, nil
	})
	if err == nil {
		s.spawn(j)
	}
	return j, err
}

// move changes a job and stores it, again where somebody else was quicker.
func (s *Service) move(ctx context.Context, id string, by store.By, change func(*store.Job) (bool, error)) (store.Job, error) {
	for {
		j, err := s.o.Store.Job(ctx, id)
		if err != nil {
			return store.Job{}, fmt.Errorf("reading a job: %w", err)
		}
		changed, err := change(&j)
		if err != nil || !changed {
			return j, err
		}
		switch err := s.o.Store.PutJob(ctx, j, by); {
		case err == nil:
			return s.o.Store.Job(ctx, id)
		case !errors.Is(err, store.ErrMoved):
			return store.Job{}, fmt.Errorf("storing a job: %w", err)
		}
	}
}

func (s *Service) lock(ctx context.Context) error {
	select {
	case s.change <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Service) unlock() { <-s.change }

// spawn begins to work on a job, unless somebody does already or we are being stopped.
func (s *Service) spawn(j store.Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || !s.started || s.running[j.ID] != nil {
		return
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	w := &worker{cancel: cancel, done: make(chan struct{})}
	s.running[j.ID] = w
	s.work.Go(func() {
		defer close(w.done)
		s.run(ctx, j)
		cancel(nil)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.running[j.ID] == w {
			delete(s.running, j.ID)
		}
	})
}

// halt ends the goroutine of a job and waits for it.
func (s *Service) halt(ctx context.Context, id string) error {
	s.mu.Lock()
	w := s.running[id]
	s.mu.Unlock()
	if w == nil {
		return nil
	}
	w.cancel(errHalted)
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
