package job

import (
	"context"
	"errors"
	"fmt"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// errNoPipeline refuses to retry a run under the live revision of a pipeline that is gone.
var errNoPipeline = errors.New("its pipeline is not in the folder any more")

// do does each item of a job's batch, and counts. An error leaves the batch to be done again whole.
func (s *Service) do(ctx context.Context, j *store.Job) error {
	if j.Kind == store.JobReplay {
		return s.replay(ctx, j)
	}
	for _, text := range j.Batch {
		id, err := run.ParseID(text)
		if err == nil {
			err = s.unpark(ctx, j, id)
		}
		if err := tally(j, text, 1, err); err != nil {
			return err
		}
	}
	return nil
}

// replay replays the events of the batch: all in one commit, or where the store refuses that, one by one.
func (s *Service) replay(ctx context.Context, j *store.Job) error {
	var events []event.ID
	for _, text := range j.Batch {
		id, err := event.ParseID(text)
		if err != nil {
			return fmt.Errorf("reading a job: %w", err)
		}
		events = append(events, id)
	}
	if len(events) == 0 {
		return nil
	}
	_, err := s.o.Store.Replay(ctx, store.ReplayAsk{Request: j.ID, Events: events})
	if err == nil || passing(err) || len(events) == 1 {
		return tally(j, j.Batch[0], int64(len(events)), err)
	}
	for i, id := range events {
		_, err := s.o.Store.Replay(ctx, store.ReplayAsk{Request: j.ID, Events: []event.ID{id}})
		if err := tally(j, j.Batch[i], 1, err); err != nil {
			return err
		}
	}
	return nil
}

// unpark opens a parked run again, or drops it.
func (s *Service) unpark(ctx context.Context, j *store.Job, id run.ID) error {
	if j.Kind == store.JobDrop {
		return s.o.Store.Drop(ctx, store.DropAsk{Request: j.ID, Run: id})
	}
	ask := store.RetryAsk{Request: j.ID, Run: id, Lane: j.Lane}
	if j.Current {
		rec, err := s.o.Store.Run(ctx, id)
		if err != nil {
			return err
		}
		live, ok := s.o.Folder.Revision(rec.Run.Pipeline)
		if !ok {
			return fmt.Errorf("run %s: %w", id, errNoPipeline)
		}
		ask.Revision = live
	}
	return s.o.Store.Retry(ctx, ask)
}

// tally counts what became of n items of a job, of which id is the first. An error that is not about the items themselves is given back.
func tally(j *store.Job, id string, n int64, err error) error {
	switch {
	case err == nil:
		j.Done += n
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrWrongState):
		j.Skipped += n
	case errors.Is(err, store.ErrBodyDropped):
		j.Failed += n
		j.Message = "the body of " + id + " was dropped by retention"
	case errors.Is(err, errNoPipeline):
		j.Failed += n
		j.Message = "the pipeline of " + id + " is not in the folder any more"
	default:
		return fmt.Errorf("working on %s: %w", id, err)
	}
	return nil
}

// maxReopened bounds how many runs one duplicate may open again: more than any sane event has.
const maxReopened = 100

// Redeliver opens the parked runs of an event again because its sender has sent it again; request is the id of that. It gives how many it
// opened, which is right also where it gives an error for the next one.
func (s *Service) Redeliver(ctx context.Context, id event.ID, request string) (opened int, err error) {
	page, err := s.o.Store.Runs(ctx, store.RunQuery{Event: id, State: run.Parked, Ascending: true, Limit: maxReopened})
	if err != nil {
		return 0, fmt.Errorf("reading the parked runs of an event: %w", err)
	}
	for i := range page.Runs {
		err := s.o.Store.Retry(ctx, store.RetryAsk{
			Request: request, Run: page.Runs[i].ID, Lane: run.LaneRetry, By: store.By{Who: "redeliver", Request: request},
		})
		switch {
		case err == nil:
			opened++
		case !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrWrongState):
			return opened, fmt.Errorf("opening run %s again: %w", page.Runs[i].ID, err)
		}
	}
	return opened, nil
}
