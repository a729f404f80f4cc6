package pipeline_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/run"
)

func TestWhatARunDidIsPutIntoTheOrderOfItsDiagram(t *testing.T) {
	t.Parallel()
	d := compilePuppets(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Zed, type: hook, props: {url: "http://127.0.0.1:9/z"}}
  - {label: Each, type: loop, props: {items: payload.list, nodes: [{label: Tell, type: hook, props: {url: "http://127.0.0.1:9/a"}}, {label: Code, type: code, props: {code: "1"}}]}}
  - {label: Abc, type: hook, props: {url: "http://127.0.0.1:9/b"}}
connections: [In -> Zed, In -> Each -> Abc]
`)
	want := []string{"In", "Zed", "Each", "Each[2]/Tell", "Each[2]/Code", "Each[10]/Tell", "Each[10]/Code", "Abc", "", "Gone", "Gone[1]/A"}
	var steps []run.Step
	var attempts []run.Attempt
	var tasks []run.Task
	for _, path := range slices.Backward(want) {
		steps, tasks = append(steps, run.Step{Path: path}), append(tasks, run.Task{Path: path})
		attempts = append(attempts, run.Attempt{Path: path, Round: 1, N: 1}, run.Attempt{Path: path, N: 10}, run.Attempt{Path: path, N: 2})
	}
	d.InOrder(steps, attempts, tasks)
	for i, path := range want {
		if steps[i].Path != path || tasks[i].Path != path {
			t.Errorf("%d: got step %q and task %q, want %q", i, steps[i].Path, tasks[i].Path, path)
		}
		if three := attempts[3*i : 3*i+3]; three[0].Path != path || three[0].N != 2 || three[1].N != 10 || three[2].Round != 1 {
			t.Errorf("%d: got %+v, want those at %q by round and number", i, three, path)
		}
	}
	if by := d.Compare(); by("Each[3]/Tell", "Each[3]/Tell") != 0 || by("Each[3", "Each[4]/Tell") == 0 || by("A", "B") != strings.Compare("A", "B") {
		t.Error("equal paths and those that nothing is known of are not told apart")
	}
}
