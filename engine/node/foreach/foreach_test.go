package foreach_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/foreach"
	"github.com/headgate/headgate/engine/node/nodetest"
	"github.com/headgate/headgate/engine/script"
)

// body ends the props of a foreach; what stands in it is engine/pipeline's.
const body = `nodes: [{label: Text, type: code, props: {code: item}}]}`

func TestAForeachFindsItsItems(t *testing.T) {
	t.Parallel()
	rows := []struct{ items, event, want string }{
		{`payload.list`, `{"list": [1, "a", null]}`, `[1,"a",null]`},
		{`payload.list`, `{"list": []}`, `[]`},
		{`payload.list`, `{}`, `null`},
		{`payload.map`, `{"map": {"b": 2, "a": [1]}}`, `[{"key":"a","value":[1]},{"key":"b","value":2}]`},
		{`filter(payload.list, # > 1)`, `{"list": [1, 2, 3]}`, `[2,3]`},
	}
	for _, r := range rows {
		outcome, err := nodetest.Good(t, foreach.Type(), `{items: "`+r.items+`", `+body).Do(t.Context(), nodetest.Input(t, r.event))
		if err != nil {
			t.Errorf("%s of %s: %v", r.items, r.event, err)
			continue
		}
		e, _ := outcome.(node.Each)
		if got, _ := json.Marshal(e.Items); string(got) != r.want || len(e.Reads) != 1 {
			t.Errorf("%s of %s gives %s having read %v, want %s", r.items, r.event, got, e.Reads, r.want)
		}
	}
}

func TestAForeachSaysHowItsItemsAreWorkedOn(t *testing.T) {
	t.Parallel()
	rows := []struct {
		props, as, index string
		parallel         int
		goOn             bool
	}{
		{`{items: payload.list, ` + body, "item", "index", 1, false},
		{`{items: payload.list, as: commit, index: n, parallel: 20, on_error: continue, ` + body, "commit", "n", 20, true},
	}
	for _, r := range rows {
		outcome, err := nodetest.Good(t, foreach.Type(), r.props).Do(t.Context(), nodetest.Input(t, `{}`))
		e, _ := outcome.(node.Each)
		if err != nil || e.As != r.as || e.Index != r.index || e.Parallel != r.parallel || e.Continue != r.goOn {
			t.Errorf("%s gives %+v, %v, want %s, %s, %d, %t", r.props, e, err, r.as, r.index, r.parallel, r.goOn)
		}
	}
}

func TestAForeachFailsWhereThereIsNoList(t *testing.T) {
	t.Parallel()
	rows := []struct {
		props, event string
		code         script.Code
		says         string
	}{
		{`{items: payload.list, max: 2, ` + body, `{"list": [1, 2, 3]}`, foreach.CodeTooManyItems, "there are 3, where `max` lets in 2"},
		{`{items: payload.list, ` + body, `{"list": "abc"}`, script.Expression, "neither a list nor a map"},
		{`{items: payload.list, ` + body, `{"list": 5}`, script.Expression, "neither a list nor a map"},
		{`{items: "map(payload.list, #.n + 1)", ` + body, `{"list": [{}]}`, script.Expression, ".n"},
	}
	for _, r := range rows {
		outcome, err := nodetest.Good(t, foreach.Type(), r.props).Do(t.Context(), nodetest.Input(t, r.event))
		var e *script.Error
		if !errors.As(err, &e) || e.Code != r.code || !strings.Contains(err.Error(), r.says) {
			t.Errorf("%s of %s gives %v, want %s: %s", r.props, r.event, err, r.code, r.says)
		}
		if v, ok := outcome.(node.Value); !ok || len(v.Reads) != 1 {
			t.Errorf("%s of %s fails with %+v, want what it read", r.props, r.event, outcome)
		}
	}
}

func TestAForeachHasABodyAndNoTimeout(t *testing.T) {
	t.Parallel()
	if typ := foreach.Type(); !typ.Body || typ.NoTimeout == "" || typ.Transparent || typ.Entry {
		t.Errorf("the type is %+v", typ)
	}
}

func TestAForeachIsRefusedWhereItIsWrong(t *testing.T) {
	t.Parallel()
	nodetest.Wrong(t, foreach.Type(), [][2]string{
		{`{` + body, "the key `items` is missing"},
		{`{items: payload.list}`, "the key `nodes` is missing"},
		{`{list: payload.list, ` + body, "write `items`"},
		{`{items: payload.list, steps: []}`, "write `nodes`"},
		{`{items: payload.list, concurrency: 5, ` + body, "write `parallel`"},
		{`{items: payload.list, parallel: 50, ` + body, "it takes 1 to 20"},
		{`{items: payload.list, max: 5000, ` + body, "it takes 1 to 1000"},
		{`{items: payload.list, on_error: ignore, ` + body, "`fail`, `continue`"},
		{`{items: payload.list, as: a-b, ` + body, "`props.as` cannot be `a-b`: it is no name"},
		{`{items: payload.list, as: payload, ` + body, "`props.as` cannot be `payload`"},
		{`{items: payload.list, index: len, ` + body, "`props.index` cannot be `len`"},
		{`{items: payload.list, as: Message, ` + body, "has that name"},
		{`{items: payload.list, as: x, index: x, ` + body, `the same name "x"`},
		{`{items: payload.list >, ` + body, "expression-syntax"},
		{`{items: nobody.list, ` + body, "unknown-name"},
	})
}
