package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/store"
)

// healthz is for whoever restarts the process: it says nothing of dependencies, which a restart would not mend.
func (a *api) healthz(w http.ResponseWriter, _ *http.Request) error {
	if a.alive != nil {
		if err := a.alive(); err != nil {
			return refuse(http.StatusServiceUnavailable, "not_alive", err.Error())
		}
	}
	answer(w, a.log, http.StatusOK, map[string]string{"status": "ok"})
	return nil
}

// Readiness is what GET /readyz answers, with 200 or 503.
type Readiness struct {
	Ready  bool    `json:"ready"`
	Checks []Check `json:"checks"`
}

func (a *api) readyz(w http.ResponseWriter, r *http.Request) error {
	ready, checks := a.gateway.Ready(r.Context())
	status := http.StatusOK
	if !ready {
		status = http.StatusServiceUnavailable
	}
	if checks == nil {
		checks = []Check{}
	}
	answer(w, a.log, status, Readiness{Ready: ready, Checks: checks})
	return nil
}

func (a *api) prometheus(w http.ResponseWriter, r *http.Request) error {
	a.metrics.ServeHTTP(w, r)
	return nil
}

func (a *api) status(w http.ResponseWriter, r *http.Request) error {
	s := a.gateway.Status(r.Context())
	s.Gone = a.gone(s.Ledger)
	a.sum(r.Context(), &s)
	answer(w, a.log, http.StatusOK, s)
	return nil
}

// sum adds to a status what is worth a look: it leaves out what the store cannot tell now.
func (a *api) sum(ctx context.Context, s *Status) {
	account := LedgerDocument(s.Ledger)
	s.Balanced, s.Parked, s.Unsigned, s.Gates = account.Balanced, account.Total.Parked, []string{}, []store.GateView{}
	if a.folder != nil && a.folder.Current() != nil {
		for _, p := range a.folder.Current().Providers() {
			if p.Unsigned() {
				s.Unsigned = append(s.Unsigned, p.Name())
			}
		}
	}
	if gates, err := a.reader.Gates(ctx); err == nil {
		for _, g := range gates {
			if g.State != store.GateOpen || g.Breaker.State != store.BreakerClosed {
				s.Gates = append(s.Gates, g)
			}
		}
	}
	if jobs, err := a.reader.JobCounts(ctx); err == nil {
		s.Jobs = jobs[store.JobRunning]
	}
}

// Reloaded is what POST /api/v1/reload answers when the manifests were taken, or were the same.
type Reloaded struct {
	Report any `json:"report"`
	// Findings are warnings and hints.
	Findings []Finding `json:"findings"`
}

func (a *api) reload(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r, "confirm")
	confirm := q.oneOf("confirm", []string{"true", "false"}) == "true"
	if err := q.err(); err != nil {
		return err
	}
	report, findings, err := a.gateway.Reload(r.Context(), confirm)
	var refused *diag.FindingsError
	if errors.As(err, &refused) {
		findings = refused.List
	}
	if findings != nil && findings.HasErrors() {
		p := refuse(http.StatusUnprocessableEntity, "manifests_refused", "the manifests were refused; the running ones are kept")
		p.Findings = Findings(findings)
		return p
	}
	if err != nil {
		return err
	}
	a.note(r, actionReload, "manifests", report)
	answer(w, a.log, http.StatusOK, Reloaded{Report: report, Findings: Findings(findings)})
	return nil
}

// SignRequest is the body of POST /api/v1/sign. At most one of Body and BodyBase64 is given.
type SignRequest struct {
	Provider string `json:"provider"`
	Event    string `json:"event,omitempty"`
	Delivery string `json:"delivery,omitempty"`
	// Handshake is the name or the number of a handshake, instead of an event.
	Handshake string  `json:"handshake,omitempty"`
	Body      *string `json:"body,omitempty"`
	// BodyBase64 is for a body that is no UTF-8 text.
	BodyBase64 []byte `json:"body_base64,omitempty"`
}

// Signed is the answer of POST /api/v1/sign: send Body, byte for byte, with Headers to URL.
type Signed struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body,omitempty"`
	// BodyBase64 is there instead of Body where that is no UTF-8 text.
	BodyBase64 []byte `json:"body_base64,omitempty"`
	// Starts are the pipelines that receive such events, filters aside; null where that is not known, and for a handshake.
	Starts []string `json:"starts"`
}

func (a *api) sign(w http.ResponseWriter, r *http.Request) error {
	var ask SignRequest
	if err := readBody(r, &ask); err != nil {
		return err
	}
	if ask.Provider == "" {
		return refuse(http.StatusBadRequest, "bad_body", "provider is required")
	}
	body := ask.BodyBase64
	if ask.Body != nil {
		if body != nil {
			return refuse(http.StatusBadRequest, "bad_body", "give body or body_base64, not both")
		}
		body = []byte(*ask.Body)
	}
	if ask.Handshake != "" && (ask.Event != "" || ask.Delivery != "" || body != nil) {
		return refuse(http.StatusBadRequest, "bad_body", "a handshake has its own example; leave event, delivery and body out")
	}
	signed, err := a.gateway.Sign(r.Context(), Message{
		Provider: ask.Provider, Event: ask.Event, Handshake: ask.Handshake, Delivery: ask.Delivery, Body: body,
	})
	if err != nil {
		return err
	}
	if ask.Handshake == "" {
		signed.Starts = a.starts(ask.Provider, ask.Event)
	}
	answer(w, a.log, http.StatusOK, SignedDocument(signed))
	return nil
}

// SignedDocument is a signed request as the API writes it.
func SignedDocument(r SignedRequest) Signed {
	out := Signed{Method: r.Method, URL: r.URL, Headers: map[string]string{}, Starts: r.Starts}
	for name, values := range r.Header {
		out.Headers[name] = strings.Join(values, ", ")
	}
	if utf8.Valid(r.Body) {
		out.Body = string(r.Body)
	} else {
		out.BodyBase64 = r.Body
	}
	return out
}

// readBody reads one JSON object and refuses keys that nobody would read.
func readBody(r *http.Request, v any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil {
		if _, err = dec.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = errors.New("more than one JSON value")
		}
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return refuse(http.StatusBadRequest, "bad_body", "the body is not the JSON object that is wanted here: "+err.Error())
}
