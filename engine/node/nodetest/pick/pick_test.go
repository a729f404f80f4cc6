package pick_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/nodetest"
	"github.com/headgate/headgate/engine/node/nodetest/pick"
	"github.com/headgate/headgate/engine/script"
)

func TestAPickHandsOnSomeMembers(t *testing.T) {
	t.Parallel()
	rows := []struct{ props, body, want string }{
		{`keys: [id, title]`, `{"id": 1, "title": "t", "secret": "x"}`, `{"id":1,"title":"t"}`},
		{`keys: id`, `{"id": null}`, `{"id":null}`},
		{`keys: [id, title]`, `{"other": 1}`, `{}`},
	}
	for _, r := range rows {
		outcome, err := nodetest.Good(t, pick.Type(), r.props).Do(t.Context(), nodetest.Input(t, r.body))
		v, _ := outcome.(node.Value)
		if got, _ := json.Marshal(v.V); err != nil || string(got) != r.want {
			t.Errorf("%s of %s gives %s, %v, want %s", r.props, r.body, got, err, r.want)
		}
	}
}

func TestAPickFailsWhereThereAreNoMembers(t *testing.T) {
	t.Parallel()
	_, err := nodetest.Good(t, pick.Type(), `keys: id`).Do(t.Context(), nodetest.Input(t, `[1]`))
	var e *script.Error
	if !errors.As(err, &e) || e.Code != pick.CodeNoMap {
		t.Errorf("got %v, want the code %s", err, pick.CodeNoMap)
	}
}

func TestAPickIsRefusedWhereItIsWrong(t *testing.T) {
	t.Parallel()
	nodetest.Wrong(t, pick.Type(), [][2]string{
		{`{}`, "the key `keys` is missing"},
		{`fields: [id]`, "write `keys`"},
		{`keys: []`, "it takes 1 to 50 entries"},
		{`keys: [id, title, id]`, `p.yaml:1:19: error[duplicate-name]: the key "id" is written twice; write it once`},
	})
}
