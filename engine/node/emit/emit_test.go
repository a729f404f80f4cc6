package emit_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/emit"
	"github.com/headgate/headgate/engine/node/nodetest"
	"github.com/headgate/headgate/engine/script"
)

func TestAnEmitMakesAnEvent(t *testing.T) {
	t.Parallel()
	rows := []struct{ props, body, name, payload string }{
		{`event: integration.connected`, `{"id": 9007199254740993}`, "integration.connected", `{"id":9007199254740993}`},
		{`event: "order.{{ payload.action }}"`, `{"action": "paid"}`, "order.paid", `{"action":"paid"}`},
		{`event: "{{ payload.kind }}"`, `{"kind": "x"}`, "x", `{"kind":"x"}`},
		{`{event: a, payload: {id: "{{ payload.id }}", said: "{{ Message }}!"}}`, `{"id": 1}`, "a", `{"id":1,"said":"hi!"}`},
		{`{event: a, payload: "{{ payload.list }}"}`, `{"list": [1, 2]}`, "a", `[1,2]`},
		{`{event: a, payload: null}`, `{"id": 1}`, "a", `null`},
	}
	for _, r := range rows {
		outcome, err := nodetest.Good(t, emit.Type(), r.props).Do(t.Context(), nodetest.Input(t, r.body))
		if err != nil {
			t.Errorf("%s of %s: %v", r.props, r.body, err)
			continue
		}
		e, _ := outcome.(node.Emit)
		if got, _ := json.Marshal(e.Payload); e.Event != r.name || string(got) != r.payload {
			t.Errorf("%s of %s emits %q with %s, want %q with %s", r.props, r.body, e.Event, got, r.name, r.payload)
		}
	}
}

func TestAnEmitFailsWithoutAName(t *testing.T) {
	t.Parallel()
	long, _ := json.Marshal(map[string]string{"name": strings.Repeat("x", 300)})
	rows := []struct {
		body string
		code script.Code
	}{
		{`{}`, emit.CodeBadEvent},
		{`{"name": ""}`, emit.CodeBadEvent},
		{`{"name": "a b"}`, emit.CodeBadEvent},
		{`{"name": "a\u0000"}`, emit.CodeBadEvent},
		{`{"name": "order.*"}`, emit.CodeBadEvent},
		{`{"name": 5}`, emit.CodeBadEvent},
		{`{"name": ["a"]}`, emit.CodeBadEvent},
		{string(long), emit.CodeBadEvent},
	}
	for _, r := range rows {
		_, err := nodetest.Good(t, emit.Type(), `event: "{{ payload.name }}"`).Do(t.Context(), nodetest.Input(t, r.body))
		var e *script.Error
		if !errors.As(err, &e) || e.Code != r.code {
			t.Errorf("%.60s gives %v, want the code %s", r.body, err, r.code)
		}
	}
	_, err := nodetest.Good(t, emit.Type(), `{event: a, payload: "{{ payload.n + 1 }}"}`).Do(t.Context(), nodetest.Input(t, `{}`))
	if err == nil || !strings.Contains(err.Error(), "rendering the payload: payload.n") {
		t.Errorf("got %v, want an error that names the operand", err)
	}
}

func TestAnEmitIsRefusedWhereItIsWrong(t *testing.T) {
	t.Parallel()
	nodetest.Wrong(t, emit.Type(), [][2]string{
		{`{}`, "missing-key"},
		{`name: a`, "write `event`"},
		{`{event: a, body: {}}`, "write `payload`"},
		{`{event: a, provider: acme}`, "is always `internal`"},
		{`event: "order *"`, "holds blanks"},
		{`event: "order.*"`, "holds a `*`"},
		{`event: destination.failing`, "tells of itself"},
		{`event: ""`, "event"},
		{`event: "{{ payload. }}"`, "expression-syntax"},
		{`event: "{{ nobody }}"`, "unknown-name"},
		{`{event: a, payload: {x: "{{ nobody.x }}"}}`, "unknown-name"},
	})
}
