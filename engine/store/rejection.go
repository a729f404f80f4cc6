package store

import (
	"strings"
	"time"

	"github.com/headgate/headgate/engine/event"
)

// Rejection is one request that was refused, as an operator may see it. It never holds a body, a query, an address of ours that is
// secret (the path is redacted by who makes it), or the value of a header besides content-type and user-agent.
type Rejection struct {
	// ID is given by the store: unique among rejections and increasing with time. It names no event.
	ID event.ID `json:"id"`
	// Request is the X-Request-Id of the answer.
	Request string `json:"request"`
	// Provider is the provider's name as the path says it; "" where the path names none.
	Provider string `json:"provider,omitempty"`
	// Status and Code are what the sender was told; Reason is for the operator and holds nothing secret.
	Status int    `json:"status,omitempty"`
	Code   string `json:"code"`
	Reason string `json:"reason,omitempty"`
	// Rule is the signature rule that was tried, "" where none was.
	Rule string `json:"rule,omitempty"`
	// Headers are the names of the request's headers, in lower case.
	Headers []string `json:"headers,omitempty"`
	// Address is the sender's, without a port.
	Address string `json:"address,omitempty"`
	Method  string `json:"method,omitempty"`
	// Path is the request's without its query; what is secret in it is redacted.
	Path        string `json:"path,omitempty"`
	ContentType string `json:"content_type,omitempty"`
	UserAgent   string `json:"user_agent,omitempty"`
	// BodySize is in bytes, as far as it was read or announced.
	BodySize int64 `json:"body_size"`
	// At is when the request came; the store's time where zero.
	At time.Time `json:"at"`
	// Count is how many requests like it (same provider and code) this record stands for, itself included; 1 where it was 0.
	Count int `json:"count"`
}

// MaxRejections is how many rejections a store keeps: enough for days of a misconfigured sender, and a few megabytes at most.
const MaxRejections = 10_000

// Bounds of a rejection's texts: what a stranger sends must not decide how much is written.
const (
	maxRejectionText    = 512
	maxRejectionName    = 128
	maxRejectionHeaders = 64
)

// Bounded gives the rejection as it is stored at that time under that id: with At and Count set, its texts cut and valid UTF-8. It
// shares no memory with r, whose texts may be parts of a far larger request.
func (r Rejection) Bounded(id event.ID, now time.Time) Rejection {
	r.ID, r.Count = id, max(r.Count, 1)
	if r.At.IsZero() {
		r.At = now
	}
	r.At = r.At.Round(0).UTC()
	for _, t := range []*string{&r.Reason, &r.Path, &r.ContentType, &r.UserAgent} {
		*t = cut(*t, maxRejectionText)
	}
	for _, t := range []*string{&r.Request, &r.Provider, &r.Code, &r.Rule, &r.Address, &r.Method} {
		*t = cut(*t, maxRejectionName)
	}
	var names []string
	for _, name := range r.Headers[:min(len(r.Headers), maxRejectionHeaders)] {
		names = append(names, cut(name, maxRejectionName))
	}
	r.Headers = names
	return r
}

// cut gives at most the first n bytes of a text, as valid UTF-8.
func cut(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.Clone(strings.ToValidUTF8(s, ""))
}

// RejectionQuery filters Rejections. Zero fields do not filter.
type RejectionQuery struct {
	Provider string
	Code     string
	Request  string
	Since    time.Time // compared with the time that the rejection was stored
	Limit    int       // default 50, at most 1000
	Cursor   string
}

// RejectionPage is a page of rejections; Next is "" at the end.
type RejectionPage struct {
	Rejections []Rejection
	Next       string
}

// Matches says whether a rejection passes the filters, cursor and limit aside.
func (q *RejectionQuery) Matches(r *Rejection) bool {
	return (q.Provider == "" || q.Provider == r.Provider) && (q.Code == "" || q.Code == r.Code) &&
		(q.Request == "" || q.Request == r.Request) && r.ID >= q.Oldest()
}

// Oldest gives the first id that Since lets pass.
func (q *RejectionQuery) Oldest() event.ID { return (&EventQuery{Since: q.Since}).Oldest() }

// SealedSecret is a secret that a provider gave in a handshake, encrypted by who stores it: a store never sees it in the clear.
type SealedSecret struct {
	Provider string
	// Digest tells secrets of a provider apart without revealing them; equal digests are equal secrets.
	Digest string
	Sealed []byte
	// At is when it was learnt; the store's time where zero.
	At time.Time
}

// MaxSecrets is how many sealed secrets a store keeps for one provider.
const MaxSecrets = 32
