package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/fault"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// ErrorAnswer is the body of every answer that is no success.
type ErrorAnswer struct {
	Error ErrorDetail `json:"error"`
	// Findings are why manifests were refused; of a reload only.
	Findings []Finding `json:"findings,omitempty"`
	// Routes are the ways that there are; of a 404 for a path only.
	Routes []string `json:"routes,omitempty"`
}

// ErrorDetail is a stable code and a sentence.
type ErrorDetail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// problem is an error with the status that it is answered with.
type problem struct {
	status int
	ErrorAnswer
}

func (p *problem) Error() string { return p.ErrorAnswer.Error.Message }

func refuse(status int, code, message string) *problem {
	return &problem{status: status, ErrorAnswer: ErrorAnswer{Error: ErrorDetail{Code: code, Message: message}}}
}

// answer writes a value as JSON. Values are made here, so that an encoding that fails is our mistake.
func answer(w http.ResponseWriter, log *slog.Logger, status int, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		log.Error("encoding an answer of the admin API", "error", err)
		status = http.StatusInternalServerError
		b.Reset()
		b.WriteString(`{"error":{"code":"internal","message":"internal error"}}` + "\n")
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client may be gone
}

// answerError sorts an error of a handler: what is no known kind is ours, is logged whole and told in two words.
func (a *api) answerError(w http.ResponseWriter, r *http.Request, err error) {
	p := sortError(err)
	if p.status == http.StatusInternalServerError {
		a.log.ErrorContext(r.Context(), "answering an admin request", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if p.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	answer(w, a.log, p.status, p.ErrorAnswer)
}

func sortError(err error) *problem {
	var p *problem
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &tooLarge):
		return refuse(http.StatusRequestEntityTooLarge, "body_too_large", "the body is too large")
	case errors.Is(err, event.ErrBadID), errors.Is(err, run.ErrBadID):
		return refuse(http.StatusNotFound, "not_found", err.Error())
	case errors.Is(err, store.ErrBadCursor):
		return refuse(http.StatusBadRequest, "bad_parameter", "cursor: "+err.Error())
	case errors.Is(err, store.ErrNotFound):
		return refuse(http.StatusNotFound, "not_found", "there is no such record; it may have been pruned")
	case errors.Is(err, store.ErrWrongState):
		return refuse(http.StatusConflict, "wrong_state", "it is not in a state that allows this: only parked runs can be retried or dropped, and a job that is done stays so")
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrBehind):
		return refuse(http.StatusServiceUnavailable, "store_unavailable", "the store cannot answer now")
	case errors.Is(err, store.ErrBodyDropped):
		return refuse(http.StatusGone, "body_dropped", "the event's body was dropped by retention: it can neither be shown nor replayed")
	case errors.Is(err, store.ErrCorrupt):
		return refuse(http.StatusInternalServerError, "body_corrupt", "the stored body does not match its checksum")
	case errors.Is(err, ErrHeld):
		return refuse(http.StatusConflict, "held", ErrHeld.Error())
	}
	status := http.StatusInternalServerError
	switch fault.Of(err) {
	case fault.Invalid:
		status = http.StatusBadRequest
	case fault.Refused:
		status = http.StatusConflict
	case fault.Temporary:
		status = http.StatusServiceUnavailable
	}
	if status != http.StatusInternalServerError && strings.HasSuffix(fault.Code(err), "not_found") {
		status = http.StatusNotFound
	}
	return refuse(status, fault.Code(err), fault.PublicText(err))
}
