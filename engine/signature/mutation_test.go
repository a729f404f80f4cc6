package signature

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// form is one way in which genuine requests are signed, by code that shares nothing with the package.
type form struct {
	name, yaml string
	// header holds the signature, split separates its items.
	header, split string
	hex           bool
	// sign gives the headers for a body at a time.
	sign func(secret string, body []byte, at time.Time, id string) http.Header
}

func mac(h func() hash.Hash, key, signed string) []byte {
	m := hmac.New(h, []byte(key))
	m.Write([]byte(signed))
	return m.Sum(nil)
}

// forms has each algorithm plain, in a list, with a timestamp and with the URL.
func forms() []form {
	unix := func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
	var out []form
	for _, a := range []struct {
		name string
		hash func() hash.Hash
	}{{"hmac-sha256", sha256.New}, {"hmac-sha1", sha1.New}, {"hmac-sha512", sha512.New}} {
		out = append(out,
			form{
				name: a.name + " plain hex", header: "X-Sig", hex: true,
				yaml: "signature: {algorithm: " + a.name + ", header: X-Sig, prefix: \"v=\"}",
				sign: func(secret string, body []byte, _ time.Time, _ string) http.Header {
					return http.Header{"X-Sig": {"v=" + hex.EncodeToString(mac(a.hash, secret, string(body)))}}
				},
			},
			form{
				name: a.name + " plain base64", header: "X-Sig",
				yaml: "signature: {algorithm: " + a.name + ", header: X-Sig, encoding: base64}",
				sign: func(secret string, body []byte, _ time.Time, _ string) http.Header {
					return http.Header{"X-Sig": {base64.StdEncoding.EncodeToString(mac(a.hash, secret, string(body)))}}
				},
			},
			form{
				name: a.name + " list with its timestamp", header: "X-Sig", split: ",", hex: true,
				yaml: "signature: {algorithm: " + a.name + ", header: X-Sig, split: \",\", prefix: \"v1=\", signed: \"{ts}.{body}\"}\ntimestamp: {from: \"sig:t=\"}",
				sign: func(secret string, body []byte, at time.Time, _ string) http.Header {
					return http.Header{"X-Sig": {"t=" + unix(at) + ",v1=" + hex.EncodeToString(mac(a.hash, secret, unix(at)+"."+string(body)))}}
				},
			},
			form{
				name: a.name + " timestamp in a header", header: "X-Sig", hex: true,
				yaml: "signature: {algorithm: " + a.name + ", header: X-Sig, prefix: \"v0=\", signed: \"v0:{ts}:{body}\"}\ntimestamp: {header: X-At}",
				sign: func(secret string, body []byte, at time.Time, _ string) http.Header {
					return http.Header{"X-At": {unix(at)}, "X-Sig": {"v0=" + hex.EncodeToString(mac(a.hash, secret, "v0:"+unix(at)+":"+string(body)))}}
				},
			},
			form{
				name: a.name + " id, timestamp and list", header: "X-Sig", split: " ",
				yaml: "signature: {algorithm: " + a.name + ", header: X-Sig, split: \" \", prefix: \"v1,\", encoding: base64, signed: \"{header:X-Id}.{ts}.{body}\"}\ntimestamp: {header: X-At}",
				sign: func(secret string, body []byte, at time.Time, id string) http.Header {
					return http.Header{
						"X-Id": {id}, "X-At": {unix(at)},
						"X-Sig": {"v1," + base64.StdEncoding.EncodeToString(mac(a.hash, secret, id+"."+unix(at)+"."+string(body)))},
					}
				},
			},
			form{
				name: a.name + " URL", header: "X-Sig",
				yaml: "signature: {algorithm: " + a.name + ", header: X-Sig, encoding: base64, signed: \"{url}{body}\"}",
				sign: func(secret string, body []byte, _ time.Time, _ string) http.Header {
					return http.Header{"X-Sig": {base64.StdEncoding.EncodeToString(mac(a.hash, secret, mutationURL+string(body)))}}
				},
			},
		)
	}
	return out
}

const mutationURL = "https://hooks.example.com/webhooks/acme?a=b"

// TestNoMutationOfAGenuineRequestIsAccepted makes 30 genuine requests of each form and 200 mutations of each of them, always the
// same ones.
func TestNoMutationOfAGenuineRequestIsAccepted(t *testing.T) {
	t.Parallel()
	for _, f := range forms() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(1, uint64(len(f.name))))
			for n := range 30 {
				secret := fmt.Sprintf("secret-%d-%x", n, rng.Uint64())
				s := scheme(t, f.yaml, secret)
				r := request(randomBody(rng))
				r.URL = mutationURL
				r.Header = f.sign(secret, r.Body, now, fmt.Sprintf("msg_%x", rng.Uint64()))
				if _, refusal := s.Verify(r); refusal != nil {
					t.Fatalf("genuine request %d: got %+v, want it accepted", n, refusal)
				}
				for range 200 {
					m, what := mutate(rng, f, r, secret)
					if _, refusal := s.Verify(m); refusal == nil {
						t.Fatalf("false accept after %s:\nheaders %v\nbody %q\ngenuine headers %v\nbody %q", what, m.Header, m.Body, r.Header, r.Body)
					}
				}
			}
		})
	}
}

func randomBody(rng *rand.Rand) string {
	b := make([]byte, 1+rng.IntN(200))
	for i := range b {
		b[i] = byte(' ' + rng.IntN(95))
	}
	return `{"text":"` + string(b) + `"}`
}

// mutate changes a copy of a genuine request in one way that no sender who lacks the secret could make genuine.
func mutate(rng *rand.Rand, f form, genuine *Request, secret string) (*Request, string) {
	for {
		r := &Request{Method: genuine.Method, URL: genuine.URL, Header: genuine.Header.Clone(), Body: slices.Clone(genuine.Body), Now: genuine.Now}
		what := mutateOnce(rng, f, r, secret)
		if !equivalent(f, genuine, r) {
			return r, what
		}
	}
}

func mutateOnce(rng *rand.Rand, f form, r *Request, secret string) string {
	sig := r.Header.Get(f.header)
	// Of the headers that were sent, one that counts: all do.
	var names []string
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	name := names[rng.IntN(len(names))]
	switch rng.IntN(14) {
	case 0:
		r.Body[rng.IntN(len(r.Body))] ^= 1 << rng.IntN(8)
		return "a bit of the body flipped"
	case 1:
		r.Body = r.Body[:rng.IntN(len(r.Body))]
		return "the body cut"
	case 2:
		r.Body = append(r.Body, byte(rng.IntN(256)))
		return "a byte appended to the body"
	case 3, 4, 5:
		b := []byte(r.Header.Get(name))
		b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
		r.Header[name] = []string{string(b)}
		return "a bit of " + name + " flipped"
	case 6:
		v := r.Header.Get(name)
		r.Header[name] = []string{v[:rng.IntN(len(v))]}
		return name + " cut"
	case 7:
		v := r.Header.Get(name)
		at := rng.IntN(len(v) + 1)
		r.Header[name] = []string{v[:at] + string(rune('!'+rng.IntN(94))) + v[at:]}
		return "a character put into " + name
	case 8:
		r.Header[name] = []string{""}
		return name + " emptied"
	case 9:
		delete(r.Header, name)
		return name + " left out"
	case 10:
		r.Header = f.sign(secret[:len(secret)-1], r.Body, r.Now, r.Header.Get("X-Id"))
		return "signed with a shorter secret"
	case 11:
		all := forms()
		other := all[rng.IntN(len(all))]
		if other.name == f.name {
			r.Header = f.sign("", r.Body, r.Now, "msg_1")
			return "signed with an empty secret"
		}
		r.Header = other.sign(secret, r.Body, r.Now, "msg_1")
		return "signed the way of " + other.name
	case 12:
		b := []byte(sig)
		if at := len(b) - 1 - rng.IntN(20); b[at] == '0' {
			b[at] = '1'
		} else {
			b[at] = '0'
		}
		r.Header[f.header] = []string{strings.Repeat("0", len(sig)), string(b)}
		return "the signature header doubled with two wrong ones"
	default:
		r.Header = f.sign(secret, r.Body, r.Now.Add(time.Duration(1+rng.IntN(1e6))*time.Hour), r.Header.Get("X-Id"))
		if r.Header.Get("X-At") == "" && f.split != "," {
			r.Header[f.header] = []string{sig + sig}
		}
		return "signed at another time, or the signature written twice"
	}
}

// equivalent says whether two requests mean the same: the rules ignore the case of hex digits and blanks around items.
func equivalent(f form, a, b *Request) bool {
	if string(a.Body) != string(b.Body) {
		return false
	}
	for _, name := range []string{f.header, "X-At", "X-Id"} {
		if plain(f, name, a.Header[name]) != plain(f, name, b.Header[name]) {
			return false
		}
	}
	return true
}

func plain(f form, name string, values []string) string {
	if name != f.header {
		return strings.Join(values, "\x00")
	}
	var items []string
	for _, v := range values {
		split := []string{v}
		if f.split != "" {
			split = strings.Split(v, f.split)
		}
		for _, item := range split {
			if item = strings.TrimSpace(item); f.hex {
				item = strings.ToLower(item)
			}
			if item != "" {
				items = append(items, item)
			}
		}
	}
	return strings.Join(items, "\x00")
}

// TestSignIsTheInverseOfVerify holds what Sign makes against the independent signers.
func TestSignIsTheInverseOfVerify(t *testing.T) {
	t.Parallel()
	for _, f := range forms() {
		s := scheme(t, f.yaml, "a secret")
		r := request(`{"a":1}`, "X-Id", "msg_1")
		r.URL = mutationURL
		if err := s.Sign(r); err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
		want := f.sign("a secret", r.Body, now, "msg_1")
		for name := range want {
			if r.Header.Get(name) != want.Get(name) {
				t.Errorf("%s: header %s: got %q, want %q", f.name, name, r.Header.Get(name), want.Get(name))
			}
		}
		if got := class(s, r); got != "ok" {
			t.Errorf("%s: what Sign made got %s, want ok", f.name, got)
		}
	}
}
