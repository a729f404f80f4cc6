package end_test

import (
	"encoding/json"
	"testing"

	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/end"
	"github.com/headgate/headgate/engine/node/nodetest"
)

func TestAnEndHandsOnWhatCameIn(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"a": 1}`, `[1]`, `null`, `"text"`} {
		in := nodetest.Input(t, body)
		outcome, err := nodetest.Good(t, end.Type(), `{}`).Do(t.Context(), in)
		v, ok := outcome.(node.Value)
		got, _ := json.Marshal(v.V)
		want, _ := json.Marshal(in.Message)
		if err != nil || !ok || string(got) != string(want) {
			t.Errorf("%s gives %s, %v, want what came in", body, got, err)
		}
	}
}

func TestAnEndHasNoWayOut(t *testing.T) {
	t.Parallel()
	typ := end.Type()
	if handles, plain := typ.Ways(nil); len(handles) > 0 || plain || typ.Transparent || typ.Entry {
		t.Errorf("the ways are %v and %t, want none", handles, plain)
	}
}

func TestAnEndTakesNoProps(t *testing.T) {
	t.Parallel()
	nodetest.Wrong(t, end.Type(), [][2]string{
		{`{result: "{{ Message }}"}`, "`code` node before it"},
		{`{save_to_file: true}`, "nothing is written to files"},
		{`{colour: red}`, "unknown key `colour`"},
		{`[1]`, "wrong-type"},
	})
}
