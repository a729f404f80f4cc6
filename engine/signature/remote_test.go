package signature

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/source"
)

// documents is a Fetcher for tests. It is a Refresher, too.
type documents struct {
	mu       sync.Mutex
	have     map[string]Document
	next     map[string]Document // what Refresh brings
	err      error
	asked    []string
	refreshs int
}

func (d *documents) Fetch(_ context.Context, address string) (Document, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, address)
	if doc, ok := d.have[address]; ok && d.err == nil {
		return doc, nil
	}
	return Document{}, errors.Join(d.err, errors.New("the answer was 404"))
}

func (d *documents) Refresh(ctx context.Context, address string) (Document, error) {
	d.mu.Lock()
	d.refreshs++
	if doc, ok := d.next[address]; ok {
		d.have[address] = doc
	}
	d.mu.Unlock()
	return d.Fetch(ctx, address)
}

const paypalScheme = "signature: {algorithm: rsa-sha256, header: X-Sig, key: x509, fetch: \"{header:X-Cert-Url}\", hosts: [\"*.paypal.example\"], signed: \"{header:X-Id}|{body|crc32}\"}"

func withFetcher(t *testing.T, yaml string, f Fetcher, secrets ...string) *Scheme {
	t.Helper()
	c := config(t, yaml, secrets...)
	c.Fetcher = f
	var out diag.List
	s := Compile(c, &out)
	if s == nil {
		t.Fatalf("the scheme was refused: %v", out.Sorted())
	}
	return s
}

func TestAKeyIsFetchedFromAnAllowedHostOnly(t *testing.T) {
	t.Parallel()
	const address = "https://api.paypal.example/cert.pem"
	k := madeKeys().rsa
	docs := &documents{have: map[string]Document{address: {Bytes: []byte(pemOf("CERTIFICATE", certify(k)) + pemOf("CERTIFICATE", certify(madeKeys().ecdsa))), Version: 1}}}
	s := withFetcher(t, paypalScheme, docs)
	genuine := func() *Request {
		r := request(`{"id":1}`, "X-Cert-Url", address, "X-Id", "1")
		if err := scheme(t, strings.Replace(paypalScheme, "key: x509, ", "", 1), privatePEM(k)).Sign(r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	if got := detail(t, s, genuine()); got != "ok" {
		t.Fatalf("got %s, want ok", got)
	}
	other := genuine()
	other.Body = []byte(`{"id":2}`)
	if got := class(s, other); got != "invalid_signature" {
		t.Errorf("another body: got %s, want invalid_signature", got)
	}
	docs.asked = nil
	for evil, want := range map[string]string{
		"http://api.paypal.example/cert.pem":               "the address is not https",
		"https://api.paypal.example.evil.example/cert.pem": "the host of the address is not one of `hosts`",
		"https://evil.example/api.paypal.example":          "the host of the address is not one of `hosts`",
		"https://paypal.example/cert.pem":                  "the host of the address is not one of `hosts`",
		"https://a.b.paypal.example/cert.pem":              "the host of the address is not one of `hosts`",
		"https://api.paypal.example@evil.example/cert.pem": "the address names a user",
		"https://user:pw@api.paypal.example/cert.pem":      "the address names a user",
		"https://api.paypal.example:8443/cert.pem":         "the address names a port",
		"https://api.paypal.example:/cert.pem":             "the address names a port",
		"https://evil.example#.paypal.example":             "the host of the address is not one of `hosts`",
		"https://evil.example\\.paypal.example/cert.pem":   "the address is none",
		"https://évil.paypal.example/cert.pem":             "the host of the address is not one of `hosts`",
		"https://x%2eevil.paypal.example/cert.pem":         "the address is none",
		"https://api.paypal.example./cert.pem":             "the host of the address is not one of `hosts`",
		"//api.paypal.example/cert.pem":                    "the address is not https",
		"https:api.paypal.example":                         "the address is none",
		"javascript:alert(1)":                              "the address is none",
		"https://[::1]/cert.pem":                           "the host of the address is not one of `hosts`",
		"https://api.paypal.example/\x7f":                  "the address is none",
	} {
		r := genuine()
		r.Header.Set("X-Cert-Url", evil)
		if got := detail(t, s, r); got != "invalid_signature: the key is not fetched: "+want {
			t.Errorf("%s: got %s, want %s", evil, got, want)
		}
	}
	if len(docs.asked) != 0 {
		t.Errorf("these were asked for: %v", docs.asked)
	}
	for _, unsigned := range []func(r *Request){
		func(r *Request) { r.Header.Del("X-Sig") }, func(r *Request) { r.Header.Set("X-Sig", "AAAA") }, func(r *Request) { r.Header.Del("X-Cert-Url") },
	} {
		r := genuine()
		unsigned(r)
		if got := class(s, r); got == "ok" || len(docs.asked) != 0 {
			t.Errorf("got %s, and asked for %v: nothing is fetched for what cannot be signed", got, docs.asked)
		}
	}
}

func TestAKeyThatCannotBeHadIsNotTheSendersFault(t *testing.T) {
	t.Parallel()
	const address = "https://api.paypal.example/cert.pem"
	k := madeKeys().rsa
	r := request(`{"id":1}`, "X-Cert-Url", address, "X-Id", "1")
	if err := scheme(t, strings.Replace(paypalScheme, "key: x509, ", "", 1), privatePEM(k)).Sign(r); err != nil {
		t.Fatal(err)
	}
	docs := &documents{}
	s := withFetcher(t, paypalScheme, docs)
	if got := detail(t, s, r); got != "key_unavailable: the key cannot be had: fetching it: the answer was 404" {
		t.Errorf("nothing there: got %s", got)
	}
	docs.have = map[string]Document{address: {Bytes: []byte("<html>"), Version: 1}}
	if got := detail(t, s, r); got != "key_unavailable: the key cannot be had: the key is not a certificate in PEM, or in base64" {
		t.Errorf("no key there: got %s", got)
	}
	docs.have[address] = Document{Bytes: []byte(pemOf("CERTIFICATE", certify(k))), Version: 2}
	if got := detail(t, s, r); got != "ok" {
		t.Errorf("the key is there: got %s", got)
	}
	if got := detail(t, withFetcher(t, paypalScheme, nil), r); got != "key_unavailable: the key cannot be had: nothing is fetched here; set `secret` to the key" {
		t.Errorf("without a fetcher: got %s", got)
	}
	if err := s.Sign(r); !errors.Is(err, ErrCannotSign) {
		t.Errorf("signing with a key that only the provider has: got %v, want ErrCannotSign", err)
	}
}

func TestExplainLooksAtFetchedKeysToo(t *testing.T) {
	t.Parallel()
	const address = "https://keys.example.com/key.pem"
	k := madeKeys().ecdsa
	docs := &documents{have: map[string]Document{address: {Bytes: []byte(publicPEM(k)), Version: 1}}}
	s := withFetcher(t, `signature: {algorithm: ecdsa-sha256, header: X-Sig, fetch: "https://keys.example.com/key.pem", hosts: keys.example.com}`, docs)
	r := request(`{"a": 1}`)
	if err := scheme(t, `signature: {algorithm: ecdsa-sha256, header: X-Sig}`, privatePEM(k)).Sign(r); err != nil {
		t.Fatal(err)
	}
	r.Body = []byte(`{"a":1}`)
	if got := s.Explain(r); !strings.Contains(got, "with a blank after each comma and colon it matches") {
		t.Errorf("got %s, want a word about the body", got)
	}
	docs.err = errors.New("no route")
	if got := s.Explain(r); !strings.Contains(got, "signature[0] ecdsa-sha256: the key cannot be had") {
		t.Errorf("got %s, want a word about the key", got)
	}
}

// TestNothingIsFetchedForAnOldRequest holds that who makes up addresses has to make up times as well, and that the sender hears the same
// of an old genuine request as ever where its key is known.
func TestNothingIsFetchedForAnOldRequest(t *testing.T) {
	t.Parallel()
	const address = "https://api.paypal.example/cert.pem"
	const at = "\ntimestamp: {header: X-At}"
	yaml := strings.Replace(paypalScheme, "{header:X-Id}", "{header:X-Id}|{ts}", 1) + at
	k := madeKeys().rsa
	signer := scheme(t, strings.Replace(yaml, "key: x509, ", "", 1), privatePEM(k))
	made := func(when time.Time) *Request {
		r := request(`{"id":1}`, "X-Cert-Url", address, "X-Id", "1")
		r.Now = when
		if err := signer.Sign(r); err != nil {
			t.Fatal(err)
		}
		r.Now = now
		return r
	}
	docs := &documents{have: map[string]Document{address: {Bytes: []byte(pemOf("CERTIFICATE", certify(k))), Version: 1}}}
	s := withFetcher(t, yaml, docs)
	old, fresh := made(now.Add(-time.Hour)), made(now)
	garbled := made(now)
	garbled.Header.Set("X-At", "yesterday")
	for _, r := range []*Request{old, garbled, made(now.Add(time.Hour))} {
		if got := detail(t, s, r); !strings.HasPrefix(got, "invalid_signature: the key is not fetched: the timestamp ") {
			t.Errorf("at %s: got %s, want it refused without its key", r.Header.Get("X-At"), got)
		}
		if got := s.Explain(r); !strings.Contains(got, "the key is not fetched") {
			t.Errorf("explaining it: got %s", got)
		}
	}
	if len(docs.asked) != 0 {
		t.Errorf("these were asked for: %v", docs.asked)
	}
	if got := class(s, fresh); got != "ok" {
		t.Errorf("a fresh one: got %s, want ok", got)
	}
	if got := class(s, old); got != "stale_timestamp" {
		t.Errorf("an old one whose key is known: got %s, want stale_timestamp", got)
	}
	forged := made(now.Add(-time.Hour))
	forged.Body = []byte(`{"id":2}`)
	if got := class(s, forged); got != "invalid_signature" {
		t.Errorf("an old one with another body: got %s, want invalid_signature", got)
	}
}

func TestNothingIsFetchedForATokenThatHasEnded(t *testing.T) {
	t.Parallel()
	yaml := `signature: {algorithm: jwt-rs256, header: Authorization, key: jwks, fetch: "https://{header:X-Tenant}.keys.example.com/jwks", hosts: ["*.keys.example.com"]}`
	k := madeKeys()
	signer := scheme(t, `signature: {algorithm: jwt-rs256, header: Authorization}`, privatePEM(k.rsa))
	docs := &documents{have: map[string]Document{"https://a.keys.example.com/jwks": {Bytes: []byte(jwksOf(webKeyOf(k.rsa, ""))), Version: 1}}}
	s := withFetcher(t, yaml, docs)
	made := func(when time.Time) *Request {
		r := request("{}", "X-Tenant", "a")
		r.Now = when
		if err := signer.Sign(r); err != nil {
			t.Fatal(err)
		}
		r.Now = now
		return r
	}
	old := made(now.Add(-time.Hour))
	if got := detail(t, s, old); !strings.HasPrefix(got, "invalid_signature: the key is not fetched: the token ended") || len(docs.asked) != 0 {
		t.Errorf("got %s, and asked for %v", got, docs.asked)
	}
	if got := class(s, made(now)); got != "ok" {
		t.Errorf("a fresh one: got %s, want ok", got)
	}
	if got := class(s, old); got != "stale_timestamp" {
		t.Errorf("an old one whose key is known: got %s, want stale_timestamp", got)
	}
}

func TestASecretPinsTheKey(t *testing.T) {
	t.Parallel()
	docs := &documents{}
	s := withFetcher(t, paypalScheme, docs, privatePEM(madeKeys().rsa))
	r := request(`{"id":1}`)
	if err := s.Sign(r); err != nil {
		t.Fatal(err)
	}
	if r.Header.Get("X-Id") == "" || class(s, r) != "ok" || len(docs.asked) != 0 {
		t.Errorf("got %s, asked for %v, want it accepted without asking", class(s, r), docs.asked)
	}
}

func TestKeysAreReadAgainWhenTheyChange(t *testing.T) {
	t.Parallel()
	const address = "https://keys.example.com/jwks"
	yaml := `signature: {algorithm: jwt-rs256, header: Authorization, key: jwks, fetch: "https://keys.example.com/jwks", hosts: [keys.example.com]}`
	k := madeKeys()
	signer := scheme(t, `signature: {algorithm: jwt-rs256, header: Authorization}`, privatePEM(k.rsa))
	signer.rules[0].keys[0].id = "new"
	r := request("{}")
	if err := signer.Sign(r); err != nil {
		t.Fatal(err)
	}
	docs := &documents{
		have: map[string]Document{address: {Bytes: []byte(jwksOf(webKeyOf(k.rsa, "old"))), Version: 1}},
		next: map[string]Document{address: {Bytes: []byte(jwksOf(webKeyOf(k.rsa, "old"), webKeyOf(k.rsa, "new"))), Version: 2}},
	}
	s := withFetcher(t, yaml, docs)
	for range 3 {
		if got := detail(t, s, r); got != "ok" {
			t.Errorf("got %s, want ok: the key was published since", got)
		}
	}
	if docs.refreshs != 1 {
		t.Errorf("the keys were asked for again %d times, want once", docs.refreshs)
	}
	docs.have[address] = Document{Bytes: []byte(jwksOf(webKeyOf(k.rsa, "old"))), Version: 3}
	docs.next = nil
	if got := detail(t, s, r); got != "invalid_signature: no key has the token's `kid` \"new\"" {
		t.Errorf("the key was withdrawn: got %s", got)
	}
}

func TestKeysOfSixteenAddressesAreKept(t *testing.T) {
	t.Parallel()
	docs := &documents{have: map[string]Document{}}
	s := withFetcher(t, paypalScheme, docs)
	cert := []byte(pemOf("CERTIFICATE", certify(madeKeys().rsa)))
	for i := range 40 {
		address := fmt.Sprintf("https://api.paypal.example/%d", i)
		docs.have[address] = Document{Bytes: cert, Version: 1}
		r := request("{}", "X-Cert-Url", address, "X-Id", "1", "X-Sig", strings.Repeat("A", 342)+"==")
		if got := class(s, r); got != "invalid_signature" {
			t.Errorf("got %s, want invalid_signature", got)
		}
	}
	if got := len(s.rules[0].remote.kept); got != maxRemoteKeys {
		t.Errorf("the keys of %d addresses are kept, want %d", got, maxRemoteKeys)
	}
	if s.rules[0].remote.kept["https://api.paypal.example/39"] == nil {
		t.Error("the newest address was forgotten")
	}
}

func TestHostsThatMeanTooMuchAreFindings(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"keys.example.com": "", "sns.*.amazonaws.com": "", "api-*.example.com": "", "KEYS.Example.COM": "",
		"*.com": "the last two parts of a host are literal", "*": "is no host of the public internet", "localhost": "is no host of the public internet",
		"example.*": "the last two parts of a host are literal", "a.*.com": "the last two parts of a host are literal",
		"https://keys.example.com": "a host is written without scheme, port and path", "keys.example.com:443": "a host is written without scheme",
		"keys..com": "has an empty part", "keys.example.com.": "has an empty part", "*a*.example.com": "a part of a host holds one * at most", "ke ys.example.com": "cannot stand in a host",
	} {
		var out diag.List
		h := ParseHosts(source.NewString(text, source.Span{File: source.NewFile("p.yaml", []byte(text))}), &out)
		if (h != nil) != (want == "") || want != "" && !strings.Contains(out.Sorted()[0].String(), want) {
			t.Errorf("%s: got %v, want %q", text, out.Sorted(), want)
		}
	}
	var out diag.List
	h := ParseHosts(source.NewString("sns.*.amazonaws.com", source.Span{}), &out)
	for address, want := range map[string]bool{
		"https://sns.us-east-1.amazonaws.com/x.pem": true, "https://SNS.us-east-1.AMAZONAWS.com:443/x.pem": true,
		"https://sns..amazonaws.com/": false, "https://sns.a.b.amazonaws.com/": false, "https://sns.us_east.amazonaws.com/": false, "https://s3.us-east-1.amazonaws.com/": false,
	} {
		if got := h.Check(address) == nil; got != want {
			t.Errorf("%s: got %t, want %t", address, got, want)
		}
	}
}

// TestFetchingIsSafeForConcurrentUse lets many requests meet while documents change.
func TestFetchingIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	const address = "https://api.paypal.example/cert.pem"
	cert := []byte(pemOf("CERTIFICATE", certify(madeKeys().rsa)))
	docs := &documents{have: map[string]Document{address: {Bytes: cert, Version: 1}}}
	s := withFetcher(t, paypalScheme, docs)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 50 {
				docs.mu.Lock()
				docs.have[address] = Document{Bytes: cert, Version: uint64(i + 1)}
				docs.mu.Unlock()
				r := request("{}", "X-Cert-Url", address, "X-Id", "1", "X-Sig", strings.Repeat("A", 342)+"==")
				r.Now = now.Add(time.Duration(i) * time.Second)
				if got := class(s, r); got != "invalid_signature" {
					t.Errorf("got %s, want invalid_signature", got)
				}
			}
		})
	}
	group.Wait()
}
