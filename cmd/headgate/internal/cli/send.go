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
	body      string
	delivery  string
	url       string
	count     int
	manifests []string
}

// Limits of sending.
const (
	sendTimeout = 60 * time.Second
	maxSendBody = 64 << 20
)

func (a *app) sendCommand() *cobra.Command {
	var o sendFlags
	cmd := &cobra.Command{
		Use:     "send PROVIDER EVENT",
		Short:   "Sign an event's example, or a body of yours, and send it as its provider would",
		GroupID: groupTry,
		Long: `Sign an event's example, or a body of yours, and send it as its provider would.

The running gateway is asked to sign, so no secret is needed here. With --manifests this command
signs by itself, with the secrets that the folder refers to (see --env-file).

The answer is printed; anything but 2xx is exit 1.`,
		Example: `  headgate send github pull_request
  headgate send github pull_request --body payload.json --delivery my-test-1
  headgate send github push --count 20
  headgate send github push --url https://hooks.example.com/webhooks/github
  headgate send github push --manifests examples/quickstart --env-file .env`,
		Args: exactly("PROVIDER", "EVENT"),
	}
	conn := a.connectFlags(cmd)
	f := cmd.Flags()
	f.Var(&flagString{&o.body, "file"}, "body", "send this file, byte for byte; - is stdin")
	f.Var(&flagString{&o.delivery, "id"}, "delivery", "the delivery id (default: a fresh one each time)")
	f.Var(&flagString{&o.url, "URL"}, "url", "send it there (default: where the gateway receives)")
	f.IntVar(&o.count, "count", 1, "send `n` times, one after the other")
	f.StringArrayVar(&o.manifests, "manifests", nil, "sign with this `folder`'s manifests instead of asking the gateway; may be repeated")
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		if o.count < 1 {
			return misused("--count: %d is less than one", o.count)
		}
		if o.count > 1 && o.delivery != "" {
			a.warn("%d requests with one delivery id: all but the first are duplicates", o.count)
		}
		body, err := a.sendBody(o.body)
		if err != nil {
			return err
		}
		sign, err := a.signer(ctx, conn, o)
		if err != nil {
			return err
		}
		return a.send(ctx, args[0], args[1], o, body, sign)
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
type signFunc func(ctx context.Context, provider, event, delivery string, body []byte) (admin.SignedRequest, error)

// signer asks the gateway, or signs by itself where folders are given.
func (a *app) signer(ctx context.Context, conn *connection, o sendFlags) (signFunc, error) {
	if len(o.manifests) > 0 {
		return a.localSigner(ctx, conn.envFile, o.manifests)
	}
	c, err := conn.dial()
	if err != nil {
		return nil, err
	}
	return c.sign, nil
}

// sign asks the gateway to sign.
func (c *client) sign(ctx context.Context, provider, event, delivery string, body []byte) (admin.SignedRequest, error) {
	ask := admin.SignRequest{Provider: provider, Event: event, Delivery: delivery, BodyBase64: body}
	if body != nil && len(body) == 0 {
		ask.Body = new(string) // an empty body is not the example
	}
	var signed admin.Signed
	if err := c.post(ctx, "/api/v1/sign", ask, &signed); err != nil {
		return admin.SignedRequest{}, err
	}
	out := admin.SignedRequest{Method: signed.Method, URL: signed.URL, Header: http.Header{}, Body: signed.BodyBase64}
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
	Status int             `json:"status"`
	URL    string          `json:"url"`
	TookMS float64         `json:"took_ms"`
	Answer json.RawMessage `json:"answer"` // the JSON that it is, or a string
}

func (a *app) send(ctx context.Context, provider, event string, o sendFlags, body []byte, sign signFunc) error {
	hc := &http.Client{
		Timeout: sendTimeout, Transport: &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer hc.CloseIdleConnections()
	refusals := 0
	for range o.count {
		signed, err := sign(ctx, provider, event, o.delivery, body)
		if err != nil {
			return err
		}
		if o.url != "" {
			signed.URL = o.url
		}
		result, err := sendOne(ctx, hc, signed)
		if err != nil {
			return err
		}
		if result.Status < 200 || result.Status > 299 {
			refusals++
		}
		if err := a.printSent(result, provider, event); err != nil {
			return err
		}
	}
	if refusals > 0 {
		return &exitError{code: exitRuntime, err: fmt.Errorf("%d of %d requests were not accepted", refusals, o.count), silent: o.count == 1}
	}
	return nil
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
	out := sent{Status: res.StatusCode, URL: signed.URL, TookMS: float64(time.Since(begun).Microseconds()) / 1000, Answer: answer}
	if !json.Valid(answer) {
		out.Answer = quote(strings.ToValidUTF8(string(answer), "\ufffd"))
	}
	return out, nil
}

func (a *app) printSent(s sent, provider, event string) error {
	if a.json {
		return a.printJSON(s)
	}
	color := "32;1"
	if s.Status > 299 {
		color = "31;1"
	}
	a.talk("%s  %s %s to %s in %s", a.talkPaint(color, fmt.Sprintf("%d %s", s.Status, http.StatusText(s.Status))), provider, event, s.URL, took(s.TookMS))
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
	if json.Unmarshal(s.Answer, &answer) == nil && answer.Status == "processed" && answer.ExecutionID != "" {
		a.talk("%s headgate runs get %s", a.talkPaint("36", "next:"), answer.ExecutionID)
	}
	return nil
}
