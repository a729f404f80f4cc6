package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/store"
)

// PutJob implements store.Store.
func (s *Store) PutJob(ctx context.Context, j store.Job, by store.By) error {
	var refused error
	err := s.submit(ctx, 0, func(w *writer, now time.Time) error {
		refused = nil
		before, made, err := readJob(w.c, j.ID)
		found := made != 0
		switch {
		case err != nil:
			return err
		case found && j.Version == 0:
			return nil
		case !found && j.Version != 0:
			refused = fmt.Errorf("job %q: %w", j.ID, store.ErrNotFound)
			return nil
		case before.Version != j.Version:
			refused = store.ErrMoved
			return nil
		}
		if e, ok := by.Entry(store.JobAction(&j), j.ID, store.JobDetail(&j)); ok {
			if err := w.chain(now, e); err != nil {
				return err
			}
		}
		if found {
			return w.writeJob(made, j.Written(&before, by, now))
		}
		return w.writeJob(0, j.Written(nil, by, now))
	})
	if err != nil {
		return err
	}
	return refused
}

// writeJob writes a job, a new one where made is 0, its ids once; where it has ended, the oldest that have go.
func (w *writer) writeJob(made int64, j store.Job) error {
	ids := j.IDs
	j.IDs = nil
	doc, err := json.Marshal(j)
	if err != nil {
		return fmt.Errorf("writing a job as JSON: %w", err)
	}
	ended := j.State.Ended()
	if made != 0 {
		_, _, err = w.exec("UPDATE jobs SET ended = ?, state = ?, doc = ? WHERE made = ?", ended, string(j.State), doc, made)
	} else {
		// made counts up by itself: two jobs of one instant have an order too.
		_, made, err = w.exec("INSERT INTO jobs (id, ended, state, doc) VALUES (?, ?, ?, ?)", j.ID, ended, string(j.State), doc)
		if err == nil && len(ids) > 0 {
			err = w.writeJobIDs(made, ids)
		}
	}
	if err != nil || !ended {
		return err
	}
	if !j.KeepsIDs() {
		if _, _, err := w.exec("DELETE FROM job_ids WHERE job = ?", made); err != nil {
			return err
		}
	}
	if err := w.forgetJobs(j.Updated.Add(-store.JobsKept)); err != nil {
		return err
	}
	_, _, err = w.exec(`DELETE FROM job_ids WHERE job IN (SELECT i.job FROM job_ids i LEFT JOIN jobs j ON j.made = i.job WHERE j.made IS NULL) OR
		job IN (SELECT i.job FROM job_ids i CROSS JOIN jobs j ON j.made = i.job WHERE +j.ended = 1 ORDER BY i.job DESC LIMIT -1 OFFSET ?)`, store.MaxNamed)
	return err
}

// forgetStep is how many of the oldest ended jobs are looked at when one has ended: more than one, so that there are ever fewer of them.
const forgetStep = 10

// forgetJobs deletes ended jobs of which nobody has heard since a time, the oldest, as far as there are more than are kept.
func (w *writer) forgetJobs(since time.Time) error {
	var old []int64
	if err := w.c.query(func(r row) error {
		var j store.Job
		if err := json.Unmarshal(r.bytes(1), &j); err != nil {
			return fmt.Errorf("reading a job: %w", err)
		}
		if j.Updated.Before(since) {
			old = append(old, r.int(0))
		}
		return nil
	}, `SELECT made, doc FROM jobs WHERE ended = 1 AND made <= (SELECT made FROM jobs WHERE ended = 1 ORDER BY made DESC LIMIT 1 OFFSET ?)
		ORDER BY made LIMIT ?`, store.MaxJobs, forgetStep); err != nil {
		return err
	}
	for _, made := range old {
		if _, _, err := w.exec("DELETE FROM jobs WHERE made = ?", made); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) writeJobIDs(made int64, ids []string) error {
	doc, err := json.Marshal(ids)
	if err != nil {
		return fmt.Errorf("writing the ids of a job as JSON: %w", err)
	}
	w.tx.bytes += len(doc)
	_, _, err = w.exec("INSERT INTO job_ids (job, ids) VALUES (?, ?)", made, doc)
	return err
}

// readJob reads a job without its ids; made is 0 where there is none.
func readJob(c *conn, id string) (j store.Job, made int64, err error) {
	if _, err = c.first(func(r row) error {
		made = r.int(0)
		return json.Unmarshal(r.bytes(1), &j)
	}, "SELECT made, doc FROM jobs WHERE id = ?", id); err != nil {
		return j, 0, fmt.Errorf("reading job %q: %w", id, err)
	}
	return j, made, nil
}

// Job implements store.Store.
func (s *Store) Job(ctx context.Context, id string) (j store.Job, err error) {
	err = s.read(ctx, func(v *view) error {
		var made int64
		if j, made, err = readJob(v.c, id); err != nil {
			return err
		}
		if made == 0 {
			return fmt.Errorf("job %q: %w", id, store.ErrNotFound)
		}
		if _, err := v.c.first(func(r row) error { return json.Unmarshal(r.bytes(0), &j.IDs) }, "SELECT ids FROM job_ids WHERE job = ?", made); err != nil {
			return fmt.Errorf("reading the ids of job %q: %w", id, err)
		}
		return nil
	})
	return j, err
}

// Jobs implements store.Store.
func (s *Store) Jobs(ctx context.Context, limit int) (jobs []store.Job, err error) {
	err = s.read(ctx, func(v *view) error {
		return v.c.query(func(r row) error {
			var j store.Job
			if err := json.Unmarshal(r.bytes(0), &j); err != nil {
				return fmt.Errorf("reading a job: %w", err)
			}
			jobs = append(jobs, j)
			return nil
		}, "SELECT doc FROM jobs ORDER BY ended, made DESC LIMIT ?", store.PageSize(limit))
	})
	return jobs, err
}

// JobCounts implements store.Store.
func (s *Store) JobCounts(ctx context.Context) (map[store.JobState]int, error) {
	counts := map[store.JobState]int{}
	err := s.read(ctx, func(v *view) error {
		return v.c.query(func(r row) error { counts[store.JobState(r.text(0))]++; return nil }, "SELECT state FROM jobs")
	})
	return counts, err
}
