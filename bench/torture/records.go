package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// eventRecord is an event as the admin API tells it.
type eventRecord struct {
	ID       string    `json:"id"`
	Event    string    `json:"event"`
	Delivery string    `json:"delivery"`
	Source   string    `json:"source"`
	State    string    `json:"state"`
	Received time.Time `json:"received"`
}

// runRecord is a run as the admin API lists it.
type runRecord struct {
	ID       string    `json:"id"`
	Event    string    `json:"event"`
	Pipeline string    `json:"pipeline"`
	State    string    `json:"state"`
	Outcome  string    `json:"outcome"`
	Reason   string    `json:"reason"`
	Created  time.Time `json:"created"`
	Finished time.Time `json:"finished"`
}

// attemptRecord is an attempt of a run.
type attemptRecord struct {
	Path    string    `json:"path"`
	Round   int       `json:"round"`
	N       int       `json:"n"`
	Outcome string    `json:"outcome"`
	Code    string    `json:"code"`
	Started time.Time `json:"started"`
}

// counters are the terms of the ledger.
type counters struct {
	Requests struct{ Recorded, Processed, Duplicate, Ignored, Quarantined, Rejected, Pruned int64 }
	Runs     map[string]runCounters
}

type runCounters struct{ Made, Open, Completed, Filtered, Limited, Parked, Dropped, Pruned int64 }

// total adds up the runs of all pipelines.
func (c counters) total() runCounters {
	var t runCounters
	for _, r := range c.Runs {
		t.Made += r.Made
		t.Open += r.Open
		t.Completed += r.Completed
		t.Filtered += r.Filtered
		t.Limited += r.Limited
		t.Parked += r.Parked
		t.Dropped += r.Dropped
		t.Pruned += r.Pruned
	}
	return t
}

// unbalanced says which equation of the ledger does not hold; "" where both do.
func (c counters) unbalanced() string {
	q := c.Requests
	if sum := q.Processed + q.Duplicate + q.Ignored + q.Quarantined + q.Rejected; q.Recorded != sum {
		return fmt.Sprintf("%d requests recorded, and %d are accounted for: %+v", q.Recorded, sum, q)
	}
	for name, r := range c.Runs {
		if sum := r.Open + r.Completed + r.Filtered + r.Limited + r.Parked + r.Dropped + r.Pruned; r.Made != sum {
			return fmt.Sprintf("%d runs of %s made, and %d are accounted for: %+v", r.Made, name, sum, r)
		}
	}
	return ""
}

// get asks the admin API.
func (g *gateway) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.admin+path, nil)
	if err != nil {
		return fmt.Errorf("asking for %s: %w", path, err)
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return fmt.Errorf("asking for %s: %w", path, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("asking for %s: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("asking for %s: %s %.200s", path, resp.Status, data)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}

// status is what GET /api/v1/status tells.
type status struct {
	Ledger     counters
	OldestDueS float64 `json:"oldest_due_s"`
}

func (g *gateway) status(ctx context.Context) (status, error) {
	var s status
	err := g.get(ctx, "/api/v1/status", &s)
	return s, err
}

// recordsAtOnce is the longest page that the API gives.
const recordsAtOnce = 1000

// events lists events, newest first, until the function has seen enough.
func (g *gateway) events(ctx context.Context, more func(page []eventRecord) bool) error {
	for cursor := ""; ; {
		var page struct {
			Events []eventRecord
			Next   string
		}
		if err := g.get(ctx, fmt.Sprintf("/api/v1/events?limit=%d&cursor=%s", recordsAtOnce, url.QueryEscape(cursor)), &page); err != nil {
			return err
		}
		if !more(page.Events) || page.Next == "" {
			return nil
		}
		cursor = page.Next
	}
}

// runs lists all runs.
func (g *gateway) runs(ctx context.Context) ([]runRecord, error) {
	var out []runRecord
	for cursor := ""; ; {
		var page struct {
			Runs []runRecord
			Next string
		}
		if err := g.get(ctx, fmt.Sprintf("/api/v1/runs?limit=%d&cursor=%s", recordsAtOnce, url.QueryEscape(cursor)), &page); err != nil {
			return nil, err
		}
		out = append(out, page.Runs...)
		if page.Next == "" {
			return out, nil
		}
		cursor = page.Next
	}
}

// attempts gives the attempts of each run, in the order of the runs.
func (g *gateway) attempts(ctx context.Context, runs []runRecord) ([][]attemptRecord, error) {
	out, errs := make([][]attemptRecord, len(runs)), make([]error, readers)
	next := make(chan int)
	var wg sync.WaitGroup
	for r := range readers {
		wg.Go(func() {
			for i := range next {
				var doc struct{ Attempts []attemptRecord }
				if err := g.get(ctx, "/api/v1/runs/"+runs[i].ID, &doc); err != nil {
					errs[r] = err
				}
				out[i] = doc.Attempts
			}
		})
	}
	for i := range runs {
		next <- i
	}
	close(next)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// readers ask for runs at the same time.
const readers = 8
