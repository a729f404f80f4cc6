package job

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/headgate/headgate/engine/store"
)

const (
	// maxBatch items are done in one go; the ids of so many are a few kilobytes of a job's record.
	maxBatch = 250
	// batches a second of a quick job: often enough that its rate is a flow, seldom enough that its commits are no load.
	batches = 4
	// A store that takes no writes is asked again after firstWait, then twice that, up to maxWait.
	firstWait = time.Second
	maxWait   = 30 * time.Second
	// maxErrors in a row that are no passing state of the store end a job as failed.
	maxErrors = 5
	// atEnd is the cursor behind the last item; no store's cursor is a full stop.
	atEnd = "."
)

// run works on a job until it is over or ctx ends.
func (s *Service) run(ctx context.Context, j store.Job) {
	log := s.o.Logger.With("job", j.ID)
	wait, errs := firstWait, 0
	// Who goes on where another has stopped, or died, does not know how long ago that was: a job that is stopped again and again keeps its
	// rate all the same.
	if !sleep(ctx, pace(&j)) {
		return
	}
	for {
		began, due := time.Now(), pace(&j)
		next, err := s.turn(ctx, j)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			j, wait, errs = next, firstWait, 0
			if j.State != store.JobRunning {
				log.InfoContext(ctx, "a job has ended", "state", string(j.State), "reason", string(j.Kind), "count", j.Done)
				return
			}
			// The pace counts from the batch's beginning; a store that is slower than the rate sets the pace itself.
			if !sleep(ctx, due-time.Since(began)) {
				return
			}
			continue
		case errors.Is(err, store.ErrMoved):
			// Somebody put it, or we did and were not told: what stands there counts.
			if j, err = s.o.Store.Job(ctx, j.ID); err == nil {
				if j.State != store.JobRunning {
					return
				}
				continue
			}
		}
		if !passing(err) {
			if errs++; errs >= maxErrors {
				s.fail(ctx, j, err)
				return
			}
		}
		log.WarnContext(ctx, "a job waits for the store", "wait", wait, "error", err)
		if !sleep(ctx, wait) {
			return
		}
		wait = min(2*wait, maxWait)
	}
}

// pace is how long a job's batch takes at its rate.
func pace(j *store.Job) time.Duration {
	return time.Duration(float64(len(j.Batch)) / max(j.Rate, 0.001) * float64(time.Second))
}

// passing says whether an error is a state of the store that passes.
func passing(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrBehind)
}

// sleep waits; it is false where ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// fail ends a job that cannot go on. What exactly went wrong is for the log: it may name files of this machine.
func (s *Service) fail(ctx context.Context, j store.Job, cause error) {
	s.o.Logger.ErrorContext(ctx, "a job has failed", "job", j.ID, "error", cause)
	_, err := s.move(ctx, j.ID, store.By{}, func(j *store.Job) (bool, error) {
		j.State, j.Message = store.JobFailed, fmt.Sprintf("the store gave errors %d times in a row, which the log shows; it can be resumed", maxErrors)
		return true, nil
	})
	if err != nil && ctx.Err() == nil {
		s.o.Logger.ErrorContext(ctx, "a failed job cannot be stored", "job", j.ID, "error", err)
	}
}

// turn does the batch of a job, and stores that it is done together with the batch that is next.
func (s *Service) turn(ctx context.Context, j store.Job) (store.Job, error) {
	if err := s.do(ctx, &j); err != nil {
		return j, err
	}
	ids, cursor, err := s.next(ctx, j)
	if err != nil {
		return j, err
	}
	j.Batch, j.Cursor = ids, cursor
	j.Total = max(j.Total, j.Done+j.Skipped+j.Failed+int64(len(ids)))
	if len(ids) == 0 && cursor == atEnd {
		j.State = store.JobDone
		j.Total = j.Done + j.Skipped + j.Failed
	}
	if err := s.o.Store.PutJob(ctx, j, store.By{}); err != nil {
		return j, fmt.Errorf("storing how far a job is: %w", err)
	}
	j.Version++
	return j, nil
}

// next gives the ids that come behind a job's cursor, oldest first, and the cursor behind them. A page may be empty before the end.
func (s *Service) next(ctx context.Context, j store.Job) (ids []string, cursor string, err error) {
	n := min(max(int(math.Ceil(j.Rate/batches)), 1), maxBatch)
	switch {
	case j.Cursor == atEnd:
		return nil, atEnd, nil
	case j.Named > 0 && len(j.IDs) == 0: // never taken for a job that names none: that one is about all there is
		return nil, "", fmt.Errorf("job %s: its ids are gone: %w", j.ID, store.ErrNotFound)
	case len(j.IDs) > 0:
		from, err := strconv.Atoi(orZero(j.Cursor))
		if err != nil || from < 0 {
			return nil, "", fmt.Errorf("reading the cursor of a job: %w", store.ErrBadCursor)
		}
		from = min(from, len(j.IDs))
		to := min(from+n, len(j.IDs))
		if cursor = strconv.Itoa(to); to == len(j.IDs) {
			cursor = atEnd
		}
		return j.IDs[from:to], cursor, nil
	case j.Kind == store.JobReplay:
		q := j.Events
		q.Limit, q.Cursor = n, j.Cursor
		page, err := s.o.Store.Events(ctx, q)
		if err != nil {
			return nil, "", fmt.Errorf("reading the events of a job: %w", err)
		}
		for i := range page.Events {
			ids = append(ids, page.Events[i].ID.String())
		}
		return ids, behind(page.Next), nil
	default:
		q := j.Runs
		q.Limit, q.Cursor = n, j.Cursor
		page, err := s.o.Store.Runs(ctx, q)
		if err != nil {
			return nil, "", fmt.Errorf("reading the runs of a job: %w", err)
		}
		for i := range page.Runs {
			ids = append(ids, page.Runs[i].ID.String())
		}
		return ids, behind(page.Next), nil
	}
}

func orZero(text string) string {
	if text == "" {
		return "0"
	}
	return text
}

// behind gives the cursor behind a page.
func behind(next string) string {
	if next == "" {
		return atEnd
	}
	return next
}
