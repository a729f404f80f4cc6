package pipeline_test

import (
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
)

const limited = `
limits: {runs: 42, per: 1h, concurrency: 5, overflow: drop}
order_by: payload.key
nodes:
  - {label: In, type: receive, props: {provider: acme, filter: payload.n > 0}}
  - {label: Nap, type: nap, props: {for: 10m}}
  - {label: Out, type: code, props: {code: '"out"'}}
`

// before makes a game of which only the event is known.
func before(t *testing.T, text, body string) *game {
	t.Helper()
	g := play(t, compilePuppets(t, text), "order.created", body)
	g.rec.Steps, g.last = nil, pipeline.Progress{}
	return g
}

func TestALimitedRunBeginsWithItsEntriesOnly(t *testing.T) {
	t.Parallel()
	g := before(t, limited, `{"n": 1, "key": {"b": 2, "a": [1]}}`)
	p, begins := g.d.Begin(t.Context(), g.rec, g.clock)
	if len(p.Steps) != 1 || p.Steps[0].Path != "In" || p.State != run.Open || !begins {
		t.Fatalf("it begins: %t, %s with %+v", begins, p.State, p.Steps)
	}
	g.rec.Steps = p.Steps
	key, has, err := g.d.OrderKey(t.Context(), g.rec)
	if key != `order:flow:{"a":[1],"b":2}` || !has || err != nil {
		t.Errorf("the key of its turn is %q, %t, %v", key, has, err)
	}
	g.now = g.now.Add(3 * time.Hour) // until its turn
	g.fold()
	if until := g.effect("Nap"); !until.Env.Now.Equal(received) {
		t.Error("now moved")
	}
	g.now = g.now.Add(9 * time.Minute)
	g.fold()
	g.wants("In=done, Nap?: open")
	if l, ok := g.d.Limits(); !ok || l != (pipeline.Limits{Runs: 42, Per: time.Hour, Concurrency: 5, Drop: true}) || !g.d.Ordered() {
		t.Errorf("the limits are %+v", l)
	}
}

func TestAFilteredRunIsNotLimited(t *testing.T) {
	t.Parallel()
	g := before(t, limited, `{"n": 0}`)
	p, begins := g.d.Begin(t.Context(), g.rec, g.clock)
	if begins || p.State != run.Done || p.Outcome != run.Filtered || len(p.Steps) != 3 {
		t.Errorf("it begins: %t, %s %s with %d steps", begins, p.State, p.Outcome, len(p.Steps))
	}
	g = before(t, limited, `{}`)
	if p, begins = g.d.Begin(t.Context(), g.rec, g.clock); begins || p.State != run.Parked {
		t.Errorf("a run whose filter failed begins: %t, %s", begins, p.State)
	}
}

func TestARunWithoutLimitsBeginsWhole(t *testing.T) {
	t.Parallel()
	g := before(t, strings.NewReplacer("limits: {runs: 42, per: 1h, concurrency: 5, overflow: drop}\n", "", "order_by: payload.key\n", "").Replace(limited), `{"n": 1}`)
	p, begins := g.d.Begin(t.Context(), g.rec, g.clock)
	if _, has := g.d.Limits(); begins || has || g.d.Ordered() || len(p.Effects) != 1 {
		t.Errorf("it begins in two steps: %t, with %d effects", begins, len(p.Effects))
	}
	if _, has, err := g.d.OrderKey(t.Context(), g.rec); has || err != nil {
		t.Errorf("it has an order: %t, %v", has, err)
	}
}

func TestOrderKeys(t *testing.T) {
	t.Parallel()
	rows := []struct{ order, body, want string }{
		{"payload.key", `{"n": 1, "key": "a/b"}`, `order:flow:"a/b"`},
		{"payload.key", `{"n": 1}`, ""},
		{"payload.key + 1", `{"n": 1}`, "error"},
		{"payload.key", `{"n": 1, "key": "` + strings.Repeat("x", 300) + `"}`, "order:flow:sha256:"},
	}
	for _, r := range rows {
		g := before(t, strings.Replace(limited, "order_by: payload.key", "order_by: "+r.order, 1), r.body)
		p, _ := g.d.Begin(t.Context(), g.rec, g.clock)
		g.rec.Steps = p.Steps
		key, has, err := g.d.OrderKey(t.Context(), g.rec)
		switch {
		case err != nil:
			key = "error"
		case has != (key != ""):
			t.Errorf("%s of %s: key %q, has %t", r.order, r.body, key, has)
		}
		if key != r.want && (r.want != "order:flow:sha256:" || !strings.HasPrefix(key, r.want) || len(key) > 100) {
			t.Errorf("%s of %s gives %q, want %q", r.order, r.body, key, r.want)
		}
	}
}
