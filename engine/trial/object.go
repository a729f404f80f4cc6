package trial

import (
	"slices"

	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
)

// Now is the time of a test that names none.
const Now = "2026-01-02T03:04:05Z"

// Object describes a document of kind test.
func Object() *field.Object {
	return &field.Object{
		Name: "a test",
		Doc: "What a provider's manifest is to make of requests, or what a pipeline is to do with events. `headgate test` runs it; the gateway " +
			"itself passes it over.",
		Fields: append(
			manifest.CommonFields(),
			field.Field{
				Name: "provider", Type: field.String, Shown: true, Example: "acme",
				Doc: "The provider that is tested. Default: the one whose manifest stands in the same folder, where no pipeline stands beside it.",
			},
			field.Field{
				Name: "pipeline", Type: field.String, Shown: true, Example: "big-pull-requests",
				Doc: "Instead of `provider`: the pipeline that is tested. Default: the one that stands in the same folder, where no provider does.",
			},
			withField(),
			nowField(),
			field.Field{Name: "cases", Type: field.Objects, Object: caseObject(), Required: true, Min: 1, Doc: "The cases. Each stands for itself: nothing is remembered from one to the next."},
		),
		Hints: map[string]string{
			"secret": "write it below `with`", "secrets": "write them below `with`", "vars": "write them below `with`",
			"public_url": "write it below `with`", "path_token": "write it below `with`", "tests": "write `cases`",
		},
	}
}

// insideObject describes `tests:` in the document of what is tested, where it is more than the list of cases.
func insideObject() *field.Object {
	return &field.Object{
		Name: "tests",
		Fields: []field.Field{
			withField(), nowField(), {Name: "cases", Type: field.Objects, Object: caseObject(), Required: true, Min: 1, Doc: "The cases."},
		},
	}
}

func withField() field.Field {
	return field.Field{
		Name: "with", Type: field.Any, Object: withObject(),
		Doc: "What the operator would set, for this test. Where a secret, a variable, a path token or the public URL is needed and neither this " +
			"nor the provider has it, one is made up that fits. In the test of a pipeline a map of them, by the names of the providers.",
	}
}

func nowField() field.Field {
	return field.Field{
		Name: "now", Type: field.String, Shown: true, Default: Now,
		Doc: "The clock, in RFC 3339. It stands still unless a case moves it; in the test of a pipeline it jumps to whatever is due next.",
	}
}

func withObject() *field.Object {
	return &field.Object{
		Name: "an operator's settings",
		Fields: []field.Field{
			{
				Name: "secret", Type: field.Text, Shown: true, Example: "It's a Secret to Everybody",
				Doc: "The secret, written out: it is no real one. For a public-key algorithm a private key in PEM signs as well; a public one only verifies.",
			},
			{Name: "secrets", Type: field.Texts, Shown: true, Min: 1, Max: 8, Doc: "Several live secrets; the first one signs."},
			{Name: "vars", Type: field.StringMap, Shown: true, Doc: "Values of `{var:NAME}`."},
			{Name: "public_url", Type: field.String, Shown: true, Doc: "The address that the provider was told, for signatures over `{url}`.", Example: "https://hooks.example.com/webhooks/acme"},
			{Name: "path_token", Type: field.String, Shown: true, Doc: "The unguessable end of the provider's path."},
		},
	}
}

func caseObject() *field.Object {
	return &field.Object{
		Name: "a case",
		Doc: "What is sent and what becomes of it. The case of a provider has one of `send`, `handshake` and `request`, that of a pipeline one of " +
			"`send`, `request`, `event`, `stored` and `input`; both have `expect`.",
		Fields: slices.Concat(
			[]field.Field{
				{Name: "name", Type: field.String, Required: true, Shown: true, Doc: "What is shown, as a sentence.", Example: "a changed body is refused"},
				{
					Name: "handshake", Type: field.Any, Doc: "Sends the example of this handshake, by its name or its number from 0, signed where the provider would sign it.",
					Example: "url_verification",
				},
			},
			stimulusFields(),
			[]field.Field{
				{Name: "input", Type: field.Any, Doc: "Of a pipeline with a `start`: runs it with this input, a map.", Example: "{service: api}"},
				{
					Name: "hooks", Type: field.Any, Example: "{Tell ops: [{status: 503}, {status: 200}]}",
					Doc: "What is answered to the requests of hooks, by their labels: an answer or a list of answers, the last of which repeats. Hooks that are " +
						"not named get 200 and `{}`.",
				},
				{Name: "events", Type: field.Objects, Object: laterObject(), Min: 1, Max: 1000, Doc: "What is sent later, each at a simulated time."},
				{Name: "for", Type: field.Duration, Max: int64(maxSimulated), Doc: "How much time is simulated. Default: until nothing is left to be done."},
				{Name: "expect", Type: field.Map, Object: expectObject(), Required: true, Doc: "What becomes of it. What is not named is not looked at."},
			},
		),
		Hints: map[string]string{
			"body": "write it below `request` or `change`", "status": "write it below `expect`",
			"verdict": "write it below `expect`", "secret": "write it below `with`, or `change: {secret: wrong}`", "path": "write it below `expect`",
			"steps": "write it below `expect`", "requests": "write it below `expect`", "after": "it is a key of `events`; what a case sends is sent at once",
		},
	}
}

// stimulusFields are what a case and each of its later events may send.
func stimulusFields() []field.Field {
	return []field.Field{
		{
			Name: "send", Type: field.String, Shown: true, Example: "order.created",
			Doc: "Sends this event's example, signed. In the case of a pipeline with the provider before it: `acme/order.created`.",
		},
		{Name: "request", Type: field.Map, Object: requestObject(), Doc: "Sends a request that is written out, or one that was saved."},
		{Name: "event", Type: field.Map, Object: eventObject(), Doc: "Of a pipeline: an event as it is, that no request carried. `provider: internal` is one that was emitted."},
		{
			Name: "stored", Type: field.String, Shown: true, Example: "events/opened.json",
			Doc: "Of a pipeline: an event that a gateway keeps, as `headgate events get ID --body --json` prints it, in a file beside the manifest.",
		},
		{Name: "sign", Type: field.Bool, Doc: "Whether a `request` is signed with the first secret. Default: false; what `send` and `handshake` send is always signed."},
		{Name: "rule", Type: field.Int, Min: 0, Max: 100, Doc: "Signs with this rule of `signature`, counted from 0. Default: the first one that can sign."},
		{
			Name: "set", Type: field.Any, Example: "{action: closed}",
			Doc: "Puts other values at these paths of the event's example, which is JSON, before it is signed. The example must have them.",
		},
		{
			Name: "add", Type: field.Any, Example: `{order.coupon: SUMMER}`,
			Doc: "Puts values at paths that the example, with what was `set` in it, does not have.",
		},
		{Name: "change", Type: field.Map, Object: changeObject(), Doc: "What happens to the request after it was signed."},
	}
}

func requestObject() *field.Object {
	return &field.Object{
		Name: "a request",
		Fields: []field.Field{
			{Name: "provider", Type: field.String, Shown: true, Doc: "In the case of a pipeline: the provider that gets it.", Example: "acme"},
			{
				Name: "file", Type: field.String, Shown: true, Example: "requests/opened.http",
				Doc: "The request is this file beside the manifest: `POST /path HTTP/1.1`, headers, an empty line, the body. The path is the provider's own.",
			},
			{Name: "method", Type: field.String, Shown: true, Default: "POST", Doc: "The method."},
			{
				Name: "path", Type: field.String, Shown: true,
				Doc: "The path on the public listener. Default: the provider's own; without a leading `/` it is what follows that of a provider without a path token.",
			},
			{Name: "query", Type: field.String, Shown: true, Doc: "The raw query, without `?`.", Example: `"hub.mode=subscribe&hub.challenge=1158201444"`},
			{Name: "headers", Type: field.Any, Doc: "A map of headers. A list sends a header more than once. Content-Type is the one of the provider's format where it is not named."},
			{Name: "body", Type: field.String, Shown: true, Doc: "The body, as it is."},
			{Name: "json", Type: field.Any, Doc: "The body as a value, sent as JSON."},
			{Name: "body_file", Type: field.String, Shown: true, Doc: "The body is this file beside the manifest, byte for byte.", Example: "examples/order.created.json"},
		},
		Hints: map[string]string{"sign": "write it beside `request`", "url": "write `path` and `query`", "header": "write `headers`"},
	}
}

// The words of a change.
const (
	flipBody      = "flip"
	noSignature   = "removed"
	anotherSecret = "wrong"
)

func changeObject() *field.Object {
	return &field.Object{
		Name: "a change",
		Fields: []field.Field{
			{
				Name: "body", Type: field.String, Shown: true,
				Doc: "`flip` changes one letter or digit of the body, so that it stays what it was (JSON, a form, XML); any other text replaces the body.",
			},
			{
				Name: "json", Type: field.Any, Example: `{order.total: "9.99"}`,
				Doc: "Puts other values at these paths of a JSON body, whose other bytes stay. For signatures that cover a few fields only.",
			},
			{Name: "headers", Type: field.Any, Doc: "Headers with their new values; `null` takes one away.", Example: "{X-Acme-Signature: null}"},
			{Name: "query", Type: field.String, Shown: true, Doc: "The query that is sent instead."},
			{Name: "method", Type: field.String, Shown: true, Doc: "The method that is sent instead."},
			{Name: "signature", Type: field.Enum, Enum: []string{noSignature}, Doc: "`removed` takes away what depends on the secret, wherever it stands."},
			{Name: "secret", Type: field.Enum, Enum: []string{anotherSecret}, Doc: "`wrong` signs with another secret of the same form."},
			{Name: "clock", Type: field.String, Shown: true, Doc: "The clock moves on by this much before the request arrives, or back with a `-`.", Example: "10m"},
		},
	}
}

func expectObject() *field.Object {
	return &field.Object{
		Name:   "an expectation",
		Fields: append(requestExpectations(), outcomeFields()...),
		Hints:  map[string]string{"body": "write it below `reply`", "json": "write it below `reply`", "headers": "write them below `reply`", "error": "write `code`", "output": "write it below `steps`", "attempts": "write it below `requests`"},
	}
}

// requestExpectations are what of a request and its events may be expected.
func requestExpectations() []field.Field {
	return []field.Field{
		{
			Name: "verdict", Type: field.Enum, Enum: []string{"accepted", "ignored", "quarantined", "refused", "handshake"},
			Doc: "What becomes of the request.",
		},
		{Name: "status", Type: field.Int, Min: 100, Max: 599, Doc: "The status of the answer."},
		{Name: "code", Type: field.String, Shown: true, Doc: "The code of a refusal, such as `invalid_signature`, even where the provider wants an answer without it."},
		{Name: "event", Type: field.Any, Doc: "The name of the first event; `null` for one without a name."},
		{Name: "delivery", Type: field.Any, Doc: "The delivery id of the first event; `null` for none."},
		{Name: "events", Type: field.Int, Min: 0, Max: 1 << 20, Doc: "How many events the request holds."},
		{Name: "names", Type: field.Strings, Doc: "The names of all its events, in order."},
		{
			Name: "reason", Type: field.String, Shown: true,
			Doc: "Why it is ignored, quarantined or without a delivery id, such as `ignore_list`. Of a pipeline: why the run is parked or limited, such as " +
				"`retries_spent`.",
		},
		{Name: "payload", Type: field.Any, Doc: "What the first event's payload holds. Of maps only the named keys are looked at; lists and all else must be equal."},
		{Name: "type", Type: field.String, Shown: true, Doc: "The answer's Content-Type; parameters such as charset count only where they are written here."},
		{Name: "reply", Type: field.Map, Object: replyObject(), Doc: "What the answer holds."},
		{Name: "learned", Type: field.Bool, Doc: "Whether a handshake brought a secret that is kept."},
		{Name: "confirmed", Type: field.Any, Doc: "The URL that a handshake has the gateway GET before it answers; `false` for none."},
	}
}

func replyObject() *field.Object {
	return &field.Object{
		Name: "an answer",
		Fields: []field.Field{
			{Name: "body", Type: field.String, Shown: true, Doc: "The body, byte for byte."},
			{Name: "json", Type: field.Any, Doc: "The body as JSON: equal, whatever the order of its keys."},
			{Name: "headers", Type: field.Any, Doc: "Headers with their values; `null` for one that must not be there."},
		},
	}
}
