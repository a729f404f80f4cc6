package destination

import (
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/hooks"
)

// Codes of requests and answers that this package finds; those of an attempt itself are hooks'.
const (
	CodeBadMessage       = "bad_message"       // the message is none that the receiver takes
	CodeBadBody          = "bad_body"          // the body cannot be rendered or encoded
	CodeBadURL           = "bad_url"           // the URL cannot be rendered
	CodeBadHeader        = "bad_header"        // a header cannot be rendered
	CodeNotSigned        = "not_signed"        // the request cannot be signed
	CodeRefusedMessage   = "refused_message"   // a 2xx whose body says no
	CodeUnexpectedAnswer = "unexpected_answer" // a 2xx that is not from who it should be
	CodeNotSent          = "not_sent"          // HEADGATE_HOOKS=log
	CodeInternal         = "internal"          // an error that nobody has classified
)

// Verdict is what an attempt means.
type Verdict struct {
	Outcome run.AttemptOutcome
	// Code says why it was no success; "" for one, CodeNotSent where nothing was sent.
	Code string
	// RetryAfter is how long the receiver asked to wait, at most what the manifest keeps to; 0 where it did not.
	RetryAfter time.Duration
	// Gone says that the receiver answered 410: nothing may be sent there any more.
	Gone bool
	// Answer is the beginning of the answer, at most run.MaxExcerptBytes of valid UTF-8, secrets scrubbed.
	Answer string
	// Value is the step's output: a map of `status` and `body`, which is decoded JSON, text, or null where there was none. Secrets are
	// scrubbed.
	Value any

	result hooks.Outcome
}

func (v *Verdict) fail(outcome run.AttemptOutcome, code string) {
	v.Outcome, v.Code = outcome, code
	// A body's word goes beyond its status: there is none to choose a schedule by.
	v.result = hooks.Outcome{Class: hooks.Permanent}
	if outcome != run.AttemptPermanent {
		v.result.Class = hooks.Temporary
	}
}

// Judge says what came of an attempt; att and err are what hooks.Client.Deliver returned.
func (d *Destination) Judge(att hooks.Attempt, err error) Verdict {
	v := Verdict{Outcome: run.AttemptOK, result: hooks.OutcomeOf(err)}
	if err != nil {
		v.Outcome, v.Code = outcomeOf(v.result.Class), CodeInternal
		var e *hooks.Error
		if errors.As(err, &e) {
			v.Code, v.RetryAfter = e.Code, e.RetryAfter()
			v.Gone = e.Status == http.StatusGone
		}
	}
	a := d.answer(att)
	v.Answer = excerpt(a.text)
	v.Value = map[string]any{"status": int64(att.Status), "body": a.value}
	switch {
	case att.NotSent:
		v.Code = CodeNotSent
	case att.Status != 0 && (err == nil || v.result.Status != 0):
		d.kind.read(&v, att.Status, a)
	}
	v.RetryAfter = min(v.RetryAfter, d.maxWait)
	return v
}

// Retry gives the schedule for attempts that end like v.
func (d *Destination) Retry(v Verdict) hooks.Policy { return d.policy.For(v.result) }

func outcomeOf(c hooks.Class) run.AttemptOutcome {
	switch c {
	case hooks.OK:
		return run.AttemptOK
	case hooks.Permanent:
		return run.AttemptPermanent
	case hooks.Unknown:
		return run.AttemptUnknown
	}
	return run.AttemptTemporary
}

// answer is a receiver's answer without secrets.
type answer struct {
	text  string
	value any // decoded JSON, or the text; nil where there is none
}

// maxCutSecret is dropped from the end of an answer that was cut: a secret that the cut went through is no longer found.
const maxCutSecret = 4 << 10

// answer reads an answer. Secrets are taken out of its text before it is decoded or cut, so that no escape and no end hides one.
func (d *Destination) answer(att hooks.Attempt) answer {
	text := strings.ToValidUTF8(string(att.Body), "\uFFFD")
	for _, token := range att.Secrets() {
		text = secret.NewScrubber(secret.New(token)).Scrub(text)
	}
	text = d.scrubber.Scrub(text)
	if att.Cut {
		text = cutBytes(text, max(0, len(text)-maxCutSecret))
	}
	a := answer{text: text}
	if text == "" {
		return a
	}
	a.value = text
	if looksLikeJSON(text) || isJSON(att.Header.Get("Content-Type")) {
		if v, err := payload.Decode([]byte(text)); err == nil {
			a.value = v
		}
	}
	return a
}

func excerpt(text string) string { return cutBytes(text, run.MaxExcerptBytes) }

// cutBytes gives the first n bytes of valid UTF-8, never half a character.
func cutBytes(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// looksLikeJSON says whether a text begins like a JSON object or list.
func looksLikeJSON(text string) bool {
	text = strings.TrimLeft(text, " \t\r\n")
	return strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[")
}

// isJSON says whether a content type is JSON.
func isJSON(contentType string) bool {
	mime, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	mime = strings.TrimSpace(mime)
	return mime == "application/json" || strings.HasPrefix(mime, "application/") && strings.HasSuffix(mime, "+json")
}
