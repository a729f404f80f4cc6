package pipeline_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
)

func TestAChainRunsInOrderAndWaitsAtTheHook(t *testing.T) {
	t.Parallel()
	g := begin(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme, event: order.created}}
  - {label: Message, type: code, props: {code: '{"text": payload.name + "!"}'}}
  - {label: Tell, type: hook, props: {url: "http://127.0.0.1:9/x"}}
  - {label: After, type: code, props: {code: Tell.status}}
`, `{"name": "Ada"}`)
	g.wants("In=done, Message=done, Tell?: open")
	if got := show(g.effect("Tell").Message); got != `{"text":"Ada!"}` {
		t.Errorf("the hook is given %s", got)
	}
	g.answer("Tell", `{"status":200,"body":"ok"}`)
	g.wants("In=done, Message=done, Tell=done, After=done: done completed")
	if got := string(g.step("After").Output); got != "200" {
		t.Errorf("After gives %s, want the hook's status", got)
	}
}

func TestAnEffectIsAskedForAgainUntilItHasEnded(t *testing.T) {
	t.Parallel()
	g := begin(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: A, type: hook, props: {url: "http://127.0.0.1:9/a"}}
  - {label: B, type: hook, props: {url: "http://127.0.0.1:9/b"}}
connections: [In -> A, In -> B]
`, `{}`)
	for range 3 {
		g.fold()
		if got := asked(g.last); !slices.Equal(got, []string{"A", "B"}) {
			t.Fatalf("asked for is %v, want both", got)
		}
	}
	g.answer("B", `1`)
	g.wants("In=done, B=done, A?: open")
	g.answer("A", `1`)
	g.wants("In=done, B=done, A=done: done completed")
}

const branches = `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Is big, type: condition, props: {expression: payload.n > 20}}
  - {label: Big, type: hook, props: {url: "http://127.0.0.1:9/big"}}
  - {label: Small, type: hook, props: {url: "http://127.0.0.1:9/small"}}
  - {label: End, type: code, props: {code: '"over"'}}
connections:
  - In -> Is big
  - "Is big[true] -> Big -> End"
  - "Is big[false] -> Small -> End"
`

func TestABranchIsTakenAndTheOtherSkipped(t *testing.T) {
	t.Parallel()
	g := begin(t, branches, `{"n": 25}`)
	g.wants("In=done, Is big=done[true], Big?: open")
	g.answer("Big", `1`)
	g.wants("In=done, Is big=done[true], Big=done, End=done, Small=skipped: done completed")

	g = begin(t, branches, `{"n": 3}`)
	g.wants("In=done, Is big=done[false], Small?: open")
	g.answer("Small", `1`)
	g.wants("In=done, Is big=done[false], Small=done, End=done, Big=skipped: done completed")
}

func TestAConditionIsRecordedWithItsOperands(t *testing.T) {
	t.Parallel()
	g := begin(t, branches, `{"n": 25}`)
	reads := g.step("Is big").Reads
	if len(reads) != 1 || reads[0] != (run.Read{Operand: "payload.n", Value: "25"}) {
		t.Errorf("the condition read %+v, want payload.n = 25", reads)
	}
}

func TestALongOperandIsCutAtAWholeCharacter(t *testing.T) {
	t.Parallel()
	g := begin(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme, filter: payload.text != "x"}}
`, `{"text": "`+strings.Repeat("é", 2000)+`"}`)
	read := g.step("In").Reads[0]
	if !read.Cut || len(read.Value) > run.MaxReadBytes || !strings.HasSuffix(read.Value, "é") {
		t.Errorf("the operand is kept in %d bytes, cut: %t, ending in %q", len(read.Value), read.Cut, read.Value[len(read.Value)-4:])
	}
}

func TestAJoinWaitsForEveryTakenEdgeAndRunsOnce(t *testing.T) {
	t.Parallel()
	g := begin(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: A, type: hook, props: {url: "http://127.0.0.1:9/a"}}
  - {label: B, type: hook, props: {url: "http://127.0.0.1:9/b"}}
  - {label: Join, type: code, props: {code: '[A.status, B.status]'}}
  - {label: Send, type: hook, props: {url: "http://127.0.0.1:9/c"}}
connections: [In -> A -> Join, In -> B -> Join, A -> Send, B -> Send]
`, `{}`)
	g.answer("A", `{"status":201}`)
	g.wants("In=done, A=done, B?: open")
	g.answer("B", `{"status":202}`)
	g.wants("In=done, A=done, B=done, Join=done, Send?: open")
	if got := string(g.step("Join").Output); got != "[201,202]" {
		t.Errorf("the join gives %s, want [201,202]", got)
	}
	send := g.effect("Send")
	if got := show(send.Message); got != `{"A":{"status":201},"B":{"status":202}}` || send.Raw {
		t.Errorf("what two connections bring is %s (raw: %t), want a map of the outputs by label", got, send.Raw)
	}
}

func TestAJoinDoesNotWaitForABranchThatWasNotTaken(t *testing.T) {
	t.Parallel()
	g := begin(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Is big, type: condition, props: {expression: payload.n > 20}}
  - {label: Far, type: code, props: {code: '"far"'}}
  - {label: Farther, type: code, props: {code: '"farther"'}}
  - {label: Side, type: code, props: {code: '"side"'}}
  - {label: Join, type: hook, props: {url: "http://127.0.0.1:9/c"}}
connections:
  - In -> Is big
  - "Is big[true] -> Far -> Farther -> Join"
  - In -> Side -> Join
`, `{"n": 1}`)
	g.wants("In=done, Is big=done[false], Side=done, Join?: open")
	if got := show(g.effect("Join").Message); got != `"side"` {
		t.Errorf("the join is given %s, want the one output that came", got)
	}
	g.answer("Join", `1`)
	g.wants("In=done, Is big=done[false], Side=done, Join=done, Far=skipped, Farther=skipped: done completed")
}

func TestAFailureClosesItsBranchWhileOthersFinish(t *testing.T) {
	t.Parallel()
	g := begin(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Bad, type: code, props: {code: payload.nothing > 1}}
  - {label: After bad, type: hook, props: {url: "http://127.0.0.1:9/a"}}
  - {label: Good, type: hook, props: {url: "http://127.0.0.1:9/b"}}
  - {label: After good, type: code, props: {code: '1'}}
  - {label: Join, type: hook, props: {url: "http://127.0.0.1:9/c"}}
connections: [In -> Bad -> After bad -> Join, In -> Good -> After good -> Join]
`, `{}`)
	g.wants("In=done, Bad=failed, Good?: open")
	g.answer("Good", `1`)
	g.wants("In=done, Bad=failed, Good=done, After good=done, After bad=skipped, Join=skipped: parked expression")
	if !strings.HasPrefix(g.last.Message, "Bad: ") || !strings.Contains(g.last.Message, "payload.nothing") {
		t.Errorf("the run is parked because %q, want the node and the operand", g.last.Message)
	}
}

func TestTheRunParksWithTheFirstFailureOfTheDiagram(t *testing.T) {
	t.Parallel()
	text := `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: A, type: hook, props: {url: "http://127.0.0.1:9/a"}}
  - {label: B, type: hook, props: {url: "http://127.0.0.1:9/b"}}
connections: [In -> A, In -> B]
`
	for _, order := range [][]string{{"A", "B"}, {"B", "A"}} {
		g := begin(t, text, `{}`)
		for _, label := range order {
			g.fail(label, "spent_"+label)
		}
		if g.last.State != run.Parked || g.last.Reason != "spent_A" {
			t.Errorf("failing in the order %v: %s %s, want parked spent_A", order, g.last.State, g.last.Reason)
		}
	}
}

const caught = `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Bill, type: hook, props: {url: "http://127.0.0.1:9/a"}}
  - {label: Done, type: hook, props: {url: "http://127.0.0.1:9/b"}}
  - {label: Why, type: code, props: {code: '[Bill.error.kind, Bill.error.code, Bill.error.message]'}}
connections:
  - In -> Bill -> Done
  - "Bill[error] -> Why"
`

func TestACaughtFailureTakesTheErrorHandleAndIsSeen(t *testing.T) {
	t.Parallel()
	g := begin(t, caught, `{}`)
	g.fail("Bill", "retries_spent")
	g.wants("In=done, Bill=failed[error], Why=done, Done=skipped: done completed")
	if got, want := string(g.step("Why").Output), `["temporary","retries_spent","it did not work"]`; got != want {
		t.Errorf("behind [error] the failure is %s, want %s", got, want)
	}
}

func TestTheErrorHandleIsNotTakenByASuccess(t *testing.T) {
	t.Parallel()
	g := begin(t, caught, `{}`)
	g.answer("Bill", `1`)
	g.answer("Done", `1`)
	g.wants("In=done, Bill=done, Done=done, Why=skipped: done completed")
}

func TestAJoinOfANodeAndItsOwnFailureRunsEitherWay(t *testing.T) {
	t.Parallel()
	text := `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: A, type: hook, props: {url: "http://127.0.0.1:9/a"}}
  - {label: Always, type: code, props: {code: 'type(A.error)'}}
connections:
  - In -> A -> Always
  - "A[error] -> Always"
`
	g := begin(t, text, `{}`)
	g.answer("A", `{"status":200}`)
	g.wants("In=done, A=done, Always=done: done completed")
	g = begin(t, text, `{}`)
	g.fail("A", "retries_spent")
	g.wants("In=done, A=failed[error], Always=done: done completed")
	if got := string(g.step("Always").Output); got != `"map"` {
		t.Errorf("Always sees an error of type %s, want a map", got)
	}
}

func TestAnErrorHandleOfAPureNodeIsTaken(t *testing.T) {
	t.Parallel()
	g := begin(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Is big, type: condition, props: {expression: payload.n > 20}}
  - {label: Odd, type: code, props: {code: 'steps["Is big"].error.code'}}
connections:
  - In -> Is big
  - "Is big[error] -> Odd"
`, `{}`)
	g.wants("In=done, Is big=failed[error], Odd=done: done completed")
	if got := string(g.step("Odd").Output); got != `"expression"` {
		t.Errorf("the code of the failure is %s, want expression", got)
	}
}

func TestTheOriginalBytesReachAHookBehindConditions(t *testing.T) {
	t.Parallel()
	g := begin(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: One, type: condition, props: {expression: payload.n > 0}}
  - {label: Two, type: condition, props: {expression: payload.n > 1}}
  - {label: Send, type: hook, props: {url: "http://127.0.0.1:9/a"}}
  - {label: Code, type: code, props: {code: payload}}
  - {label: Send code, type: hook, props: {url: "http://127.0.0.1:9/b"}}
connections:
  - In -> One
  - "One[true] -> Two"
  - "Two[true] -> Send"
  - "Two[true] -> Code -> Send code"
`, `{"n": 2}`)
	if e := g.effect("Send"); !e.Raw || show(e.Message) != `{"n":2}` {
		t.Errorf("behind two conditions the hook is given %s (raw: %t), want the sender's own bytes", show(e.Message), e.Raw)
	}
	if e := g.effect("Send code"); e.Raw {
		t.Error("behind a code node the hook is given raw bytes")
	}
	g.answer("Send code", `1`) // from the record, not from memory
	if e := g.effect("Send"); !e.Raw {
		t.Error("folded again, the hook is not given raw bytes any more")
	}
}

func TestAConditionHandsOnWhatCameIntoIt(t *testing.T) {
	t.Parallel()
	g := begin(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Message, type: code, props: {code: '{"text": "hi"}'}}
  - {label: If, type: condition, props: {expression: Message.text == "hi"}}
  - {label: Send, type: hook, props: {url: "http://127.0.0.1:9/a"}}
connections:
  - In -> Message -> If
  - "If[true] -> Send"
`, `{}`)
	if e := g.effect("Send"); e.Raw || show(e.Message) != `{"text":"hi"}` {
		t.Errorf("behind the condition the hook is given %s (raw: %t)", show(e.Message), e.Raw)
	}
}

func TestTwoConnectionsFromOneNodeBringItsOutputOnce(t *testing.T) {
	t.Parallel()
	g := begin(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Send, type: hook, props: {url: "http://127.0.0.1:9/a"}}
connections:
  - {from: In, to: Send, label: order}
  - {from: In, to: Send, label: copy}
`, `{"n": 1}`)
	if e := g.effect("Send"); !e.Raw || show(e.Message) != `{"n":1}` {
		t.Errorf("the hook is given %s (raw: %t), want the sender's own bytes", show(e.Message), e.Raw)
	}
}

func TestAFilteredRunIsRecordedWithWhatItsFilterRead(t *testing.T) {
	t.Parallel()
	text := `
nodes:
  - {label: In, type: receive, props: {provider: acme, filter: payload.action == "opened"}}
  - {label: Send, type: hook, props: {url: "http://127.0.0.1:9/a"}}
`
	g := begin(t, text, `{"action": "closed"}`)
	g.wants("In=filtered, Send=skipped: done filtered")
	if reads := g.step("In").Reads; len(reads) != 1 || reads[0].Value != `"closed"` {
		t.Errorf("the filter read %+v, want closed", reads)
	}
	begin(t, text, `{"action": "opened"}`).wants("In=done, Send?: open")
}

func TestOutcomesTellFilteredFromCompleted(t *testing.T) {
	t.Parallel()
	rows := []struct{ name, text, body, want string }{
		{"a receive alone", "nodes: [{label: In, type: receive, props: {provider: acme}}]", `{}`, "done completed"},
		{"two receives alone", `
nodes:
  - {label: A, type: receive, props: {provider: acme, event: order.created}}
  - {label: B, type: receive, props: {provider: acme, event: order.paid}}
connections: []`, `{}`, "done completed"},
		{"a condition that leads nowhere", `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: If, type: condition, props: {expression: payload.n == 1}}
  - {label: Make, type: code, props: {code: '1'}}
connections: [In -> If, "If[true] -> Make"]`, `{"n": 2}`, "done filtered"},
		{"code that ran", `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Make, type: code, props: {code: '1'}}`, `{}`, "done completed"},
		{"a failure that was caught", `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Bad, type: code, props: {code: payload.x > 1}}
  - {label: If, type: condition, props: {expression: payload.n == 1}}
connections: [In -> Bad, "Bad[error] -> If"]`, `{}`, "done completed"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			g := begin(t, r.text, r.body)
			if got := string(g.last.State) + " " + string(g.last.Outcome); got != r.want {
				t.Errorf("got %s, want %s", got, r.want)
			}
		})
	}
}

func TestOnlyTheReceivesThatAnEventIsForRun(t *testing.T) {
	t.Parallel()
	d := compile(t, `
nodes:
  - {label: Created, type: receive, props: {provider: acme, event: order.created}}
  - {label: Any order, type: receive, props: {provider: acme, event: "order.*", filter: payload.n > 1}}
  - {label: Ping, type: receive, props: {provider: other, event: ping}}
  - {label: A, type: code, props: {code: '"a"'}}
  - {label: B, type: code, props: {code: '"b"'}}
connections: [Created -> A, Any order -> B, Ping -> B]
`)
	play(t, d, "order.created", `{"n": 2}`).wants("Created=done, Any order=done, A=done, B=done, Ping=skipped: done completed")
	play(t, d, "order.created", `{"n": 1}`).wants("Created=done, Any order=filtered, A=done, Ping=skipped, B=skipped: done completed")
	play(t, d, "order.paid", `{"n": 1}`).wants("Any order=filtered, Created=skipped, Ping=skipped, A=skipped, B=skipped: done filtered")
	for name, want := range map[string]bool{"order.created": true, "order.x": true, "ping": false} {
		if got := d.Starts("acme", name); got != want {
			t.Errorf("acme %s starts the pipeline: %t, want %t", name, got, want)
		}
	}
	if !d.Starts("other", "ping") || d.Starts("nobody", "ping") {
		t.Error("the provider does not count")
	}
}

func TestAReceiveWhoseFilterFailedIsDoneAnewByARetry(t *testing.T) {
	t.Parallel()
	g := begin(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme, filter: payload.n > 1}}
  - {label: Make, type: code, props: {code: '1'}}
`, `{}`)
	g.wants("In=failed, Make=skipped: parked expression")
	// What a retry does: failed and skipped steps go. Nothing of the event may be lost with them.
	g.rec.Steps, g.rec.Run.Round = nil, 1
	g.fold()
	g.wants("In=failed, Make=skipped: parked expression")
	if round := g.step("In").Round; round != 1 {
		t.Errorf("the step is of round %d, want 1", round)
	}
}

func TestARunThatNothingIsKnownOfBeginsAtTheReceives(t *testing.T) {
	t.Parallel()
	g := begin(t, branches, `{"n": 25}`)
	g.rec.Steps = nil // parked while it was routed, then retried
	g.fold()
	g.wants("In=done, Is big=done[true], Big?: open")
}

func TestVarsAreRenderedOverTheEvent(t *testing.T) {
	t.Parallel()
	g := begin(t, `
vars:
  limit: 100
  who: "{{ payload.name }} of {{ event.provider }}"
  tags: ["{{ payload.n }}", fixed]
nodes:
  - {label: In, type: receive, props: {provider: acme, filter: vars.limit == 100}}
  - {label: Out, type: code, props: {code: vars}}
`, `{"name": "Ada", "n": 3}`)
	if got, want := string(g.step("Out").Output), `{"limit":100,"tags":[3,"fixed"],"who":"Ada of acme"}`; got != want {
		t.Errorf("vars are %s, want %s", got, want)
	}
}

func TestAVarThatCannotBeRenderedFailsWhoReadsIt(t *testing.T) {
	t.Parallel()
	g := begin(t, `
vars: {sum: "{{ payload.a + payload.b }}"}
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Reads, type: code, props: {code: vars.sum + 1}}
  - {label: Reads not, type: code, props: {code: '1'}}
connections: [In -> Reads, In -> Reads not]
`, `{"a": 1}`)
	g.wants("In=done, Reads=failed, Reads not=done: parked expression")
}

func TestConnectionLabelsNameWhatCameOverThem(t *testing.T) {
	t.Parallel()
	g := begin(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: If, type: condition, props: {expression: payload.n > 1}}
  - {label: Long name of it, type: code, props: {code: '{"a": 1}'}}
  - {label: Out, type: code, props: {code: '[it, whole, no]'}}
connections:
  - In -> Long name of it
  - In -> If
  - {from: Long name of it, to: Out, label: it}
  - {from: "If[true]", to: Out, label: whole}
  - {from: "If[false]", to: Out, label: no}
`, `{"n": 2}`)
	if got, want := string(g.step("Out").Output), `[{"a":1},{"n":2},null]`; got != want {
		t.Errorf("the labels name %s, want %s", got, want)
	}
}

func TestTheNamesOfAnExpressionAreThoseOfTheRecord(t *testing.T) {
	t.Parallel()
	g := begin(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - label: Out
    type: code
    props:
      code: >-
        [event.id, event.name, event.provider, event.delivery, event.received, headers["x-event"], query.a, query.b, run.pipeline, run.revision,
        run.cause, run.round, now.Format("2006-01-02T15:04:05Z07:00"), payload.n]
`, `{"n": 9007199254740993}`)
	want := `["` + event.NewID(received, 1).String() + `","order.created","acme","d-1","2026-03-04T05:06:07Z","order.created","1",["2","3"],"flow","r1","live",0,` +
		`"2026-03-04T05:06:07Z",9007199254740993]`
	if got := string(g.step("Out").Output); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestNowIsFrozenWithTheRun(t *testing.T) {
	t.Parallel()
	g := begin(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Wait, type: hook, props: {url: "http://127.0.0.1:9/a"}}
  - {label: Out, type: code, props: {code: 'now.Unix()'}}
`, `{}`)
	g.now = g.now.AddDate(0, 0, 3)
	g.answer("Wait", `1`)
	if got := string(g.step("Out").Output); got != "1772600767" {
		t.Errorf("three days later now is %s, want the instant of the event, 1772600767", got)
	}
}

func TestAnOutputThatIsTooLargeFailsTheStep(t *testing.T) {
	t.Parallel()
	text := `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Out, type: code, props: {code: '[payload.text, payload.text]'}}
`
	g := begin(t, text, `{"text": "`+strings.Repeat("x", run.MaxOutputBytes*6/10)+`"}`)
	step := g.step("Out")
	if step.State != run.StepFailed || g.last.State != run.Parked || len(step.Output) > 0 {
		t.Fatalf("the step is %s with %d bytes, the run %s; want failed and parked", step.State, len(step.Output), g.last.State)
	}
	if code := step.Failure.Code; code != pipeline.CodeOutput && code != "too_large" {
		t.Errorf("the failure's code is %s, want that of an output that is too large", code)
	}
	g = begin(t, text, `{"text": "`+strings.Repeat("x", run.MaxOutputBytes*4/10)+`"}`)
	if g.last.State != run.Done {
		t.Errorf("a run with a large output is %s, want done", g.last.State)
	}
}

func TestAFailureCarriesTheCodeOfItsLanguage(t *testing.T) {
	t.Parallel()
	g := begin(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Loop, type: code, props: {code: 'sum(1..400, sum(1..400, # * 1))'}}
`, `{}`)
	if got := g.step("Loop").Failure.Code; got != "too_expensive" {
		t.Errorf("a loop without end fails with %s, want too_expensive", got)
	}
}

func TestAStatedBodyIsRenderedWithTheRun(t *testing.T) {
	t.Parallel()
	g := begin(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Send, type: hook, props: {url: "http://127.0.0.1:9/a", body: {id: "{{ payload.id }}", text: "a {{ payload.id }}"}}}
  - {label: Bad, type: hook, props: {url: "http://127.0.0.1:9/a", body: {id: "{{ payload.id + payload.missing }}"}}}
connections: [In -> Send, In -> Bad]
`, `{"id": 9007199254740993}`)
	e, _ := g.effect("Send").Ask.(node.Deliver)
	if got := show(e.Body); !e.HasBody || got != `{"id":9007199254740993,"text":"a 9007199254740993"}` {
		t.Errorf("the body is %s", got)
	}
	if s := g.step("Bad"); s.State != run.StepFailed || s.Failure.Code != "expression" {
		t.Errorf("a body that cannot be rendered ends the step as %s: %+v", s.State, s.Failure)
	}
	if e.Destination != "flow/Send" || e.Gate != "flow/Send" {
		t.Errorf("an inline hook delivers to %q by gate %q", e.Destination, e.Gate)
	}
}

func TestDecodeGivesWhateverABodyIs(t *testing.T) {
	t.Parallel()
	rows := []struct{ contentType, body, want string }{
		{"application/json", `{"a":1}`, `{"a":1}`},
		{"application/json", `{"a":`, `"{\"a\":"`},
		{"application/x-www-form-urlencoded", `a=1&b=2&b=3`, `{"a":"1","b":["2","3"]}`},
		{"text/plain", `hello`, `"hello"`},
		{"", `{"a":1}`, `{"a":1}`},
		{"application/octet-stream", "\xff\x00", `{"base64":"/wA=","bytes":2}`},
		{"application/json", "\xff", `{"base64":"/w==","bytes":1}`},
		{"text/plain", "caf\xe9", `{"base64":"Y2Fm6Q==","bytes":4}`},
	}
	for _, r := range rows {
		if got := show(pipeline.Decode(&event.Event{ContentType: r.contentType, Body: []byte(r.body)})); got != r.want {
			t.Errorf("%s %s is decoded as %s, want %s", r.contentType, r.body, got, r.want)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	g := begin(b, branches, `{"n": 25}`)
	begun := g.rec.Steps
	b.Run("of a new run", func(b *testing.B) {
		g.rec.Steps = nil
		b.ReportAllocs()
		for b.Loop() {
			g.d.Next(b.Context(), g.rec, g.clock)
		}
	})
	b.Run("of a run that waits for a hook", func(b *testing.B) {
		g.rec.Steps = begun
		b.ReportAllocs()
		for b.Loop() {
			g.d.Next(b.Context(), g.rec, g.clock)
		}
	})
}
