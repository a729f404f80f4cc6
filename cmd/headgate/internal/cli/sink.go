package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// maxSinkBody is more than the largest body that a gateway sends on.
const maxSinkBody = 64 << 20

// sinkFlags say how the sink answers.
type sinkFlags struct {
	addr       string
	fail       int
	status     int
	retryAfter int
	delay      time.Duration
	raw        bool
	readyFile  string
}

func (a *app) sinkCommand() *cobra.Command {
	var o sinkFlags
	cmd := &cobra.Command{
		Use:     "sink",
		Short:   "Receive requests on this machine and print them as JSON lines",
		GroupID: groupTry,
		Long: `Receive requests on this machine, print each as one JSON line {at, method, path, headers, body},
and answer "ok". The body stands there as the JSON that it is, or else as a text; one that is no
text comes as body_base64. It is told to fail so that retries can be watched.`,
		Example: `  headgate sink
  headgate sink --fail 2                           503 to the first two requests
  headgate sink --fail 3 --status 429 --retry-after 2
  headgate sink --status 410                       410 to every request
  headgate sink --addr 127.0.0.1:9001 --delay 3s --raw`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.Var(&flagString{&o.addr, "host:port"}, "addr", "where to listen (default 127.0.0.1:9000)")
	f.IntVar(&o.fail, "fail", 0, "fail the first `n` requests")
	f.IntVar(&o.status, "status", 0, "the `status` of failing answers (default 503); without --fail, of every answer")
	f.IntVar(&o.retryAfter, "retry-after", 0, "`seconds` that failing answers ask to wait")
	f.DurationVar(&o.delay, "delay", 0, "wait so long before each answer")
	f.BoolVar(&o.raw, "raw", false, "print every body as a string, byte for byte")
	f.StringVar(&o.readyFile, "ready-file", "", "write the address to this file when listening")
	_ = f.MarkHidden("ready-file")
	cmd.RunE = does(func(ctx context.Context, _ []string) error {
		if o.addr == "" {
			o.addr = "127.0.0.1:9000"
		}
		if o.fail < 0 || o.retryAfter < 0 || o.delay < 0 {
			return misused("--fail, --retry-after and --delay cannot be negative")
		}
		if o.status != 0 && (o.status < 200 || o.status > 599) {
			return misused("--status: %d is no status of an answer (200 to 599)", o.status)
		}
		return a.sink(ctx, o)
	})
	return cmd
}

func (a *app) sink(ctx context.Context, o sinkFlags) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", o.addr)
	if err != nil {
		return unusable(fmt.Errorf("listening: %w", err), "another address: headgate sink --addr 127.0.0.1:9001")
	}
	srv := &http.Server{
		Handler:           &sinkHandler{o: o, out: a.Stdout, now: time.Now},
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	a.talk("listening on http://%s", l.Addr())
	err = writeReady(o.readyFile, map[string]any{"addr": l.Addr().String()})
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-done:
			return failed(fmt.Errorf("receiving: %w", err))
		}
	}
	_ = srv.Close() // nothing is lost with a receiver that only prints
	if ended := <-done; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

// sinkHandler prints and answers. Requests are printed one after the other, whole lines.
type sinkHandler struct {
	o   sinkFlags
	now func() time.Time

	mu   sync.Mutex
	out  io.Writer
	seen int
}

// sunk is the line of one request.
type sunk struct {
	At         time.Time         `json:"at"`
	Method     string            `json:"method"`
	Path       string            `json:"path"` // with the query
	Headers    map[string]string `json:"headers"`
	Body       json.RawMessage   `json:"body"`
	BodyBase64 string            `json:"body_base64,omitempty"`
	Answered   int               `json:"answered"`
}

func (h *sinkHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSinkBody))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			http.Error(w, "the body is too large", http.StatusRequestEntityTooLarge)
		}
		return
	}
	status := h.print(r, body)
	if h.o.delay > 0 {
		t := time.NewTimer(h.o.delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
			return
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if status >= 300 && h.o.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(h.o.retryAfter))
	}
	w.WriteHeader(status)
	if status < 300 && status != http.StatusNoContent {
		_, _ = io.WriteString(w, "ok") // the sender may be gone
	}
}

// print writes the request's line and gives the status that it is answered with.
func (h *sinkHandler) print(r *http.Request, body []byte) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen++
	line := sunk{
		At: h.now().UTC(), Method: r.Method, Path: r.URL.RequestURI(), Headers: map[string]string{"host": r.Host}, Answered: h.status(),
	}
	for name, values := range r.Header {
		line.Headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	switch {
	case !utf8.Valid(body):
		line.Body, line.BodyBase64 = json.RawMessage("null"), base64.StdEncoding.EncodeToString(body)
	case !h.o.raw && json.Valid(body):
		line.Body = body
	default:
		line.Body = quote(string(body))
	}
	_, _ = h.out.Write(append(oneLine(line), '\n')) // a closed pipe ends the process by itself
	return line.Answered
}

func (h *sinkHandler) status() int {
	failing := h.o.status
	if failing == 0 {
		failing = http.StatusServiceUnavailable
	}
	if h.seen <= h.o.fail || h.o.fail == 0 && h.o.status != 0 {
		return failing
	}
	return http.StatusOK
}

// oneLine writes a value as JSON on one line, < > & as they are.
func oneLine(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // strings, numbers and valid JSON into memory cannot fail
	return bytes.TrimRight(b.Bytes(), "\n")
}

func quote(text string) json.RawMessage { return oneLine(text) }
