package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
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
)

// ports are those that the pages write and those that stand for them here, so that a test meets no program that runs already.
type ports map[string]string

// newPorts takes free ports below those that systems hand out by themselves, so that nobody gets one of them in between.
func newPorts(t *testing.T) ports {
	t.Helper()
	p := ports{}
	for _, shown := range []string{"8080", "8081", "8082", "9000", "9001"} {
		for p[shown] == "" {
			port := strconv.Itoa(20000 + rand.IntN(12000))
			l, err := net.Listen("tcp", "127.0.0.1:"+port)
			if err != nil || p.isTaken(port) {
				continue
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			p[shown] = port
		}
	}
	return p
}

func (p ports) isTaken(port string) bool {
	for _, taken := range p {
		if port == taken {
			return true
		}
	}
	return false
}

// real gives a page's text with the ports of this machine.
func (p ports) real(text string) string {
	return regexp.MustCompile(`\b(?:8080|8081|8082|9000|9001)\b`).ReplaceAllStringFunc(text, func(s string) string { return p[s] })
}

// shown gives an output with the ports of the page.
func (p ports) shown(text string) string {
	for shown, port := range p {
		text = strings.ReplaceAll(text, ":"+port, ":"+shown)
	}
	return text
}

// commands runs a block of sh.
func (r *reader) commands(t *testing.T, at string, b block) {
	t.Helper()
	if r.shell == nil {
		r.shell = newShell(t, r.dir, r.ports)
	}
	wanted := 0
	if text, ok := b.words["exits"]; ok {
		n, err := strconv.Atoi(text)
		if err != nil {
			r.report("%s: exits=%s is no number", at, text)
		}
		wanted = n
	}
	r.output = ""
	lines := r.shell.commands(t, b.text)
	for i, line := range lines {
		if r.shell.gone {
			return
		}
		want := 0
		if i == len(lines)-1 {
			want = wanted
		}
		line = r.ports.real(strings.ReplaceAll(line, "go run ./cmd/headgate", "headgate"))
		if name, ok := startsService(line); ok {
			r.start(t, at, name, line)
			continue
		}
		code, stdout, stderr := r.shell.run(t, line)
		r.output += r.ports.shown(stdout)
		if code != want {
			r.report("%s: exit %d, want %d: %s\n%s%s", at, code, want, line, stdout, stderr)
		}
		if strings.Contains(line, "headgate send") || strings.Contains(line, "/webhooks/") {
			r.shell.rest(t)
		}
	}
}

// service finds the command in a line that starts something which goes on until it is stopped; variables may stand before it.
const service = `^((?:[A-Za-z_][A-Za-z0-9_]*=(?:"[^"]*"|'[^']*'|\S*)\s+)*headgate (serve|sink))\b`

func startsService(line string) (name string, ok bool) {
	m := regexp.MustCompile(service).FindStringSubmatch(line)
	if m == nil || strings.Contains(line, "--help") {
		return "", false
	}
	return m[2], true
}

// start starts a service in the background and waits until it is ready. One that this one would be in the way of ends first.
func (r *reader) start(t *testing.T, at, name, line string) {
	t.Helper()
	line = regexp.MustCompile(`\s*&\s*(?:#.*)?$`).ReplaceAllString(line, "")
	key := name
	if name == "sink" {
		if !strings.Contains(line, "--addr") {
			line = regexp.MustCompile(service).ReplaceAllString(line, "$1 --addr 127.0.0.1:"+r.ports["9000"])
		}
		key += regexp.MustCompile(`--addr[ =]\S+`).FindString(line)
	}
	r.stop(t, at, key)
	j, ok := r.shell.start(t, key, line)
	if !ok {
		r.report("%s: it did not start: %s\n%s%s", at, line, readAll(j.stdout), readAll(j.stderr))
		return
	}
	if r.said == nil {
		r.said = map[string]string{}
	}
	r.said[name] = j.stdout
}

// stop ends a service as Ctrl-C does; it must end well.
func (r *reader) stop(t *testing.T, at, key string) {
	t.Helper()
	j, ok := r.shell.jobs[key]
	if !ok {
		return
	}
	delete(r.shell.jobs, key)
	if err := syscall.Kill(j.ready.PID, syscall.SIGINT); err != nil {
		r.report("%s: it has ended by itself: %s\n%s", at, j.line, readAll(j.stderr))
		return
	}
	if code := r.shell.ask(t, "wait "+j.shellPID+"; echo $? >&3\n"); code != "0" {
		r.report("%s: exit %q after Ctrl-C, want 0: %s\n%s", at, code, j.line, readAll(j.stderr))
	}
}

// end stops what is still running.
func (r *reader) end(t *testing.T) {
	t.Helper()
	if r.shell == nil {
		return
	}
	for key := range r.shell.jobs {
		if !r.shell.gone {
			r.stop(t, r.page.name, key)
		}
	}
}

// shell is one bash that is told one command after the other.
type shell struct {
	dir   string // of its own files
	tell  io.Writer
	codes *bufio.Scanner // exit codes, a line each
	env   []string
	path  string
	count int
	gone  bool
	jobs  map[string]job
}

// job is a service in the background.
type job struct {
	line           string
	shellPID       string // what bash waits for
	stdout, stderr string // files
	ready          struct {
		Admin string
		PID   int
	}
}

// patient bounds one command of a page.
const patient = 3 * time.Minute

func newShell(t *testing.T, dir string, p ports) *shell {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := &shell{dir: t.TempDir(), codes: bufio.NewScanner(read), path: bash, jobs: map[string]job{}}
	s.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TMPDIR=" + s.dir, "LANG=C.UTF-8",
		"HEADGATE_ADDR=127.0.0.1:" + p["8080"], "HEADGATE_ADMIN_ADDR=127.0.0.1:" + p["8081"],
		"GORACE=atexit_sleep_ms=0", // under -race every program would wait for a second before it ends
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, bash, "--norc", "--noprofile")
	cmd.Dir, cmd.Env, cmd.ExtraFiles = dir, s.env, []*os.File{write}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	if s.tell, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = write.Close()
	t.Cleanup(func() {
		cancel() // whatever the page started and did not end goes with the shell
		_ = cmd.Wait()
		_ = read.Close()
	})
	if _, err := io.WriteString(s.tell, "set -o pipefail\n"); err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs one command in the shell.
func (s *shell) run(t *testing.T, command string) (code int, stdout, stderr string) {
	t.Helper()
	s.count++
	base := filepath.Join(s.dir, "command"+strconv.Itoa(s.count))
	if err := os.WriteFile(base, []byte(command+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	answer := s.ask(t, fmt.Sprintf(". %[1]s </dev/null >%[1]s.out 2>%[1]s.err 3>&-; echo $? >&3\n", base))
	code, err := strconv.Atoi(answer)
	if err != nil {
		code = -1
	}
	return code, readAll(base + ".out"), readAll(base + ".err")
}

// ask writes a line to the shell and gives the line that it answers; "" where the shell has ended or does not come back.
func (s *shell) ask(t *testing.T, line string) string {
	t.Helper()
	answer := make(chan string, 1)
	go func() {
		if _, err := io.WriteString(s.tell, line); err == nil && s.codes.Scan() {
			answer <- s.codes.Text()
		}
		close(answer)
	}()
	select {
	case text, ok := <-answer:
		s.gone = !ok
		return text
	case <-time.After(patient):
		s.gone = true
		return ""
	}
}

func (s *shell) start(t *testing.T, key, line string) (j job, ok bool) {
	t.Helper()
	s.count++
	base := filepath.Join(s.dir, "service"+strconv.Itoa(s.count))
	j = job{line: line, stdout: base + ".out", stderr: base + ".err"}
	line = regexp.MustCompile(service).ReplaceAllString(line, "$1 --ready-file "+base+".ready")
	if err := os.WriteFile(base, []byte(line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	j.shellPID = s.ask(t, fmt.Sprintf("( . %[1]s ) </dev/null >%[1]s.out 2>%[1]s.err 3>&- & echo $! >&3\n", base))
	deadline := time.Now().Add(patient)
	for {
		data, err := os.ReadFile(base + ".ready")
		if err == nil && json.Unmarshal(data, &j.ready) == nil {
			s.jobs[key] = j
			return j, true
		}
		if s.gone || time.Now().After(deadline) || !s.alive(t, j.shellPID) {
			return j, false
		}
		<-time.After(10 * time.Millisecond)
	}
}

// alive says whether a job of the shell has not ended yet.
func (s *shell) alive(t *testing.T, pid string) bool {
	t.Helper()
	return s.ask(t, "jobs -rp | grep -qx "+pid+"; echo $? >&3\n") == "0"
}

// rest waits until the gateway has nothing to do at once. What waits for its time, such as a retry, is left alone.
func (s *shell) rest(t *testing.T) {
	t.Helper()
	j, ok := s.jobs["serve"]
	if !ok {
		return
	}
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	token := s.ask(t, "printf '%s\\n' \"$HEADGATE_ADMIN_TOKEN\" >&3\n")
	before, same := "", 0
	for range 200 {
		status, ok := status(t, client, j.ready.Admin, token)
		if !ok {
			return
		}
		open := int64(0)
		for _, terms := range status.Ledger.Runs {
			open += terms.Open
		}
		if now := fmt.Sprint(status.Ledger); now == before && status.OldestDueS == 0 {
			same++
		} else {
			before, same = now, 0
		}
		if same >= 3 && open == 0 || same >= 10 {
			return
		}
		<-time.After(40 * time.Millisecond)
	}
}

// restStatus is the part of a status that tells whether work is under way.
type restStatus struct {
	OldestDueS float64 `json:"oldest_due_s"`
	Ledger     struct {
		Requests map[string]int64                `json:"requests"`
		Runs     map[string]struct{ Open int64 } `json:"runs"`
	} `json:"ledger"`
}

func status(t *testing.T, client *http.Client, admin, token string) (status restStatus, ok bool) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+admin+"/api/v1/status", http.NoBody)
	if err != nil {
		return status, false
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := client.Do(req)
	if err != nil {
		return status, false
	}
	defer func() { _ = res.Body.Close() }()
	err = json.NewDecoder(res.Body).Decode(&status)
	return status, err == nil && res.StatusCode == http.StatusOK
}

func readAll(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return string(data)
}

// commands parts a block into commands: lines, or several of them where bash needs more to make sense of the first.
func (s *shell) commands(t *testing.T, text string) []string {
	t.Helper()
	var out []string
	command := ""
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		command += line
		if command != "" && s.complete(t, command) {
			if trimmed := strings.TrimSpace(command); trimmed != "" && !strings.HasPrefix(trimmed, "#") {
				out = append(out, command)
			}
			command = ""
			continue
		}
		command += "\n"
	}
	if strings.TrimSpace(command) != "" {
		out = append(out, command) // bash says what is wrong with it
	}
	return out
}

func (s *shell) complete(t *testing.T, command string) bool {
	t.Helper()
	if strings.HasSuffix(command, `\`) {
		return false
	}
	cmd := exec.CommandContext(t.Context(), s.path, "--norc", "--noprofile", "-n")
	cmd.Env, cmd.Stdin = s.env, strings.NewReader(command+"\n")
	said, err := cmd.CombinedOutput()
	return err == nil && !strings.Contains(string(said), "here-document")
}

// logicalLines joins lines that end with a backslash.
func logicalLines(text string) []string {
	return strings.Split(strings.ReplaceAll(strings.TrimRight(text, "\n"), "\\\n", " "), "\n")
}
