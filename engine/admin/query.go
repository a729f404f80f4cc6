package admin

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/run"
)

// maxLimit is the largest page.
const maxLimit = 1000

// query reads parameters and keeps the first complaint.
type query struct {
	values url.Values
	bad    *problem
}

// readQuery refuses parameters that the route does not have: a filter with a typo would show everything.
func readQuery(r *http.Request, known ...string) *query {
	q := &query{values: r.URL.Query()}
	for name := range q.values {
		switch {
		case len(known) == 0:
			q.refuse("there is no parameter %q; this path takes none", name)
		case !slices.Contains(known, name):
			q.refuse("there is no parameter %q; the parameters are %s", name, strings.Join(known, ", "))
		}
	}
	return q
}

func (q *query) refuse(format string, args ...any) {
	if q.bad == nil {
		q.bad = refuse(http.StatusBadRequest, "bad_parameter", fmt.Sprintf(format, args...))
	}
}

// err gives the first complaint, or nil.
func (q *query) err() error {
	if q.bad == nil {
		return nil
	}
	return q.bad
}

func (q *query) text(name string) string { return q.values.Get(name) }

func (q *query) oneOf(name string, allowed []string) string {
	v := q.values.Get(name)
	if v != "" && !slices.Contains(allowed, v) {
		q.refuse("%s: %q is none of %s", name, v, strings.Join(allowed, ", "))
	}
	return v
}

func (q *query) limit() int {
	v := q.values.Get("limit")
	if v == "" {
		return 0
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > maxLimit {
		q.refuse("limit: %q is no number from 1 to %d", v, maxLimit)
	}
	return n
}

// time reads a parameter as ParseSince does; the zero time where it is missing.
func (q *query) time(name string, now time.Time) time.Time {
	v := q.values.Get(name)
	if v == "" {
		return time.Time{}
	}
	t, err := ParseSince(v, now)
	if err != nil {
		q.refuse("%s: %v", name, err)
	}
	return t
}

func (q *query) eventID(name string) event.ID {
	v := q.values.Get(name)
	if v == "" {
		return 0
	}
	id, err := parseEventID(v)
	if err != nil {
		q.refuse("%s: %v", name, err)
	}
	return id
}

// ParseSince reads a duration back from now ("90s", "1h30m", "3d") or a time in RFC 3339.
func ParseSince(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	d, err := field.ParseDuration(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is neither a duration back from now (1h, 3d) nor a time (2026-01-02T15:04:05Z)", text)
	}
	return now.Add(-d), nil
}

// parseEventID takes an event's id or an execution id, which ends in it.
func parseEventID(text string) (event.ID, error) {
	if strings.HasPrefix(text, "webhook-") {
		text = text[strings.LastIndexByte(text, '-')+1:]
	}
	return event.ParseID(text)
}

// statusProcessed stands for accepted and routed: what the sender was told.
const statusProcessed = "processed"

func eventStatuses() []string {
	return []string{statusProcessed, string(event.Accepted), string(event.Routed), string(event.Ignored), string(event.Quarantined)}
}

func runStates() []string {
	return []string{
		string(run.Open), string(run.Done), string(run.Parked), string(run.Dropped),
		string(run.Completed), string(run.Filtered), string(run.Limited),
	}
}
