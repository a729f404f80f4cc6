package admin

import (
	"net/http"

	"github.com/headgate/headgate/engine/store"
)

// AuditPage is a page of audit entries, newest first. Next goes into `cursor` to read on; "" at the end.
type AuditPage struct {
	Entries []store.AuditEntry `json:"entries"`
	Next    string             `json:"next"`
}

func (a *api) audit(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r, "action", "subject", "since", "until", "limit", "cursor")
	ask := store.AuditQuery{
		Action: q.text("action"), Subject: q.text("subject"), Since: q.time("since", a.now()), Until: q.time("until", a.now()),
		Limit: q.limit(), Cursor: q.text("cursor"),
	}
	if err := q.err(); err != nil {
		return err
	}
	page, err := a.reader.Audit(r.Context(), ask)
	if err != nil {
		return err
	}
	answer(w, a.log, http.StatusOK, AuditPage{Entries: append([]store.AuditEntry{}, page.Entries...), Next: page.Next})
	return nil
}

// The actions of the API that no other write of the store takes with it.
const (
	actionReload = "manifests.reload"
	actionRun    = "pipeline.run"
	actionReveal = "learned.reveal"
	actionForget = "learned.drop"
)

// note writes an audit entry for what was done. What was done stays done where that fails: then the log has it.
func (a *api) note(r *http.Request, action, subject string, detail any) {
	e, _ := By(r).Entry(action, subject, detail)
	if err := a.reader.PutAudit(r.Context(), e); err != nil {
		a.log.ErrorContext(r.Context(), "an audit entry cannot be stored", "reason", action, "request", subject, "error", err)
	}
}
