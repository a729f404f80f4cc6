package admin

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/explain"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/store"
)

// What is looked through for the runs that an event woke: no index leads to them.
const (
	runsLookedThrough = 1000 // the newest of each pipeline that waits for such events
	runsRead          = 200  // of those, the ones that may have waited when the event came
)

// woken looks for the runs that an event woke.
func (a *api) woken(ctx context.Context, s *snapshot.Snapshot, ev *event.Event) (*explain.Woken, error) {
	out := &explain.Woken{}
	if ev.State != event.Routed {
		return out, nil
	}
	for _, name := range explain.Awaiting(s, ev) {
		page, err := a.reader.Runs(ctx, store.RunQuery{Pipeline: name, Limit: runsLookedThrough})
		if err != nil {
			return nil, err
		}
		out.More = out.More || page.Next != ""
		read := 0
		for _, r := range page.Runs {
			if r.Event >= ev.ID || !r.Finished.IsZero() && r.Finished.Before(ev.Received) || r.Outcome == run.Filtered || r.Outcome == run.Limited {
				continue // it began later, or was over
			}
			if read++; read > runsRead {
				out.More = true
				break
			}
			rec, err := a.reader.Run(ctx, r.ID)
			if errors.Is(err, store.ErrNotFound) {
				continue // pruned meanwhile
			}
			if err != nil {
				return nil, err
			}
			for _, path := range wokenAt(rec, ev.ID) {
				out.Runs = append(out.Runs, explain.WokenRun{Run: r.ID, Pipeline: name, Path: path})
			}
		}
	}
	return out, nil
}

// wokenAt gives the places of a run that an event woke.
func wokenAt(rec store.RunRecord, id event.ID) []string {
	var out []string
	for _, t := range rec.Tasks {
		if t.Woken == id && t.Kind == run.TaskWait {
			out = append(out, t.Path)
		}
	}
	for _, s := range rec.Steps {
		if s.State != run.StepDone || s.Type != "wait" {
			continue
		}
		var came struct {
			Status string   `json:"status"`
			ID     event.ID `json:"id"`
		}
		if json.Unmarshal(s.Output, &came) == nil && came.Status == "triggered" && came.ID == id {
			out = append(out, s.Path)
		}
	}
	return out
}
