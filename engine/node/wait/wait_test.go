package wait_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/nodetest"
	"github.com/headgate/headgate/engine/node/wait"
	"github.com/headgate/headgate/engine/script"
)

func TestAWaitForATimeKnowsWhenItEnds(t *testing.T) {
	t.Parallel()
	at := nodetest.At()
	noon := time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC)
	rows := []struct {
		props, event string
		until        time.Time
	}{
		{`for: 10m`, `{}`, at.Add(10 * time.Minute)},
		{`for: 90`, `{}`, at.Add(90 * time.Second)},
		{`for: 366d`, `{}`, at.Add(366 * 24 * time.Hour)},
		{`until: 2026-03-05T12:00:00Z`, `{}`, noon},
		{`until: "2026-03-05T13:00:00+01:00"`, `{}`, noon},
		{`until: 2026-03-05`, `{}`, noon.Add(-12 * time.Hour)},
		{`until: 2020-01-01T00:00:00Z`, `{}`, time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)},
		{`until: "{{ payload.due }}"`, `{"due": "2026-03-05T12:00:00Z"}`, noon},
		{`until: "{{ payload.day }}T12:00:00Z"`, `{"day": "2026-03-05"}`, noon},
		{`until: payload.due`, `{"due": "2026-03-05T12:00:00.000Z"}`, noon},
		{`until: payload.due`, fmt.Sprintf(`{"due": %d}`, noon.Unix()), noon},
		{`until: payload.due`, fmt.Sprintf(`{"due": %d.5}`, noon.Unix()), noon.Add(500 * time.Millisecond)},
		{`until: now + duration("1h")`, `{}`, at.Add(time.Hour)},
		{`until: 'date(payload.due) - duration("24h")'`, `{"due": "2026-03-06T12:00:00Z"}`, noon},
	}
	for _, r := range rows {
		n := nodetest.Good(t, wait.Type(), r.props)
		outcome, err := n.Do(t.Context(), nodetest.Input(t, r.event))
		w, _ := outcome.(node.Wait)
		if err != nil || !w.Until.Equal(r.until) || w.For != nil {
			t.Errorf("%s of %s waits until %s for %v, %v; want %s", r.props, r.event, w.Until, w.For, err, r.until)
		}
		if h, ok := n.(node.HandsOn); !ok || !h.HandsOn() {
			t.Errorf("%s does not hand on what came in", r.props)
		}
		if _, ok := n.(node.Awaiter); ok {
			t.Errorf("%s waits for events", r.props)
		}
	}
}

func TestAWaitFailsWhereTheTimeIsNone(t *testing.T) {
	t.Parallel()
	rows := []struct {
		until, event string
		code         script.Code
		says         string
	}{
		{`payload.due`, `{}`, wait.CodeBadTime, "it is null, not a time"},
		{`payload.due`, `{"due": "tomorrow"}`, wait.CodeBadTime, "the text is no time"},
		{`payload.due`, `{"due": true}`, wait.CodeBadTime, "it is a bool, not a time"},
		{`payload.due`, `{"due": 1772712000000}`, wait.CodeBadTime, "divide milliseconds by 1000"},
		{`payload.due`, `{"due": "2036-01-01T00:00:00Z"}`, wait.CodeBadTime, "more than 366d ahead"},
		{`payload.due`, `{"due": 9223372036854775807}`, wait.CodeBadTime, "divide milliseconds"},
		{`2036-01-01T00:00:00Z`, `{}`, wait.CodeBadTime, "more than 366d ahead"},
		{`"{{ payload.due }}"`, `{}`, wait.CodeBadTime, "it is null"},
		{`now + payload.due`, `{}`, script.Expression, "payload.due"},
	}
	for _, r := range rows {
		_, err := nodetest.Good(t, wait.Type(), `until: `+r.until).Do(t.Context(), nodetest.Input(t, r.event))
		var e *script.Error
		if !errors.As(err, &e) || e.Code != r.code || !strings.Contains(err.Error(), "working out the time: ") || !strings.Contains(err.Error(), r.says) {
			t.Errorf("%s of %s gives %v, want %s: %s", r.until, r.event, err, r.code, r.says)
		}
	}
}

const forOrder = `{provider: acme, event: "order.*", filter: payload.ok != false, match: payload.ref, correlation: "{{ payload.id }}", timeout: 1h}`

func TestAWaitForAnEventSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	rows := []struct{ props, event, provider, correlation string }{
		{`{provider: acme, event: ping, timeout: 1h}`, `{}`, "acme", ""},
		{`{provider: internal, event: anything.at.all, timeout: 1h}`, `{}`, "internal", ""},
		{forOrder, `{"id": "o-1"}`, "acme", "o-1"},
		{forOrder, `{"id": 9007199254740993}`, "acme", "9007199254740993"},
		{forOrder, `{"id": {"b": 1, "a": 2}}`, "acme", `{"a":2,"b":1}`},
	}
	for _, r := range rows {
		n := nodetest.Good(t, wait.Type(), r.props)
		outcome, err := n.Do(t.Context(), nodetest.Input(t, r.event))
		w, _ := outcome.(node.Wait)
		if err != nil || w.For == nil || *w.For != (node.Await{Provider: r.provider, Correlation: r.correlation}) || !w.Until.Equal(nodetest.At().Add(time.Hour)) {
			t.Errorf("%s of %s asks for %+v (%+v), %v; want %s, %q", r.props, r.event, w, w.For, err, r.provider, r.correlation)
		}
		if a, ok := n.(node.Awaiter); !ok || a.Provider() != r.provider {
			t.Errorf("%s looks at no events of %s", r.props, r.provider)
		}
		if _, ok := n.(node.HandsOn); ok {
			t.Errorf("%s hands on what came in, want the event", r.props)
		}
	}
}

func TestAWaitFailsWithoutACorrelation(t *testing.T) {
	t.Parallel()
	long, _ := json.Marshal(map[string]string{"id": strings.Repeat("x", 2000)})
	for _, event := range []string{`{}`, `{"id": null}`, `{"id": ""}`, string(long)} {
		_, err := nodetest.Good(t, wait.Type(), forOrder).Do(t.Context(), nodetest.Input(t, event))
		var e *script.Error
		if !errors.As(err, &e) || e.Code != wait.CodeNoCorrelation {
			t.Errorf("%.30s gives %v, want the code %s", event, err, wait.CodeNoCorrelation)
		}
	}
}

func TestAWaitLooksAtTheEventsThatCome(t *testing.T) {
	t.Parallel()
	n, _ := nodetest.Good(t, wait.Type(), forOrder).(node.Awaiter)
	for name, want := range map[string]bool{"order.paid": true, "order.x": true, "ping": false, "order": false} {
		if got := n.Matches(name); got != want {
			t.Errorf("%s matches: %t, want %t", name, got, want)
		}
	}
	rows := []struct {
		event, correlation string
		ok, fails          bool
	}{
		{`{"ref": "o-1"}`, "o-1", true, false},
		{`{"ref": 9007199254740993}`, "9007199254740993", true, false},
		{`{"ref": "o-1", "ok": false}`, "", false, false},
		{`{"ref": null}`, "", false, false},
		{`{}`, "", false, false},
		{`{"ref": ""}`, "", false, false},
	}
	for _, r := range rows {
		correlation, ok, err := n.Match(t.Context(), nodetest.Input(t, r.event).Env)
		if ok != r.ok || ok && correlation != r.correlation || (err != nil) != r.fails {
			t.Errorf("%s gives %q, %t, %v; want %q, %t", r.event, correlation, ok, err, r.correlation, r.ok)
		}
	}
	for _, props := range []string{
		`{provider: acme, filter: payload.n > 1, timeout: 1h}`, `{provider: acme, match: payload.n + 1, correlation: a, timeout: 1h}`,
	} {
		n, _ := nodetest.Good(t, wait.Type(), props).(node.Awaiter)
		if _, ok, err := n.Match(t.Context(), nodetest.Input(t, `{}`).Env); ok || err == nil || !strings.Contains(err.Error(), "payload.n") {
			t.Errorf("%s gives %t, %v, want an error that names the operand", props, ok, err)
		}
	}
	every, _ := nodetest.Good(t, wait.Type(), `{provider: acme, timeout: 1h, language: cel, filter: 'payload.ref == "a"'}`).(node.Awaiter)
	if correlation, ok, err := every.Match(t.Context(), nodetest.Input(t, `{"ref": "a"}`).Env); correlation != "" || !ok || err != nil {
		t.Errorf("got %q, %t, %v, want that it matches", correlation, ok, err)
	}
}

func TestAWaitForAnEventHasATimeoutToLeaveBy(t *testing.T) {
	t.Parallel()
	typ := wait.Type()
	rows := []struct {
		props string
		want  []string
	}{
		{`for: 1m`, nil},
		{`until: payload.a`, nil},
		{`{}`, nil},
		{forOrder, []string{node.Timeout}},
		{`{event: ping}`, []string{node.Timeout}},
	}
	for _, r := range rows {
		var out diag.List
		handles, plain := typ.Ways(nodetest.Props(t, typ, r.props, &out))
		if !slices.Equal(handles, r.want) || !plain {
			t.Errorf("%s has the ways %v, the plain one: %t; want %v and the plain one", r.props, handles, plain, r.want)
		}
	}
}

func TestAWaitIsRefusedWhereItIsWrong(t *testing.T) {
	t.Parallel()
	nodetest.Wrong(t, wait.Type(), [][2]string{
		{`{}`, "does not say what it waits for"},
		{`duration: 5m`, "write `for`"},
		{`sleep: 5`, "write `for`"},
		{`seconds: 5`, "write `for`"},
		{`deadline: payload.a`, "write `until`"},
		{`subscribe_to: push`, "write `provider` and `event`"},
		{`{for: 1m, until: payload.a}`, "has both `for` and `until`"},
		{`{for: 1m, provider: acme}`, "has both `for` and `provider`"},
		{`{for: 1m, timeout: 1h}`, "`props.timeout` belongs to a wait for an event"},
		{`{until: payload.a, match: payload.b}`, "`props.match` belongs to a wait for an event"},
		{`for: 400d`, "it takes 1s to 366d"},
		{`for: a while`, "write a duration"},
		{`for: 0`, "it takes 1s to 366d"},
		{`until: 10m`, "write `for`"},
		{`until: 2026-13-01`, "write it like 2026-01-02T15:04:05Z"},
		{`until: payload.a >`, "expression-syntax"},
		{`until: "{{ nobody }}"`, "unknown-name"},
		{`{event: ping, timeout: 1h}`, "waits for an event of nobody"},
		{`{provider: acme, event: ping}`, "would wait for ever"},
		{`{provider: acme, timeout: 31d}`, "it takes 1s to 30d"},
		{`{provider: acne, timeout: 1h}`, "did you mean `acme`"},
		{`{provider: "*", timeout: 1h}`, "a wait looks at the events of one provider"},
		{`{provider: acme, event: order.lost, timeout: 1h}`, `provider "acme" has no event "order.lost"`},
		{`{provider: acme, timeout: 1h, match: payload.a}`, "`props.match` says nothing without `correlation`"},
		{`{provider: acme, timeout: 1h, correlation: a}`, "`props.correlation` says nothing without `match`"},
		{`{provider: acme, timeout: 1h, filter: Message.a == 1}`, "sees the event that comes, and no outputs"},
		{`{provider: acme, timeout: 1h, match: Message, correlation: a}`, "what the run knows goes into `correlation`"},
		{`{provider: acme, timeout: 1h, filter: 'true', language: javascript}`, "language"},
		{`{provider: acme, timeout: 1h, on_timeout: X}`, "draw an arrow from `[timeout]`"},
	})
}
