package trial

import (
	"time"

	"github.com/headgate/headgate/engine/field"
)

// maxSimulated is the longest time that a case simulates: more than the longest wait that a pipeline may have.
const maxSimulated = 400 * 24 * time.Hour

// laterObject describes what is sent after the case has begun.
func laterObject() *field.Object {
	return &field.Object{
		Name: "a later event",
		Doc:  "What is sent after the case has begun: one of `send`, `request`, `event` and `stored`.",
		Fields: append([]field.Field{
			{Name: "after", Type: field.Duration, Required: true, Max: int64(maxSimulated), Example: "10m", Doc: "How long after the case has begun."},
		}, append(stimulusFields(), field.Field{
			Name: "expect", Type: field.Map, Object: laterExpectObject(),
			Doc: "What becomes of the request, where that is not to be accepted by its provider. Default: a request that is not accepted fails the case.",
		})...),
	}
}

// laterExpectObject describes what may be expected of a later request itself.
func laterExpectObject() *field.Object {
	names := map[string]bool{"verdict": true, "status": true, "code": true, "reason": true}
	o := &field.Object{Name: "an expectation of a later event", Hints: map[string]string{}}
	for _, f := range requestExpectations() {
		if names[f.Name] {
			o.Fields = append(o.Fields, f)
			continue
		}
		o.Hints[f.Name] = "write it below the case's own `expect`"
	}
	for _, f := range outcomeFields() {
		o.Hints[f.Name] = "write it below the case's own `expect`"
	}
	return o
}

func eventObject() *field.Object {
	return &field.Object{
		Name: "an event",
		Fields: []field.Field{
			{Name: "provider", Type: field.String, Shown: true, Required: true, Example: "internal", Doc: "The provider that it is said to come from."},
			{Name: "event", Type: field.String, Shown: true, Doc: "Its name.", Example: "order.created"},
			{Name: "payload", Type: field.Any, Doc: "Its payload."},
			{Name: "headers", Type: field.StringMap, Shown: true, Doc: "Its stored headers."},
			{Name: "query", Type: field.String, Shown: true, Doc: "The raw query, without `?`."},
			{Name: "delivery", Type: field.String, Shown: true, Doc: "Its delivery id. Default: none."},
		},
	}
}

// How a scripted request may fail without an answer.
const (
	failsTimeout = "timeout"
	failsRefused = "refused"
	failsReset   = "reset"
)

// answerObject describes what a scripted receiver answers.
func answerObject() *field.Object {
	return &field.Object{
		Name: "an answer",
		Fields: []field.Field{
			{Name: "status", Type: field.Int, Min: 100, Max: 599, Default: "200", Doc: "The status."},
			{
				Name: "error", Type: field.Enum, Enum: []string{failsTimeout, failsRefused, failsReset},
				Doc: "Instead of an answer: none within the hook's timeout, no connection, or a connection that broke when the request was sent.",
			},
			{Name: "after", Type: field.Duration, Doc: "How long it takes. What is longer than the hook's timeout is a timeout.", Example: "2s"},
			{Name: "headers", Type: field.StringMap, Shown: true, Doc: "Headers of the answer. Content-Type and Retry-After are looked at.", Example: `{Retry-After: "30"}`},
			{Name: "json", Type: field.Any, Doc: "The body as a value. Default, where `body` is not written either: `{}`."},
			{Name: "body", Type: field.String, Shown: true, Doc: "The body as text."},
		},
		Hints: map[string]string{"code": "write `status`", "delay": "write `after`", "timeout": "write `error: timeout`"},
	}
}

// outcomeFields are what of a pipeline's run may be expected.
func outcomeFields() []field.Field {
	return []field.Field{
		{Name: "state", Type: field.Enum, Enum: []string{"done", "parked", "open"}, Doc: "Where the run stands in the end."},
		{Name: "outcome", Type: field.Enum, Enum: []string{"completed", "filtered", "limited"}, Doc: "How a done run ended."},
		{
			Name: "path", Type: field.Strings, Example: `[Opened, "Is big[true]", Message, Tell ops]`,
			Doc: "The nodes that were done, in the order of the diagram, each with the branch that it took.",
		},
		{Name: "steps", Type: field.Any, Example: "{Message: {output: {text: hello}}}", Doc: "Steps by their paths: labels, and inside a foreach `Each[3]/Tell`."},
		{Name: "requests", Type: field.Objects, Object: outgoingObject(), Single: true, Doc: "All requests that went out, in order, the tries of a hook each for itself; `[]` for none."},
		{Name: "hooks", Type: field.Any, Doc: "The requests of single hooks, by their labels: a request or a list of them."},
		{Name: "emitted", Type: field.Objects, Object: emittedObject(), Doc: "All events that were emitted, in order; `[]` for none."},
		{Name: "metrics", Type: field.Objects, Object: metricObject(), Min: 1, Doc: "What metrics came to. Those that are not named are not looked at."},
		{Name: "result", Type: field.Any, Doc: "What the pipeline comes to. Of maps only the named keys are looked at."},
		{
			Name: "elapsed", Type: field.Any, Example: "5s",
			Doc: "How much simulated time passed until the run was over, to the millisecond; or {min: 4s, max: 6s}, as retries are spread by chance.",
		},
		{Name: "runs", Type: field.Int, Min: 0, Max: 1 << 20, Doc: "How many runs of the pipeline there are, filtered ones too."},
		{Name: "run", Type: field.Int, Min: 1, Max: 1 << 20, Default: "1", Doc: "Which run is looked at, counted from 1."},
		{Name: "none", Type: field.Bool, Doc: "`true` says that nothing started a run of the pipeline."},
	}
}

func stepObject() *field.Object {
	return &field.Object{
		Name: "a step",
		Fields: []field.Field{
			{Name: "state", Type: field.Enum, Enum: []string{"done", "failed", "skipped", "filtered"}, Doc: "How it ended."},
			{Name: "branch", Type: field.Any, Doc: "The way that was taken; `null` for the plain one.", Example: `"true"`},
			{Name: "output", Type: field.Any, Doc: "What it gave. Of maps only the named keys are looked at."},
			{Name: "failure", Type: field.Map, Object: failureObject(), Doc: "Why it failed."},
			{Name: "log", Type: field.Strings, Doc: "All lines that it logged."},
		},
		Hints: map[string]string{"outputs": "write `output`", "error": "write `failure: {code: …}`"},
	}
}

func failureObject() *field.Object {
	return &field.Object{
		Name: "a failure",
		Fields: []field.Field{
			{Name: "code", Type: field.String, Shown: true, Doc: "Its code, such as `retries_spent`.", Example: "timeout"},
			{Name: "kind", Type: field.String, Shown: true, Doc: "Its kind, such as `permanent`."},
			{Name: "message", Type: field.String, Shown: true, Doc: "A text that its message holds."},
		},
	}
}

// outgoingObject describes a request that went out.
func outgoingObject() *field.Object {
	return &field.Object{
		Name: "a request",
		Fields: []field.Field{
			{Name: "node", Type: field.String, Shown: true, Doc: "The hook's label, or its path; of a hook to subscribers `Tell[name]` is the one to that subscription.", Example: "Tell ops"},
			{Name: "method", Type: field.String, Shown: true, Doc: "The method."},
			{Name: "url", Type: field.Any, Doc: "The URL, with its references as the manifest writes them, as literal text.", Example: "'\\<<env.SLACK_URL>>'"},
			{Name: "headers", Type: field.Any, Doc: "Headers with their values, references as the manifest writes them; `null` for one that must not be there."},
			{Name: "json", Type: field.Any, Doc: "The body as JSON: equal, whatever the order of its keys."},
			{Name: "json_contains", Type: field.Any, Doc: "The body as JSON. Of maps only the named keys are looked at; lists and all else must be equal."},
			{Name: "body", Type: field.String, Shown: true, Doc: "The body, byte for byte."},
			{Name: "body_contains", Type: field.String, Shown: true, Doc: "A text that the body holds."},
			{Name: "attempts", Type: field.Int, Min: 1, Max: 1000, Doc: "How many tries of the same hook this stands for, all of them. Default: for one request."},
		},
		Hints: map[string]string{"label": "write `node`", "hook": "write `node`", "payload": "write `json`", "status": "answers are written below the case's `hooks`"},
	}
}

func emittedObject() *field.Object {
	return &field.Object{
		Name: "an emitted event",
		Fields: []field.Field{
			{Name: "event", Type: field.String, Shown: true, Doc: "Its name.", Example: "integration.connected"},
			{Name: "payload", Type: field.Any, Doc: "Its payload. Of maps only the named keys are looked at."},
		},
	}
}

func metricObject() *field.Object {
	return &field.Object{
		Name: "a metric",
		Fields: []field.Field{
			{Name: "name", Type: field.String, Shown: true, Required: true, Doc: "Its name.", Example: "orders_total"},
			{Name: "value", Type: field.Number, Doc: "What a counter or histogram came to in sum, and a gauge at last."},
			{Name: "count", Type: field.Int, Min: 0, Max: 1 << 20, Doc: "How often it was counted or observed."},
			{Name: "labels", Type: field.StringMap, Shown: true, Doc: "Only what was measured with these labels."},
		},
	}
}

func elapsedObject() *field.Object {
	return &field.Object{
		Name: "a time",
		Fields: []field.Field{
			{Name: "min", Type: field.Duration, Doc: "At least this long."},
			{Name: "max", Type: field.Duration, Doc: "At most this long."},
		},
	}
}
