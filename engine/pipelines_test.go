package engine_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/run"
)

const answering = `
kind: provider
name: chat
signature: none
accept_weak: this is a test
event: {header: X-Event}
events: [{name: command}, {name: other}]
---
kind: pipeline
name: commands
nodes:
  - {label: In, type: receive, props: {provider: chat, event: command}}
  - {label: Ask, type: call, props: {pipeline: doubles, input: {n: "{{ payload.n }}"}}}
  - {label: Count, type: metric, props: {name: commands_total, kind: counter, help: Commands that were answered.}}
  - {label: Answer, type: respond, props: {status: 201, headers: {X-From: headgate}, body: {double: "{{ Ask }}"}}}
---
kind: pipeline
name: doubles
limits: {concurrency: 2}
nodes:
  - {label: Go, type: start, props: {input: {n: {required: true}}}}
  - {label: Twice, type: code, props: {code: 'payload.n * 2'}}
`

func answeringFolder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "chat.yaml"), []byte(answering), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// ask posts JSON and gives the status, the body and the headers.
func ask(t testing.TB, c *http.Client, url, body string, headers ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Header
}

func TestAPipelineAnswersTheSender(t *testing.T) {
	t.Parallel()
	e := startEngine(t, answeringFolder(t), nil)
	c := caller(t)
	status, body, header := ask(t, c, e.PublicAddr()+"/webhooks/chat", `{"n": 21}`, "X-Event", "command")
	if status != 201 || body != `{"double":42}` || header.Get("X-From") != "headgate" || header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s %v", status, body, header)
	}
	if status, body, _ = ask(t, c, e.PublicAddr()+"/webhooks/chat", `{"n": 21}`, "X-Event", "other"); status != 200 || !strings.Contains(body, `"processed"`) {
		t.Errorf("an event that nobody answers gets %d %s", status, body)
	}
	resp, err := c.Get("http://" + e.AdminAddr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Contains(text, []byte("\ncommands_total 1\n")) || !bytes.Contains(text, []byte("# HELP commands_total Commands that were answered.\n")) {
		t.Errorf("the metrics lack what the pipeline counts (%v)", err)
	}
}

const answeringForOthers = `
kind: provider
name: chat
signature: none
accept_weak: this is a test
event: {header: X-Event}
events: [{name: any}, {name: called}, {name: each}, {name: forgotten}]
---
kind: pipeline
name: everybody
nodes:
  - {label: In, type: receive, props: {provider: "*", event: any}}
  - {label: Answer, type: respond, props: {body: from everybody}}
---
kind: pipeline
name: asks
nodes:
  - {label: In, type: receive, props: {provider: chat, event: called}}
  - {label: Ask, type: call, props: {pipeline: between, input: one}}
---
kind: pipeline
name: asks-each
nodes:
  - {label: In, type: receive, props: {provider: chat, event: each}}
  - label: Each
    type: foreach
    props: {items: '["first", "second"]', nodes: [{label: Ask, type: call, props: {pipeline: between}}]}
---
kind: pipeline
name: forgets
nodes:
  - {label: In, type: receive, props: {provider: chat, event: forgotten}}
  - {label: Ask, type: call, props: {pipeline: between, detach: true}}
---
kind: pipeline
name: between
nodes:
  - {label: Begin, type: start}
  - {label: Ask, type: call, props: {pipeline: answers}}
---
kind: pipeline
name: answers
nodes:
  - {label: Begin, type: start}
  - {label: Answer, type: respond, props: {body: "{{ payload }}"}}
`

func TestARespondAnswersWhicheverWayTheEventCameToIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "chat.yaml"), []byte(answeringForOthers), 0o600); err != nil {
		t.Fatal(err)
	}
	e := startEngine(t, dir, nil, func(o *engine.Options) { o.Store = "memory:" })
	c := caller(t)
	for name, want := range map[string]string{"any": "from everybody", "called": "one", "each": "first"} {
		if status, body, _ := ask(t, c, e.PublicAddr()+"/webhooks/chat", `{}`, "X-Event", name); status != 200 || body != want {
			t.Errorf("%s is answered %d %s, want %s", name, status, body, want)
		}
	}
	if status, body, _ := ask(t, c, e.PublicAddr()+"/webhooks/chat", `{}`, "X-Event", "forgotten"); status != 200 || !strings.Contains(body, `"processed"`) {
		t.Errorf("a run that nobody waits for answers: %d %s", status, body)
	}
}

func TestAPipelineIsRunByHandThroughTheAPI(t *testing.T) {
	t.Parallel()
	e := startEngine(t, answeringFolder(t), nil, func(o *engine.Options) { o.Store = "memory:" })
	c := caller(t)
	api := e.AdminAddr() + "/api/v1/"
	var list admin.PipelineList
	if get(t, c, api+"pipelines", &list); len(list.Pipelines) != 2 || list.Pipelines[0].Startable || !list.Pipelines[1].Startable ||
		list.Pipelines[1].Limits == nil || list.Pipelines[1].Limits.Concurrency != 2 || list.Pipelines[0].Receives[0] != "chat" {
		t.Errorf("the pipelines are %+v", list.Pipelines)
	}
	var begun [2]admin.Begun
	for i := range begun {
		status, body, _ := ask(t, c, api+"pipelines/doubles/run", `{"input": {"n": 4}}`, "Idempotency-Key", "k1")
		if err := json.Unmarshal([]byte(body), &begun[i]); err != nil || status != 200 {
			t.Fatalf("got %d %s, %v", status, body, err)
		}
	}
	if begun[0] != begun[1] {
		t.Errorf("with one key there are the runs %v and %v", begun[0], begun[1])
	}
	var detail admin.RunDetail
	for begin := time.Now(); detail.Run.State != run.Done; {
		if time.Since(begin) > 10*time.Second {
			t.Fatalf("the run is %+v", detail)
		}
		detail = admin.RunDetail{}
		get(t, c, api+"runs/"+begun[0].Run.String(), &detail)
	}
	if detail.Run.Cause.Kind != run.Manual || strings.Join(strings.Fields(string(detail.Run.Input)), "") != `{"n":4}` || detail.Event == nil || detail.Event.Provider != "internal" ||
		string(detail.Result) != "8" {
		t.Errorf("the run is %+v of %+v", detail.Run, detail.Event)
	}
	for name, want := range map[string]string{"doubl": "pipeline_not_found", "commands": "no_start_node"} {
		if status, body, _ := ask(t, c, api+"pipelines/"+name+"/run", ""); status < 400 || !strings.Contains(body, want) {
			t.Errorf("running %s: got %d %s, want %s", name, status, body, want)
		}
	}
}

func TestAStopDoesNotWaitForASlowReply(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	slow := strings.Replace(answering, "  - {label: Count,", "  - {label: Pause, type: wait, props: {for: 1h}}\n  - {label: Count,", 1)
	slow = strings.Replace(slow, "props: {status: 201,", "props: {status: 201, timeout: 25s,", 1)
	if err := os.WriteFile(filepath.Join(dir, "chat.yaml"), []byte(slow), 0o600); err != nil {
		t.Fatal(err)
	}
	e := startEngine(t, dir, nil, func(o *engine.Options) { o.DrainDelay = time.Millisecond })
	c := caller(t)
	type told struct {
		status int
		body   string
	}
	answered := make(chan told, 1)
	go func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+e.PublicAddr()+"/webhooks/chat", strings.NewReader(`{"n": 1}`))
		if err != nil {
			answered <- told{body: err.Error()}
			return
		}
		req.Header.Set("X-Event", "command")
		resp, err := c.Do(req)
		if err != nil {
			answered <- told{body: err.Error()}
			return
		}
		defer func() { _ = resp.Body.Close() }()
		text, _ := io.ReadAll(resp.Body)
		answered <- told{resp.StatusCode, string(text)}
	}()
	for begin, runs := time.Now(), 0; runs == 0; { // the event is stored, and its run waits
		if time.Since(begin) > 10*time.Second {
			t.Fatal("the run does not begin")
		}
		var page admin.RunPage
		get(t, c, e.AdminAddr()+"/api/v1/runs?pipeline=commands", &page)
		runs = len(page.Runs)
	}
	begun := time.Now()
	stopEngine(t, e)
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("stopping took %v", took)
	}
	if got := <-answered; got.status != http.StatusAccepted || !strings.Contains(got.body, `"processed"`) {
		t.Errorf("the sender got %d %s, want 202", got.status, got.body)
	}
}
