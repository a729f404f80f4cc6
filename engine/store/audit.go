package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
)

// Bounds of an audit entry's texts; MaxAuditDetailBytes bounds its Detail.
const (
	maxAuditText        = 512
	MaxAuditDetailBytes = 64 << 10
)

// AuditDigest gives the digest of an entry that follows one with the digest prev ("" before the first): SHA-256 in hex over prev and all
// other fields of the entry, each preceded by its length. Whoever reads the entries from the first on can tell that none was altered,
// taken out or put in between.
func AuditDigest(prev string, e AuditEntry) string {
	h := sha256.New()
	var n [8]byte
	number := func(v int64) {
		binary.BigEndian.PutUint64(n[:], uint64(v))
		h.Write(n[:])
	}
	text := func(s string) {
		number(int64(len(s)))
		h.Write([]byte(s))
	}
	text(prev)
	number(int64(e.ID))
	number(e.At.UnixNano())
	for _, s := range []string{e.Who, e.From, e.Request, e.Action, e.Subject, string(e.Detail)} {
		text(s)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Chained gives the entry as it is stored under that id at that time after an entry with the digest prev: its texts cut and valid UTF-8,
// its detail compact JSON. A detail that is not JSON is kept as a text, one beyond MaxAuditDetailBytes as a note of its size.
func (e AuditEntry) Chained(id event.ID, at time.Time, prev string) AuditEntry {
	e.ID, e.At = id, at.Round(0).UTC()
	for _, s := range []*string{&e.Who, &e.From, &e.Request, &e.Action, &e.Subject} {
		*s = cut(*s, maxAuditText)
	}
	e.Detail = auditDetail(e.Detail)
	e.Digest = AuditDigest(prev, e)
	return e
}

// auditDetail writes a detail so that reading it back from a JSON document gives the same bytes.
func auditDetail(detail json.RawMessage) json.RawMessage {
	if len(detail) == 0 {
		return nil
	}
	if len(detail) > MaxAuditDetailBytes {
		return json.RawMessage(fmt.Sprintf(`{"cut_bytes":%d}`, len(detail)))
	}
	valid := strings.ToValidUTF8(string(detail), "\uFFFD")
	doc, err := json.Marshal(json.RawMessage(valid))
	if err != nil {
		doc, _ = json.Marshal(valid) // a text cannot fail
	}
	return doc
}

// Matches says whether an entry passes the filters, cursor and limit aside.
func (q *AuditQuery) Matches(e *AuditEntry) bool {
	return (q.Action == "" || q.Action == e.Action || strings.HasPrefix(e.Action, q.Action+".")) &&
		(q.Subject == "" || q.Subject == e.Subject) && e.ID >= q.Oldest() && e.ID < q.Newest()
}

// Oldest gives the first id that Since lets pass, Newest the first that Until no longer does.
func (q *AuditQuery) Oldest() event.ID { return (&EventQuery{Since: q.Since}).Oldest() }

// Newest gives the first id that Until no longer lets pass.
func (q *AuditQuery) Newest() event.ID { return (&EventQuery{Until: q.Until}).Newest() }

// Entry gives the audit entry of a change by somebody; ok is false for the zero By, which leaves none. What detail holds is written as JSON;
// nil is none.
func (b By) Entry(action, subject string, detail any) (e AuditEntry, ok bool) {
	if b == (By{}) {
		return AuditEntry{}, false
	}
	e = AuditEntry{By: b, Action: action, Subject: subject}
	if detail != nil {
		if doc, err := json.Marshal(detail); err == nil {
			e.Detail = doc
		}
	}
	return e, true
}

// UnparkDetail is what the audit entry of a retry or a drop says of the run that was parked.
func UnparkDetail(r *run.Run) any {
	return struct {
		Pipeline    string `json:"pipeline"`
		Reason      string `json:"reason,omitempty"`
		Destination string `json:"destination,omitempty"`
		Round       int    `json:"round"`
	}{r.Pipeline, r.Reason, r.Destination, r.Round}
}

// GateDetail is what the audit entry of a change of a gate says.
func GateDetail(g *Gate) any {
	return struct {
		Reason  string       `json:"reason,omitempty"`
		Until   time.Time    `json:"until,omitzero"`
		Breaker BreakerState `json:"breaker,omitempty"`
	}{g.Reason, g.Until, g.Breaker.State}
}

// JobDetail is what the audit entry of a job says.
func JobDetail(j *Job) any {
	return struct {
		Kind      JobKind    `json:"kind"`
		Events    EventQuery `json:"events,omitzero"`
		Runs      RunQuery   `json:"runs,omitzero"`
		IDs       int        `json:"ids,omitempty"`
		Pipelines []string   `json:"pipelines,omitempty"`
		Rate      float64    `json:"rate"`
		Total     int64      `json:"total"`
		Done      int64      `json:"done,omitempty"`
	}{j.Kind, j.Events, j.Runs, max(j.Named, len(j.IDs)), j.Pipelines, j.Rate, j.Total, j.Done}
}

// SubscriptionDetail is what the audit entry of a subscription says: nothing that is secret.
func SubscriptionDetail(s *Subscription) any {
	return struct {
		Name     string   `json:"name,omitempty"`
		URL      string   `json:"url"`
		Events   []string `json:"events"`
		Disabled bool     `json:"disabled,omitempty"`
		Reason   string   `json:"reason,omitempty"`
	}{s.Name, s.Shown, s.Events, s.Disabled, s.Reason}
}
