package trial

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"github.com/headgate/headgate/hooks"
)

// SavedRequest is a request as it was captured.
type SavedRequest struct {
	Method string
	// Path is decoded; Query is raw, without `?`.
	Path, Query string
	// Host is the Host header, which Header does not have.
	Host   string
	Header http.Header
	Body   []byte
}

// ReadRequest reads a saved raw HTTP request:
//
//	POST /webhooks/acme HTTP/1.1
//	Host: hooks.example.com
//	X-Acme-Signature: sha256=…
//
//	{"id": 1}
//
// Lines of the head end in LF or CRLF. The body is what follows the empty line, byte for byte; where there is a Content-Length, as many
// bytes as it says, for editors add a newline at the end of a file. A body in chunks is not read: signatures are over what they hold.
// The error says what is wrong, with the line where that is one of the head.
func ReadRequest(data []byte) (SavedRequest, error) {
	var r SavedRequest
	line, rest := nextLine(data)
	if err := r.first(line); err != nil {
		return SavedRequest{}, fmt.Errorf("line 1: %w", err)
	}
	r.Header = http.Header{}
	for n := 2; ; n++ {
		if line, rest = nextLine(rest); line == "" {
			break // a request without a body may lack the empty line
		}
		name, value, ok := strings.Cut(line, ":")
		if value = strings.TrimSpace(value); !ok || hooks.CheckHeader(name, value) != nil {
			return SavedRequest{}, fmt.Errorf("line %d: %q is no header", n, cut(line))
		}
		if name = textproto.CanonicalMIMEHeaderKey(name); name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Add(name, value)
	}
	return r, r.take(rest)
}

// first reads the request line.
func (r *SavedRequest) first(line string) error {
	fields := strings.Fields(line)
	if len(fields) != 3 || !strings.HasPrefix(fields[2], "HTTP/") {
		return fmt.Errorf("%q is no request line", cut(line))
	}
	target, err := url.ParseRequestURI(fields[1])
	if err != nil {
		return errors.New("its address cannot be read")
	}
	r.Method, r.Path, r.Query, r.Host = fields[0], target.Path, target.RawQuery, target.Host
	return nil
}

// take reads the body and leaves out the headers that belong to the connection.
func (r *SavedRequest) take(rest []byte) error {
	if r.Header.Get("Transfer-Encoding") != "" {
		return errors.New("its body comes in chunks (Transfer-Encoding); save the body itself, and leave the header out")
	}
	r.Body = bytes.Clone(rest)
	text := r.Header.Get("Content-Length")
	if text != "" {
		n, err := strconv.Atoi(text)
		switch {
		case err != nil || n < 0:
			return fmt.Errorf("its Content-Length %q is no length", cut(text))
		case n > len(rest):
			return fmt.Errorf("its Content-Length is %d, and its body has %d bytes", n, len(rest))
		case len(bytes.TrimRight(rest[n:], "\r\n")) > 0:
			return fmt.Errorf("its Content-Length is %d, and its body has %d bytes", n, len(rest))
		}
		r.Body = r.Body[:n]
	}
	for _, name := range []string{"Content-Length", "Connection", "Accept-Encoding"} {
		r.Header.Del(name)
	}
	return nil
}

// nextLine cuts the first line off.
func nextLine(data []byte) (line string, rest []byte) {
	before, rest, _ := bytes.Cut(data, []byte("\n"))
	return strings.TrimSuffix(string(before), "\r"), rest
}
