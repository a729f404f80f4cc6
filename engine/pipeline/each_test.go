package pipeline_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
)

const loop = `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Greeting, type: code, props: {code: '"hi "'}}
  - label: Each
    type: loop
    props:
      items: payload.names
      parallel: 2
      nodes:
        - {label: Text, type: code, props: {code: 'Greeting + item.name + " " + string(index)'}}
        - {label: Tell, type: make, props: {does: ask}}
  - {label: After, type: code, props: {code: 'map(Each, .ok)'}}
`

const three = `{"names": [{"name": "Ada"}, {"name": "Bob"}, {"name": "Cyd"}]}`

func TestABodyIsRunForEachItemAsManyAtOnceAsMayBe(t *testing.T) {
	t.Parallel()
	g := play(t, compilePuppets(t, loop), "order.created", three)
	g.wants("In=done, Greeting=done, Each[0]/Text=done, Each[1]/Text=done, Each[0]/Tell?, Each[1]/Tell?: open")
	if got := string(g.step("Each[1]/Text").Output); got != `"hi Bob 1"` {
		t.Errorf("the second text is %s", got)
	}
	if e := g.effect("Each[1]/Tell"); e.Node != "Tell" || e.Type != "make" || show(e.Message) != `"hi Bob 1"` || show(e.Env.Outputs["item"]) != `{"name":"Bob"}` {
		t.Errorf("the effect is of node %s, type %s, is given %s and sees the item %s", e.Node, e.Type, show(e.Message), show(e.Env.Outputs["item"]))
	}
	g.answer("Each[1]/Tell", `{"ok":2}`)
	g.wants("In=done, Greeting=done, Each[0]/Text=done, Each[1]/Text=done, Each[1]/Tell=done, Each[2]/Text=done, Each[0]/Tell?, Each[2]/Tell?: open")
	g.answer("Each[0]/Tell", `{"ok":1}`)
	g.answer("Each[2]/Tell", `{"ok":3}`)
	if got := string(g.step("Each").Output); got != `[{"ok":1},{"ok":2},{"ok":3}]` {
		t.Errorf("the loop gives %s", got)
	}
	if s := g.step("Each"); len(s.Reads) != 1 || s.Reads[0].Operand != "payload.names" || s.Took <= 0 || s.Started.IsZero() {
		t.Errorf("the step of the loop is %+v, want what it read and how long it took", s)
	}
	if got := string(g.step("After").Output); got != `[1,2,3]` || g.last.State != run.Done {
		t.Errorf("after the loop: %s, the run is %s", got, g.last.State)
	}
	if got := show(g.d.Result(g.rec)); got != `[1,2,3]` {
		t.Errorf("the result is %s", got)
	}
}

func TestALoopOverNothingGivesAnEmptyList(t *testing.T) {
	t.Parallel()
	g := play(t, compilePuppets(t, loop), "order.created", `{}`)
	g.wants("In=done, Greeting=done, Each=done, After=done: done completed")
	if got := string(g.step("Each").Output); got != `[]` {
		t.Errorf("it gives %s", got)
	}
}

func TestAFailedItemFailsTheLoopWhenTheOthersAreThrough(t *testing.T) {
	t.Parallel()
	g := play(t, compilePuppets(t, loop), "order.created", three)
	g.fail("Each[1]/Tell", "http_500")
	g.fail("Each[0]/Tell", "http_404")
	g.wants("In=done, Greeting=done, Each[0]/Text=done, Each[1]/Text=done, Each[1]/Tell=failed, Each[2]/Text=done, Each[0]/Tell=failed, Each[2]/Tell?: open")
	g.answer("Each[2]/Tell", `{"ok":3}`)
	if g.last.State != run.Parked || g.last.Reason != "http_404" || g.last.Message != "Each: item 0, Tell: it did not work (and 1 more failed)" {
		t.Errorf("the run is %s, %s: %s", g.last.State, g.last.Reason, g.last.Message)
	}
	// A retry removes what failed or was skipped; what worked is not done again.
	var kept []run.Step
	for _, s := range g.rec.Steps {
		if s.State == run.StepDone {
			kept = append(kept, s)
		}
	}
	g.rec.Steps, g.rec.Run.Round = kept, 1
	g.fold()
	g.wants("In=done, Greeting=done, Each[0]/Text=done, Each[1]/Text=done, Each[2]/Text=done, Each[2]/Tell=done, Each[0]/Tell?, Each[1]/Tell?: open")
	g.answer("Each[0]/Tell", `{"ok":1}`)
	g.answer("Each[1]/Tell", `{"ok":2}`)
	if got := string(g.step("Each").Output); got != `[{"ok":1},{"ok":2},{"ok":3}]` || g.last.State != run.Done {
		t.Errorf("the retried loop gives %s, the run is %s", got, g.last.State)
	}
}

func TestAFailedItemMayStandInTheList(t *testing.T) {
	t.Parallel()
	g := play(t, compilePuppets(t, strings.Replace(loop, "parallel: 2", "on_error: continue", 1)), "order.created", three)
	g.answer("Each[0]/Tell", `{"ok":1}`)
	g.fail("Each[1]/Tell", "http_500")
	g.answer("Each[2]/Tell", `{"ok":3}`)
	want := `[{"ok":1},{"error":{"code":"http_500","kind":"temporary","message":"it did not work"}},{"ok":3}]`
	if got := string(g.step("Each").Output); got != want || g.last.State != run.Done {
		t.Errorf("the loop gives %s, the run is %s", got, g.last.State)
	}
}

func TestALoopThatFailsTakesItsErrorHandle(t *testing.T) {
	t.Parallel()
	text := strings.Replace(loop, "{label: After, type: code, props: {code: 'map(Each, .ok)'}}", "{label: After, type: code, props: {code: Each.error.code}}", 1) +
		"connections: [In -> Greeting -> Each, \"Each[error] -> After\"]\n"
	g := play(t, compilePuppets(t, text), "order.created", `{"names": [{"name": "Ada"}]}`)
	g.fail("Each[0]/Tell", "http_500")
	if s := g.step("Each"); s.State != run.StepFailed || s.Branch != "error" {
		t.Errorf("the loop is %s[%s]", s.State, s.Branch)
	}
	if got := string(g.step("After").Output); got != `"http_500"` || g.last.State != run.Done {
		t.Errorf("what takes the failure sees %s, the run is %s", got, g.last.State)
	}
}

func TestABodyBranchesJoinsAndSkips(t *testing.T) {
	t.Parallel()
	g := play(t, compilePuppets(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - label: Each
    type: loop
    props:
      items: payload.numbers
      as: n
      index: i
      nodes:
        - {label: Is big, type: condition, props: {expression: n > 1}}
        - {label: Big, type: code, props: {code: '"big " + string(n)'}}
        - {label: Odd, type: code, props: {code: 'i % 2 == 1'}}
      connections:
        - "Is big[true] -> Big"
`), "order.created", `{"numbers": [1, 2]}`)
	g.wants("In=done, Each[0]/Is big=done[false], Each[0]/Odd=done, Each[0]/Big=skipped, Each[1]/Is big=done[true], Each[1]/Odd=done, Each[1]/Big=done, Each=done: done completed")
	if got := string(g.step("Each").Output); got != `[false,{"Big":"big 2","Odd":true}]` {
		t.Errorf("the loop gives %s: want the output of the one end, and a map where there are two", got)
	}
}

func TestBodiesStandInsideOfBodies(t *testing.T) {
	t.Parallel()
	g := play(t, compilePuppets(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - label: Row
    type: loop
    props:
      items: payload
      as: row
      nodes:
        - label: Cell
          type: loop
          props:
            items: row
            parallel: 5
            nodes:
              - {label: Ask, type: make, props: {does: ask}}
              - {label: Sum, type: code, props: {code: '[row[0], item, index, Ask.ok]'}}
`), "order.created", `[[1, 2], [3]]`)
	g.wants("In=done, Row[0]/Cell[0]/Ask?, Row[0]/Cell[1]/Ask?: open")
	g.answer("Row[0]/Cell[1]/Ask", `{"ok":"b"}`)
	g.answer("Row[0]/Cell[0]/Ask", `{"ok":"a"}`)
	g.answer("Row[1]/Cell[0]/Ask", `{"ok":"c"}`)
	if got, want := string(g.step("Row").Output), `[[[1,1,0,"a"],[1,2,1,"b"]],[[3,3,0,"c"]]]`; got != want || g.last.State != run.Done {
		t.Errorf("got  %s, %s\nwant %s", got, g.last.State, want)
	}
	if got := pipeline.Definition("Row[1]/Cell[0]/Ask"); got != "Row/Cell/Ask" {
		t.Errorf("the definition of the path is %s", got)
	}
	if got := g.d.Failed(run.Step{Path: "Row[1]/Cell[0]/Ask"}, &run.Failure{}).State; got != run.StepFailed {
		t.Errorf("a step in it that failed is %s", got)
	}
}

func TestARunHasABoundOnItsItems(t *testing.T) {
	t.Parallel()
	text := `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - label: A
    type: loop
    props:
      items: 1..200
      as: a
      nodes:
        - {label: B, type: loop, props: {items: 1..%d, nodes: [{label: C, type: condition, props: {expression: 'true'}}]}}
`
	g := play(t, compilePuppets(t, fmt.Sprintf(text, 51)), "order.created", `{}`)
	if g.last.State != run.Parked || g.last.Reason != pipeline.CodeTooManyItems {
		t.Errorf("10,200 items: the run is %s, %s", g.last.State, g.last.Reason)
	}
	g = play(t, compilePuppets(t, fmt.Sprintf(text, 50)), "order.created", `{}`)
	if g.last.State != run.Done {
		t.Errorf("10,000 items: the run is %s, %s", g.last.State, g.last.Reason)
	}
}

func TestAWaitInABodyBeginsWhenItsTurnComes(t *testing.T) {
	t.Parallel()
	g := play(t, compilePuppets(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Each, type: loop, props: {items: payload, nodes: [{label: Nap, type: nap, props: {for: 10m}}]}}
`), "order.created", `[1, 2]`)
	until := func(path string) time.Time {
		w, _ := g.effect(path).Ask.(node.Wait)
		return w.Until
	}
	if got, want := until("Each[0]/Nap"), g.step("In").Started.Add(g.step("In").Took+10*time.Minute); !got.Equal(want) {
		t.Errorf("the first nap ends at %s, want %s", got, want)
	}
	g.now = g.now.Add(10 * time.Minute)
	g.end("Each[0]/Nap", g.effect("Each[0]/Nap").Message, "")
	if got := until("Each[1]/Nap"); got.Before(received.Add(20 * time.Minute)) {
		t.Errorf("the second nap ends at %s, want 10 minutes after the first", got)
	}
	g.now = g.now.Add(11 * time.Minute)
	g.end("Each[1]/Nap", g.effect("Each[1]/Nap").Message, "")
	if got := string(g.step("Each").Output); got != `[1,2]` {
		t.Errorf("naps hand on %s, want the items", got)
	}
}

// largeLoop gives a run of a loop with a body of three nodes, of which all but some items are over.
func largeLoop(tb testing.TB, items int) *game {
	tb.Helper()
	var body strings.Builder
	for i := range items {
		fmt.Fprintf(&body, ",{\"n\": %d}", i)
	}
	g := play(tb, compilePuppets(tb, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - label: Each
    type: loop
    props:
      items: payload
      parallel: 10
      nodes:
        - {label: Text, type: code, props: {code: 'item.n'}}
        - {label: Tell, type: make, props: {does: ask}}
        - {label: After, type: code, props: {code: 'Tell.ok'}}
`), "order.created", "["+body.String()[1:]+"]")
	for i := range items - 10 {
		prefix := fmt.Sprintf("Each[%d]/", i)
		g.rec.Steps = append(g.rec.Steps,
			run.Step{Path: prefix + "Tell", Node: "Tell", Type: "make", State: run.StepDone, Output: []byte(`{"ok":1}`)},
			run.Step{Path: prefix + "After", Node: "After", Type: "code", State: run.StepDone, Output: []byte(`1`)})
		if i >= 10 {
			g.rec.Steps = append(g.rec.Steps, run.Step{Path: prefix + "Text", Node: "Text", Type: "code", State: run.StepDone, Output: []byte(`1`)})
		}
	}
	g.fold()
	return g
}

func TestFoldingALargeLoopAllocatesForItsOpenItemsOnly(t *testing.T) {
	// Not parallel: AllocsPerRun counts the allocations of all goroutines.
	allocations := func(items int) float64 {
		g := largeLoop(t, items)
		return testing.AllocsPerRun(5, func() { g.d.Next(t.Context(), g.rec, g.clock) })
	}
	few, many := allocations(100), allocations(1000)
	if many > few+50 {
		t.Errorf("a fold with 990 items that are over takes %.0f allocations, one with 90 takes %.0f", many, few)
	}
}

func BenchmarkFoldOfALoop(b *testing.B) {
	g := largeLoop(b, 1000)
	b.ReportAllocs()
	for b.Loop() {
		g.d.Next(b.Context(), g.rec, g.clock)
	}
}
