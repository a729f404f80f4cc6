package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
)

// puppets are node types that do what their props say: `give` a value, `fail`, branch `true` or `false`, or ask for an effect.
func puppets() []node.Type {
	props := &field.Object{Name: "puppet", Fields: []field.Field{{Name: "does", Type: field.String, Required: true}}}
	build := func(p *field.Values, _ node.Env, _ *diag.List) node.Node { return puppet(p.String("does")) }
	return append(nodeTypes(),
		node.Type{Name: "make", Props: props, Build: build},
		node.Type{Name: "choose", Props: props, Build: build, Transparent: true, Handles: []string{"true", "false"}},
	)
}

type puppet string

func (p puppet) Do(_ context.Context, in node.Input) (node.Outcome, error) {
	switch p {
	case "fail":
		return nil, errors.New("told to fail")
	case "true", "false":
		return node.Branch{Handle: string(p)}, nil
	case "ask":
		return node.Deliver{Destination: "d", Gate: "d"}, nil
	}
	return node.Value{V: map[string]any{"saw": in.Message, "outputs": int64(len(in.Env.Outputs))}}, nil
}

// randomDiagram writes a pipeline of up to 14 nodes: each is behind one to three earlier ones, by ways out that these have.
func randomDiagram(rng *rand.Rand) string {
	var nodes, connections strings.Builder
	kinds := make([]string, 2+rng.IntN(13))
	for i := range kinds {
		does, typ := "", "make"
		switch kinds[i] = []string{"give", "fail", "choose", "ask", "ask"}[rng.IntN(5)]; {
		case i == 0 || rng.IntN(12) == 0:
			kinds[i] = "receive"
			filter := ""
			if rng.IntN(4) == 0 {
				filter = ", filter: payload.n > 5"
			}
			fmt.Fprintf(&nodes, "  - {label: n%d, type: receive, props: {provider: %s%s}}\n", i, []string{"acme", "acme", "other"}[rng.IntN(3)], filter)
			continue
		case kinds[i] == "choose":
			typ, does = "choose", []string{"true", "false", "fail"}[rng.IntN(3)]
		default:
			does = kinds[i]
		}
		fmt.Fprintf(&nodes, "  - {label: n%d, type: %s, props: {does: %q}}\n", i, typ, does)
		for range 1 + rng.IntN(3) {
			from := rng.IntN(i)
			handle := ""
			switch {
			case rng.IntN(5) == 0:
				handle = "[error]"
			case kinds[from] == "choose":
				handle = []string{"[true]", "[false]"}[rng.IntN(2)]
			}
			fmt.Fprintf(&connections, "  - \"n%d%s -> n%d\"\n", from, handle, i)
		}
	}
	if connections.Len() == 0 {
		return "nodes:\n" + nodes.String() + "connections: []\n"
	}
	return "nodes:\n" + nodes.String() + "connections:\n" + connections.String()
}

// verdict says whether an effect works, the same whenever it is asked for.
func verdict(label string, seed uint64) bool {
	return rand.New(rand.NewPCG(seed, uint64(len(label))<<8|uint64(label[len(label)-1]))).IntN(3) > 0
}

// settleAll plays a run to its end; each time it picks from what is asked for.
func settleAll(g *game, seed uint64, pick func(asked []pipeline.Effect) []pipeline.Effect) {
	g.t.Helper()
	for turn := 0; g.last.State == run.Open; turn++ {
		if turn > 100 {
			g.t.Fatalf("the run does not end: %s", g.story())
		}
		if len(g.last.Effects) == 0 {
			g.t.Fatalf("the run is open and asks for nothing: %s", g.story())
		}
		ended := map[string]bool{}
		for _, s := range g.rec.Steps {
			ended[s.Path] = true
		}
		for _, e := range g.last.Effects {
			if ended[e.Path] {
				g.t.Fatalf("%s has ended and is asked for again: %s", e.Path, g.story())
			}
		}
		for _, e := range pick(g.last.Effects) {
			step := run.Step{Path: e.Path, Node: e.Node, Type: e.Type, State: run.StepDone, Output: []byte(`{"ok":true}`), Started: g.clock()}
			if !verdict(e.Path, seed) {
				step = g.d.Failed(step, &run.Failure{Kind: "temporary", Code: "spent_" + e.Path, Message: "no"})
			}
			g.rec.Steps = append(g.rec.Steps, step)
		}
		g.fold()
	}
}

// summary gives what a run came to, in the order of labels.
func summary(g *game) string {
	var lines []string
	for _, s := range g.rec.Steps {
		lines = append(lines, fmt.Sprintf("%s %s %s %s", s.Path, s.State, s.Branch, s.Output))
	}
	slices.Sort(lines)
	return fmt.Sprintf("%s %s %s\n%s", g.last.State, g.last.Outcome, g.last.Reason, strings.Join(lines, "\n"))
}

func TestFoldingIsTheSameInWhateverOrderEffectsEnd(t *testing.T) {
	t.Parallel()
	types := puppets()
	for seed := range uint64(250) {
		rng := rand.New(rand.NewPCG(seed, 1))
		text := randomDiagram(rng)
		d, out := load(t, text, types)
		if d == nil {
			if strings.Contains(fmt.Sprint(out.Sorted()), string(diag.Unreachable)) {
				t.Fatalf("seed %d makes an unreachable node:\n%s", seed, text)
			}
			t.Fatalf("seed %d: %v\n%s", seed, out.Sorted(), text)
		}
		body := []string{`{"n": 1}`, `{"n": 9}`}[rng.IntN(2)]
		start := func() *game { return play(t, d, "order.created", body) }

		once := start()
		settleAll(once, seed, func(asked []pipeline.Effect) []pipeline.Effect { return asked })
		want := summary(once)
		if steps := len(once.rec.Steps); steps != d.Size() {
			t.Errorf("seed %d: %d of %d nodes have ended:\n%s\n%s", seed, steps, d.Size(), want, text)
		}
		for range 3 {
			stepwise := start()
			settleAll(stepwise, seed, func(asked []pipeline.Effect) []pipeline.Effect {
				return []pipeline.Effect{asked[rng.IntN(len(asked))]}
			})
			if got := summary(stepwise); got != want {
				t.Fatalf("seed %d: step by step\n%s\nat once\n%s\n%s", seed, got, want, text)
			}
		}
		checkRefolds(t, once, want, seed)
	}
}

// checkRefolds folds the finished record again, whole and without what can be worked out anew.
func checkRefolds(t *testing.T, g *game, want string, seed uint64) {
	t.Helper()
	again := g.d.Next(t.Context(), g.rec, g.clock)
	if len(again.Steps) > 0 || len(again.Effects) > 0 || again.State != g.last.State || again.Outcome != g.last.Outcome || again.Reason != g.last.Reason {
		t.Errorf("seed %d: a finished record folded again gives %d steps, %v and %s %s %s", seed, len(again.Steps), asked(again), again.State, again.Outcome, again.Reason)
	}
	effects := *g
	effects.rec.Steps = slices.DeleteFunc(slices.Clone(g.rec.Steps), func(s run.Step) bool {
		return s.State == run.StepSkipped || string(s.Output) != `{"ok":true}` && (s.Failure == nil || s.Failure.Message != "no")
	})
	effects.fold()
	if got := summary(&effects); got != want {
		t.Errorf("seed %d: from the effects alone\n%s\nwant\n%s", seed, got, want)
	}
}
