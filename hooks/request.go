package hooks

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of Request.Timeout.
const (
	DefaultTimeout = 30 * time.Second
	MinTimeout     = time.Second
	MaxTimeout     = 60 * time.Second
)

// Request is one request to be sent. Printed by any verb it shows its Line and nothing else.
type Request struct {
	// Method is POST where it is "".
	Method string
	// URL is absolute. Its userinfo, if any, is sent as basic authentication unless Header has an Authorization.
	URL    string
	Header http.Header
	Body   []byte
	// Timeout ends the whole attempt, the reading of the answer included. 0 means DefaultTimeout; others are held between MinTimeout
	// and MaxTimeout.
	Timeout time.Duration
	// Insecure lets plain http go to any address that the egress guard passes, not only to listed ones.
	Insecure bool
	// Token, where it is not nil, gives the bearer token that the request is authorized by; it takes the place of any other
	// Authorization. Fetching it is part of the attempt and of its Timeout.
	Token *TokenSource
	// Certificate, where it is not nil, is shown to the receiver and says whom the receiver's certificate is trusted from. The URL
	// is https then.
	Certificate *Certificate
	// Line names the request in logs: method and URL as somebody wrote them, with references by name. It must hold nothing secret.
	Line string
}

// String gives the Line.
func (r Request) String() string { return r.Line }

// Format writes the Line for every verb.
func (r Request) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, r.Line) }

func (r Request) timeout() time.Duration {
	if r.Timeout == 0 {
		return DefaultTimeout
	}
	return min(max(r.Timeout, MinTimeout), MaxTimeout)
}

// build makes the HTTP request and says which transport carries it; certified is that transport where it is a certificate's own.
// What is wrong with the request is permanent.
func (c *Client) build(r Request) (req *http.Request, transport *http.Transport, certified *pooled, fault *Error) {
	method := r.Method
	if method == "" {
		method = http.MethodPost
	}
	if !slices.Contains(methods(), method) {
		return nil, nil, nil, newError(Permanent, CodeBadMethod, "this method cannot be sent")
	}
	u, fault := target(r.URL)
	if fault != nil {
		return nil, nil, nil, fault
	}
	if r.Certificate != nil && u.Scheme != "https" {
		return nil, nil, nil, newError(Permanent, CodeInsecureURL, "a client certificate is shown over https only")
	}
	for name, values := range r.Header {
		if !validHeaderName(name) || slices.ContainsFunc(values, func(v string) bool { return !validHeaderValue(v) }) {
			return nil, nil, nil, newError(Permanent, CodeBadHeader, "a header has a name or a value that HTTP does not allow")
		}
	}

	req = &http.Request{Method: method, URL: u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: r.Header.Clone()}
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", c.userAgent)
	}
	if u.User != nil && req.Header.Get("Authorization") == "" {
		password, _ := u.User.Password()
		req.SetBasicAuth(u.User.Username(), password)
	}
	setBody(req, r.Body)

	switch {
	case r.Certificate != nil:
		certified = c.certified.get(r.Certificate)
		transport = certified.Transport
	case u.Scheme == "http" && !r.Insecure:
		transport = c.listed
	default:
		transport = c.open
	}
	return req, transport, certified, nil
}

func methods() []string {
	return []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions}
}

// setBody sets a body in such a way that the transport sends the request at most once. http.Transport repeats a request whose
// reused connection broke after it was written, if the method is idempotent or one of two headers stands in the map under its
// canonical name: an attempt would reach the receiver twice and count as one. A repetition after nothing was written is
// harmless, and stays.
func setBody(req *http.Request, body []byte) {
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		if values, ok := req.Header[name]; ok {
			delete(req.Header, name)
			req.Header[strings.ToLower(name)] = values // names are the same in any case, but not to the transport's check
		}
	}
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		// A body that cannot be had again is what stops the repetition; where it is empty, none is sent.
		req.Body = io.NopCloser(bytes.NewReader(body))
		req.ContentLength = int64(len(body))
	default:
		if len(body) > 0 {
			req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
			req.Body, _ = req.GetBody()
			req.ContentLength = int64(len(body))
		}
	}
}

// CheckURL says whether a URL could be sent to as far as its text goes; the error is an *Error that quotes nothing of it. Which
// addresses its host has is not asked.
func CheckURL(raw string) error {
	if _, fault := target(raw); fault != nil {
		return fault
	}
	return nil
}

// CheckHeader says whether name and value can be sent as a header; the error is an *Error.
func CheckHeader(name, value string) error {
	if !validHeaderName(name) || !validHeaderValue(value) {
		return newError(Permanent, CodeBadHeader, "a header has a name or a value that HTTP does not allow")
	}
	return nil
}

// target reads a URL strictly. Its error says nothing of the URL.
func target(raw string) (*url.URL, *Error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, newError(Permanent, CodeBadURL, "the URL cannot be read")
	}
	host := u.Hostname()
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, newError(Permanent, CodeBadURL, "the URL begins with neither https:// nor http://")
	case host == "" || u.Opaque != "":
		return nil, newError(Permanent, CodeBadURL, "the URL has no host")
	case strings.Contains(host, "%"):
		return nil, newError(Permanent, CodeBadURL, "the URL's host has a zone")
	case looksNumeric(host):
		return nil, newError(Permanent, CodeBadURL, "the URL's host is a number but no address in its usual form")
	}
	if port := u.Port(); port != "" || strings.HasSuffix(u.Host, ":") {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, newError(Permanent, CodeBadURL, "the URL's port is no number from 1 to 65535")
		}
	}
	return u, nil
}

// looksNumeric says whether a host ends in a number and yet is no address in its usual form: 127.1, 0x7f.1, 017700000001,
// 2130706433, 127.0.0.1. with a final dot. Some resolvers take these for addresses. The dialer would judge the result anyhow;
// refusing the spelling keeps it from depending on the resolver.
func looksNumeric(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" {
		return true
	}
	if len(last) >= 2 && last[0] == '0' && (last[1] == 'x' || last[1] == 'X') {
		return strings.Trim(last[2:], "0123456789abcdefABCDEF") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

func validHeaderName(name string) bool {
	if name == "" {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return true
}

func validHeaderValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
