package respond_test

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/nodetest"
	"github.com/headgate/headgate/engine/node/respond"
	"github.com/headgate/headgate/engine/script"
)

const (
	text = "text/plain; charset=utf-8"
	json = "application/json"
)

func TestARespondMakesAnAnswer(t *testing.T) {
	t.Parallel()
	rows := []struct {
		props, event string
		status       int
		body         string
		headers      map[string]string
	}{
		{`{}`, `{}`, 200, "", map[string]string{}},
		{`status: 204`, `{}`, 204, "", map[string]string{}},
		{`body: {ok: true, id: "{{ payload.id }}"}`, `{"id": 9007199254740993}`, 200, `{"id":9007199254740993,"ok":true}`, map[string]string{"Content-Type": json}},
		{`body: "Hello {{ payload.name }}"`, `{"name": "Ada"}`, 200, "Hello Ada", map[string]string{"Content-Type": text}},
		{`body: "{{ payload.list }}"`, `{"list": [1, 2]}`, 200, "[1,2]", map[string]string{"Content-Type": json}},
		{`body: "{{ payload.n }}"`, `{"n": 5}`, 200, "5", map[string]string{"Content-Type": json}},
		{`body: "{{ payload.missing }}"`, `{}`, 200, "", map[string]string{}},
		{`{status: 404, body: ""}`, `{}`, 404, "", map[string]string{"Content-Type": text}},
		{`{headers: {content-type: application/xml}, body: "<a>{{ payload.n }}</a>"}`, `{"n": 5}`, 200, "<a>5</a>", map[string]string{"Content-Type": "application/xml"}},
		{
			`headers: {X-Id: "{{ payload.id }}", X-Not: "{{ payload.missing }}", X-Flag: true, x-n: 7, X-Mix: "a{{ payload.missing }}b"}`, `{"id": "o-1"}`, 200, "",
			map[string]string{"X-Id": "o-1", "X-Flag": "true", "X-N": "7", "X-Mix": "ab"},
		},
	}
	for _, r := range rows {
		outcome, err := nodetest.Good(t, respond.Type(), r.props).Do(t.Context(), nodetest.Input(t, r.event))
		if err != nil {
			t.Errorf("%s of %s: %v", r.props, r.event, err)
			continue
		}
		a, _ := outcome.(node.Reply)
		if a.Status != r.status || string(a.Body) != r.body || !maps.Equal(a.Headers, r.headers) {
			t.Errorf("%s of %s answers %d %q %v, want %d %q %v", r.props, r.event, a.Status, a.Body, a.Headers, r.status, r.body, r.headers)
		}
	}
}

func TestARespondFailsWhereTheAnswerIsNone(t *testing.T) {
	t.Parallel()
	rows := []struct {
		props, event string
		code         script.Code
		says         string
	}{
		{`headers: {X-Id: "{{ payload.id }}"}`, `{"id": "a\r\nSet-Cookie: b"}`, respond.CodeBadHeader, "the header X-Id: its value holds control characters"},
		{`headers: {X-Id: "{{ payload.id }}"}`, `{"id": ["a"]}`, respond.CodeBadHeader, "the header X-Id: it is a list or a map"},
		{`headers: {X-Id: "{{ payload.id }}"}`, `{"id": "` + strings.Repeat("x", 8<<10+1) + `"}`, respond.CodeBadHeader, "the header X-Id: its value has 8193 bytes, and the most is 8192"},
		{
			`headers: {A: "{{ payload.x }}", B: "{{ payload.x }}", C: "{{ payload.x }}", D: "{{ payload.x }}"}`, `{"x": "` + strings.Repeat("x", 8<<10) + `"}`,
			respond.CodeBadHeader, "the header D: with it all headers have 32772 bytes, and the most is 32768",
		},
		{`headers: {X-Id: "{{ payload.id + 1 }}"}`, `{}`, script.Expression, "the header X-Id: payload.id"},
		{`body: {n: "{{ payload.n + 1 }}"}`, `{}`, script.Expression, "the body: payload.n"},
	}
	for _, r := range rows {
		_, err := nodetest.Good(t, respond.Type(), r.props).Do(t.Context(), nodetest.Input(t, r.event))
		var e *script.Error
		if !errors.As(err, &e) || e.Code != r.code || !strings.Contains(err.Error(), r.says) {
			t.Errorf("%s of %s gives %v, want %s: %s", r.props, r.event, err, r.code, r.says)
		}
	}
}

func TestHeadersAsLargeAsTheyMayBe(t *testing.T) {
	t.Parallel()
	n := nodetest.Good(t, respond.Type(), `headers: {A: "{{ payload.x }}", B: "{{ payload.x }}", C: "{{ payload.x }}", D: "{{ payload.y }}"}`)
	body := `{"x": "` + strings.Repeat("x", 8<<10) + `", "y": "` + strings.Repeat("y", 8<<10-4) + `"}`
	if _, err := n.Do(t.Context(), nodetest.Input(t, body)); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestARespondSaysHowLongTheSenderWaits(t *testing.T) {
	t.Parallel()
	for props, want := range map[string]time.Duration{`{}`: 10 * time.Second, `timeout: 25`: 25 * time.Second, `timeout: 1500ms`: 1500 * time.Millisecond} {
		if n, ok := nodetest.Good(t, respond.Type(), props).(node.Responder); !ok || n.Responds() != want {
			t.Errorf("%s: the sender waits otherwise than %s", props, want)
		}
	}
}

func TestARespondIsRefusedWhereItIsWrong(t *testing.T) {
	t.Parallel()
	nodetest.Wrong(t, respond.Type(), [][2]string{
		{`status: 99`, "it takes 200 to 599"},
		{`status: "{{ payload.code }}"`, "`props.status` takes an integer"},
		{`code: 200`, "write `status`"},
		{`json: {ok: true}`, "write `body`"},
		{`timeout: 1m`, "it takes 1s to 25s"},
		{`{status: 204, body: text}`, "an answer with the status 204 has no body"},
		{`headers: {Content-Length: 5}`, "is not for a manifest to set"},
		{`headers: {set-cookie: a=b}`, "is not for a manifest to set"},
		{`headers: {"X Y": a}`, "`X Y` is no name of a header"},
		{`headers: {X-A: a, x-a: b}`, "is written twice"},
		{`headers: {X-A: "a\nb"}`, "holds control characters"},
		{`headers: {X-A: "` + strings.Repeat("x", 8<<10+1) + `"}`, "has 8193 bytes, and the most is 8192"},
		{`headers: {X-A: [a]}`, "wrong-type"},
		{`headers: {X-A: "{{ nobody }}"}`, "unknown-name"},
		{`headers: [a]`, "wrong-type"},
		{`body: {a: "{{ payload. }}"}`, "expression-syntax"},
	})
}
