package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/trial"
	"github.com/headgate/headgate/manifests"
)

// result is what became of one case. Where err is nil, all that is said held.
type result struct {
	sdkCase
	signs, verifies bool
	err             error
}

// subject is a provider of the catalogue, ready to receive and to sign.
type subject struct {
	sdkCase
	provider *provider.Provider
	secret   string
	keys     keys
	event    string
	body     []byte
	// contentType is the example's.
	contentType string
}

// check holds one SDK against its provider, each way that the SDK can go.
func check(ctx context.Context, sdks *sdkProcess, index int, c sdkCase) result {
	r := result{sdkCase: c}
	s, err := prepare(ctx, c)
	if err != nil {
		r.err = err
		return r
	}
	if c.Signs {
		if r.err = s.checkSDKSigns(ctx, sdks, index); r.err != nil {
			return r
		}
		r.signs = true
	}
	if c.Verifies {
		if r.err = s.checkSDKVerifies(sdks, index); r.err != nil {
			return r
		}
		r.verifies = true
	}
	return r
}

// prepare makes the provider as an operator would who writes `use:` and no more.
func prepare(ctx context.Context, c sdkCase) (*subject, error) {
	text := "kind: provider\nuse: " + c.Provider + "\n"
	bundle, findings := manifest.Load(ctx, manifest.Options{
		Files: []*source.File{source.NewFile("crosscheck.yaml", []byte(text))}, Catalogue: manifests.FS(), NoEnv: true,
	})
	doc := bundle.Find(manifest.Provider, c.Provider)
	if doc == nil {
		return nil, fmt.Errorf("loading the provider: %w", findings.Err())
	}
	s := &subject{sdkCase: c, secret: c.Secret}
	if s.secret == "" {
		if made := trial.Secrets(doc, c.SDK); len(made) > 0 {
			s.secret = made[0]
		}
	}
	var found diag.List
	s.provider = trial.Fit(doc, s.operator(), c.SDK, &found)
	if s.provider == nil {
		return nil, fmt.Errorf("compiling the provider: %w", found.Err())
	}
	var err error
	if s.keys, err = keysOf(s.secret); err != nil {
		return nil, err
	}
	return s, s.chooseEvent()
}

// operator is what the operator would set.
func (s *subject) operator() *source.Node {
	set := func(key, value string) source.Entry {
		return source.NewEntry(key, source.Span{}, source.NewString(value, source.Span{}))
	}
	out := source.NewMap(source.Span{}, set("secret", s.secret))
	if len(s.Vars) > 0 {
		vars := source.NewMap(source.Span{})
		for name, value := range s.Vars {
			vars.Entries = append(vars.Entries, set(name, value))
		}
		out.Entries = append(out.Entries, source.NewEntry("vars", source.Span{}, vars))
	}
	return out
}

// chooseEvent takes the event that the case names, or the first that has an example.
func (s *subject) chooseEvent() error {
	for _, name := range s.provider.Events() {
		e, _ := s.provider.Event(name)
		if s.Event == name || s.Event == "" && e.HasExample() {
			s.event = name
			break
		}
	}
	var err error
	s.body, s.contentType, err = s.provider.Example(s.event)
	if s.Compact && err == nil {
		var b bytes.Buffer
		if err = json.Compact(&b, s.body); err == nil {
			s.body = b.Bytes()
		}
	}
	return err
}

// signed is what Headgate sends: also the body that an SDK is to sign, so that a batch is a batch.
func (s *subject) signed(now time.Time) (provider.Signed, error) {
	return s.provider.Sign(provider.Message{Event: s.event, Body: s.body, ContentType: s.contentType, Now: now, Rule: -1})
}

func (s *subject) message(r provider.Signed, now time.Time) *message {
	m := &message{
		Method: http.MethodPost, URL: trial.PublicURL + s.provider.Path(), Query: r.Query, Headers: map[string]string{}, Body: r.Body,
		Secret: s.secret, Vars: s.Vars, Now: now.UnixMilli(),
		PrivateKey: s.keys.private, PublicKey: s.keys.public, SPKI: s.keys.spki, Raw: s.keys.raw, Certificate: s.keys.certificate,
	}
	if r.Query != "" {
		m.URL += "?" + r.Query
	}
	for name, values := range r.Header {
		m.Headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	return m
}

// checkSDKVerifies has the SDK believe what Headgate signed, and disbelieve it when it is changed.
func (s *subject) checkSDKVerifies(sdks *sdkProcess, index int) error {
	now := time.Now()
	signed, err := s.signed(now)
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	m := s.message(signed, now)
	a, err := sdks.ask(question{Op: "verify", Case: index, Request: m})
	switch {
	case err != nil:
		return fmt.Errorf("asking the SDK: %w", err)
	case !a.Accepted:
		return fmt.Errorf("the SDK refuses what Headgate signed: %s", a.Reason)
	}
	if err := flip(m.Headers, &m.Body, s.Flip); err != nil {
		return err
	}
	if a, err = sdks.ask(question{Op: "verify", Case: index, Request: m}); err != nil {
		return fmt.Errorf("asking the SDK: %w", err)
	}
	if a.Accepted {
		return errors.New("the SDK accepts a request of which a byte was changed")
	}
	return nil
}

// checkSDKSigns has Headgate accept what the SDK signed, and refuse it when it is changed.
func (s *subject) checkSDKSigns(ctx context.Context, sdks *sdkProcess, index int) error {
	now := time.Now()
	unsigned, err := s.signed(now)
	if err != nil {
		return fmt.Errorf("making the body: %w", err)
	}
	a, err := sdks.ask(question{Op: "sign", Case: index, Request: s.message(unsigned, now)})
	if err != nil {
		return fmt.Errorf("asking the SDK to sign: %w", err)
	}
	if d := s.receive(ctx, a, now); d.Verdict == provider.Refused {
		return fmt.Errorf("refused what the SDK signed: %s: %s", d.Refusal.Code, d.Refusal.Detail)
	}
	flipAt := s.Flip
	if strings.HasPrefix(flipAt, "json:") && !bytes.HasPrefix(bytes.TrimSpace(a.Body), []byte("{")) {
		flipAt = ""
	}
	if err := flip(a.Headers, &a.Body, flipAt); err != nil {
		return err
	}
	if d := s.receive(ctx, a, now); d.Verdict != provider.Refused || !strings.HasSuffix(d.Refusal.Code, "_signature") {
		return fmt.Errorf("a request of which a byte was changed is %s", d.Verdict)
	}
	return nil
}

func (s *subject) receive(ctx context.Context, a answer, now time.Time) provider.Decision {
	r := &provider.Request{ID: "crosscheck"}
	r.Method, r.PathQuery, r.Query, r.Header, r.Body, r.Now = http.MethodPost, s.provider.Path(), a.Query, http.Header{}, a.Body, now
	if a.Query != "" {
		r.PathQuery += "?" + a.Query
	}
	for name, value := range a.Headers {
		r.Header.Set(name, value)
	}
	return s.provider.Receive(ctx, r)
}

// flip changes one byte, so that what is left is well-formed: of a text in the body, of a header, or of a field.
func flip(headers map[string]string, body *[]byte, where string) error {
	kind, name, _ := strings.Cut(where, ":")
	switch kind {
	case "header":
		value, ok := headers[name]
		if !ok || len(value) < 12 {
			return fmt.Errorf("there is no header %s to change", name)
		}
		// Not the last characters: of base64 their low bits may stand for nothing.
		at := len(value) - 8
		headers[name] = value[:at] + string(other(value[at])) + value[at+1:]
		return nil
	case "form":
		values, err := url.ParseQuery(string(*body))
		if err != nil || len(values.Get(name)) < 12 {
			return fmt.Errorf("there is no field %s to change", name)
		}
		value := values.Get(name)
		at := len(value) / 2
		values.Set(name, value[:at]+string(other(value[at]))+value[at+1:])
		*body = []byte(values.Encode())
		return nil
	case "json":
		last := name[strings.LastIndex(name, ".")+1:]
		at := bytes.Index(*body, []byte(`"`+last+`"`))
		if at < 0 {
			return fmt.Errorf("there is no %s to change", name)
		}
		return flipText(body, at+len(last)+2)
	}
	return flipText(body, 0)
}

// flipText changes the first letter or digit inside of a text, or behind an "=", from an offset on.
func flipText(body *[]byte, from int) error {
	out := bytes.Clone(*body)
	for i := from; i+1 < len(out); i++ {
		opens := out[i] == '"' && bytes.IndexByte(out[:i+1], ':') >= 0 && bytes.HasSuffix(bytes.TrimSpace(out[:i]), []byte(":"))
		if c := out[i+1]; (opens || out[i] == '=') && (c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
			out[i+1] = other(c)
			*body = out
			return nil
		}
	}
	return errors.New("there is no text to change in the body")
}

func other(c byte) byte {
	switch c {
	case 'z', 'Z', '9':
		return c - 1
	}
	if c >= '0' && c < '9' || c >= 'a' && c < 'z' || c >= 'A' && c < 'Z' {
		return c + 1
	}
	return 'x'
}
