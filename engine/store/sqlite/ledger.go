package sqlite

import (
	"cmp"
	"context"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// term names a counter of the ledger: of requests, with no pipeline, or of a pipeline's runs.
type term struct{ name, pipeline string }

// The terms, as they are stored; those of runs in a state have the name of the state or of the outcome.
const (
	recorded    = "requests.recorded"
	processed   = "requests.processed"
	duplicate   = "requests.duplicate"
	ignored     = "requests.ignored"
	quarantined = "requests.quarantined"
	rejected    = "requests.rejected"
	gone        = "requests.pruned"

	made   = "made"
	pruned = "pruned"
)

func standing(s run.State, o run.Outcome) string {
	if s == run.Done {
		return string(cmp.Or(o, run.Completed))
	}
	return string(s)
}

// count changes a term in the transaction under way.
func (w *writer) count(name, pipeline string, n int64) { w.tx.ledger[term{name, pipeline}] += n }

// recount moves a run from one term to another; "" is none.
func (w *writer) recount(pipeline, from, to string) {
	if from != to && (from == string(run.Parked) || to == string(run.Parked)) {
		before := w.parked
		w.undo(func() { w.parked = before })
		if w.parked++; from == string(run.Parked) {
			w.parked -= 2
		}
	}
	if from != "" {
		w.count(from, pipeline, -1)
	}
	w.count(to, pipeline, 1)
}

// Ledger implements store.Store.
func (s *Store) Ledger(ctx context.Context) (store.Ledger, error) {
	l := store.Ledger{Runs: map[string]store.RunTerms{}}
	requests := map[string]*int64{
		recorded: &l.Requests.Recorded, processed: &l.Requests.Processed, duplicate: &l.Requests.Duplicate,
		ignored: &l.Requests.Ignored, quarantined: &l.Requests.Quarantined, rejected: &l.Requests.Rejected, gone: &l.Requests.Pruned,
	}
	err := s.read(ctx, func(v *view) error {
		return v.c.query(func(r row) error {
			name, pipeline, n := r.text(0), r.text(1), r.int(2)
			if name == bodyBytes {
				return nil
			}
			if into, ok := requests[name]; ok {
				*into = n
				return nil
			}
			t := l.Runs[pipeline]
			switch name {
			case made:
				t.Made = n
			case pruned:
				t.Pruned = n
			case string(run.Open), string(run.Parked), string(run.Dropped):
				*t.Term(run.State(name), "") = n
			default:
				*t.Term(run.Done, run.Outcome(name)) = n
			}
			l.Runs[pipeline] = t
			return nil
		}, "SELECT term, pipeline, n FROM ledger")
	})
	return l, err
}
