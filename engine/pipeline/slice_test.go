package pipeline_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
)

// slices folds in slices that a ticking clock ends, until one comes to its end; it gives how many there were.
func (g *game) slices(make func() *pipeline.Slice) int {
	g.t.Helper()
	for n := 1; ; n++ {
		if n > 5000 {
			g.t.Fatalf("it does not end: %s", g.story())
		}
		g.rec.Slice = make()
		before := len(g.rec.Steps)
		g.fold()
		switch {
		case !g.last.More:
			return n
		case g.last.State != run.Open:
			g.t.Fatalf("there is more, and the run is %s", g.last.State)
		case len(g.rec.Steps) == before:
			g.t.Fatalf("a slice made no step: %s", g.story())
		}
	}
}

func short() *pipeline.Slice { return pipeline.NewSlice(time.Nanosecond, 1<<20) }

func TestAFoldStopsWhereItsSliceIsOver(t *testing.T) {
	t.Parallel()
	text := `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: A, type: code, props: {code: '1'}}
  - label: Each
    type: loop
    props: {items: payload.list, nodes: [{label: B, type: code, props: {code: 'item'}}, {label: C, type: code, props: {code: 'B + 1'}}]}
  - {label: D, type: count, props: {does: x}}
  - {label: E, type: answer, props: {does: hello}}
  - {label: F, type: act, props: {does: it.happened}}
`
	body := `{"list": [1, 2, 3]}`
	whole := play(t, compilePuppets(t, text), "order.created", body)
	g := before(t, text, body)
	measures, replies, emissions, n := 0, 0, 0, 0
	for {
		g.rec.Slice = short()
		g.fold()
		n++
		measures, emissions = measures+len(g.last.Measures), emissions+len(g.last.Emissions)
		if g.last.Reply != nil {
			replies++
		}
		if !g.last.More {
			break
		}
	}
	if n != 11 || measures != 1 || replies != 1 || emissions != 1 {
		t.Errorf("%d slices, %d measures, %d replies, %d events; want one slice for each step, the loop's own coming with its last, and one of each", n, measures, replies, emissions)
	}
	if got, want := summary(g), summary(whole); got != want {
		t.Errorf("in slices it comes to\n%s\nwhole to\n%s", got, want)
	}
}

func TestASliceThatIsOverLeavesTheEntries(t *testing.T) {
	t.Parallel()
	text := "\nnodes:\n  - {label: In, type: receive, props: {provider: acme, filter: payload.n > 1}}\n  - {label: A, type: code, props: {code: '1'}}\n"
	over := pipeline.NewBudget(0, 1<<20)
	for body, want := range map[string]string{`{"n": 2}`: "In=done: open", `{"n": 1}`: "In=filtered, A=skipped: done filtered"} {
		g := before(t, text, body)
		g.rec.Slice = over.Part(time.Hour, 1<<20)
		g.fold()
		g.wants(want)
		if more := g.last.State == run.Open; g.last.More != more {
			t.Errorf("%s: there is more: %t", body, g.last.More)
		}
	}
	if !over.Late(0) || over.Late(time.Hour) {
		t.Error("the budget was overdrawn by a few ticks of the clock")
	}
}

func TestNoSliceIsOverWhileTheClockStandsStill(t *testing.T) {
	t.Parallel()
	g := before(t, "\nnodes:\n  - {label: In, type: receive, props: {provider: acme}}\n"+
		"  - {label: A, type: code, props: {code: '1'}}\n  - {label: B, type: code, props: {code: '2'}}\n", `{}`)
	g.rec.Slice = pipeline.NewBudget(time.Nanosecond, 1<<20).Part(time.Nanosecond, 1<<20)
	p := g.d.Next(t.Context(), g.rec, func() time.Time { return received })
	if p.More || p.State != run.Done {
		t.Errorf("it is %s after %d steps", p.State, len(p.Steps))
	}
}

func TestRandomDiagramsComeToTheSameInSlices(t *testing.T) {
	t.Parallel()
	types := puppets()
	for seed := range uint64(150) {
		rng := rand.New(rand.NewPCG(seed, 1))
		text := randomDiagram(rng)
		d, out := load(t, text, types)
		if d == nil {
			t.Fatalf("seed %d: %v", seed, out.Sorted())
		}
		body := []string{`{"n": 1}`, `{"n": 9}`}[rng.IntN(2)]
		whole := play(t, d, "order.created", body)
		settleAll(whole, seed, func(asked []pipeline.Effect) []pipeline.Effect { return asked })
		want := summary(whole)

		g := play(t, d, "order.created", body)
		g.rec.Steps = nil
		g.slices(short)
		for turn := 0; g.last.State == run.Open; turn++ {
			if turn > 1000 || len(g.last.Effects) == 0 {
				t.Fatalf("seed %d: the run is open and asks for %v: %s", seed, asked(g.last), g.story())
			}
			e := g.last.Effects[rng.IntN(len(g.last.Effects))]
			alone, ok := d.Effect(t.Context(), g.rec, e.Path, g.clock)
			if !ok || alone.Path != e.Path || show(alone.Message) != show(e.Message) || show(alone.Env.Outputs) != show(e.Env.Outputs) {
				t.Fatalf("seed %d: by itself %s is %+v, %t; want %+v", seed, e.Path, alone, ok, e)
			}
			g.rec.Steps = append(g.rec.Steps, settleOne(g, e, verdict(e.Path, seed)))
			g.slices(short)
		}
		if got := summary(g); got != want {
			t.Fatalf("seed %d: in slices\n%s\nat once\n%s\n%s", seed, got, want, text)
		}
	}
}

func TestARunKeepsSoMuchAndNoMore(t *testing.T) {
	t.Parallel()
	for name, node := range map[string]string{
		"outputs": `{label: Out, type: code, props: {code: '[item, payload.text]'}}`,
		"emitted": `{label: Out, type: act, props: {does: it.happened}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - label: Each
    type: loop
    props: {items: payload.list, on_error: continue, nodes: [` + strings.Replace(node, "Out, type: act", "Big, type: code, props: {code: 'payload.text'}}, {label: Out, type: act", 1) + `]}
`
			var list []string
			for i := range 60 {
				list = append(list, fmt.Sprint(i))
			}
			g := before(t, text, `{"list": [`+strings.Join(list, ",")+`], "text": "`+strings.Repeat("x", 900_000)+`"}`)
			bytes, n := 0, 0
			for more := true; more; more = g.last.More {
				g.rec.Slice = pipeline.NewSlice(time.Hour, 2<<20)
				g.fold()
				n++
				added := 0
				for _, s := range g.last.Steps {
					added += len(s.Output) + s.Handed
				}
				if bytes += added; added > 5<<20 {
					t.Errorf("one fold adds %d bytes", added)
				}
			}
			failed := g.step("Each[59]/" + map[string]string{"outputs": "Out", "emitted": "Big"}[name])
			if failed.State != run.StepFailed || failed.Failure.Code != pipeline.CodeOutput || !strings.Contains(failed.Failure.Message, fmt.Sprintf("%d MiB", run.MaxRunBytes>>20)) {
				t.Errorf("the last item ends with %+v", failed.Failure)
			}
			if bytes > run.MaxRunBytes || bytes < run.MaxRunBytes*8/10 || n < 3 {
				t.Errorf("%d bytes are kept, made in %d folds", bytes, n)
			}
		})
	}
}

func TestARunEmitsTheFewerTheDeeperItsEventIs(t *testing.T) {
	t.Parallel()
	text := `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Each, type: loop, props: {items: payload.list, on_error: continue, nodes: [{label: Out, type: act, props: {does: it.happened}}]}}
`
	for depth, want := range map[int]int{0: 1000, 1: 30, 2: 3, 3: 1, 9: 1, event.MaxDepth: 0} {
		for _, sliced := range []bool{false, true} {
			g := play(t, compilePuppets(t, text), "order.created", `{"list": `+show(slices.Repeat([]int{1}, 1005))+`}`,
				func(ev *event.Event, _ *run.Run) { ev.Depth = depth })
			if sliced {
				g.rec.Steps = g.rec.Steps[:min(2, len(g.rec.Steps))]
				g.fold()
			}
			emitted, code := 0, ""
			for _, s := range g.rec.Steps {
				switch {
				case s.Node == "Out" && s.State == run.StepDone:
					emitted++
				case s.Node == "Out" && code == "":
					code = s.Failure.Code
				}
			}
			if wantCode := map[bool]string{true: pipeline.CodeTooDeep, false: pipeline.CodeTooManyEvents}[depth == event.MaxDepth]; emitted != want || code != wantCode {
				t.Errorf("at depth %d %d events are emitted, want %d; then %s", depth, emitted, want, code)
			}
		}
	}
}
