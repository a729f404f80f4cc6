package fault_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/fault"
)

// call is an error of a package that does not know this one.
type call struct {
	temporary bool
	after     time.Duration
}

func (c *call) Error() string             { return "call failed" }
func (c *call) Temporary() bool           { return c.temporary }
func (c *call) RetryAfter() time.Duration { return c.after }

func TestUnknownIsInternalHereAndTemporaryOutside(t *testing.T) {
	t.Parallel()
	refused := fault.New(fault.Refused, "invalid_signature", "the signature does not match", nil)
	rows := []struct {
		name         string
		err          error
		of, outgoing fault.Kind
	}{
		{"nothing", nil, 0, 0},
		{"plain error", io.EOF, fault.Internal, fault.Temporary},
		{"own error", refused, fault.Refused, fault.Refused},
		{"wrapped own error", fmt.Errorf("receiving: %w", refused), fault.Refused, fault.Refused},
		{"joined own error", errors.Join(io.EOF, refused), fault.Refused, fault.Refused},
		{"outer kind wins", fault.New(fault.Permanent, "gone", "", refused), fault.Permanent, fault.Permanent},
		{"outer without a kind leaves it to the inner", fault.New(0, "gone", "", refused), fault.Refused, fault.Refused},
		{"no kind at all", fault.New(0, "x", "", nil), fault.Internal, fault.Temporary},
		{"foreign temporary", fmt.Errorf("delivering: %w", &call{temporary: true}), fault.Temporary, fault.Temporary},
		{"foreign permanent", &call{}, fault.Permanent, fault.Permanent},
		{
			"a network error's own Temporary is not believed",
			&net.OpError{Op: "dial", Err: io.EOF}, fault.Internal, fault.Temporary,
		},
	}
	for _, r := range rows {
		if got := fault.Of(r.err); got != r.of {
			t.Errorf("%s: Of = %s, want %s", r.name, got, r.of)
		}
		if got := fault.OfOutgoing(r.err); got != r.outgoing {
			t.Errorf("%s: OfOutgoing = %s, want %s", r.name, got, r.outgoing)
		}
	}
}

func TestPublicTextNeverShowsTheCause(t *testing.T) {
	t.Parallel()
	cause := errors.New("dial 10.1.2.3: connection refused")
	rows := []struct {
		name              string
		err               error
		wantText, wantOne string
	}{
		{"nothing", nil, "", ""},
		{"plain", cause, "internal error", "internal"},
		{"own", fault.New(fault.Temporary, "store_unavailable", "try again later", cause), "try again later", "store_unavailable"},
		{
			"wrapped", fmt.Errorf("appending: %w", fault.New(fault.Temporary, "store_unavailable", "try again later", cause)),
			"try again later", "store_unavailable",
		},
		{
			"the inner sentence where the outer has none",
			fault.New(fault.Permanent, "", "", fault.New(fault.Invalid, "invalid_json", "the body is no JSON", cause)),
			"the body is no JSON", "invalid_json",
		},
		{"neither", fault.New(fault.Internal, "", "", cause), "internal error", "internal"},
	}
	for _, r := range rows {
		if got := fault.PublicText(r.err); got != r.wantText {
			t.Errorf("%s: PublicText = %q, want %q", r.name, got, r.wantText)
		}
		if got := fault.Code(r.err); got != r.wantOne {
			t.Errorf("%s: Code = %q, want %q", r.name, got, r.wantOne)
		}
		if strings.Contains(fault.PublicText(r.err), "10.1.2.3") {
			t.Errorf("%s: the public text shows the cause: %q", r.name, fault.PublicText(r.err))
		}
	}
}

func TestErrorTextIsForTheOperator(t *testing.T) {
	t.Parallel()
	rows := []struct {
		err  *fault.Error
		want string
	}{
		{fault.New(fault.Invalid, "invalid_json", "the body is no JSON", io.ErrUnexpectedEOF), "invalid_json: the body is no JSON: unexpected EOF"},
		{fault.New(fault.Invalid, "invalid_json", "", nil), "invalid_json"},
		{fault.New(fault.Permanent, "", "", nil), "permanent error"},
		{fault.New(0, "", "", nil), "unknown error"},
	}
	for _, r := range rows {
		if got := r.err.Error(); got != r.want {
			t.Errorf("Error() = %q, want %q", got, r.want)
		}
	}
	if !errors.Is(rows[0].err, io.ErrUnexpectedEOF) {
		t.Error("the cause is not found by errors.Is")
	}
}

func TestRetryAfterIsFoundThroughTheChain(t *testing.T) {
	t.Parallel()
	own := fault.New(fault.Temporary, "http_429", "", nil)
	own.RetryAfter = 7 * time.Second
	rows := []struct {
		name string
		err  error
		want time.Duration
	}{
		{"nothing", nil, 0},
		{"plain", io.EOF, 0},
		{"own", fmt.Errorf("delivering: %w", own), 7 * time.Second},
		{"inside another", fault.New(fault.Permanent, "spent", "", own), 7 * time.Second},
		{"foreign", fault.New(fault.Temporary, "x", "", &call{after: 3 * time.Second}), 3 * time.Second},
	}
	for _, r := range rows {
		if got := fault.RetryAfter(r.err); got != r.want {
			t.Errorf("%s: RetryAfter = %s, want %s", r.name, got, r.want)
		}
	}
}

func TestKindsHaveTheNamesOfTheRecords(t *testing.T) {
	t.Parallel()
	want := []string{"unknown", "invalid", "refused", "temporary", "permanent", "internal", "unknown"}
	for k, name := range want {
		if got := fault.Kind(k).String(); got != name {
			t.Errorf("Kind(%d) = %q, want %q", k, got, name)
		}
	}
}
