package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/admin"
)

// sendFlags say what is sent where.
type sendFlags struct {
	messageFlags
	url   string
	count int
}

// messageFlags say what a request is made of, and who signs it.
type messageFlags struct {
	body      string
	delivery  string
	handshake string
	manifests []string
}

// firstHandshake is the handshake that --handshake means without a name.
const firstHandshake = "0"

// bind gives a command the flags.
func (o *messageFlags) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Var(&flagString{&o.body, "file"}, "body", "this file, byte for byte, instead of the example; - is stdin")
	f.Var(&flagString{&o.delivery, "id"}, "delivery", "the delivery id (default: a fresh one each time)")
	f.Var(&flagString{&o.handshake, "name"}, "handshake", "a handshake instead of an event: --handshake=NAME, or the first one")
	f.Lookup("handshake").NoOptDefVal = firstHandshake
	f.StringArrayVar(&o.manifests, "manifests", nil, "sign with this `folder`'s manifests instead of asking the gateway; may be repeated")
}

// message makes what is to be signed of flags and arguments.
func (a *app) message(cmd string, o messageFlags, args []string) (admin.Message, error) {
	m := admin.Message{Delivery: o.delivery, Handshake: o.handshake}
	want := "PROVIDER EVENT"
	if m.Handshake != "" {
		want = "PROVIDER --handshake[=NAME]"
	}
	switch {
	case len(args) != len(strings.Fields(want)) && m.Handshake == "" || len(args) != 1 && m.Handshake != "":
		return m, misused("%s wants %s, and got %s", cmd, want, count(len(args), "argument"))
	case m.Handshake != "" && (o.body != "" || o.delivery != ""):
		return m, misused("--handshake: a handshake is its own example; leave --body and --delivery out")
	}
	m.Provider = args[0]
	if m.Handshake != "" {
		return m, nil
	}
	m.Event = args[1]
	var err error
	m.Body, err = a.sendBody(o.body)
	return m, err
}

// what names a message: "acme order.created".
func what(m admin.Message) string {
	switch m.Handshake {
	case "":
		return m.Provider + " " + m.Event
	case firstHandshake:
		return m.Provider + " handshake"
	}
	return m.Provider + " " + m.Handshake
}

// Limits of sending.
const (
	sendTimeout = 60 * time.Second
	maxSendBody = 64 << 20
)

func (a *app) sendCommand() *cobra.Command {
	var o sendFlags
	cmd := &cobra.Command{
		Use:     "send PROVIDER EVENT|--handshake[=NAME]",
		Short:   "Sign an event's example, or a body of yours, and send it as its provider would",
		GroupID: groupTry,
		Long: `Sign an event's example, or a body of yours, and send it as its provider would.

The running gateway is asked to sign, so no secret is needed here. With --manifests this command
signs by itself, with the secrets that the folder refers to (see --env-file). --handshake sends what
the provider asks before it trusts an address.

The answer is printed; anything but 2xx is exit 1.`,
		Example: `  headgate send github pull_request
  headgate send github pull_request --body payload.json --delivery my-test-1
  headgate send github push --count 20
  headgate send github push --url https://hooks.example.com/webhooks/github
  headgate send github push --manifests examples/quickstart --env-file .env
  headgate send slack --handshake`,
		Args: cobra.ArbitraryArgs,
	}
	conn := a.connectFlags(cmd)
	o.bind(cmd)
	f := cmd.Flags()
	f.Var(&flagString{&o.url, "URL"}, "url", "send it there (default: where the gateway receives)")
	f.IntVar(&o.count, "count", 1, "send `n` times, one after the other")
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		if o.count < 1 {
			return misused("--count: %d is less than one", o.count)
		}
		if o.count > 1 && o.delivery != "" {
			a.warn("%d requests with one delivery id: all but the first are duplicates", o.count)
		}
		m, err := a.message("headgate send", o.messageFlags, args)
		if err != nil {
			return err
		}
		sign, err := a.signer(ctx, conn, o.manifests)
		if err != nil {
			return err
		}
		return a.send(ctx, m, o, sign)
	})
	return cmd
}

// sendBody reads the body; nil means the event's example.
func (a *app) sendBody(file string) ([]byte, error) {
	var in io.Reader
	switch file {
	case "":
		return nil, nil
	case "-":
		in = a.Stdin
	default:
		f, err := os.Open(file)
		if err != nil {
			return nil, unusable(fmt.Errorf("reading the body: %w", err), "")
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxSendBody+1))
	if err != nil {
		return nil, unusable(fmt.Errorf("reading the body: %w", err), "")
	}
	if len(b) > maxSendBody {
		return nil, unusable(fmt.Errorf("the body of %s has more than %d bytes", file, maxSendBody), "")
	}
	if b == nil {
		b = []byte{}
	}
	return b, nil
}

// signFunc makes one signed request.
type signFunc func(ctx context.Context, m admin.Message) (admin.SignedRequest, error)

// signer asks the gateway, or signs by itself where folders are given.
func (a *app) signer(ctx context.Context, conn *connection, dirs []string) (signFunc, error) {
	if len(dirs) > 0 {
		return a.localSigner(ctx, conn.envFile, dirs)
	}
	c, err := conn.dial()
	if err != nil {
		return nil, err
	}
	return c.sign, nil
}

// sign asks the gateway to sign.
func (c *client) sign(ctx context.Context, m admin.Message) (admin.SignedRequest, error) {
	ask := admin.SignRequest{Provider: m.Provider, Event: m.Event, Handshake: m.Handshake, Delivery: m.Delivery, BodyBase64: m.Body}
	if m.Body != nil && len(m.Body) == 0 {
		ask.Body = new(string) // an empty body is not the example
	}
	var signed admin.Signed
	if err := c.post(ctx, "/api/v1/sign", ask, &signed); err != nil {
		return admin.SignedRequest{}, err
	}
	out := admin.SignedRequest{Method: signed.Method, URL: signed.URL, Header: http.Header{}, Body: signed.BodyBase64, Starts: signed.Starts}
	if out.Body == nil {
		out.Body = []byte(signed.Body)
	}
	for name, value := range signed.Headers {
		out.Header.Set(name, value)
	}
	return out, nil
}

// sent is the result of one request.
type sent struct {
	Status  int             `json:"status"`
	URL     string          `json:"url"`
	Request string          `json:"request,omitempty"` // the answer's X-Request-Id
	TookMS  float64         `json:"took_ms"`
	Answer  json.RawMessage `json:"answer"` // the JSON that it is, or a string
}

func (a *app) send(ctx context.Context, m admin.Message, o sendFlags, sign signFunc) error {
	hc := &http.Client{
		Timeout: sendTimeout, Transport: &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer hc.CloseIdleConnections()
	refusals := 0
	for range o.count {
		signed, err := sign(ctx, m)
		if err != nil {
			return err
		}
		if o.url != "" {
			signed.URL = withQuery(o.url, signed.URL)
		}
		result, err := sendOne(ctx, hc, signed)
		if err != nil {
			return err
		}
		if result.Status < 200 || result.Status > 299 {
			refusals++
		}
		if err := a.printSent(result, what(m), m.Handshake != "", signed.Starts); err != nil {
			return err
		}
	}
	if refusals > 0 {
		return &exitError{code: exitRuntime, err: fmt.Errorf("%d of %d requests were not accepted", refusals, o.count), silent: o.count == 1}
	}
	return nil
}

// withQuery gives an address of a person's the query of what was signed: a signature or a handshake may stand there.
func withQuery(address, signed string) string {
	_, query, has := strings.Cut(signed, "?")
	if !has || strings.Contains(address, "?") {
		return address
	}
	return address + "?" + query
}

func sendOne(ctx context.Context, hc *http.Client, signed admin.SignedRequest) (sent, error) {
	req, err := http.NewRequestWithContext(ctx, signed.Method, signed.URL, bytes.NewReader(signed.Body))
	if err != nil {
		return sent{}, misused("the address %q cannot be used: %v", signed.URL, err)
	}
	req.Header = signed.Header
	begun := time.Now()
	res, err := hc.Do(req)
	if err != nil {
		var cause *url.Error
		if errors.As(err, &cause) {
			err = cause.Err
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			err = errors.New("connection refused")
		}
		var untrusted *tls.CertificateVerificationError
		if errors.As(err, &untrusted) {
			return sent{}, unusable(fmt.Errorf("the certificate of %s is not trusted: %w", signed.URL, untrusted.Err),
				"SSL_CERT_FILE=cert.pem trusts one of your own; --url names it by the name that it was made for")
		}
		return sent{}, unusable(fmt.Errorf("nobody answers at %s: %w", signed.URL, err),
			"headgate status shows where the gateway listens; --url names another place")
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes))
	if err != nil {
		return sent{}, failed(fmt.Errorf("reading the answer: %w", err))
	}
	out := sent{Status: res.StatusCode, URL: signed.URL, Request: res.Header.Get("X-Request-Id"), TookMS: float64(time.Since(begun).Microseconds()) / 1000, Answer: answer}
	if !json.Valid(answer) {
		out.Answer = quote(strings.ToValidUTF8(string(answer), "\ufffd"))
	}
	return out, nil
}

// printSent prints the answer and what to ask next. starts are the pipelines that receive such events; nil where that is not known.
func (a *app) printSent(s sent, what string, handshake bool, starts []string) error {
	if a.json {
		return a.printJSON(s)
	}
	color := "32;1"
	if s.Status > 299 {
		color = "31;1"
	}
	a.talk("%s  %s to %s in %s", a.talkPaint(color, fmt.Sprintf("%d %s", s.Status, http.StatusText(s.Status))), what, s.URL, took(s.TookMS))
	text := compact(s.Answer)
	var plain string
	if json.Unmarshal(s.Answer, &plain) == nil {
		text = plain
	}
	fmt.Fprintln(a.Stdout, visible(text))
	var answer struct {
		Status      string `json:"status"`
		ExecutionID string `json:"execution_id"`
	}
	switch err := json.Unmarshal(s.Answer, &answer); {
	case err == nil && answer.ExecutionID != "" && (answer.Status != "processed" || starts != nil && len(starts) == 0):
		a.talk("%s headgate explain %s", a.talkPaint("36", "next:"), answer.ExecutionID) // it began no run
	case err == nil && answer.ExecutionID != "":
		a.talk("%s headgate runs get %s", a.talkPaint("36", "next:"), answer.ExecutionID)
	case s.Request != "" && (s.Status > 299 || answer.Status == "" && !handshake):
		// Refused, or answered in the provider's own words: the id is all that there is to go on with.
		a.talk("%s headgate explain %s", a.talkPaint("36", "next:"), s.Request)
	}
	return nil
}
