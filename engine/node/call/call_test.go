package call_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/call"
	"github.com/headgate/headgate/engine/node/nodetest"
)

func TestACallAsksForARun(t *testing.T) {
	t.Parallel()
	rows := []struct {
		props, body, input string
		detach             bool
	}{
		{`pipeline: notify`, `{"id": 1}`, `{"id":1}`, false},
		{`{pipeline: notify, input: {who: "{{ payload.id }}", said: "{{ Message }}"}}`, `{"id": 1}`, `{"said":"hi","who":1}`, false},
		{`{pipeline: notify, input: null, detach: true}`, `{"id": 1}`, `null`, true},
	}
	for _, r := range rows {
		n := nodetest.Good(t, call.Type(), r.props)
		outcome, err := n.Do(t.Context(), nodetest.Input(t, r.body))
		if err != nil {
			t.Errorf("%s: %v", r.props, err)
			continue
		}
		c, _ := outcome.(node.Call)
		if got, _ := json.Marshal(c.Input); c.Pipeline != "notify" || string(got) != r.input || c.Detach != r.detach {
			t.Errorf("%s asks for %+v, want notify with %s, detached: %t", r.props, c, r.input, r.detach)
		}
		if caller, ok := n.(node.Caller); !ok || caller.Calls() != "notify" {
			t.Errorf("%s does not say whom it calls", r.props)
		}
	}
	_, err := nodetest.Good(t, call.Type(), `{pipeline: notify, input: "{{ payload.n + 1 }}"}`).Do(t.Context(), nodetest.Input(t, `{}`))
	if err == nil || !strings.Contains(err.Error(), "rendering the input: payload.n") {
		t.Errorf("got %v, want an error that names the operand", err)
	}
}

func TestACallIsRefusedWhereItIsWrong(t *testing.T) {
	t.Parallel()
	nodetest.Wrong(t, call.Type(), [][2]string{
		{`{}`, "missing-key"},
		{`pipeline: notfy`, "did you mean `notify`"},
		{`pipeline: elsewhere`, `there is no pipeline "elsewhere"`},
		{`name: notify`, "write `pipeline`"},
		{`{pipeline: notify, with: {a: 1}}`, "write `input`"},
		{`{pipeline: notify, wait: false}`, "write `detach: true`"},
		{`{pipeline: notify, timeout: 10s}`, "beside `props:`"},
		{`{pipeline: notify, detach: maybe}`, "detach"},
		{`{pipeline: notify, input: {a: "{{ nobody }}"}}`, "unknown-name"},
	})
}
