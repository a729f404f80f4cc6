package admin

import (
	"net/http"

	"github.com/headgate/headgate/engine/store"
)

// Ledger is what GET /api/v1/ledger answers: two accounts that must add up, read in one snapshot.
type Ledger struct {
	// Requests: recorded = processed + duplicate + ignored + quarantined + rejected.
	Requests LedgerRequests `json:"requests"`
	// Runs, by pipeline: made = open + completed + filtered + limited + parked + dropped + pruned. Total is their sum.
	Runs  map[string]LedgerRuns `json:"runs"`
	Total LedgerRuns            `json:"total"`
	// Balanced says whether all of them add up.
	Balanced bool `json:"balanced"`
}

// LedgerRequests is the account of requests.
type LedgerRequests struct {
	store.RequestTerms
	Balanced bool `json:"balanced"`
}

// LedgerRuns is the account of the runs of one pipeline.
type LedgerRuns struct {
	store.RunTerms
	Balanced bool `json:"balanced"`
}

// LedgerDocument adds up a ledger.
func LedgerDocument(l store.Ledger) Ledger {
	out := Ledger{
		Requests: LedgerRequests{RequestTerms: l.Requests, Balanced: l.Requests.Balanced()}, Runs: map[string]LedgerRuns{}, Balanced: l.Requests.Balanced(),
	}
	for name, t := range l.Runs {
		out.Runs[name] = LedgerRuns{RunTerms: t, Balanced: t.Balanced()}
		out.Balanced = out.Balanced && t.Balanced()
		sum := &out.Total.RunTerms
		sum.Made += t.Made
		sum.Open += t.Open
		sum.Completed += t.Completed
		sum.Filtered += t.Filtered
		sum.Limited += t.Limited
		sum.Parked += t.Parked
		sum.Dropped += t.Dropped
		sum.Pruned += t.Pruned
	}
	out.Total.Balanced = out.Total.RunTerms.Balanced()
	return out
}

func (a *api) ledger(w http.ResponseWriter, r *http.Request) error {
	if err := readQuery(r).err(); err != nil {
		return err
	}
	l, err := a.reader.Ledger(r.Context())
	if err != nil {
		return err
	}
	answer(w, a.log, http.StatusOK, LedgerDocument(l))
	return nil
}
