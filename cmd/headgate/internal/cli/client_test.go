package cli

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

func TestServerAddressesMeanThisHostWhereTheyNameNone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		":8081":                     "http://127.0.0.1:8081",
		"0.0.0.0:8081":              "http://127.0.0.1:8081",
		"[::]:8081":                 "http://127.0.0.1:8081",
		"127.0.0.1:8081":            "http://127.0.0.1:8081",
		"gateway:8081":              "http://gateway:8081",
		"[::1]:8081":                "http://[::1]:8081",
		"https://gateway.example":   "https://gateway.example",
		"https://gateway.example/":  "https://gateway.example",
		"http://gateway.example:80": "http://gateway.example:80",
	} {
		got, err := baseURL(text)
		if err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"http://", "ftp://x", "x:8081/api", "a b", "http://x/y"} {
		if got, err := baseURL(text); err == nil {
			t.Errorf("%s: got %s, want an error", text, got)
		}
	}
}

// against runs a command against a server that gives one answer to everything.
func against(t *testing.T, status int, answer string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	defer srv.Close()
	return command(t, append(args, "--server", srv.URL)...)
}

// command runs a command line in this process.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, talk bytes.Buffer
	code = Run(t.Context(), Process{
		Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &talk, LookupEnv: os.LookupEnv, Environ: os.Environ,
		Setenv: func(string, string) error { return errors.New("tests share the environment") },
	})
	return code, out.String(), talk.String()
}

func TestAnswersOfTheGatewayHaveTheirExitCodes(t *testing.T) {
	t.Parallel()
	refusal := func(code string) string { return `{"error":{"code":"` + code + `","message":"because"}}` }
	for _, row := range []struct {
		status int
		answer string
		args   []string
		code   int
		stderr string
	}{
		{401, refusal("token_required"), []string{"status"}, exitEnvironment, "HEADGATE_ADMIN_TOKEN"},
		{403, refusal("host_not_allowed"), []string{"status"}, exitEnvironment, "because"},
		{429, refusal("too_many_failures"), []string{"status"}, exitEnvironment, "because"},
		{404, refusal("not_found"), []string{"runs", "get", "x"}, exitRuntime, "because"},
		{503, refusal("store_unavailable"), []string{"events", "list"}, exitRuntime, "because"},
		{409, refusal("held"), []string{"reload"}, exitRuntime, "headgate reload --confirm"},
		{409, refusal("wrong_state"), []string{"runs", "retry", "x"}, exitRuntime, "headgate runs get x"},
		{404, "404 page not found", []string{"status"}, exitEnvironment, "not as a gateway's admin listener does"},
		{200, "<html>", []string{"status"}, exitRuntime, "reading the answer"},
	} {
		code, stdout, stderr := against(t, row.status, row.answer, row.args...)
		if code != row.code || !strings.Contains(stderr, row.stderr) || stdout != "" {
			t.Errorf("%d to %q: got exit %d, stdout %q, stderr %q; want exit %d with %q", row.status, row.args, code, stdout, stderr, row.code, row.stderr)
		}
	}
}

func TestARefusedReloadPrintsItsFindingsAndIsExit2(t *testing.T) {
	t.Parallel()
	answer := `{"error":{"code":"manifests_refused","message":"the manifests were refused; the running ones are kept"},
		"findings":[{"file":"a.yaml","line":3,"col":5,"severity":"error","rule":"unknown-key","message":"unknown key","hint":"did you mean x?"}]}`
	code, stdout, stderr := against(t, 422, answer, "reload")
	if want := "a.yaml:3:5: error[unknown-key]: unknown key; did you mean x?\n"; code != exitFindings || stdout != want {
		t.Errorf("got exit %d and %q, want 2 and %q", code, stdout, want)
	}
	if !strings.Contains(stderr, "the running ones are kept") {
		t.Errorf("stderr: got %q", stderr)
	}
	code, stdout, _ = against(t, 422, answer, "reload", "--json")
	if code != exitFindings || !strings.Contains(stdout, `"line": 3`) {
		t.Errorf("--json: got exit %d and %q", code, stdout)
	}
}

func TestAGatewayThatIsNotThereIsExit3WithTheAddress(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	code, stdout, stderr := command(t, "status", "--server", addr)
	if code != exitEnvironment || stdout != "" || !strings.Contains(stderr, addr) || !strings.Contains(stderr, "headgate serve") {
		t.Errorf("got exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

func TestRedirectsAreNotFollowedWithTheToken(t *testing.T) {
	t.Parallel()
	seen := false
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen = true }))
	defer thief.Close()
	srv := httptest.NewServer(http.RedirectHandler(thief.URL, http.StatusTemporaryRedirect))
	defer srv.Close()
	code, _, _ := command(t, "status", "--server", srv.URL, "--token", "0123456789abcdef")
	if code != exitEnvironment || seen {
		t.Errorf("got exit %d, the other place was asked: %v", code, seen)
	}
}
