package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/user"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/admin"
)

// Limits of talking to a gateway.
const (
	// A reload of a thousand manifests on a busy machine stays well below.
	callTimeout = 2 * time.Minute
	// A page of a thousand runs with long messages is a tenth of that.
	maxAnswerBytes = 64 << 20
)

// connection is how a command finds its gateway.
type connection struct {
	app     *app
	server  string
	token   string
	envFile string
}

// connectFlags gives a command the flags by which it finds a gateway.
func (a *app) connectFlags(cmd *cobra.Command) *connection {
	c := &connection{app: a}
	f := cmd.PersistentFlags()
	f.Var(&flagString{&c.server, "host:port"}, "server", "the gateway's admin address (HEADGATE_ADMIN_ADDR, default 127.0.0.1:8081)")
	f.Var(&flagString{&c.token, "token"}, "token", "the gateway's admin token (better: HEADGATE_ADMIN_TOKEN, which no process list shows)")
	f.Var(&flagString{&c.envFile, "file"}, "env-file", "a file of NAME=VALUE lines; the environment wins")
	return c
}

// flagString is a string flag whose help shows the form of its value.
type flagString struct {
	text *string
	form string
}

// String gives the text.
func (f *flagString) String() string {
	if f.text == nil {
		return ""
	}
	return *f.text
}

// Set keeps the text.
func (f *flagString) Set(text string) error {
	*f.text = text
	return nil
}

// Type is what the help shows for the value.
func (f *flagString) Type() string { return f.form }

// client talks to one gateway's admin API.
type client struct {
	base  string
	token string
	actor string // who asks, for the audit log
	http  *http.Client
}

// dial makes a client of flags and environment. Nothing is sent yet.
func (c *connection) dial() (*client, error) {
	env, err := c.app.environment(c.envFile)
	if err != nil {
		return nil, err
	}
	server := c.server
	if server == "" {
		server, _ = env.Lookup(prefix + "_ADMIN_ADDR")
	}
	if server == "" {
		server = "127.0.0.1:8081"
	}
	base, err := baseURL(server)
	if err != nil {
		return nil, unusable(err, "--server 127.0.0.1:8081")
	}
	token := c.token
	if token == "" {
		token, _ = env.Lookup(prefix + "_ADMIN_TOKEN")
	}
	return &client{
		base: base, token: strings.TrimSpace(token), actor: c.app.actor(),
		// No proxy: the admin API is on this host or inside; and no redirect, which would carry the token elsewhere.
		http: &http.Client{
			Timeout:       callTimeout,
			Transport:     &http.Transport{DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// actor says who we are: user@host, as far as that is known.
func (a *app) actor() string {
	who, _ := a.LookupEnv("USER")
	if who == "" {
		who, _ = a.LookupEnv("LOGNAME")
	}
	if who == "" {
		who = fmt.Sprintf("uid %d", os.Getuid()) // a container may have no names
		if u, err := user.Current(); err == nil && u.Username != "" {
			who = u.Username
		}
	}
	if host, err := os.Hostname(); err == nil {
		who += "@" + host
	}
	return who
}

// baseURL turns ":8081", "0.0.0.0:8081", "gateway:8081" or "https://gateway.example" into a URL without path.
func baseURL(server string) (string, error) {
	text := server
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" {
		return "", fmt.Errorf("the gateway's address %q is neither host:port nor a URL without a path", server)
	}
	host, port := u.Hostname(), u.Port()
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1" // wherever it listens, this host is one of the places
	}
	if port != "" {
		host = net.JoinHostPort(host, port)
	} else if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return u.Scheme + "://" + host, nil
}

// get reads a document. v may be nil.
func (c *client) get(ctx context.Context, path string, query url.Values, v any) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	b, err := c.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	return c.decode(b, v)
}

// post sends a document, or nothing where body is nil, and reads the answer.
func (c *client) post(ctx context.Context, path string, body, v any) error {
	var payload []byte
	if body != nil {
		var err error
		if payload, err = json.Marshal(body); err != nil {
			return failed(fmt.Errorf("encoding a request: %w", err))
		}
	}
	b, err := c.call(ctx, http.MethodPost, path, payload)
	if err != nil {
		return err
	}
	return c.decode(b, v)
}

// remove deletes what is at a path and reads the answer.
func (c *client) remove(ctx context.Context, path string, v any) error {
	b, err := c.call(ctx, http.MethodDelete, path, nil)
	if err != nil {
		return err
	}
	return c.decode(b, v)
}

func (c *client) decode(b []byte, v any) error {
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(b, v); err != nil {
		return failed(fmt.Errorf("reading the answer of %s: %w", c.base, err))
	}
	return nil
}

// answerError is an answer that was no success.
type answerError struct {
	status int
	admin.ErrorAnswer
}

func (e *answerError) Error() string { return e.ErrorAnswer.Error.Message }

// call sends a request and gives the answer's bytes. An answer that is no success is an *answerError inside an *exitError.
func (c *client) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	res, err := c.open(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes))
	if err != nil {
		return nil, failed(fmt.Errorf("reading the answer of %s: %w", c.base, err))
	}
	return b, nil
}

// open is call for an answer that is read piece by piece; the caller closes its body.
func (c *client) open(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, unusable(err, "")
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.actor != "" {
		req.Header.Set(admin.ActorHeader, c.actor)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if res.StatusCode < 300 {
		return res, nil
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes))
	if err != nil {
		return nil, failed(fmt.Errorf("reading the answer of %s: %w", c.base, err))
	}
	return nil, c.refusal(res.StatusCode, b)
}

// unreachable says where we looked, why nobody answered, and what to try.
func (c *client) unreachable(err error) error {
	var cause *url.Error
	if errors.As(err, &cause) {
		err = cause.Err
	}
	if errors.Is(err, context.Canceled) {
		return failed(errors.New("interrupted"))
	}
	why := err.Error()
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		why = "connection refused"
	case errors.Is(err, context.DeadlineExceeded):
		why = "no answer in time"
	}
	return unusable(fmt.Errorf("no gateway answers at %s: %s", c.base, why),
		"headgate serve --dev DIR starts one; --server HOST:PORT or HEADGATE_ADMIN_ADDR names another")
}

func (c *client) refusal(status int, body []byte) error {
	e := &answerError{status: status}
	if err := json.Unmarshal(body, &e.ErrorAnswer); err != nil || e.ErrorAnswer.Error.Code == "" {
		return unusable(fmt.Errorf("%s answered %d, but not as a gateway's admin listener does", c.base, status),
			"the admin listener's address, not the one that webhooks come to: --server 127.0.0.1:8081")
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		hint := ""
		if c.token == "" && status == http.StatusUnauthorized {
			hint = "set HEADGATE_ADMIN_TOKEN to the gateway's token"
		}
		return unusable(fmt.Errorf("%s: %w", c.base, e), hint)
	}
	return failed(e)
}
