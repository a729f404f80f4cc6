package destination

import (
	"net/http"
	"strconv"

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
	keyAuth        = "auth"
	keyTLS         = "tls"
	keyBody        = "body"
	keySign        = "sign"
	keySecret      = "secret"
	keySecrets     = "secrets"
	keyTimeout     = "timeout"
	keyRetry       = "retry"
	keyRetryAfter  = "retry_after"
	keyMaxAge      = "max_age"
	keyConcurrency = "concurrency"
	keyRateLimit   = "rate_limit"
	keyBreaker     = "breaker"
	keyOrdering    = "ordering"
	keyHold        = "hold"
	keyInsecure    = "insecure"
)

// DefaultConcurrency is how many attempts may be under way at one destination.
const DefaultConcurrency = 10

// Object describes a document of kind destination.
func Object() *field.Object { return describe(embedded()) }

func describe(p presets) *field.Object {
	o := inline(p)
	o.Doc = "A named target of outgoing requests."
	o.Fields = append(manifest.CommonFields(), o.Fields...)
	return o
}

// InlineFields describes the keys that a hook node may carry itself: those of a destination without the ones of every document.
func InlineFields() []field.Field { return fields(embedded()) }

func inline(p presets) *field.Object {
	return &field.Object{Name: "destination", Doc: "Where a hook sends to.", Fields: fields(p), Hints: hints()}
}

func hints() map[string]string {
	return map[string]string{
		"uri": "write `url`", "address": "write `url`", "endpoint": "write `url`", "payload": "write `body`", "json": "write `body` as a map",
		"retries": "write `retry: {max_attempts: 5}`", "retry_count": "write `retry: {max_attempts: 5}`; it counts the first", "verify_ssl": "certificates are always verified",
		"signature": "write `sign`", "signing": "write `sign`", "signing_secret": "write `secret`", "webhook_secret": "write `secret`", "routing_key": "write `secret`",
		"authentication": "write `auth`", "mtls": "write `tls`", "rate": "write `rate_limit: 10/s`", "circuit_breaker": "write `breaker`", "order_by": "write `ordering: {by: …, on_exhausted: park}`",
		"paused": "write `hold`", "ttl": "write `max_age`",
	}
}

func fields(p presets) []field.Field {
	types, forms := p.types(), p.forms()
	return []field.Field{
		{
			Name: keyType, Type: field.Enum, Enum: types, Default: plainType,
			Doc: "What speaks at the other end: it decides the form of the body, which answers are a success, and what is not stated here.",
		},
		{
			Name: keyURL, Type: field.Text, Example: "https://api.example.com/hooks",
			Doc: "Where requests go; needed unless the type has one. The host is literal; path and query may hold {{ templates }}, whose values are " +
				"escaped. A URL that is a secret is a reference: `<<env.CHAT_URL>>`.",
		},
		{
			Name: keyMethod, Type: field.Enum, Default: http.MethodPost, Doc: "The HTTP method. GET and DELETE send a body only where `body` is written.",
			Enum: []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodGet},
		},
		{
			Name: keyHeaders, Type: field.TextMap, Max: 100, Example: "{X-Api-Version: \"2\", X-Key: <<env.KEY>>}",
			Doc: "Headers to send. A value holds references or {{ templates }}, not both; a template that gives null leaves its header out.",
		},
		{
			Name: keyAuth, Type: field.Map, Object: authObject(), Example: "{bearer: <<env.TOKEN>>}",
			Doc: "Who we are: one of `bearer`, `basic`, `header`, `oauth2`.",
		},
		{
			Name: keyTLS, Type: field.Map, Object: tlsObject(), Example: "{cert: <<file.client.pem>>, key: <<file.client.key>>}",
			Doc: "The certificate that we show (mutual TLS), and the authorities that the receiver is trusted by.",
		},
		{
			Name: keyBody, Type: field.Any, Example: "{text: \"{{ payload.title }}\"}",
			Doc: "The body. A map or a list is sent as JSON, text as text/plain unless Content-Type says otherwise; strings may hold " +
				"{{ templates }}. Without it, the original bytes directly behind a receive, else the output of the node before as JSON.",
		},
		{
			Name: keySign, Type: field.Any, Object: signObject(forms), Example: p.example(),
			Doc: "How requests are signed: the name of a form (" + proseList(forms) + "), or a map that describes one. It needs `secret`.",
		},
		{
			Name: keySecret, Type: field.Text, Secret: true, Example: "<<env.SIGNING_SECRET>>",
			Doc: "What requests are signed with, or what the type puts into its messages. A reference.",
		},
		{
			Name: keySecrets, Type: field.Texts, Secret: true, Max: maxSecrets, Example: "[<<env.SECRET_NEW>>, <<env.SECRET_OLD>>]",
			Doc: "Instead of `secret`: the current one first, then those that receivers may still check with. Forms that have room for several " +
				"signatures send one for each, others that of the first.",
		},
		{
			Name: keyTimeout, Type: field.Duration, Default: field.FormatDuration(hooks.DefaultTimeout), Min: int64(hooks.MinTimeout), Max: int64(hooks.MaxTimeout),
			Doc: "How long one whole attempt may take, the reading of the answer included.",
		},
		{
			Name: keyRetry, Type: field.Any, Object: retryObject(), Example: "[0s, 5s, 5m]",
			Doc: "When failed attempts are repeated: a map, the list of the delays before each attempt, or `standard` or `none`. The default is ten " +
				"attempts over three days (0, 5s, 5m, 30m, 2h, 5h, 10h, 14h, 20h, 24h). Other 4xx answers and redirects get four attempts at most, 410 Gone one.",
		},
		{
			Name: keyRetryAfter, Type: field.Map, Object: retryAfterObject(), Example: "{max: 1h}",
			Doc: "What a receiver may ask for when it answers to come later.",
		},
		{
			Name: keyMaxAge, Type: field.Duration, Default: field.FormatDuration(DefaultMaxAge), Min: minMaxAge, Max: maxMaxAge,
			Doc: "How long after the hook was reached attempts are still begun; later its run is parked with the reason `too_old`. Where it " +
				"is not written, a `retry` that takes longer has twice its own time.",
		},
		{
			Name: keyConcurrency, Type: field.Int, Default: strconv.Itoa(DefaultConcurrency), Min: 1, Max: 1000,
			Doc: "How many attempts may be under way at a time.",
		},
		{
			Name: keyRateLimit, Type: field.Any, Object: rateObject(), Example: "10/s",
			Doc: "How many attempts may begin over time: `10/s`, or a map of `rate` and `burst`. Without it the type's, or none. Each gateway counts by itself.",
		},
		{
			Name: keyBreaker, Type: field.Any, Object: breakerObject(), Example: "{failures: 5, pause: 1m}",
			Doc: "When a failing destination is left alone for a while: `off`, or a map. What waits meanwhile is charged no attempt.",
		},
		{
			Name: keyOrdering, Type: field.Map, Object: orderingObject(), Example: "{by: payload.customer.id, on_exhausted: park}",
			Doc: "Sends the runs of one key one after the other, in the order of their events.",
		},
		{
			Name: keyHold, Type: field.Bool, Default: "false",
			Doc: "Holds everything back while it is true: what is to be sent waits, and no attempt is made.",
		},
		{
			Name: keyInsecure, Type: field.Bool, Default: "false",
			Doc: "Lets plain http go to addresses that HEADGATE_EGRESS_ALLOW does not list. It opens no address that the egress guard refuses.",
		},
	}
}
