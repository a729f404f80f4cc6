package signature

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/secret"
)

// detail gives the class and detail of a refusal, "ok" for none.
func detail(t *testing.T, s *Scheme, r *Request) string {
	t.Helper()
	if _, refusal := s.Verify(t.Context(), r); refusal != nil {
		return string(refusal.Class) + ": " + refusal.Detail
	}
	return "ok"
}

const versionedScheme = `signature:
  - {when: {header:X-Version: v3}, algorithm: hmac-sha256, header: X-Sig, prefix: "v3=", signed: "{header:X-Version}{body}"}
  - {when: {header:X-Version: "*"}, algorithm: hmac-sha512, header: X-Sig}
  - {when: {method: PUT}, algorithm: hmac-sha1, header: X-Old}`

func TestOnlyTheFirstRuleThatAppliesIsTried(t *testing.T) {
	t.Parallel()
	s := scheme(t, versionedScheme, "secret")
	for version, want := range map[string]int{"v3": 0, "v2": 1, "1": 1} {
		r := request("{}", "X-Version", version)
		if err := s.Sign(r); err != nil {
			t.Fatal(err)
		}
		m, refusal := s.Verify(t.Context(), r)
		if refusal != nil || m.Index != want || m.Rule != s.rules[want].name {
			t.Errorf("version %s: got %+v %+v, want rule %d", version, m, refusal, want)
		}
	}
	// What is signed for one rule is not accepted under another, though every other rule would take it.
	r := request("{}", "X-Version", "v2")
	if err := s.Sign(r); err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Version", "v3")
	if got := detail(t, s, r); got != "invalid_signature: no signature begins with v3=" {
		t.Errorf("a downgrade: got %s, want invalid_signature", got)
	}
	r = request("{}", "X-Sig", "v3=00")
	want := "missing_signature: no rule applies: signature[0] hmac-sha256 where header:X-Version is \"v3\"; signature[1] hmac-sha512 where header:X-Version is there; signature[2] hmac-sha1 where method is \"PUT\""
	if got := detail(t, s, r); got != want {
		t.Errorf("no rule applies: got %s, want %s", got, want)
	}
	r.Header["X-Version"] = []string{"v3", "v2"}
	if got := class(s, r); got != "missing_signature" {
		t.Errorf("two versions: got %s, want missing_signature", got)
	}
}

func TestAnUnsignedBodyIsKnownByItsHeaders(t *testing.T) {
	t.Parallel()
	s := scheme(t, `signature: {algorithm: hmac-sha256, header: [X-Docusign-Signature-*, X-Other], encoding: base64}`, "secret")
	for name, want := range map[string]bool{"X-Docusign-Signature-1": false, "X-Docusign-Signature-12": false, "X-Other": false, "X-Docusign": true, "Authorization": true} {
		if got := s.LacksSignature(http.Header{name: {"x"}}); got != want {
			t.Errorf("with only %s: got %t, want %t", name, got, want)
		}
	}
	if scheme(t, `signature: {algorithm: hmac-sha256, from: [header:X, "query:sig"]}`, "secret").LacksSignature(http.Header{}) {
		t.Error("a signature that may stand in the query was missed in the headers")
	}
}

func TestHeadersWhoseNamesBeginAlikeAreOneList(t *testing.T) {
	t.Parallel()
	s := scheme(t, `signature: {algorithm: hmac-sha256, header: X-Docusign-Signature-*, encoding: base64}`, "first", "second")
	r := request("{}")
	if err := scheme(t, `signature: {algorithm: hmac-sha256, header: X-Docusign-Signature-2, encoding: base64}`, "second").Sign(r); err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Docusign-Signature-1", base64.StdEncoding.EncodeToString(make([]byte, 32)))
	if m, refusal := s.Verify(t.Context(), r); refusal != nil || m.Secret != 1 {
		t.Errorf("got %+v %+v, want it accepted by secret 1", m, refusal)
	}
	r.Header.Del("X-Docusign-Signature-2")
	if got := class(s, r); got != "invalid_signature" {
		t.Errorf("without the second: got %s, want invalid_signature", got)
	}
}

func TestAPrefixMayHoldAVariable(t *testing.T) {
	t.Parallel()
	s := scheme(t, "signature: {algorithm: hmac-sha1, from: \"form:bt_signature\", split: \"&\", prefix: \"{var:public_key}|\", key: sha1, signed: \"{form:bt_payload}\"}\nvars: {public_key: pub}", "private")
	r := request("bt_signature=other%7C00&bt_payload=abc%0A")
	r.Form = true
	if err := s.Sign(r); err != nil {
		t.Fatal(err)
	}
	want := "bt_payload=abc%0A&bt_signature=pub%7C" // independent: hmac-sha1 keyed with the SHA-1 of the key
	if !strings.HasPrefix(string(r.Body), want) || class(s, r) != "ok" {
		t.Errorf("got %s, want it to begin with %s and to be accepted", r.Body, want)
	}
	sum := macOf(sha1New, string(sumOf(sha1New, []byte("private"))), "abc\n")
	if got := strings.TrimPrefix(string(r.Body), want); got != hex.EncodeToString(sum) {
		t.Errorf("got the signature %s, want %x", got, sum)
	}
}

func TestASecretHasToFitOneRuleOfSeveral(t *testing.T) {
	t.Parallel()
	const gitlab = `signature:
  - {when: {header:webhook-signature: "*"}, algorithm: hmac-sha256, header: webhook-signature, split: " ", prefix: "v1,", encoding: base64, key: base64, strip: whsec_}
  - {algorithm: token, header: X-Gitlab-Token}`
	r := request("{}", "X-Gitlab-Token", "a plain token!")
	s := scheme(t, gitlab, "a plain token!")
	if got := detail(t, s, r); got != "ok" {
		t.Errorf("a token: got %s, want ok", got)
	}
	r.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(make([]byte, 32)))
	if got := detail(t, s, r); got != "invalid_signature: there is no secret that the rule can check with" {
		t.Errorf("signed, and only a token is known: got %s, want invalid_signature", got)
	}
	var out diag.List
	if Compile(config(t, `signature: {algorithm: hmac-sha256, header: X, key: base64}`, "a plain token!"), &out) != nil {
		t.Error("a secret that fits no rule was accepted")
	}
}

func TestRequirementsAreCheckedAfterTheSignature(t *testing.T) {
	t.Parallel()
	s := scheme(t, "signature: {algorithm: hmac-sha256, header: X-Sig, require: [{\"{header:X-App}\": \"{var:app}\"}, {\"{json:to|lower}\": me}]}\nvars: {app: a1}", "secret")
	sign := func(body string) *Request {
		r := request(body)
		if err := scheme(t, `signature: {algorithm: hmac-sha256, header: X-Sig}`, "secret").Sign(r); err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-App", "a1")
		return r
	}
	if got := detail(t, s, sign(`{"to":"ME"}`)); got != "ok" {
		t.Errorf("got %s, want ok", got)
	}
	for _, test := range []struct {
		name, want string
		r          *Request
	}{
		{"another value", "invalid_signature: the signature holds, but `require` does not: {json:to|lower} is not me", sign(`{"to":"you"}`)},
		{"a value that is missing", "invalid_signature: `require`: json:to|lower is missing", sign(`{}`)},
		{"another header", "invalid_signature: the signature holds, but `require` does not: {header:X-App} is not {var:app}", func() *Request {
			r := sign(`{"to":"me"}`)
			r.Header.Set("X-App", "a2")
			return r
		}()},
		{"a wrong signature", "invalid_signature: no signature matches", func() *Request {
			r := sign(`{"to":"me"}`)
			r.Header.Del("X-App")
			r.Body = []byte(`{"to": "me"}`)
			return r
		}()},
	} {
		if got := detail(t, s, test.r); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

func TestATimestampMayBeOptional(t *testing.T) {
	t.Parallel()
	const grafana = `signature:
  - {when: {header:X-At: "*"}, algorithm: hmac-sha256, header: X-Sig, signed: "{ts}:{body}"}
  - {algorithm: hmac-sha256, header: X-Sig}
timestamp: {from: "header:X-At?"}`
	s := scheme(t, grafana, "secret")
	for rule := range 2 {
		r := request("{}")
		if err := s.SignRule(r, rule); err != nil {
			t.Fatalf("rule %d: %v", rule, err)
		}
		if got := r.Header.Get("X-At") != ""; got != (rule == 0) {
			t.Errorf("rule %d: the timestamp is there: %t", rule, got)
		}
		m, refusal := s.Verify(t.Context(), r)
		if refusal != nil || m.Index != rule {
			t.Errorf("rule %d: got %+v %+v, want it accepted by that rule", rule, m, refusal)
		}
	}
	signs := scheme(t, "signature: {algorithm: hmac-sha256, header: X-Sig, signed: [\"{body}\", \"{ts}{body}\"]}\ntimestamp: {from: \"header:X-At?\"}", "secret")
	r := request("{}")
	if err := scheme(t, `signature: {algorithm: hmac-sha256, header: X-Sig}`, "secret").Sign(r); err != nil {
		t.Fatal(err)
	}
	if got := detail(t, signs, r); got != "missing_signature: the timestamp header:X-At? is missing" {
		t.Errorf("a rule that signs the timestamp, without one: got %s, want missing_signature", got)
	}
}

// learnedList is a Learned for tests.
type learnedList struct {
	version atomic.Uint64
	list    atomic.Pointer[[]secret.Value]
	asked   atomic.Int64
}

func (l *learnedList) set(texts ...string) {
	var values []secret.Value
	for _, t := range texts {
		values = append(values, secret.New(t))
	}
	l.list.Store(&values)
	l.version.Add(1)
}

func (l *learnedList) Version() uint64 { return l.version.Load() }

func (l *learnedList) Secrets() []secret.Value {
	l.asked.Add(1)
	return *l.list.Load()
}

func TestLearnedSecretsAreTriedAsTheyCome(t *testing.T) {
	t.Parallel()
	learned := &learnedList{}
	learned.set()
	c := config(t, githubScheme)
	c.Learned = learned
	var out diag.List
	s := Compile(c, &out)
	if s == nil {
		t.Fatalf("a scheme that learns its secrets was refused: %v", out.Sorted())
	}
	if s.Key() != nil {
		t.Error("a key is there before anything is learnt")
	}
	r := request("{}")
	if err := s.Sign(r); err == nil {
		t.Error("signing without a secret: want an error")
	}
	if err := scheme(t, githubScheme, "second").Sign(r); err != nil {
		t.Fatal(err)
	}
	if got := detail(t, s, r); got != "invalid_signature: there is no secret that the rule can check with" {
		t.Errorf("before the handshake: got %s", got)
	}
	learned.set("first", "second")
	for range 3 {
		m, refusal := s.Verify(t.Context(), r)
		if refusal != nil || !m.Learned || m.Secret != 1 {
			t.Errorf("after the handshake: got %+v %+v, want learnt secret 1", m, refusal)
		}
	}
	if got := learned.asked.Load(); got != 2 {
		t.Errorf("the secrets were read %d times, want twice: once a version", got)
	}
	if string(s.Key()) != "second" {
		t.Error("the key for replies is not the newest learnt one")
	}
	mine := request("{}")
	if err := s.Sign(mine); err != nil || mine.Header.Get("X-Hub-Signature-256") != r.Header.Get("X-Hub-Signature-256") {
		t.Errorf("signing with what was learnt: %v", err)
	}
	var many []string
	for range 40 {
		many = append(many, "filler")
	}
	learned.set(append([]string{"second"}, many...)...)
	if got := class(s, r); got != "invalid_signature" {
		t.Errorf("behind 40 newer ones: got %s, want invalid_signature", got)
	}
}

func TestLearnedSecretsStandBesideConfiguredOnes(t *testing.T) {
	t.Parallel()
	learned := &learnedList{}
	learned.set("learnt")
	c := config(t, githubScheme, "configured")
	c.Learned = learned
	var out diag.List
	s := Compile(c, &out)
	for name, want := range map[string]bool{"configured": false, "learnt": true} {
		r := request("{}")
		if err := scheme(t, githubScheme, name).Sign(r); err != nil {
			t.Fatal(err)
		}
		if m, refusal := s.Verify(t.Context(), r); refusal != nil || m.Learned != want || m.Secret != 0 {
			t.Errorf("%s: got %+v %+v, want it accepted", name, m, refusal)
		}
	}
}

func TestATokenHidesItsLength(t *testing.T) {
	t.Parallel()
	s := scheme(t, `signature: {algorithm: token, header: X-Token}`, "the right one", "the next one")
	for value, want := range map[string]string{
		"the right one": "ok", "the next one": "ok", " the next one ": "ok", "the right on": "invalid_signature", "the right one!": "invalid_signature",
		"THE RIGHT ONE": "invalid_signature", "": "missing_signature", strings.Repeat("x", 5000): "invalid_signature",
	} {
		if got := class(s, request("{}", "X-Token", value)); got != want {
			t.Errorf("%.20q: got %s, want %s", value, got, want)
		}
	}
	basic := scheme(t, `signature: {algorithm: token, header: Authorization, prefix: "Basic ", encoding: base64}`, "user:pass")
	for value, want := range map[string]string{
		"Basic dXNlcjpwYXNz": "ok", "Basic dXNlcjpwYXNz=": "invalid_signature", "Basic dXNlcjpwYXNzIQ==": "invalid_signature",
		"Bearer dXNlcjpwYXNz": "invalid_signature", "Basic user:pass": "invalid_signature",
	} {
		if got := class(basic, request("{}", "Authorization", value)); got != want {
			t.Errorf("%s: got %s, want %s", value, got, want)
		}
	}
}

func TestTimestampsAsDates(t *testing.T) {
	t.Parallel()
	const yaml = "signature: {algorithm: hmac-sha256, header: X-Sig, signed: \"{ts}\\n{body}\"}\ntimestamp: {header: Date, unit: "
	r := request("{}")
	s := scheme(t, yaml+"http-date}", "secret")
	if err := s.Sign(r); err != nil {
		t.Fatal(err)
	}
	if got := r.Header.Get("Date"); got != "Wed, 04 Mar 2026 05:06:07 GMT" {
		t.Errorf("got the date %s", got)
	}
	for _, ts := range []string{"2026-03-04T05:06:07Z", "2026-03-04T06:06:07.123+01:00", "2026-03-04T05:06:07", "2026-03-04T05:06:07.5"} {
		at := scheme(t, yaml+"rfc3339}", "secret")
		r := request("{}", "Date", ts)
		r.Header.Set("X-Sig", hex.EncodeToString(macOf(sha256New, "secret", ts+"\n{}")))
		if got := detail(t, at, r); got != "ok" {
			t.Errorf("%s: got %s, want ok", ts, got)
		}
	}
	for unit, ts := range map[string]string{"s": "1772600767000", "ms": "1772600767", "rfc3339": "1772600767", "http-date": "2026-03-04T05:06:07Z"} {
		r := request("{}", "Date", ts)
		r.Header.Set("X-Sig", hex.EncodeToString(macOf(sha256New, "secret", ts+"\n{}")))
		if got := detail(t, scheme(t, yaml+unit+"}", "secret"), r); !strings.Contains(got, "it looks like") {
			t.Errorf("unit %s and %s: got %s, want a word about the other unit", unit, ts, got)
		}
	}
}

func TestEveryWordIsDocumented(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	check := func(list, name, doc string) {
		if name == "" || len(doc) < 5 || seen[list+name] {
			t.Errorf("%s: %q has the documentation %q, want one word and one text each", list, name, doc)
		}
		seen[list+name] = true
	}
	for _, a := range Algorithms() {
		check("algorithm", a.Name, a.Doc)
		if (len(a.Keys) == 0) != (a.Name == "none") || (a.Encoding == "") != (a.Name == "none" || strings.HasPrefix(a.Name, "jwt-")) {
			t.Errorf("%s: keys %v, encoding %q", a.Name, a.Keys, a.Encoding)
		}
	}
	for list, words := range map[string][][2]string{"encoding": Encodings(), "key": KeyForms(), "unit": Units()} {
		for _, w := range words {
			check(list, w[0], w[1])
		}
	}
}

func TestASchemeTellsWhereItsSignaturesStand(t *testing.T) {
	t.Parallel()
	s := scheme(t, `signature:
  - {when: {method: PUT}, algorithm: hmac-sha256, from: ["query:sig", "header:x-one"], split: ","}
  - {algorithm: hmac-sha1, header: [x-two, X-Many-*], signed: "{header:X-Id}{body}"}
timestamp: {header: X-At}`, "secret")
	if got := strings.Join(s.Headers(), " "); got != "X-One X-Two X-Many-*" {
		t.Errorf("got the headers %s", got)
	}
	if s.Header() != "x-one" || s.TimestampHeader() != "X-At" || s.InHeaders() || s.PerItem() || !s.Uses("method") || !s.Uses("query") || s.Uses("url") {
		t.Errorf("got header %q, timestamp %q, in headers %t, per item %t", s.Header(), s.TimestampHeader(), s.InHeaders(), s.PerItem())
	}
	if s := scheme(t, "signature: {algorithm: hmac-sha256, from: \"json:sig\", signed: \"{json:a}{ts}\"}\ntimestamp: {from: \"json:at\"}", "secret"); s.Header() != "" || s.TimestampHeader() != "" {
		t.Errorf("a scheme without headers has %q and %q", s.Header(), s.TimestampHeader())
	}
}
