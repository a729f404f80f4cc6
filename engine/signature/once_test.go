package signature

import (
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/secret"
)

// counting lets a test see how often the first function of a scheme's first signed text is applied.
func counting(t *testing.T, s *Scheme) *int {
	t.Helper()
	n := 0
	for _, p := range s.rules[0].signed[0].parts {
		if p.place == nil || len(p.place.alternatives[0].apply) == 0 {
			continue
		}
		f := &p.place.alternatives[0].apply[0]
		apply := f.apply
		f.apply = func(e *env, dst, in []byte) ([]byte, bool) {
			n++
			return apply(e, dst, in)
		}
		return &n
	}
	t.Fatal("no function is applied")
	return nil
}

var eightSecrets = []string{"s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8"}

func TestASignedTextIsMadeOnceForAllSecrets(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		yaml string
		want int
	}{
		"a sorted form":   {`signature: {algorithm: hmac-sha1, header: X-Sig, signed: "{url}{form|sortedkv}"}`, 1},
		"a hash":          {`signature: {algorithm: hmac-sha256, header: X-Sig, signed: "{ts}.{body|sha256|hex}"}` + "\ntimestamp: {header: X-At}", 1},
		"with the secret": {`signature: {algorithm: digest-sha256, header: X-Sig, signed: "{secret}{body|lower}"}`, 8},
	} {
		s := scheme(t, test.yaml, eightSecrets...)
		last := scheme(t, test.yaml, "s8")
		r := request("b=2&a=1", "Content-Type", "application/x-www-form-urlencoded")
		r.URL = "https://hooks.example.com/a"
		if err := last.Sign(r); err != nil {
			t.Fatal(err)
		}
		n := counting(t, s)
		m, refusal := s.Verify(t.Context(), r)
		if refusal != nil || m.Secret != 7 || *n != test.want {
			t.Errorf("%s: got secret %d, %+v after %d times, want the eighth after %d", name, m.Secret, refusal, *n, test.want)
		}
		*n = 0
		r.Body = []byte("b=2&a=2")
		if got := class(s, r); got != "invalid_signature" || *n != test.want {
			t.Errorf("%s, forged: got %s after %d times, want invalid_signature after %d", name, got, *n, test.want)
		}
	}
}

func TestASignedTextIsMadeOnceForLearnedSecretsToo(t *testing.T) {
	t.Parallel()
	const yaml = `signature: {algorithm: hmac-sha256, header: X-Sig, signed: "{body|sha256|hex}"}`
	c := config(t, yaml, "configured")
	c.Learned = &fixedSecrets{"l1", "l2", "l3"}
	s := Compile(c, &diag.List{})
	r := request("{}")
	if err := scheme(t, yaml, "l2").Sign(r); err != nil {
		t.Fatal(err)
	}
	n := counting(t, s)
	if m, refusal := s.Verify(t.Context(), r); refusal != nil || !m.Learned || m.Secret != 1 || *n != 1 {
		t.Errorf("got %+v, %+v after %d times, want the second learned one after one", m, refusal, *n)
	}
}

// fixedSecrets are learned secrets that do not change.
type fixedSecrets []string

func (f *fixedSecrets) Version() uint64 { return 1 }

func (f *fixedSecrets) Secrets() []secret.Value {
	var out []secret.Value
	for _, s := range *f {
		out = append(out, secret.New(s))
	}
	return out
}

func TestChainsOfFunctionsAreBounded(t *testing.T) {
	t.Parallel()
	small, large := strings.Repeat("a", 1000), strings.Repeat("a", 1<<20)
	for _, test := range []struct{ text, body, want string }{
		{"{body|hex|hex|hex|hex}", small, ""},
		{"{body|hex}", large, ""},
		{"{body|base64|base64}", large, ""},
		{"{body|json}", large, ""},
		{"{body|hex|hex}", large, "missing"},
		{"{body|hex|hex|hex|hex}", large, "missing"},
		{"{body|hex|hex|sha256|hex}", large, "missing"},
	} {
		got := render(t, test.text, Signed, &Request{Body: []byte(test.body)})
		if (got == "missing") != (test.want == "missing") {
			t.Errorf("%s of %d bytes: got %d bytes (%.10s), want %q", test.text, len(test.body), len(got), got, test.want)
		}
	}
}
