package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"headgate": main})
}

// TestScripts runs the real program. Besides testscript's own commands the scripts have:
//
//	$EXAMPLES                 the examples of the repository
//	exits N CMD...            runs a command that must end with exit code N
//	waitready FILE            waits for the --ready-file of serve or sink; sets PUBLIC, ADMIN, HEALTH, SINK and PID, and
//	                          HEADGATE_ADMIN_ADDR, so that the commands that talk to a gateway find it
//	waitfor PATTERN CMD...    runs a command until its stdout matches
//	waitfile PATTERN FILE     waits until a file has a match
//	waithttp STATUS URL       asks until the answer has that status
//	matches N PATTERN FILE    a file has exactly N matches
//	http METHOD URL [-H 'Name: value'] [-d TEXT|@FILE]   one request; stdout is the status and the body
//	capture NAME PATTERN      sets a variable to the first group of a match in the last stdout
//	signal NAME PID           sends TERM, INT or HUP
//	certificate CERT KEY      writes a certificate for 127.0.0.1 and its key
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			examples, err := filepath.Abs("../../examples")
			env.Setenv("EXAMPLES", examples)
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else each process of a -race binary waits a second before it ends
			return err
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "waitready": waitReady, "waitfor": waitFor, "waitfile": waitFile, "waithttp": waitHTTP, "matches": matches, "http": request,
			"capture": capture, "signal": sendSignal, "certificate": certificate,
		},
	})
}

// patience is far longer than anything here takes, so that a busy machine fails no test.
const patience = 30 * time.Second

// until calls f a few times a second until it says true.
func until(ts *testscript.TestScript, what string, f func() bool) {
	deadline := time.After(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if f() {
			return
		}
		select {
		case <-deadline:
			ts.Fatalf("waited %s for %s", patience, what)
		case <-tick.C:
		}
	}
}

// need fails where arguments are too few or the command is negated.
func need(ts *testscript.TestScript, neg bool, args []string, n int, usage string) {
	if neg || len(args) < n {
		ts.Fatalf("usage: %s", usage)
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "exits N CMD...")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var ended *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &ended) {
		got = ended.ExitCode()
	} else if err != nil {
		ts.Fatalf("running %s: %v", args[1], err)
	}
	if got != want {
		ts.Fatalf("got exit %d, want %d", got, want)
	}
}

func waitReady(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "waitready FILE")
	var ready struct {
		Public, Admin, Health, Addr string
		PID                         int
	}
	until(ts, args[0], func() bool {
		b, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && json.Unmarshal(b, &ready) == nil
	})
	set := func(name, value string) {
		if value != "" {
			ts.Setenv(name, value)
		}
	}
	set("PUBLIC", ready.Public)
	set("ADMIN", ready.Admin)
	set("HEALTH", ready.Health)
	set("HEADGATE_ADMIN_ADDR", ready.Admin)
	set("SINK", ready.Addr)
	set("PID", strconv.Itoa(ready.PID))
}

func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "waitfor PATTERN CMD...")
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	until(ts, args[0], func() bool { return ts.Exec(args[1], args[2:]...) == nil && pattern.MatchString(ts.ReadFile("stdout")) })
}

func waitFile(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "waitfile PATTERN FILE")
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	until(ts, args[0]+" in "+args[1], func() bool {
		b, err := os.ReadFile(ts.MkAbs(args[1]))
		return err == nil && pattern.Match(b)
	})
}

func matches(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 3, "matches N PATTERN FILE")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	text := ts.ReadFile(args[2])
	if got := len(pattern.FindAllString(text, -1)); got != want {
		ts.Fatalf("got %d matches of %s, want %d in:\n%s", got, args[1], want, text)
	}
}

func request(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "http METHOD URL [-H 'Name: value'] [-d TEXT|@FILE]")
	header, body := http.Header{}, ""
	for i := 2; i+1 < len(args); i += 2 {
		switch args[i] {
		case "-H":
			name, value, _ := strings.Cut(args[i+1], ": ")
			header.Set(name, value)
		case "-d":
			body = args[i+1]
			if file, ok := strings.CutPrefix(body, "@"); ok {
				body = ts.ReadFile(file)
			}
		default:
			ts.Fatalf("unknown option %s", args[i])
		}
	}
	status, answer, err := roundTrip(args[0], args[1], header, body)
	ts.Check(err)
	_, err = fmt.Fprintf(ts.Stdout(), "%d\n%s\n", status, answer)
	ts.Check(err)
}

func waitHTTP(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "waithttp STATUS URL")
	until(ts, args[0]+" from "+args[1], func() bool {
		status, _, err := roundTrip(http.MethodGet, args[1], nil, "")
		return err == nil && strconv.Itoa(status) == args[0]
	})
}

func roundTrip(method, url string, header http.Header, body string) (status int, answer []byte, err error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if header != nil {
		req.Header = header
	}
	c := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err = io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}

func capture(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "capture NAME PATTERN")
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	m := pattern.FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) < 2 {
		ts.Fatalf("no match of %s in stdout", args[1])
	}
	ts.Setenv(args[0], m[1])
}

func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "signal NAME PID")
	signals := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP}
	sig, ok := signals[args[0]]
	if !ok {
		ts.Fatalf("unknown signal %s", args[0])
	}
	pid, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(syscall.Kill(pid, sig))
}

func certificate(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "certificate CERT KEY")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	write := func(file, kind string, der []byte) {
		ts.Check(os.WriteFile(ts.MkAbs(file), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	}
	write(args[0], "CERTIFICATE", der)
	write(args[1], "PRIVATE KEY", private)
}
