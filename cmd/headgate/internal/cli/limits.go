package cli

import (
	"fmt"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/script/value"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/hooks"
)

// fixedLimit is one line of the second table of docs/settings.md.
type fixedLimit struct{ what, limit, why string }

// fixedLimits lists what has no setting. Where a constant says it, the constant is written here.
func fixedLimits() []fixedLimit {
	bytes := func(n int64) string { return field.FormatSize(n) }
	return []fixedLimit{
		{"A manifest file", bytes(source.MaxFileBytes), "a larger one was written by no person"},
		{"Aliases in one YAML document", fmt.Sprint(source.MaxAliases), "a few lines of aliases can stand for gigabytes"},
		{"Levels of a webhook's JSON body", fmt.Sprint(payload.DefaultDepth), "more than any known sender nests"},
		{"Values in a webhook's JSON body", fmt.Sprint(payload.DefaultTokens), "the decoded form stays below about 20 MB"},
		{"Time of one expression", field.FormatDuration(value.MaxTime), "the step fails; no expression holds a worker up"},
		{"Steps of one expression", fmt.Sprint(value.MaxSteps), "as above"},
		{"Memory that one expression makes", bytes(value.MaxGrowth), "as above"},
		{"A step's output", bytes(run.MaxOutputBytes), "a larger one fails the step: it is read again at every step that follows"},
		{"An operand's value in a step's record", bytes(run.MaxReadBytes), "cut there, and marked as cut"},
		{"Time of one outgoing attempt", field.FormatDuration(hooks.MaxTimeout), "what a destination may ask for at most with timeout"},
		{"Attempts of one hook", fmt.Sprint(hooks.MaxAttempts), "what a destination may ask for at most with retry"},
		{"The wait that a receiver may ask for", field.FormatDuration(hooks.MaxRetryAfter), "a Retry-After beyond it counts as this"},
		{"An answer of a receiver", bytes(hooks.MaxAnswerBytes), "what is read of it"},
		{"An answer's excerpt in an attempt's record", bytes(run.MaxExcerptBytes), "enough for an error message of a receiver"},
		{"Leases lost in a row before a run is parked", fmt.Sprint(run.MaxLost), "the task itself may be what ends the process"},
		{"Depth of events that cause events", fmt.Sprint(event.MaxDepth), "a circle of emitted events ends"},
		{"Records of refused requests", fmt.Sprint(store.MaxRejections), "the oldest go; what is refused alike again and again is counted, so that nobody can fill the disk"},
		{"Events or runs that a job names one by one", fmt.Sprint(store.MaxJobIDs), "more are named by a filter"},
		{"Jobs that have ended and are remembered", fmt.Sprint(store.MaxJobs), "the oldest go, a day after they ended at the earliest; the audit log keeps that they were"},
		{"The detail of an audit entry", bytes(store.MaxAuditDetailBytes), "the audit log is never pruned"},
		{"Tasks that are counted at one gate", fmt.Sprint(store.MaxWaiting), "more show as this many: counting a million costs more than it tells"},
		{"Secrets learnt from one provider's handshakes", fmt.Sprint(store.MaxSecrets), "the oldest goes"},
		{"The body of an admin request", bytes(admin.MaxBodyBytes), "the largest webhook body, in base64, to be signed"},
		{"Wrong admin tokens", fmt.Sprintf("%d in %s from one address", admin.MaxFailures, field.FormatDuration(admin.FailureWindow)), "then 429 until the time is over"},
	}
}
