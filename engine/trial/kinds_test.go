package trial_test

import (
	"testing"
)

func TestHandshakesAreTried(t *testing.T) {
	t.Parallel()
	passes(t, `kind: provider
signature: {algorithm: hmac-sha256, header: X-Hook-Signature}
event: {body: type}
delivery: {body: id}
challenge:
  - name: learn
    when: {header:X-Hook-Secret: "*"}
    auth: false
    reply: {status: 200, headers: {X-Hook-Secret: "{header:X-Hook-Secret}"}}
    store: "{header:X-Hook-Secret}"
    example: {headers: {X-Hook-Secret: handed-over}}
  - name: echo
    when: {json:type: url_verification}
    reply: {type: text/plain, body: "{json:challenge}"}
    example: {json: {type: url_verification, challenge: "a b"}}
  - when: {json:type: confirm}
    get: "{json:url}"
    hosts: ["*.acme.example"]
    reply: {status: 204}
    example: {json: {type: confirm, url: "https://hooks.acme.example/confirm?x=1"}}
events:
  - name: order.created
    example: {id: 1, type: order.created}
`, `cases:
  - name: a secret is kept
    handshake: learn
    expect: {verdict: handshake, status: 200, learned: true, confirmed: false, events: 0, reply: {body: "", headers: {X-Hook-Secret: handed-over}}}
  - name: a challenge is echoed
    handshake: echo
    expect: {verdict: handshake, type: text/plain, learned: false, reply: {body: "a b"}}
  - name: a challenge that nobody signed is refused
    handshake: echo
    change: {signature: removed}
    expect: {verdict: refused, status: 401, code: missing_signature}
  - name: an address is confirmed
    handshake: 2
    expect: {verdict: handshake, status: 204, confirmed: "https://hooks.acme.example/confirm?x=1"}
  - name: an address of another host is not
    handshake: 2
    change: {json: {url: "https://elsewhere.example/confirm"}}
    expect: {verdict: refused, confirmed: false}
  - name: the path token is needed
    request: {path: /webhooks/acme, json: {}}
    expect: {verdict: refused, status: 404, code: provider_not_found}
`)
}

func TestBatchesAndTheirItems(t *testing.T) {
	t.Parallel()
	passes(t, `kind: provider
signature: {algorithm: hmac-sha256, header: X-Signature, encoding: base64}
each: json:events
event: "{item:type}"
delivery: "{item:id}"
ack: {status: 202, type: text/plain, body: taken}
reject: {status: 403, type: text/plain, body: "no"}
ignore: [ping]
events:
  - name: a
    example: {events: [{id: "1", type: a}, {id: "2", type: ping}]}
`, `cases:
  - name: a batch is taken apart
    send: a
    expect: {verdict: accepted, status: 202, events: 2, names: [a, ping], event: a, delivery: "1", payload: {id: "1"}, reply: {body: taken}}
  - name: a single item becomes a batch
    request: {json: {events: {id: "3", type: a}}}
    sign: true
    expect: {verdict: accepted, events: 1, delivery: "3"}
  - name: an empty one is recorded
    request: {json: {events: []}}
    sign: true
    expect: {verdict: ignored, status: 202, reason: empty_batch, events: 1, event: null}
  - name: the provider's own refusal has a code all the same
    send: a
    change: {secret: wrong}
    expect: {verdict: refused, status: 403, code: invalid_signature, type: text/plain, reply: {body: "no"}}
`)
}

func TestSecretsOfEveryFormAreMadeUp(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]string{
		"hmac with hex":       "{algorithm: hmac-sha512, header: X-Signature, key: hex}",
		"hmac with base64":    "{algorithm: hmac-sha1, header: X-Signature, key: base64, strip: whsec_}",
		"ed25519":             "{algorithm: ed25519, header: X-Signature, key: raw-hex}",
		"ecdsa":               "{algorithm: ecdsa-sha256, header: X-Signature, key: spki-base64}",
		"rsa":                 "{algorithm: rsa-sha256, header: X-Signature}",
		"a token":             "{algorithm: token, header: X-Token}",
		"basic":               `{algorithm: token, header: Authorization, prefix: "Basic ", encoding: base64}`,
		"a token in the URL":  `{algorithm: token, from: "query:token"}`,
		"jwt":                 `{algorithm: jwt-hs256, header: Authorization, prefix: "Bearer "}`,
		"jwt with RSA":        `{algorithm: jwt-rs256, header: Authorization, prefix: "Bearer "}`,
		"a fetched key":       `{algorithm: rsa-sha256, header: X-Signature, key: x509, fetch: "{header:X-Cert}", hosts: ["*.acme.example"]}`,
		"a list of two rules": `[{when: {header:X-Version: "2"}, algorithm: hmac-sha256, header: X-Signature, key: base64}, {algorithm: token, header: X-Token}]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			passes(t, "kind: provider\nsignature: "+rule+"\nevent: {body: type}\ndelivery: {body: id}\nevents: [{name: a, example: {id: 1, type: a}}]\n", `cases:
  - {name: it is accepted, send: a, expect: {verdict: accepted, status: 200, delivery: "1"}}
  - {name: another secret is refused, send: a, change: {secret: wrong}, expect: {verdict: refused, status: 401, code: invalid_signature}}
  - {name: no signature is refused, send: a, change: {signature: removed}, expect: {verdict: refused, status: 401, code: missing_signature}}
`)
		})
	}
}

func TestARuleIsChosen(t *testing.T) {
	t.Parallel()
	passes(t, `kind: provider
signature:
  - {when: {header:X-Version: v2}, algorithm: hmac-sha256, header: X-Signature-2}
  - {algorithm: hmac-sha1, header: X-Signature}
event: {body: type}
delivery: {body: id}
events: [{name: a, example: {id: 1, type: a}}]
`, `cases:
  - {name: the first, send: a, expect: {verdict: accepted}}
  - {name: the second, send: a, rule: 1, expect: {verdict: accepted}}
  - {name: the second does not serve the first, send: a, rule: 1, change: {headers: {X-Version: v2}}, expect: {verdict: refused, code: missing_signature}}
`)
}

func TestFormsAndXML(t *testing.T) {
	t.Parallel()
	passes(t, `kind: provider
signature: {algorithm: hmac-sha256, from: "form:sig", signed: "{form:type}{form:id}{form:text}"}
body: {format: form}
event: {body: type}
delivery: {body: id}
events: [{name: a, example: {id: "1", type: a, text: "one & two", sig: "00"}}]
`, `cases:
  - {name: a form, send: a, expect: {verdict: accepted, payload: {text: one & two}}}
  - {name: its signature is taken away, send: a, change: {signature: removed}, expect: {verdict: refused, code: missing_signature}}
  - {name: a letter is changed, send: a, change: {body: flip}, expect: {verdict: refused}}
`)
	passes(t, `kind: provider
signature: {algorithm: hmac-sha256, header: X-Signature}
body: {format: xml}
event: {body: order.kind}
delivery: {body: order.@id}
events: [{name: created, example: "<order id=\"1\">\n<kind>created</kind><note>a &amp; b</note></order>"}]
`, `cases:
  - {name: XML, send: created, expect: {verdict: accepted, event: created}}
  - {name: a letter is changed, send: created, change: {body: flip}, expect: {verdict: refused, code: invalid_signature}}
`)
}
