package trial_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/trial"
)

func TestASavedRequestIsRead(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, text, want string }{
		{"LF", "POST /webhooks/acme?a=1&b HTTP/1.1\nHost: hooks.example.com\nX-A: b\nx-a:c\n\n{}\n", `POST /webhooks/acme ?a=1&b hooks.example.com map[X-A:[b c]] "{}\n"`},
		{"CRLF", "POST / HTTP/1.1\r\nX-A: b\r\n\r\na\r\nb", `POST / ?  map[X-A:[b]] "a\r\nb"`},
		{"a length, and an editor's newline", "POST / HTTP/1.1\nContent-Length: 2\n\n{}\n", `POST / ?  map[] "{}"`},
		{"no body", "GET / HTTP/1.1\nX-A: b", `GET / ?  map[X-A:[b]] ""`},
		{"no headers", "HEAD / HTTP/1.1\n\n", `HEAD / ?  map[] ""`},
		{"a whole address", "POST https://hooks.example.com/webhooks/a%20b HTTP/2\n\n", `POST /webhooks/a b ? hooks.example.com map[] ""`},
	} {
		r, err := trial.ReadRequest([]byte(row.text))
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		if got := fmt.Sprintf("%s %s ?%s %s %v %q", r.Method, r.Path, r.Query, r.Host, r.Header, r.Body); got != row.want {
			t.Errorf("%s: got %s, want %s", row.name, got, row.want)
		}
	}
}

func TestWhatIsNoRequestIsRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ text, want string }{
		{"", `line 1: "" is no request line`},
		{`{"id": 1}`, `line 1: "{\"id\": 1}" is no request line`},
		{"POST /a", `line 1: "POST /a" is no request line`},
		{"POST a HTTP/1.1\n\n", "line 1: its address cannot be read"},
		{"POST / HTTP/1.1\nX-A b\n\n", `line 2: "X-A b" is no header`},
		{"POST / HTTP/1.1\nX-A: b\n c\n\n", `line 3: " c" is no header`},
		{"POST / HTTP/1.1\nContent-Length: 9\n\n{}", "its Content-Length is 9, and its body has 2 bytes"},
		{"POST / HTTP/1.1\nContent-Length: 2\n\n{}x", "its Content-Length is 2, and its body has 3 bytes"},
		{"POST / HTTP/1.1\nContent-Length: two\n\n{}", `its Content-Length "two" is no length`},
		{"POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n2\n{}\n0\n", "its body comes in chunks (Transfer-Encoding); save the body itself, and leave the header out"},
	} {
		if _, err := trial.ReadRequest([]byte(row.text)); err == nil || err.Error() != row.want {
			t.Errorf("%q: got %v, want %s", row.text, err, row.want)
		}
	}
}

func FuzzReadRequest(f *testing.F) {
	for _, seed := range []string{"POST /a?b HTTP/1.1\r\nA: b\r\nContent-Length: 1\r\n\r\nx", "GET / HTTP/1.0\n\n", "POST  /  HTTP/1.1\nA:\n", "POST / HTTP/1.1\n: b\n\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := trial.ReadRequest(data)
		if err != nil {
			return
		}
		for name, values := range r.Header {
			if slices.ContainsFunc(append(values, name), func(s string) bool { return strings.ContainsAny(s, "\r\n") }) {
				t.Errorf("the header %q: %q holds a line's end", name, values)
			}
		}
		if !strings.HasSuffix(string(data), string(r.Body)) && r.Header.Get("Content-Length") == "" && !strings.Contains(string(data), string(r.Body)) {
			t.Errorf("the body %q is no part of %q", r.Body, data)
		}
	})
}
