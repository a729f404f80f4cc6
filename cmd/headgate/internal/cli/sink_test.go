package cli

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func sunkBy(t *testing.T, o sinkFlags, body string, times int) (*httptest.ResponseRecorder, []string) {
	t.Helper()
	var out bytes.Buffer
	h := &sinkHandler{o: o, out: &out, now: func() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }}
	var rec *httptest.ResponseRecorder
	for range times {
		rec = httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/slack?x=1", strings.NewReader(body))
		r.Header.Set("X-Two", "a")
		r.Header.Add("X-Two", "b")
		h.ServeHTTP(rec, r)
	}
	return rec, strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

func TestTheSinkPrintsOneLineARequestWithTheBodyAsItIs(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"n": 9007199254740993, "t": "<a & b>"}`: `"body":{"n":9007199254740993,"t":"<a & b>"}`,
		"text=a%20b\nc": `"body":"text=a%20b\nc"`,
		"":              `"body":""`,
		"\xff\x00":      `"body":null,"body_base64":"/wA="`,
	} {
		rec, lines := sunkBy(t, sinkFlags{}, body, 1)
		if rec.Code != http.StatusOK || rec.Body.String() != "ok" {
			t.Errorf("got %d %q, want 200 ok", rec.Code, rec.Body)
		}
		if len(lines) != 1 || !strings.Contains(lines[0], want) || !json.Valid([]byte(lines[0])) {
			t.Errorf("%q: got %q, want %s", body, lines, want)
		}
		for _, part := range []string{`"at":"2026-03-04T05:06:07Z"`, `"method":"POST"`, `"path":"/slack?x=1"`, `"x-two":"a, b"`, `"answered":200`} {
			if !strings.Contains(lines[0], part) {
				t.Errorf("got %s, want %s in it", lines[0], part)
			}
		}
	}
	_, lines := sunkBy(t, sinkFlags{raw: true}, `{"a": 1}`, 1)
	if want := `"body":"{\"a\": 1}"`; !strings.Contains(lines[0], want) {
		t.Errorf("--raw: got %s, want %s", lines[0], want)
	}
}

func TestTheSinkFailsAsItIsTold(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		o        sinkFlags
		times    int
		code     int
		wait     string
		body     string
		scenario string
	}{
		{sinkFlags{fail: 2}, 2, 503, "", "", "the last of those that fail"},
		{sinkFlags{fail: 2}, 3, 200, "", "ok", "the first after them"},
		{sinkFlags{fail: 1, status: 429, retryAfter: 7}, 1, 429, "7", "", "with status and wait"},
		{sinkFlags{fail: 1, status: 429, retryAfter: 7}, 2, 200, "", "ok", "no wait when it is well again"},
		{sinkFlags{status: 410}, 5, 410, "", "", "for ever"},
		{sinkFlags{status: 204}, 1, 204, "", "", "a success of another kind"},
	} {
		rec, _ := sunkBy(t, row.o, "x", row.times)
		if rec.Code != row.code || rec.Header().Get("Retry-After") != row.wait || rec.Body.String() != row.body {
			t.Errorf("%s: got %d, Retry-After %q, %q; want %d, %q, %q", row.scenario, rec.Code, rec.Header().Get("Retry-After"), rec.Body, row.code, row.wait, row.body)
		}
	}
}
