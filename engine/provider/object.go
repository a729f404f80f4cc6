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
	// maxTolerance is what the most patient sender signs for.
	maxTolerance = 48 * time.Hour
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
				Name: "public_url", Type: field.String, Example: "https://hooks.example.com/webhooks/acme",
				Doc: "The address that the provider was told to send to, for signatures over `{url}`. Default: the gateway's public URL with `/webhooks/NAME`.",
			},
			field.Field{
				Name: "signature", Type: field.Any, Object: ruleObject(),
				Doc: "How a request is known to be genuine: a rule, or `none` in words for a provider that signs nothing. " +
					"Without it the manifest is refused.",
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
				Name: "event", Type: field.Any, Object: eventObject(), Example: "{header: X-Acme-Event}",
				Doc: "Where the event's name stands: `{header: N}`, `{body: path}` or a template such as `\"{header:X-Event}[.{json:action}]\"`.",
			},
			field.Field{
				Name: "delivery", Type: field.Any, Object: deliveryObject(), Example: "{header: X-Acme-Delivery, window: 72h}",
				Doc: "Where the delivery id stands, by which a request that was sent twice is known: `{header: N}`, `{body: path}`, a template, " +
					"or `body` for a hash of the body. Without it nothing is de-duplicated.",
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
			field.Field{Name: "body", Type: field.Map, Object: bodyObject(), Doc: "How the body is read."},
			field.Field{Name: "max_body", Type: field.Size, Default: "5MiB", Min: 1, Max: maxBodyBytes, Doc: "The largest body that is accepted; a larger one gets 413."},
			field.Field{Name: "ack", Type: field.Map, Object: ackObject(), Doc: "The answer to an accepted request, where the provider wants its own instead of ours."},
			field.Field{
				Name: "reject", Type: field.Any, Object: rejectObject(), Example: "401",
				Doc: "The answer to a request whose signature does not hold, where the provider wants its own: a status with an empty body, or a map.",
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

func ruleObject() *field.Object {
	return &field.Object{
		Name: "a signature rule",
		Fields: []field.Field{
			{
				Name: "algorithm", Type: field.String, Example: "hmac-sha256",
				Doc: "`hmac-sha256`, `hmac-sha1`, `hmac-sha512`, or `none`, which checks nothing.",
			},
			{Name: "header", Type: field.String, Doc: "The header that holds the signature; short for `from: header:N`.", Example: "X-Acme-Signature"},
			{Name: "from", Type: field.Strings, Doc: "The source, or sources, that hold the signature; every value is a candidate.", Example: "header:X-Acme-Signature"},
			{Name: "split", Type: field.String, Doc: "What separates the items of a list of signatures.", Example: `","`},
			{Name: "prefix", Type: field.Strings, Doc: "Only items that begin so are signatures; it is dropped.", Example: `"v1="`},
			{Name: "strip_to", Type: field.String, Doc: "Everything up to and with the last such text is dropped, where it occurs.", Example: `"="`},
			{Name: "encoding", Type: field.Strings, Default: "hex", Doc: "How the signature is written: `hex`, `base64`, `base64url`, or a list of those that may be."},
			{
				Name: "signed", Type: field.Strings, Default: "{body}", Example: `"{ts}.{body}"`,
				Doc: "A template of the bytes that are signed, or a list of which any may match.",
			},
			{Name: "key", Type: field.String, Default: "utf8", Doc: "How the secret stands for key bytes: `utf8` as it is, `base64` or `hex` decoded."},
			{Name: "strip", Type: field.Strings, Doc: "Prefixes that are taken off the secret before it is decoded.", Example: "whsec_"},
		},
		Hints: map[string]string{
			"secret": "write it at the top level", "secrets": "write them at the top level", "tolerance": "write it below `timestamp`",
			"timestamp": "write it at the top level", "signature_header": "write `header`", "signature_algorithm": "write `algorithm`",
		},
	}
}

func timestampObject() *field.Object {
	return &field.Object{
		Name: "a timestamp",
		Fields: []field.Field{
			{Name: "header", Type: field.String, Doc: "The header that holds it; short for `from: header:N`.", Example: "X-Acme-Timestamp"},
			{Name: "from", Type: field.String, Doc: "The source that holds it, such as `\"sig:t=\"` for an item of the signature list.", Example: `"sig:t="`},
			{Name: "unit", Type: field.String, Default: "s", Doc: "`s`, `ms` or `rfc3339`."},
			{
				Name: "tolerance", Type: field.Duration, Default: "5m", Min: int64(time.Second), Max: int64(maxTolerance),
				Doc: "How far it may lie from our clock, in either direction.",
			},
		},
	}
}

func eventObject() *field.Object {
	return &field.Object{
		Name: "an event's name",
		Fields: []field.Field{
			{Name: "header", Type: field.String, Doc: "The header that holds it."},
			{Name: "body", Type: field.String, Doc: "The path in the body where it stands.", Example: "data.type"},
		},
	}
}

func deliveryObject() *field.Object {
	return &field.Object{
		Name: "a delivery id",
		Fields: []field.Field{
			{Name: "header", Type: field.String, Doc: "The header that holds it."},
			{Name: "body", Type: field.String, Doc: "The path in the body where it stands.", Example: "id"},
			{Name: "from", Type: field.String, Doc: "A template.", Example: `"{json:event_id ?? body|sha256|hex}"`},
			{
				Name: "window", Type: field.Duration, Default: "72h", Min: int64(minWindow), Max: int64(maxWindow),
				Doc: "How long an id counts as seen; at least twice the timestamp's tolerance.",
			},
		},
	}
}

func bodyObject() *field.Object {
	return &field.Object{
		Name: "a body",
		Fields: []field.Field{{
			Name: "format", Type: field.Enum, Enum: []string{"json", "form", "text"}, Default: "json",
			Doc: "How the body is read, whatever the Content-Type says; 415 where it cannot be.",
		}},
	}
}

func ackObject() *field.Object {
	return &field.Object{
		Name: "an answer",
		Fields: []field.Field{
			{Name: "status", Type: field.Int, Default: "200", Min: 200, Max: 299, Doc: "The status."},
			{Name: "type", Type: field.String, Doc: "The Content-Type. Default: `text/plain; charset=utf-8` where there is a body."},
			{Name: "body", Type: field.String, Shown: true, Doc: "The body, as it is."},
		},
	}
}

func rejectObject() *field.Object {
	return &field.Object{
		Name: "an answer",
		Fields: []field.Field{
			{Name: "status", Type: field.Int, Default: "401", Min: 400, Max: 599, Doc: "The status."},
			{Name: "type", Type: field.String, Doc: "The Content-Type. Default: `text/plain; charset=utf-8` where there is a body."},
			{Name: "body", Type: field.String, Shown: true, Doc: "The body, as it is."},
		},
	}
}

func itemObject() *field.Object {
	return &field.Object{
		Name: "an event",
		Fields: []field.Field{
			{Name: "name", Type: field.String, Required: true, Shown: true, Doc: "The name, as the provider sends it.", Example: "order.created"},
			{Name: "title", Type: field.String, Shown: true, Doc: "A name for people, where the name is a code."},
			{Name: "description", Type: field.String, Shown: true, Doc: "What has happened, in a sentence."},
			{
				Name: "schema", Type: field.Any, Example: "schemas/order.created.json",
				Doc: "The JSON Schema of the body: a file beside the manifest, `schema://FILE`, or the schema itself.",
			},
			{
				Name: "example", Type: field.Any, Example: "examples/order.created.json",
				Doc: "A body as the provider sends it: a file beside the manifest, or the body itself. The schema must accept it.",
			},
		},
		Hints: map[string]string{"payload_schema": "write `schema`", "example_payload": "write `example`"},
	}
}
