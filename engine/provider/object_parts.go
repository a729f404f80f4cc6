package provider

import (
	"time"

	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/signature"
)

func ruleObject() *field.Object {
	return &field.Object{
		Name: "a signature rule",
		Fields: []field.Field{
			{
				Name: "when", Type: field.Any, Example: `{header:X-Acme-Version: v2}`,
				Doc: "What must hold for the rule to apply: sources and what they must be; `\"*\"` is present, `false` absent. Of a list of rules each but the last needs one.",
			},
			{
				Name: "algorithm", Type: field.String, Shown: true, Example: "hmac-sha256",
				Doc: "`hmac-sha256`, `hmac-sha1`, `hmac-sha512`; `digest-sha256`, `digest-sha1` (a plain hash of `signed`, which must name `{secret}`); `ed25519`, " +
					"`ecdsa-sha256`, `rsa-sha256`, `rsa-sha1`; `jwt-hs256`, `jwt-rs256`, `jwt-es256`; `token` (the secret itself); or `none`, which checks nothing.",
			},
			{Name: "header", Type: field.String, Doc: "The header that holds the signature; short for `from: header:N`. A last `*` matches any rest of the name.", Example: "X-Acme-Signature"},
			{Name: "from", Type: field.Strings, Doc: "The source, or sources, that hold the signature; every value is a candidate.", Example: "header:X-Acme-Signature"},
			{Name: "split", Type: field.String, Doc: "What separates the items of a list of signatures.", Example: `","`},
			{Name: "prefix", Type: field.Strings, Doc: "Only items that begin so are signatures; it is dropped. It may hold `{var:name}`.", Example: `"v1="`},
			{Name: "strip_to", Type: field.String, Doc: "Everything up to and with the last such text is dropped, where it occurs.", Example: `"="`},
			{
				Name: "encoding", Type: field.Strings,
				Doc: "How the signature is written: `hex`, `base64`, `base64url`, `text`, or a list of those that may be. Default: `hex`; `base64` of RSA and ECDSA; `text` of a token.",
			},
			{
				Name: "signed", Type: field.Strings, Example: `"{ts}.{body}"`,
				Doc: "A template of the bytes that are signed, or a list of which any may match. Default: `{body}`.",
			},
			{
				Name: "key", Type: field.String,
				Doc: "How the secret stands for a key. Of a MAC or a digest: `utf8` (the default), `base64`, `hex`, `sha1`, `nfkd`. Of a public key: `pem` (the default), " +
					"`spki-base64`, `raw-hex`, `raw-base64`, `x509`, `jwks`.",
			},
			{Name: "strip", Type: field.Strings, Doc: "Prefixes that are taken off the secret before it is decoded.", Example: "whsec_"},
			{Name: "fetch", Type: field.String, Doc: "A template of the https URL of the public key, certificate or key set. A configured secret takes its place.", Example: `"{json:SigningCertURL}"`},
			{Name: "hosts", Type: field.Strings, Doc: "The hosts that `fetch` may ask; a `*` stands for a part of a name between two dots.", Example: `["keys.*.acme.example"]`},
			{
				Name: "require", Type: field.Any, Example: `{"{claim:sha256}": "{body|sha256|hex}"}`,
				Doc: "Templates that must be equal besides: a map, or a list of maps. They are compared in constant time.",
			},
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
			{
				Name: "from", Type: field.String, Example: `"sig:t="`,
				Doc: "The source that holds it, such as `\"sig:t=\"` for an item of the signature list. With a last `?` it may be missing, unless the signed text names `{ts}`.",
			},
			{Name: "unit", Type: field.String, Default: "s", Doc: "`s`, `ms`, `rfc3339` or `http-date`."},
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
			{Name: "from", Type: field.String, Doc: "A template, or `body` for a hash of the body.", Example: `"{json:event_id ?? body|sha256|hex}"`},
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
		Fields: []field.Field{
			{
				Name: "from", Type: field.String, Example: `"{form:payload?}"`,
				Doc: "A template of the document, where it is not the body itself: a field of a form, decoded base64, a claim of a token. The event's body is then the " +
					"document. Where a form lacks the field of `{form:NAME?}`, the body itself is the document; any other template that gives nothing makes an empty document.",
			},
			{
				Name: "format", Type: field.Strings, Default: string(payload.JSON), Min: 1, Max: int64(len(formats())), Example: "json",
				Doc: "How the document is read, whatever the Content-Type says: `json`, `form`, `xml` or `text`; 415 where it cannot be. Of a list the Content-Type picks one; " +
					"where it means none of them, the first counts. What begins with `{` or `[` is JSON all the same.",
			},
		},
	}
}

func rateObject() *field.Object {
	return &field.Object{
		Name: "a limit",
		Fields: []field.Field{
			{Name: "rate", Type: field.String, Required: true, Doc: "How many over time, such as `100/s`, `600/m` or `5000/h`.", Example: "100/s"},
			{Name: "burst", Type: field.Int, Min: 1, Max: maxBurst, Doc: "How many at once after a pause. Default: the number in `rate`."},
		},
	}
}

// replyObject describes an answer with a status within bounds.
func replyObject(low, high int64) *field.Object {
	status := "200"
	if low >= 400 {
		status = "401"
	}
	return &field.Object{
		Name: "an answer",
		Fields: []field.Field{
			{Name: "status", Type: field.Int, Default: status, Min: low, Max: high, Doc: "The status."},
			{Name: "type", Type: field.String, Shown: true, Doc: "The Content-Type. Default: `text/plain; charset=utf-8` of a `body`, `application/json` of `json`."},
			{Name: "headers", Type: field.StringMap, Max: maxReplyHeaders, Shown: true, Doc: "Further headers; the values are templates.", Example: `{X-Hook-Secret: "{header:X-Hook-Secret}"}`},
			{Name: "body", Type: field.String, Shown: true, Doc: "A template of the body. A text without a `{source}` is taken as it is.", Example: `"{query:hub.challenge}"`},
			{
				Name: "json", Type: field.Any, Example: `{challenge: "{json:challenge}"}`,
				Doc: "Instead of `body`: a value that is written as JSON. Its strings are templates, and what they give is a JSON string.",
			},
		},
		Hints: map[string]string{"header": "write `headers`", "content_type": "write `type`"},
	}
}

func rejectObject() *field.Object {
	o := replyObject(400, 599)
	for i := range o.Fields {
		switch f := &o.Fields[i]; f.Name {
		case "headers":
			f.Doc, f.Example = "Further headers, as they are.", "{WWW-Authenticate: Basic}"
		case "body":
			f.Doc, f.Example = "The body, as it is.", ""
		case "json":
			f.Doc, f.Example = "Instead of `body`: a value that is written as JSON.", "{error: not signed}"
		}
	}
	o.Fields = append(o.Fields, field.Field{
		Name: "on", Type: field.Any, Object: onObject(),
		Doc: "Other answers by the code of the refusal: `missing_signature`, `invalid_signature`, `stale_timestamp`; each takes the keys above. What one leaves out is as above.",
	})
	return o
}

// onObject describes the refusals of single codes. A status that is left out is that of `reject`.
func onObject() *field.Object {
	one := replyObject(400, 599)
	one.Fields[0].Default = ""
	return &field.Object{
		Name: "answers by code",
		Fields: []field.Field{
			{Name: string(signature.MissingSignature), Type: field.Map, Object: one, Doc: "The answer to a request without a signature."},
			{Name: string(signature.InvalidSignature), Type: field.Map, Object: one, Doc: "The answer to one whose signature does not match."},
			{Name: string(signature.StaleTimestamp), Type: field.Map, Object: one, Doc: "The answer to one whose timestamp is too far from the present."},
		},
	}
}

func challengeObject() *field.Object {
	return &field.Object{
		Name: "a handshake",
		Fields: []field.Field{
			{Name: "name", Type: field.String, Shown: true, Doc: "A name for logs and for `headgate send --handshake`.", Example: "url_verification"},
			{
				Name: "when", Type: field.Any, Required: true, Example: "{method: GET, query:challenge: \"*\"}",
				Doc: "What must hold, as in a signature rule. A handshake answers POST unless `method` is GET, HEAD or OPTIONS here.",
			},
			{Name: "auth", Type: field.Bool, Doc: "Whether only genuine requests are answered. Default: `true` for POST, `false` for the other methods, which carry no signature."},
			{Name: "reply", Type: field.Map, Object: replyObject(200, 299), Doc: "The answer. Default: 200 with nothing in it."},
			{
				Name: "store", Type: field.String, Example: `"{header:X-Hook-Secret}"`,
				Doc: "A template of a secret that the provider signs with from now on. It needs a `path_token`: whoever knows the address could send one.",
			},
			{
				Name: "get", Type: field.String, Example: `"{json:SubscribeURL}"`,
				Doc: "A template of an https URL that is asked for once before the answer; anything but 2xx is answered 503. It needs `hosts`.",
			},
			{Name: "hosts", Type: field.Strings, Doc: "The hosts that `get` may ask; a `*` stands for a part of a name between two dots.", Example: `["keys.*.acme.example"]`},
			{Name: "example", Type: field.Map, Object: exampleObject(), Doc: "The request that the provider sends, for `headgate send --handshake` and for tests."},
		},
	}
}

func exampleObject() *field.Object {
	return &field.Object{
		Name: "an example",
		Fields: []field.Field{
			{Name: "method", Type: field.String, Shown: true, Doc: "The method. Default: that of `when`."},
			{Name: "query", Type: field.String, Shown: true, Doc: "The query, without its `?`.", Example: `"hub.mode=subscribe&hub.challenge=1"`},
			{Name: "headers", Type: field.StringMap, Max: maxReplyHeaders, Shown: true, Doc: "Headers besides the Content-Type and what `when` asks for."},
			{Name: "json", Type: field.Any, Doc: "The body as a value, written as JSON.", Example: "{type: url_verification, challenge: abc}"},
			{Name: "body", Type: field.String, Shown: true, Doc: "Instead of `json`: the body as it is."},
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
				Doc: "The JSON Schema of the event's body: a file beside the manifest, `schema://FILE`, or the schema itself.",
			},
			{
				Name: "example", Type: field.Any, Example: "examples/order.created.json",
				Doc: "A document as the provider sends it: a file beside the manifest, or the document itself; of a batch one item or all of it. The schema must accept it.",
			},
		},
		Hints: map[string]string{"payload_schema": "write `schema`", "example_payload": "write `example`"},
	}
}
