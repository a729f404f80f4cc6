package provider

import (
	"time"

	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
)

// Bounds of what a provider's manifest may ask for.
const (
	// minWindow covers the quick retries of every sender, maxWindow the slowest redelivery that is known.
	minWindow = 5 * time.Minute
	maxWindow = 35 * 24 * time.Hour
	// maxTolerance is for senders that repeat what they signed once for days.
	maxTolerance = 7 * 24 * time.Hour
	// maxBodyBytes is four times what the most generous sender sends.
	maxBodyBytes = 100 << 20
)

// Object describes a provider's manifest.
func Object() *field.Object {
	return &field.Object{
		Name: "a provider",
		Doc:  "A service that sends webhooks: how its requests are signed, what its events are called, and who the operator is to it.",
		Fields: append(
			manifest.CommonFields(),
			field.Field{
				Name: "base_url", Type: field.String, Doc: "The address of the provider's own API. It is for people; nothing is sent there.",
				Example: "https://api.acme.example",
			},
			field.Field{Name: "version", Type: field.String, Doc: "The version of the manifest, for people."},
			field.Field{
				Name: "tests", Type: field.Any,
				Doc: "Tests: a list of cases as documents of `kind: test` have them, or a map of `cases`, `with` and `now`. They are not run here, but by `headgate test`.",
			},
			field.Field{
				Name: "settings_page", Type: field.String, Doc: "A link to the page where a person sets the webhook up.",
				Example: "https://dashboard.acme.example/webhooks",
			},
			field.Field{
				Name: "public_url", Type: field.String, Example: "https://hooks.example.com/webhooks/acme",
				Doc: "The address that the provider was told to send to, for signatures over `{url}`. Default: the gateway's public URL with " +
					"`/webhooks/NAME`, and the token where there is one.",
			},
			field.Field{
				Name: "signature", Type: field.Any, Object: ruleObject(),
				Doc: "How a request is known to be genuine: a rule, a list of rules of which the first whose `when` holds is the only one tried, or `none` in " +
					"words for a provider that signs nothing. Without it the manifest is refused.",
				Example: `{algorithm: hmac-sha256, header: X-Acme-Signature, prefix: "sha256="}`,
			},
			field.Field{Name: "timestamp", Type: field.Map, Object: timestampObject(), Doc: "Where the time of signing stands and how old it may be; binds `{ts}`."},
			field.Field{
				Name: "secret", Type: field.Text, Secret: true, Example: "<<env.ACME_WEBHOOK_SECRET>>",
				Doc: "The secret that the provider signs with. It is the operator's, so it always stands at the top level.",
			},
			field.Field{
				Name: "secrets", Type: field.Texts, Secret: true, Min: 1, Max: 8, Example: "[<<env.ACME_SECRET>>, <<env.ACME_SECRET_OLD>>]",
				Doc: "Instead of `secret`: several live secrets, the current one first. Each is tried.",
			},
			field.Field{
				Name: "path_token", Type: field.Text, Secret: true, Example: "<<env.ACME_PATH_TOKEN>>",
				Doc: "A secret of 16 characters or more that stands in the address: `/webhooks/NAME/TOKEN` is then the only one. It is compared in constant " +
					"time and never logged. It is the operator's.",
			},
			field.Field{
				Name: "vars", Type: field.Any, Example: "{webhook_id: <<env.ACME_WEBHOOK_ID>>}",
				Doc: "Texts of the operator's that templates name as `{var:name}`, and that are never shown. `null` declares one that whoever uses the manifest must set.",
			},
			field.Field{
				Name: "needs", Type: field.StringMap, Shown: true, Example: `{secret: "the signing secret, shown once when the webhook is made"}`,
				Doc: "What whoever uses the manifest has to bring, in words for `headgate catalog` and `headgate new provider --from`: `secret`, `public_url`, " +
					"or the name of one of `vars`. A text that begins with `choose` names one that the operator makes up.",
			},
			field.Field{
				Name: "accept_weak", Type: field.String, Shown: true, Example: "the sender has nothing better; the address is known to nobody else",
				Doc: "Why a scheme that proves less than it seems to is taken all the same. It silences `weak-signature`, and stands in the file for the next reader.",
			},
			field.Field{
				Name: "let", Type: field.StringMap, Example: `{seed: "{query:code}{var:token}"}`,
				Doc: "Templates that others name as `{let:name}`. They may name all but each other.",
			},
			field.Field{
				Name: "event", Type: field.Any, Object: eventObject(), Example: "{header: X-Acme-Event}",
				Doc: "Where the event's name stands: `{header: N}`, `{body: path}` or a template such as `\"{header:X-Event}[.{json:action}]\"`.",
			},
			field.Field{
				Name: "delivery", Type: field.Any, Object: deliveryObject(), Example: "{header: X-Acme-Delivery, window: 72h}",
				Doc: "Where the delivery id stands, by which a request that was sent twice is known: `{header: N}`, `{body: path}`, a template, " +
					"or `body` for a hash of the body. Without it nothing is de-duplicated. In a batch, an id that names no `item` is numbered: `ID#0`.",
			},
			field.Field{
				Name: "redeliver", Type: field.Enum, Enum: []string{redeliverIgnore, redeliverRetry}, Default: redeliverIgnore,
				Doc: "What a request that comes again does to runs of its event that are parked: `ignore` leaves them to a person, `retry_parked` opens them " +
					"again. It is answered as a duplicate either way, with how many are parked and how many were opened.",
			},
			field.Field{
				Name: "ignore", Type: field.Strings, Example: "[ping]",
				Doc: "Names of events that are recorded and start nothing; `*` and `prefix*` match many.",
			},
			field.Field{
				Name: "unknown_events", Type: field.Enum, Enum: []string{unknownAccept, unknownIgnore, unknownReject},
				Doc: "What becomes of an event without a name, or with one that `events` does not list: `accept` it, `ignore` it (recorded, starts nothing) " +
					"or `reject` it with 422. Default: `ignore`; `accept` where no events are listed.",
			},
			field.Field{
				Name: "headers", Type: field.Strings, Example: "[X-Acme-Account]",
				Doc: "Headers to store and to show to pipelines, besides content-type, user-agent and those that the manifest names. " +
					"The signature's header is stored only if it is listed here.",
			},
			field.Field{Name: "body", Type: field.Map, Object: bodyObject(), Doc: "Where the document stands, and how it is read."},
			field.Field{
				Name: "each", Type: field.String, Example: "json:events",
				Doc: "For requests that hold several events: the list of them in the document, `json:PATH`, or `json` where the document itself is the list. Each item " +
					"becomes an event whose body is the item; `{item:path}` names a part of it.",
			},
			field.Field{Name: "max_body", Type: field.Size, Default: "5MiB", Min: 1, Max: maxBodyBytes, Doc: "The largest body that is accepted; a larger one gets 413."},
			field.Field{
				Name: "rate_limit", Type: field.Map, Object: rateObject(), Example: "{rate: 100/s, burst: 200}",
				Doc: "How many genuine requests are let in; more are answered 429 with Retry-After, and while it is used up before their body is read.",
			},
			field.Field{
				Name: "schema_policy", Type: field.Enum, Enum: []string{policyPass, policyQuarantine, policyReject}, Default: policyPass,
				Doc: "What becomes of an event that its schema refuses: `pass` records the finding and goes on, `quarantine` stores the event and starts " +
					"nothing, `reject` answers 422.",
			},
			field.Field{
				Name: "challenge", Type: field.Objects, Object: challengeObject(), Single: true, Min: 1, Max: maxChallenges,
				Example: "[{when: {json:type: url_verification}, reply: {body: \"{json:challenge}\"}}]",
				Doc:     "The handshakes that the provider asks for, tried before all else: the first whose `when` holds answers.",
			},
			field.Field{
				Name: "ack", Type: field.Map, Object: replyObject(200, 299),
				Doc: "The answer to a request whose events are stored, duplicates and ignored ones included, where the provider wants its own instead of ours.",
			},
			field.Field{
				Name: "reject", Type: field.Any, Object: rejectObject(), Example: "401",
				Doc: "The answer to a request whose signature does not hold, where the provider wants its own: a status with an empty body, or a map. " +
					"It says nothing of the request.",
			},
			field.Field{
				Name: "schemas_directory", Type: field.String, Default: "schemas",
				Doc: "The folder beside the manifest that `schema://FILE` leads to.",
			},
			field.Field{Name: "events", Type: field.Objects, Object: itemObject(), Doc: "The provider's events."},
		),
		Hints: map[string]string{
			"webhook_events": "write `events`", "metadata": "write `signature` and `secret` at the top level", "webhook_config": "write `signature` and `secret` at the top level",
			"algorithm": "write it below `signature`", "header": "write it below `signature`", "window": "write it below `delivery`",
			"tolerance": "write it below `timestamp`", "format": "write it below `body`",
			"auth": "a provider here only receives; requests are sent by destinations", "operations": "a provider here only receives; requests are sent by destinations",
			"retry_policy": "retries belong to a destination: `retry`",
		},
	}
}
