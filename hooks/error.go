package hooks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/headgate/headgate/hooks/egress"
)

// Class says what a failed attempt means for the next one.
type Class uint8

// The classes.
const (
	// OK is a 2xx answer.
	OK Class = iota
	// Temporary failures may pass: no connection, timeout, 408, 425, 429, 5xx.
	Temporary
	// Permanent failures stay until somebody changes something: 410, a URL that cannot be sent, an address that may not be reached.
	// Other 4xx and 3xx are Permanent too, and yet tried again a few times: see Policy.
	Permanent
	// Unknown is a request that was written and whose answer was not read: the receiver may have acted on it. It is tried again like
	// Temporary.
	Unknown
)

// String gives "ok", "temporary", "permanent" or "unknown".
func (c Class) String() string {
	switch c {
	case OK:
		return "ok"
	case Temporary:
		return "temporary"
	case Permanent:
		return "permanent"
	default:
		return "unknown"
	}
}

// The codes of an Error besides http_NNN. They are stable.
const (
	CodeTimeout          = "timeout"                 // the attempt's time ran out
	CodeCanceled         = "canceled"                // the caller gave up
	CodeDNS              = "dns"                     // the host's name did not resolve
	CodeDial             = "dial"                    // no connection
	CodeTLS              = "tls"                     // no TLS session, or a certificate that does not hold
	CodeCertificate      = "client_certificate"      // the receiver refuses our client certificate, or wants one
	CodeReset            = "connection_reset"        // the connection broke
	CodeNetwork          = "network"                 // another failure before the request was written
	CodeBadAnswer        = "bad_answer"              // what came back was not HTTP, or had endless headers
	CodeAnswerNotRead    = "answer_not_read"         // a 2xx whose body broke off
	CodeRedirect         = "redirect"                // a 3xx, which is never followed
	CodeRefusedByEgress  = "refused_by_egress_guard" // the address may not be reached
	CodeInsecureURL      = "insecure_url"            // plain http to an address that nobody listed, or with a client certificate
	CodeTokenUnavailable = "token_unavailable"       // no access token could be had
	CodeTokenRefused     = "token_refused"           // the token endpoint refuses the client (RFC 6749, section 5.2)
	CodeBadURL           = "bad_url"
	CodeBadMethod        = "bad_method"
	CodeBadHeader        = "bad_header"
	CodeClientClosed     = "client_closed" // the Client was replaced
)

// Classify gives the class of an answer by its status.
func Classify(status int) Class {
	switch {
	case status >= 200 && status < 300:
		return OK
	case status == 408, status == 425, status == 429, status >= 500:
		return Temporary
	case status >= 300:
		return Permanent
	}
	return Temporary // no final status of HTTP
}

// Error is a failed attempt. It holds no URL, no header value and no address, and neither do the errors that Unwrap gives.
type Error struct {
	Class Class
	// Code is one of the constants or http_NNN.
	Code string
	// Message is a sentence of fixed words, without a final full stop.
	Message string
	// Status is the answer's; 0 where none was read.
	Status int
	// Wait is how long the receiver asked to wait, at most MaxRetryAfter.
	Wait time.Duration

	cause error
}

// Error gives code and message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Temporary says whether the full schedule of tries applies: the class is Temporary or Unknown.
func (e *Error) Temporary() bool { return e.Class == Temporary || e.Class == Unknown }

// RetryAfter is how long the receiver asked to wait; 0 where it did not.
func (e *Error) RetryAfter() time.Duration { return e.Wait }

// Unwrap gives the cause of the caller's own context where that ended the attempt, and nil in all other cases: the errors of
// net and net/http quote URLs and addresses.
func (e *Error) Unwrap() error { return e.cause }

func newError(class Class, code, message string) *Error {
	return &Error{Class: class, Code: code, Message: message}
}

// answered is the error of an answer that is no success.
func answered(class Class, status int, wait time.Duration) *Error {
	e := &Error{Class: class, Code: "http_" + strconv.Itoa(status), Message: fmt.Sprintf("the receiver answered %d", status), Status: status, Wait: wait}
	if status >= 300 && status < 400 {
		e.Code, e.Message = CodeRedirect, fmt.Sprintf("the receiver answered %d; redirects are never followed", status)
	}
	return e
}

func canceled(parent context.Context, wrote bool) *Error {
	e := newError(Temporary, CodeCanceled, "the attempt was given up before an answer came")
	if wrote {
		e.Class = Unknown
	}
	e.cause = context.Cause(parent)
	return e
}

// classify turns what the transport said into an Error of fixed words. The order matters: a refusal by the guard comes wrapped
// in a dial error, and a dial that took too long is also a deadline.
func classify(parent context.Context, err error, p *progress) *Error {
	wrote := p.wrote.Load()
	unanswered := func(code, message string) *Error {
		if wrote {
			return newError(Unknown, code, message+"; the request had been written, so the receiver may have acted on it")
		}
		return newError(Temporary, code, message)
	}

	var (
		refused  *egress.RefusedError
		dns      *net.DNSError
		op       *net.OpError
		timeout  interface{ Timeout() bool }
		deadline = errors.Is(err, context.DeadlineExceeded)
	)
	switch {
	case errors.Is(parent.Err(), context.Canceled):
		return canceled(parent, wrote)
	case errors.As(err, &refused):
		return newError(Permanent, CodeRefusedByEgress, "the egress guard refuses the host's address: "+refused.Reason)
	case errors.Is(err, errNotListed):
		return newError(Permanent, CodeInsecureURL, "plain http goes only to listed addresses, unless the request says insecure")
	case errors.As(err, &dns):
		return newError(Temporary, CodeDNS, "the host's name did not resolve")
	case errors.As(err, &op) && op.Op == "dial":
		return newError(Temporary, CodeDial, "no connection to the host")
	case refusesCertificate(err):
		// With TLS 1.3 the refusal comes after the request was written, and before the receiver has read any of it.
		return newError(Temporary, CodeCertificate, "the receiver wants a client certificate that it knows")
	case !wrote && (p.tlsFailed.Load() || isTLS(err)):
		return newError(Temporary, CodeTLS, "no TLS session with the host, or its certificate does not hold")
	case deadline, errors.As(err, &timeout) && timeout.Timeout():
		return unanswered(CodeTimeout, "no answer within the timeout")
	case isReset(err):
		return unanswered(CodeReset, "the connection broke before an answer came")
	case wrote:
		return unanswered(CodeBadAnswer, "what came back is no HTTP answer")
	}
	return newError(Temporary, CodeNetwork, "the request could not be written")
}

func isTLS(err error) bool {
	var (
		alert     tls.AlertError
		record    tls.RecordHeaderError
		verify    *tls.CertificateVerificationError
		host      x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
	)
	return errors.As(err, &alert) || errors.As(err, &record) || errors.As(err, &verify) ||
		errors.As(err, &host) || errors.As(err, &authority) || errors.As(err, &invalid)
}

// refusesCertificate says whether a receiver ended the TLS handshake over our certificate. crypto/tls gives its alerts an
// unexported type, so their text (RFC 8446, section 6.2) is all there is.
func refusesCertificate(err error) bool {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" || op.Err == nil {
		return false
	}
	text := op.Err.Error()
	return strings.Contains(text, "certificate") || strings.Contains(text, "access denied")
}

func isReset(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.As(err, &op) ||
		strings.HasSuffix(err.Error(), "server closed idle connection") // a plain error of net/http
}

// tlsDone notes a failed handshake.
func tlsDone(failed *atomic.Bool) func(tls.ConnectionState, error) {
	return func(_ tls.ConnectionState, err error) {
		if err != nil {
			failed.Store(true)
		}
	}
}
