package signature

import (
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

const mutationURL = "https://hooks.example.com/webhooks/acme?a=b"

// TestNoMutationOfAGenuineRequestIsAccepted makes 30 genuine requests of each form and 200 mutations each, by the same steps each time.
func TestNoMutationOfAGenuineRequestIsAccepted(t *testing.T) {
	t.Parallel()
	all := forms()
	for _, f := range all {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			rng := mathrand.New(mathrand.NewPCG(1, uint64(len(f.name))))
			for n := range 30 {
				k := f.keys(rng)
				s := scheme(t, f.yaml, k.secret)
				r := request(randomBody(rng))
				r.URL = mutationURL
				r.Header = f.sign(k, r.Body, now, fmt.Sprintf("msg_%x", rng.Uint64()))
				if _, refusal := s.Verify(t.Context(), r); refusal != nil {
					t.Fatalf("genuine request %d: got %+v, want it accepted", n, refusal)
				}
				for range 200 {
					m, what := mutate(rng, all, f, r, k)
					if _, refusal := s.Verify(t.Context(), m); refusal == nil {
						t.Fatalf("false accept after %s:\nURL %s\nheaders %v\nbody %q\ngenuine headers %v\nbody %q", what, m.URL, m.Header, m.Body, r.Header, r.Body)
					}
				}
			}
		})
	}
}

func randomBody(rng *mathrand.Rand) string {
	b := make([]byte, 1+rng.IntN(200))
	for i := range b {
		b[i] = byte(' ' + rng.IntN(95))
	}
	return `{"text":"` + string(b) + `"}`
}

// mutate changes a copy of a genuine request in one way that no sender who lacks the secret could make genuine.
func mutate(rng *mathrand.Rand, all []form, f form, genuine *Request, k keyPair) (*Request, string) {
	for {
		r := &Request{Method: genuine.Method, URL: genuine.URL, Header: genuine.Header.Clone(), Body: slices.Clone(genuine.Body), Now: genuine.Now}
		what := mutateOnce(rng, all, f, r, k)
		if !equivalent(f, genuine, r) {
			return r, what
		}
	}
}

func mutateOnce(rng *mathrand.Rand, all []form, f form, r *Request, k keyPair) string {
	sig := r.Header.Get(f.header)
	// Of the headers that were sent, one that counts: all do.
	var names []string
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	name := names[rng.IntN(len(names))]
	switch rng.IntN(16) {
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
		r.Header = f.sign(k.wrong(), r.Body, r.Now, r.Header.Get("X-Id"))
		return "signed with another secret"
	case 11:
		other := all[rng.IntN(len(all))]
		if other.name == f.name {
			r.Header[f.header] = []string{strings.Repeat("0", len(sig))}
			return "signed with nothing"
		}
		body := r.Body
		if strings.Contains(other.name, "rsa") || strings.Contains(other.name, "rs256") {
			body = []byte("{}") // whose signature is known already; signing with RSA is slow
		}
		r.Header = other.sign(other.keys(rng), body, r.Now, "msg_1")
		return "signed the way of " + other.name + " with a secret of its own"
	case 12:
		b := []byte(sig)
		if at := len(b) - 1 - rng.IntN(min(20, len(b))); b[at] == '0' {
			b[at] = '1'
		} else {
			b[at] = '0'
		}
		r.Header[f.header] = []string{strings.Repeat("0", len(sig)), string(b)}
		return "the signature header doubled with two wrong ones"
	case 13:
		at := strings.IndexByte(r.URL, '?') + 1 + rng.IntN(3)
		r.URL = r.URL[:at] + "x" + r.URL[at:]
		return "the query changed"
	case 14:
		if k.confused == nil || strings.HasPrefix(f.name, "token") || strings.HasPrefix(f.name, "jwt-es256") {
			r.Header[f.header] = []string{sig[:len(sig)/2]}
			return "half of the signature"
		}
		r.Header = f.sign(keyPair{secret: k.secret, raw: k.confused}, r.Body, r.Now, r.Header.Get("X-Id"))
		return "signed by the same key with another algorithm"
	default:
		if !strings.Contains(f.name, "timestamp") && !strings.HasPrefix(f.name, "jwt") {
			r.Header[f.header] = []string{sig[len(sig)/2:] + sig[:len(sig)/2]}
			return "the halves of the signature swapped"
		}
		r.Header = f.sign(k, r.Body, r.Now.Add([]time.Duration{-time.Hour, time.Hour, 1e6 * time.Hour}[rng.IntN(3)]), r.Header.Get("X-Id"))
		return "signed at another time"
	}
}

// equivalent says whether two requests mean the same: the rules ignore the case of hex digits and blanks around items.
func equivalent(f form, a, b *Request) bool {
	if !f.loose && string(a.Body) != string(b.Body) || strings.HasSuffix(f.name, "URL") && a.URL != b.URL {
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
			// Of a list of tokens only the one with the prefix counts.
			if item != "" && (f.name != "token in a list" || strings.HasPrefix(item, "t=")) {
				items = append(items, item)
			}
		}
	}
	return strings.Join(items, "\x00")
}
