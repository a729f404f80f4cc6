// Package wait is the node at which a run waits: for a while, until a time, or until an event comes.
//
// The waiting itself is durable and nothing of this package: a wait asks for it, and for an event says which ones it means.
package wait

import (
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/script"
)

// The codes of a step that failed here.
const (
	// CodeBadTime says that `until` gave no time, or one that is too far away.
	CodeBadTime script.Code = "bad_time"
	// CodeNoCorrelation says that the value which an event must match is not there.
	CodeNoCorrelation script.Code = "no_correlation"
)

const (
	day = 24 * time.Hour
	// maxPause is the longest wait for a time: a year, whichever.
	maxPause = 366 * day
	// maxTimeout is the longest wait for an event: each that comes meanwhile is looked at.
	maxTimeout = 30 * day
)

// Type describes the wait node.
func Type() node.Type {
	return node.Type{
		Name:      "wait",
		Doc:       "Waits for a while, until a time, or until a matching event comes.",
		NoTimeout: "a wait ends by itself; where it waits for an event, write `timeout` under `props:`",
		Ways: func(p *field.Values) (handles []string, plain bool) {
			if forEvent(p) {
				return []string{node.Timeout}, true
			}
			return nil, true
		},
		Props: &field.Object{
			Name: "wait",
			Doc:  "One of: `for`, `until`, or an event.",
			Fields: []field.Field{
				{Name: "for", Type: field.Duration, Min: int64(time.Second), Max: int64(maxPause), Doc: "How long to wait, from when the node is reached.", Example: "10m"},
				{Name: "until", Type: field.Template, Doc: "The time to wait for: a template or an expression that gives one, or RFC 3339 text. One in the past is no wait.", Example: "payload.due_at"},
				{Name: "provider", Type: field.String, Shown: true, Doc: "The provider of the event to wait for; `internal` for events that Headgate makes itself (`emit` nodes, `run.parked` …).", Example: "acme"},
				{Name: "event", Type: field.Strings, Shown: true, Doc: "The event's name, or a list of them; `*` and `prefix*` match many. Default: every event of the provider.", Example: "order.approved"},
				{Name: "filter", Type: field.Expression, Doc: "A condition over the event that comes; where it is not true the wait goes on.", Example: `payload.approved == true`},
				{Name: "language", Type: field.Enum, Enum: script.FilterLanguages(), Default: script.Default, Doc: "The filter's language."},
				{Name: "match", Type: field.Expression, Doc: "What of the event that comes must equal `correlation`: an expr expression over that event.", Example: "payload.deployment.id"},
				{Name: "correlation", Type: field.Template, Doc: "What of this run it must equal: a template.", Example: `"{{ payload.id }}"`},
				{Name: "timeout", Type: field.Duration, Min: int64(time.Second), Max: int64(maxTimeout), Doc: "How long to wait for an event; then the run goes on by `[timeout]`.", Example: "1h"},
			},
			Hints: map[string]string{
				"duration": "write `for`", "delay": "write `for`", "sleep": "write `for`", "seconds": "write `for`", "minutes": "write `for`", "time": "write `for`",
				"ms": "write `for`", "interval": "write `for`", "wait": "write `for`", "after": "write `for`",
				"at": "write `until`", "date": "write `until`", "datetime": "write `until`", "timestamp": "write `until`", "deadline": "write `until`",
				"events": "write `event`", "hook_event": "write `event`", "subscribe_to": "write `provider` and `event`", "source": "write `provider`",
				"filters": "write `filter`", "hook_filters": "write `filter`", "condition": "write `filter`", "expression": "write `filter`", "when": "write `filter`",
				"correlation_id": "write `correlation`", "correlate": "write `correlation`", "key": "write `correlation`", "correlation_key": "write `correlation`",
				"match_on": "write `match`", "matches": "write `match`", "timeout_seconds": "write `timeout`", "max": "write `timeout`", "max_wait": "write `timeout`",
				"on_timeout": "draw an arrow from `[timeout]` under `connections:`",
			},
		},
		Build: build,
	}
}

// eventKeys belong to a wait for an event, the first of them makes it one.
func eventKeys() []string {
	return []string{"provider", "event", "filter", "match", "correlation", "timeout", "language"}
}

// forEvent says whether the props mean a wait for an event, be they right or not.
func forEvent(p *field.Values) bool {
	return p.Has("provider") || !p.Has("for") && !p.Has("until") && (p.Has("event") || p.Has("match") || p.Has("correlation"))
}

func build(p *field.Values, env node.Env, out *diag.List) node.Node {
	if !oneKind(p, env, out) {
		return nil
	}
	switch {
	case forEvent(p):
		return buildEvent(p, env, out)
	case p.Has("until"):
		return buildUntil(p, env, out)
	case p.Has("for") && p.Good("for"):
		return &pause{length: p.Duration("for")}
	}
	return nil // a finding says why
}

// oneKind says whether the props mean one of the three kinds of wait.
func oneKind(p *field.Values, env node.Env, out *diag.List) bool {
	var kinds []string
	for _, key := range []string{"for", "until"} {
		if p.Has(key) {
			kinds = append(kinds, key)
		}
	}
	if p.Has("provider") {
		kinds = append(kinds, "provider")
	}
	switch {
	case len(kinds) > 1:
		second := kinds[1]
		hint := "write two `wait` nodes, one after the other"
		if second == "provider" {
			hint = "write `timeout` for how long to wait for the event"
		}
		out.Errorf(diag.BadValue, p.KeySpan(second), hint, "wait %q has both `%s` and `%s`", env.Label, kinds[0], second)
		return false
	case len(kinds) == 1 && kinds[0] != "provider":
		good := true
		for _, key := range eventKeys() {
			if p.Has(key) {
				out.Errorf(diag.BadValue, p.KeySpan(key), "leave it out, or write `provider` instead of `"+kinds[0]+"`",
					"`%s` belongs to a wait for an event", p.Path(key))
				good = false
			}
		}
		return good
	case len(kinds) == 0 && !forEvent(p):
		if p.Good("for") && p.Good("until") && p.Good("provider") {
			out.Errorf(diag.MissingKey, env.Span, "write `for`, `until`, or `provider` and `event`", "wait %q does not say what it waits for", env.Label)
		}
		return false
	}
	return true
}
