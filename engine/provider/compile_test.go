package provider

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
)

// TestBadProvidersAreFindingsWithTheirPlace goes through what Compile refuses itself; engine/signature and engine/field have
// their own.
func TestBadProvidersAreFindingsWithTheirPlace(t *testing.T) {
	t.Parallel()
	const head = "kind: provider\nname: p\nsecret: <<env.SECRET>>\nsignature: {algorithm: hmac-sha256, header: X}\ndelivery: body\n"
	events := func(rest string) string {
		return head + "event: {body: type}\nevents:\n  - name: a\n    " + rest + "\n"
	}
	tests := []struct {
		name, yaml string
		files      []string
		want       string
	}{
		{"no signature", "kind: provider\nname: p\n", nil, "p.yaml:2:7: error[missing-signature]: provider \"p\" does not say how its requests are signed; add `signature:"},
		{"no secret", "kind: provider\nname: p\nsignature: {algorithm: hmac-sha256, header: X}\n", nil, "p.yaml:3:12: error[missing-key]: provider \"p\" has no secret"},
		{"both secrets", head + "secrets: [<<env.OLD>>]\n", nil, "p.yaml:3:1: error[bad-value]: `secret` and `secrets` say the same thing"},
		{"a signature that is a word", "kind: provider\nname: p\nsignature: hmac-sha256\n", nil, "p.yaml:3:12: error[wrong-type]: `signature` takes a rule or `none`"},
		{"a rule with an unknown key", strings.Replace(head, "header: X", "heder: X", 1), nil, "unknown key `heder` in `signature`; did you mean `header`?"},
		{"a misspelt template", strings.Replace(head, "header: X", "header: X, signed: \"{bdy}\"", 1), nil, "p.yaml:4:58: error[unknown-source]: there is no source \"bdy\"; did you mean `body`?"},
		{"a secret in the rule", strings.Replace(head, "header: X", "header: X, secret: x", 1), nil, "write it at the top level"},
		{"a bare hash", strings.Replace(head, "hmac-sha256", "sha256", 1), nil, "p.yaml:4:24: error[unknown-algorithm]"},
		{"a later key", head + "reconcile: []\n", nil, "unknown key `reconcile`"},
		{"a DiPeO key", head + "webhook_events: []\n", nil, "write `events`"},
		{"an event without source", head + "event: push\n", nil, "p.yaml:6:8: error[bad-template]: \"push\" names nothing of the request; write {header: push} or {body: push}"},
		{"an event with two sources", head + "event: {header: X, body: y}\n", nil, "`event` takes one of `header` and `body`"},
		{"an event in a body of text", head + "body: {format: text}\nevent: {body: y}\n", nil, "a body of text has no parts to name"},
		{"a timestamp in a name", head + "event: \"{ts}\"\n", nil, "`ts` cannot stand here"},
		{"a window too short", strings.Replace(head, "delivery: body", "delivery: {header: X, window: 1m}", 1), nil, "it takes 5m to 35d"},
		{"a delivery without source", strings.Replace(head, "delivery: body", "delivery: {window: 1h}", 1), nil, "`delivery` takes one of"},
		{"events without a name's place", head + "events: [{name: a}, {name: b}]\n", nil, "p.yaml:6:1: error[missing-key]: provider \"p\" lists 2 events"},
		{"a doubled event", head + "event: {body: type}\nevents:\n  - name: a\n  - name: a\n", nil, "p.yaml:9:11: error[duplicate-name]: event \"a\" is listed twice"},
		{"an unprintable name", head + "event: {body: type}\nevents:\n  - name: \"a\\nb\"\n", nil, "printable text"},
		{"a bad ignore", head + "ignore: [\"a*b\"]\n", nil, "error[bad-value]: ignore: `a*b`"},
		{"a bad reject", head + "reject: 200\n", nil, "`reject.status` cannot be `200`"},
		{"a missing schema", events("schema: schemas/a.json"), nil, "p.yaml:9:13: error[bad-schema]: the schema: reading `schemas/a.json`"},
		{"a schema that is no JSON", events("schema: a.json"), []string{"a.json", "{\n  \"type\": \n}"}, "a.json:3:1: error[bad-schema]: the schema: "},
		{"a schema of a wrong type", events("schema: a.json"), []string{"a.json", "{\n  \"properties\": {\"a\": {\"type\": \"strin\"}}\n}"}, "a.json:2:32: error[bad-schema]: the schema: at '/properties/a/type'"},
		{"an inline schema of a wrong type", events("schema: {properties: {a: {type: strin}}}"), nil, "p.yaml:9:37: error[bad-schema]"},
		{"a schema with a remote reference", events(`schema: {$ref: "https://example.com/a.json"}`), nil, "schemas are not fetched"},
		{"a schema with an unknown reference", events(`schema: {$ref: "#/$defs/none"}`), nil, "error[bad-schema]"},
		{"an example without its file", events("example: examples/a.json"), nil, "p.yaml:9:14: error[bad-example]"},
		{"an example that is no JSON", events("example: a.json"), []string{"a.json", "{"}, "the example of \"a\" is no JSON"},
		{"an example of another event", events("example: {type: b}"), nil, "the example of \"a\" is named \"b\" by {json:type}"},
		{"an example against its schema", events("example: {type: a, n: x}\n    schema: {properties: {n: {type: integer}}}"), nil, "the schema of \"a\" does not accept its own example: at '/n': got string, want integer"},
		{"an example with a wrong format", events("example: {type: a, n: x}\n    schema: {properties: {n: {format: date-time}}}"), nil, "'x' is not valid date-time"},
	}
	for _, test := range tests {
		p, out := load(t, Options{}, append([]string{"p.yaml", test.yaml}, test.files...)...)
		if p != nil {
			t.Errorf("%s: was compiled, want %q", test.name, test.want)
		}
		found := false
		for _, f := range out.Sorted() {
			found = found || strings.Contains(f.String(), test.want)
		}
		if !found {
			t.Errorf("%s: got %v, want %q", test.name, out.Sorted(), test.want)
		}
	}
}

func TestAProviderWithoutDeliveryGetsAHint(t *testing.T) {
	t.Parallel()
	p, out := load(t, Options{}, "p.yaml", "kind: provider\nname: p\nsignature: {algorithm: hmac-sha256, header: X, signed: \"{ts}{body}\"}\n"+
		"timestamp: {header: T}\nsecret: <<env.SECRET>>\n")
	if p == nil || p.delivery != nil {
		t.Fatalf("got %v", out.Sorted())
	}
	if len(out.Sorted()) != 1 || out.Sorted()[0].Severity != diag.Hint || out.Sorted()[0].Rule != diag.NoDelivery {
		t.Errorf("got %v, want one hint", out.Sorted())
	}
}

func TestPlaceholdersStandInForSecrets(t *testing.T) {
	t.Parallel()
	yaml := "kind: provider\nname: p\nsecret: <<env.NOWHERE>>\nsignature: {algorithm: hmac-sha256, header: X, key: base64, strip: whsec_}\ndelivery: body\n"
	bundle, out := loadNoEnv(t, yaml)
	if p := Compile(bundle, out, Options{}); p == nil {
		t.Errorf("got %v", out.Sorted())
	}
}

func TestSchemasOfBothDraftsAndFromEveryPlace(t *testing.T) {
	t.Parallel()
	const head = "kind: provider\nname: p\nsignature: none\ndelivery: body\nevents:\n  - name: a\n    example: {url: \"https://a.example/members{/member}\", n: 1}\n    schema: "
	schemas := map[string][]string{
		`schema://a.json`:      {"schemas/a.json", `{"properties":{"url":{"format":"uri-template"}}}`},
		`sub/a.json`:           {"sub/a.json", `{"$schema":"http://json-schema.org/draft-07/schema#","definitions":{"n":{"type":"integer"}},"properties":{"n":{"$ref":"#/definitions/n"}}}`},
		`a.json`:               {"a.json", `{"properties":{"n":{"$ref":"sub/b.json#/$defs/n"}}}`, "sub/b.json", `{"$defs":{"n":{"const":1}}}`},
		`'{"type": "object"}'`: nil,
		`{type: object, properties: {n: {type: integer}}}`: nil,
		"schema://b.json\nschemas_directory: other":        {"other/b.json", `true`},
	}
	for text, files := range schemas {
		p, out := load(t, Options{}, append([]string{"p.yaml", head + text + "\n"}, files...)...)
		if p == nil {
			t.Errorf("%s: got %v", text, out.Sorted())
			continue
		}
		if e, ok := p.Event("a"); !ok || !e.HasSchema() || !e.HasExample() {
			t.Errorf("%s: the event has no schema", text)
		}
	}
}

func TestURITemplatesAreThoseOfTheRFC(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"https://a.example/x":                   true,
		"https://a.example/members{/name}":      true,
		"{+base}{/a,b*}{?q,lang:2}{&x}{#f}{;p}": true,
		"{a.b}{%41}":                            true,
		"":                                      true,
		"{":                                     false, "}": false, "{}": false, "{/}": false, "{a b}": false, "{a:0}": false, "{a:x}": false, "{a,}": false, "{{a}}": false,
	} {
		if got := checkURITemplate(text) == nil; got != want {
			t.Errorf("%q: got %t, want %t", text, got, want)
		}
	}
	if checkURITemplate(json.Number("1")) != nil {
		t.Error("a number was held against the format of a string")
	}
}

func TestInlineValuesKeepTheirKind(t *testing.T) {
	t.Parallel()
	p := compile(t, "p.yaml", "kind: provider\nname: p\nsignature: none\ndelivery: body\nevents:\n  - name: a\n"+
		"    example: {i: 9007199254740993, h: 0x1f, f: 1.5, t: true, n: null, s: \"1\", l: [1, {}], e: 1e3}\n")
	body, _, err := p.Example("a")
	if want := `{"e":1000,"f":1.5,"h":31,"i":9007199254740993,"l":[1,{}],"n":null,"s":"1","t":true}`; err != nil || string(body) != want {
		t.Errorf("got %s %v, want %s", body, err, want)
	}
}
