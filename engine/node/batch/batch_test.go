package batch_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/batch"
	"github.com/headgate/headgate/engine/node/nodetest"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/script"
)

func TestABatchAsksToCollect(t *testing.T) {
	t.Parallel()
	rows := []struct {
		props, body, key, item string
		count                  int
		after                  time.Duration
	}{
		{`count: 10`, `{"a": 1}`, "", `{"a":1}`, 10, 0},
		{`after: 10m`, `{"a": 1}`, "", `{"a":1}`, 0, 10 * time.Minute},
		{`{count: 2, after: 5, key: "{{ payload.repo }}"}`, `{"repo": "a/b"}`, "a/b", `{"repo":"a/b"}`, 2, 5 * time.Second},
		{`{count: 2, key: "{{ payload.n }}"}`, `{"n": 9007199254740993}`, "9007199254740993", `{"n":9007199254740993}`, 2, 0},
		{`{count: 2, key: "{{ payload.m }}"}`, `{"m": {"b": 1, "a": [true]}}`, `{"a":[true],"b":1}`, `{"m":{"a":[true],"b":1}}`, 2, 0},
		{`{count: 2, key: "x-{{ payload.missing }}"}`, `{}`, "x-", `{}`, 2, 0},
		{`{count: 2, item: {title: "{{ payload.title }}", by: "{{ Message }}"}}`, `{"title": "t"}`, "", `{"by":"hi","title":"t"}`, 2, 0},
		{`{count: 2, item: "{{ payload.title }}"}`, `{"title": "t"}`, "", `"t"`, 2, 0},
	}
	for _, r := range rows {
		outcome, err := nodetest.Good(t, batch.Type(), r.props).Do(t.Context(), nodetest.Input(t, r.body))
		if err != nil {
			t.Errorf("%s of %s: %v", r.props, r.body, err)
			continue
		}
		b, _ := outcome.(node.Batch)
		if got, _ := json.Marshal(b.Item); b.Key != r.key || string(got) != r.item || b.Count != r.count || b.After != r.after {
			t.Errorf("%s of %s asks for %+v (item %s), want key %q, item %s, %d, %s", r.props, r.body, b, got, r.key, r.item, r.count, r.after)
		}
	}
}

func TestABatchFailsWhereTheKeyIsNone(t *testing.T) {
	t.Parallel()
	long, _ := json.Marshal(map[string]string{"key": strings.Repeat("x", 600)})
	for _, body := range []string{`{}`, `{"key": null}`, string(long)} {
		_, err := nodetest.Good(t, batch.Type(), `{count: 2, key: "{{ payload.key }}"}`).Do(t.Context(), nodetest.Input(t, body))
		var e *script.Error
		if !errors.As(err, &e) || e.Code != batch.CodeNoKey {
			t.Errorf("%.40s gives %v, want the code %s", body, err, batch.CodeNoKey)
		}
	}
	for _, props := range []string{`{count: 2, key: "{{ payload.n + 1 }}"}`, `{count: 2, item: "{{ payload.n + 1 }}"}`} {
		if _, err := nodetest.Good(t, batch.Type(), props).Do(t.Context(), nodetest.Input(t, `{}`)); err == nil || !strings.Contains(err.Error(), "payload.n") {
			t.Errorf("%s gives %v, want an error that names the operand", props, err)
		}
	}
}

func TestAnItemLargerThanABatchFailsItsOwnStep(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return `{"item": ` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}` }
	text := func(n int, s string) string { return `{"item": "` + strings.Repeat(s, n) + `"}` }
	n := nodetest.Good(t, batch.Type(), `{count: 2, item: "{{ payload.item }}"}`)
	for name, body := range map[string]string{
		"one byte too many": text(run.MaxBatchBytes-1, "x"), "escapes": text(run.MaxBatchBytes/6+1, `\u0001`), "too deep in its list": deep(payload.DefaultDepth - 1),
	} {
		_, err := n.Do(t.Context(), nodetest.Input(t, body))
		var e *script.Error
		if !errors.As(err, &e) || e.Code != batch.CodeOutput {
			t.Errorf("%s gives %v, want the code %s", name, err, batch.CodeOutput)
		}
	}
	for name, body := range map[string]string{"as large as may be": text(run.MaxBatchBytes-2, "x"), "as deep as may be": deep(payload.DefaultDepth - 2)} {
		if _, err := n.Do(t.Context(), nodetest.Input(t, body)); err != nil {
			t.Errorf("%s gives %v", name, err)
		}
	}
}

// TestTheFullestBatchFitsOneOutput has a key and items that take as many bytes as any can.
func TestTheFullestBatchFitsOneOutput(t *testing.T) {
	t.Parallel()
	const n = run.MaxBatchItems
	items, bytes := make([]any, n), 0
	for i := range items {
		items[i] = strings.Repeat("\x01", (run.MaxBatchBytes/n-2)/6)
		b, err := payload.Encode(items[i])
		if err != nil {
			t.Fatal(err)
		}
		bytes += len(b)
	}
	items[0] = items[0].(string) + strings.Repeat("x", run.MaxBatchBytes-bytes)
	out, err := payload.EncodeMax(map[string]any{"key": strings.Repeat("\x01", 512), "count": int64(n), "items": items}, run.MaxOutputBytes)
	if err != nil {
		t.Fatalf("the output of a full batch cannot be kept: %v", err)
	}
	if _, err := payload.Decode(out); err != nil {
		t.Errorf("the output of a full batch cannot be read: %v", err)
	}
}

func TestABatchIsRefusedWhereItIsWrong(t *testing.T) {
	t.Parallel()
	nodetest.Wrong(t, batch.Type(), [][2]string{
		{`{}`, "does not say when it is full"},
		{`key: "{{ payload.a }}"`, "does not say when it is full"},
		{`count: 1`, "it takes 2 to 10000"},
		{`count: 10001`, "it takes 2 to 10000"},
		{`after: 40d`, "it takes 1s to 30d"},
		{`after: soon`, "write a duration"},
		{`{window: 10m}`, "write `after`"},
		{`{size: 10}`, "write `count`"},
		{`{count: 2, group_by: a}`, "write `key`"},
		{`{count: 2, key: "{{ payload. }}"}`, "expression-syntax"},
		{`{count: 2, key: [a]}`, "wrong-type"},
		{`{count: 2, item: {a: "{{ nobody }}"}}`, "unknown-name"},
	})
}
