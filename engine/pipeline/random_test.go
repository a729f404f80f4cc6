package pipeline_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
)

// randomDiagram writes a pipeline of up to 14 nodes: each is behind one to three earlier ones, by ways out that these have. Some are
// loops, whose bodies are made in the same way.
func randomDiagram(rng *rand.Rand) string { return randomGraph(rng, "n", "", 2+rng.IntN(13), 0) }

// randomGraph writes `nodes` and `connections` of a graph whose labels begin with a prefix.
func randomGraph(rng *rand.Rand, prefix, indent string, size, depth int) string {
	var nodes, connections strings.Builder
	kinds := make([]string, size)
	for i := range kinds {
		kinds[i] = []string{"give", "fail", "choose", "pick", "ask", "ask", "nap", "await", "loop"}[rng.IntN(9)]
		if depth == 0 && (i == 0 || rng.IntN(12) == 0) {
			kinds[i] = "receive"
		}
		if kinds[i] == "loop" && depth == 2 {
			kinds[i] = "ask"
		}
		fmt.Fprintf(&nodes, "%s  - {label: %s%d, %s}\n", indent, prefix, i, randomNode(rng, kinds[i], fmt.Sprintf("%s%d_", prefix, i), depth))
		if kinds[i] == "receive" || i == 0 {
			continue
		}
		for range 1 + rng.IntN(3) {
			from := rng.IntN(i)
			ways := map[string][]string{"choose": {"[true]", "[false]"}, "pick": {"[x]", "[y]", ""}, "await": {"", "[timeout]"}}[kinds[from]]
			handle := ""
			switch {
			case rng.IntN(5) == 0:
				handle = "[error]"
			case ways != nil:
				handle = ways[rng.IntN(len(ways))]
			}
			fmt.Fprintf(&connections, "%s  - \"%s%d%s -> %s%d\"\n", indent, prefix, from, handle, prefix, i)
		}
	}
	if connections.Len() == 0 {
		return indent + "nodes:\n" + nodes.String() + indent + "connections: []\n"
	}
	return indent + "nodes:\n" + nodes.String() + indent + "connections:\n" + connections.String()
}

// randomNode writes the type and the props of a node in flow style.
func randomNode(rng *rand.Rand, kind, prefix string, depth int) string {
	does := func(typ string, what ...string) string {
		return fmt.Sprintf("type: %s, props: {does: %q}", typ, what[rng.IntN(len(what))])
	}
	switch kind {
	case "receive":
		filter := []string{"", "", "", ", filter: payload.n > 5"}[rng.IntN(4)]
		return fmt.Sprintf("type: receive, props: {provider: %s%s}", []string{"acme", "acme", "other"}[rng.IntN(3)], filter)
	case "choose":
		return does("choose", "true", "false", "fail")
	case "pick":
		return fmt.Sprintf("type: pick, props: {ways: [x, y], plain: true, take: %q}", []string{"x", "y", ""}[rng.IntN(3)])
	case "nap":
		return "type: nap, props: {for: 10m}"
	case "await":
		return does("await", "x")
	case "loop":
		body := strings.TrimSpace(randomGraph(rng, prefix, "      ", 1+rng.IntN(4), depth+1))
		var props []string
		for line := range strings.Lines(body) { // the body's block style as flow style
			props = append(props, strings.TrimSpace(line))
		}
		return fmt.Sprintf("type: loop, props: {items: \"%s\", as: a%d, index: i%d, parallel: %d, on_error: %s, %s}",
			[]string{"[]", "[1]", "[1, 2, 3]"}[rng.IntN(3)], depth, depth, 1+rng.IntN(3), []string{"fail", "continue"}[rng.IntN(2)], flow(props))
	}
	return does("make", kind)
}

// flow joins the lines of two lists to two keys in flow style.
func flow(lines []string) string {
	var out strings.Builder
	open := false
	for i, line := range lines {
		item, isItem := strings.CutPrefix(line, "- ")
		switch {
		case isItem:
			out.WriteString(item)
			if i+1 < len(lines) && strings.HasPrefix(lines[i+1], "- ") {
				out.WriteString(", ")
			}
			continue
		case open:
			out.WriteString("], ")
		}
		open = !strings.HasSuffix(line, "]")
		out.WriteString(line)
		if open {
			out.WriteString(" [")
		}
	}
	if open {
		out.WriteString("]")
	}
	return out.String()
}

// verdict says whether an effect works, the same whenever it is asked for.
func verdict(label string, seed uint64) bool {
	return rand.New(rand.NewPCG(seed, uint64(len(label))<<8|uint64(label[len(label)-1]))).IntN(3) > 0
}

// settleOne ends an effect well or not so well.
func settleOne(g *game, e pipeline.Effect, well bool) run.Step {
	step := e.Step(g.rec.Run.Round, g.clock(), g.clock())
	w, waits := e.Ask.(node.Wait)
	switch {
	case well:
		return g.d.Ended(step, map[string]any{"ok": true}, "")
	case waits && w.For != nil:
		return g.d.Ended(step, map[string]any{"ok": true}, node.Timeout)
	}
	return g.d.Failed(step, &run.Failure{Kind: "temporary", Code: "spent_" + e.Node, Message: "no"})
}

// settleAll plays a run to its end; each time it picks from what is asked for.
func settleAll(g *game, seed uint64, pick func(asked []pipeline.Effect) []pipeline.Effect) {
	g.t.Helper()
	for turn := 0; g.last.State == run.Open; turn++ {
		if turn > 1000 {
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
			g.rec.Steps = append(g.rec.Steps, settleOne(g, e, verdict(e.Path, seed)))
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
		if missing := unended(d.Picture(), "", once.rec.Steps); len(missing) > 0 {
			t.Errorf("seed %d: %v have not ended:\n%s\n%s", seed, missing, want, text)
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

// unended gives the nodes of the diagram, and of the bodies that were run, that have no step or more than one.
func unended(picture pipeline.Picture, prefix string, steps []run.Step) []string {
	var out []string
	for _, n := range picture.Nodes {
		path := prefix + n.Label
		count := 0
		for _, s := range steps {
			if s.Path == path {
				count++
			}
		}
		if count != 1 {
			out = append(out, fmt.Sprintf("%s (%d)", path, count))
		}
		for item := 0; n.Body != nil; item++ {
			inside := fmt.Sprintf("%s[%d]/", path, item)
			if !slices.ContainsFunc(steps, func(s run.Step) bool { return strings.HasPrefix(s.Path, inside) }) {
				break
			}
			out = append(out, unended(*n.Body, inside, steps)...)
		}
	}
	return out
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
		effect := s.Type == "nap" || s.Type == "await" || string(s.Output) == `{"ok":true}` || s.Failure != nil && s.Failure.Message == "no"
		return s.State == run.StepSkipped || s.Type == "loop" || !effect
	})
	effects.fold()
	if got := summary(&effects); got != want {
		t.Errorf("seed %d: from the effects alone\n%s\nwant\n%s", seed, got, want)
	}
}
