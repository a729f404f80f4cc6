package destination

import (
	"net/http"
	"strconv"
	"time"

	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/hooks"
)

// The keys of a destination.
const (
	keyType        = "type"
	keyURL         = "url"
	keyMethod      = "method"
	keyHeaders     = "headers"
	keyTimeout     = "timeout"
	keyBody        = "body"
	keyRetry       = "retry"
	keyInsecure    = "insecure"
	keyConcurrency = "concurrency"
)

// DefaultConcurrency is how many attempts may be under way at one destination.
const DefaultConcurrency = 10

// Object describes a document of kind destination.
func Object() *field.Object {
	o := inline()
	o.Doc = "A named target of outgoing requests."
	o.Fields = append(manifest.CommonFields(), o.Fields...)
	return o
}

// InlineFields describes the keys that a hook node may carry itself: those of a destination without the ones of every document.
func InlineFields() []field.Field {
	types := make([]string, 0, len(kinds()))
	for _, k := range kinds() {
		types = append(types, k.name)
	}
	return []field.Field{
		{
			Name: keyType, Type: field.Enum, Enum: types, Default: types[0],
			Doc: "What speaks at the other end: it decides the form of the body and which answers are a success.",
		},
		{
			Name: keyURL, Type: field.Text, Required: true, Example: "https://api.example.com/hooks",
			Doc: "Where requests go. The host is literal; path and query may hold {{ templates }}, whose values are escaped. A URL that is a " +
				"secret is a reference: `<<env.SLACK_URL>>`.",
		},
		{
			Name: keyMethod, Type: field.Enum, Default: http.MethodPost, Doc: "The HTTP method. GET and DELETE send a body only where `body` is written.",
			Enum: []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodGet},
		},
		{
			Name: keyHeaders, Type: field.TextMap, Max: 100, Example: "{Authorization: \"Bearer <<env.TOKEN>>\"}",
			Doc: "Headers to send. A value holds references or {{ templates }}, not both; a template that gives null leaves its header out.",
		},
		{
			Name: keyBody, Type: field.Any, Example: "{text: \"{{ payload.title }}\"}",
			Doc: "The body. A map or a list is sent as JSON, text as text/plain unless Content-Type says otherwise; strings may hold " +
				"{{ templates }}. Without it, the original bytes directly behind a receive, else the output of the node before as JSON.",
		},
		{
			Name: keyTimeout, Type: field.Duration, Default: field.FormatDuration(hooks.DefaultTimeout), Min: int64(hooks.MinTimeout), Max: int64(hooks.MaxTimeout),
			Doc: "How long one whole attempt may take, the reading of the answer included.",
		},
		{
			Name: keyRetry, Type: field.Any, Object: retryObject(), Example: "[0s, 5s, 5m]",
			Doc: "When failed attempts are repeated: a map, or the list of the delays before each attempt. The default is ten attempts over three " +
				"days (0, 5s, 5m, 30m, 2h, 5h, 10h, 14h, 20h, 24h). Other 4xx answers and redirects get four attempts at most, 410 Gone one.",
		},
		{
			Name: keyInsecure, Type: field.Bool, Default: "false",
			Doc: "Lets plain http go to addresses that HEADGATE_EGRESS_ALLOW does not list. It opens no address that the egress guard refuses.",
		},
		{
			Name: keyConcurrency, Type: field.Int, Default: strconv.Itoa(DefaultConcurrency), Min: 1, Max: 1000,
			Doc: "How many attempts may be under way at a time.",
		},
	}
}

func inline() *field.Object {
	return &field.Object{
		Name:   "destination",
		Doc:    "Where a hook sends to.",
		Fields: InlineFields(),
		Hints: map[string]string{
			"uri": "write `url`", "address": "write `url`", "endpoint": "write `url`", "payload": "write `body`", "json": "write `body` as a map",
			"retries": "write `retry: {max_attempts: 5}`", "retry_count": "write `retry: {max_attempts: 5}`; it counts the first", "verify_ssl": "certificates are always verified",
		},
	}
}

const (
	keyMaxAttempts = "max_attempts"
	keyInitial     = "initial"
	keyMax         = "max"
	keyFactor      = "factor"
	keyJitter      = "jitter"
)

// defaultJitter spreads what failed together over 40 % of each delay.
const defaultJitter = 0.2

func retryObject() *field.Object {
	longest := int64(7 * 24 * time.Hour)
	return &field.Object{
		Name: "retry",
		Doc: "Delays that grow: initial, initial x factor, initial x factor^2, … up to max. With `max_attempts` and `jitter` alone the default " +
			"schedule is kept and ends sooner, or goes on with its last delay.",
		Fields: []field.Field{
			{Name: keyMaxAttempts, Type: field.Int, Default: "10", Min: 1, Max: hooks.MaxAttempts, Doc: "How many attempts are made; it counts the first."},
			{Name: keyInitial, Type: field.Duration, Default: "5s", Min: int64(time.Second), Max: longest, Doc: "The delay before the second attempt."},
			{Name: keyMax, Type: field.Duration, Default: "1h", Min: int64(time.Second), Max: longest, Doc: "No delay is longer."},
			{Name: keyFactor, Type: field.Number, Default: "2", Min: 1, Max: 100, Doc: "How many times longer each delay is."},
			{Name: keyJitter, Type: field.Number, Default: "0.2", Min: 0, Max: 1, Doc: "How much each delay is varied: 0.2 is 80 % to 120 % of it."},
		},
		Hints: map[string]string{"attempts": "write `max_attempts`", "count": "write `max_attempts`", "max_delay": "write `max`", "initial_delay": "write `initial`"},
	}
}
