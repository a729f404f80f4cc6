package worker_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func TestARetryRepeatsNoFailureThatWasCaught(t *testing.T) {
	t.Parallel()
	down := &switched{}
	down.status.Store(500)
	g := openAll(t, `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Tell, type: hook, props: {url: "http://127.0.0.1:9000/tell", retry: [0s]}}
  - {label: Note, type: hook, props: {url: "http://127.0.0.1:9000/note", body: {why: "{{ Tell.error.code }}"}}}
  - label: Over
    type: foreach
    props:
      items: payload.items
      on_error: continue
      nodes:
        - {label: Big, type: condition, props: {expression: item > 1}}
        - {label: Send, type: hook, props: {url: "http://127.0.0.1:9000/send/{{ item }}", retry: [0s]}}
  - label: Each
    type: foreach
    props:
      items: payload.items
      nodes:
        - {label: Put, type: hook, props: {url: "http://127.0.0.1:9000/put/{{ item }}", retry: [0s]}}
        - {label: Catch, type: hook, props: {url: "http://127.0.0.1:9000/catch/{{ item }}", retry: [0s]}}
        - {label: Done, type: hook, props: {url: "http://127.0.0.1:9000/done/{{ item }}"}}
      connections: [Put -> Catch, "Catch[error] -> Done"]
connections: [In -> Tell, "Tell[error] -> Note", In -> Over, In -> Each]
`, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/tell", r.URL.Path == "/send/2", strings.HasPrefix(r.URL.Path, "/catch/"):
			w.WriteHeader(http.StatusInternalServerError)
		case r.URL.Path == "/put/2":
			down.ServeHTTP(w, r)
		}
	})
	id := g.event(`{"items": [1, 2, 3]}`)
	g.finish()
	before := g.of(id, "flow")
	g.is(before, run.Parked, "retries_spent")
	if before.Run.Destination != "flow/Each/Put" {
		t.Errorf("it is parked because of %q, want flow/Each/Put", before.Run.Destination)
	}
	down.status.Store(200)
	if err := g.store.Retry(t.Context(), store.RetryAsk{Request: "r", Run: before.Run.ID}); err != nil {
		t.Fatal(err)
	}
	g.finish()
	after := g.of(id, "flow")
	g.is(after, run.Done, "completed")
	counts := map[string]int{}
	for _, got := range g.receiver.Got() {
		counts[got.Path]++
	}
	for path, want := range map[string]int{
		"/tell": 1, "/note": 1, "/send/2": 1, "/send/3": 1, "/put/1": 1, "/put/2": 2, "/put/3": 1, "/catch/1": 1, "/catch/2": 1, "/done/1": 1, "/done/2": 1,
	} {
		if counts[path] != want {
			t.Errorf("%s got %d requests, want %d", path, counts[path], want)
		}
	}
	kept := map[string]bool{}
	for _, s := range after.Steps {
		kept[s.Path] = true
	}
	for _, s := range before.Steps {
		if !kept[s.Path] {
			t.Errorf("the retry has lost the step %s", s.Path)
		}
	}
	if s := stepOf(t, after, "Over[0]/Send"); s.State != run.StepSkipped || s.Round != 0 {
		t.Errorf("what was skipped in a finished body is %+v, want as it was", s)
	}
}
