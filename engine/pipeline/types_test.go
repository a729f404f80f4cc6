package pipeline_test

import (
	"context"
	"errors"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script"
)

// puppets are node types that do what their props say. They stand for what the types of the program ask of the fold, and no more:
//
//	make    gives a value, fails, or asks for a delivery
//	choose  takes [true] or [false]; pick takes one of the ways that its props name; both hand on what came in
//	loop    runs its body for each item
//	begin   is an entry of called runs; quits, await, gather, call, emit, count and answer are the other outcomes
func puppets() []node.Type {
	does := &field.Object{Name: "puppet", Fields: []field.Field{{Name: "does", Type: field.String, Required: true}}}
	puppetOf := func(p *field.Values, _ node.Env, _ *diag.List) node.Node { return puppet(p.String("does")) }
	return append(nodeTypes(),
		node.Type{Name: "make", Props: does, Build: puppetOf},
		node.Type{Name: "choose", Props: does, Build: puppetOf, Transparent: true, Handles: []string{"true", "false"}},
		node.Type{Name: "pick", Props: pickProps(), Transparent: true, Ways: pickWays, NoTimeout: "it takes no time", Build: func(p *field.Values, _ node.Env, _ *diag.List) node.Node {
			return node.Node(picker(p.String("take")))
		}},
		node.Type{Name: "loop", Props: loopProps(), Body: true, Build: buildLoop},
		node.Type{Name: "begin", Props: does, Entry: true, Build: func(p *field.Values, _ node.Env, _ *diag.List) node.Node { return beginner(p.String("does")) }},
		node.Type{Name: "nap", Props: napProps(), Build: func(p *field.Values, _ node.Env, _ *diag.List) node.Node { return napper(p.Duration("for")) }},
		node.Type{Name: "await", Props: does, Ways: func(*field.Values) ([]string, bool) { return []string{node.Timeout}, true }, Build: func(p *field.Values, _ node.Env, _ *diag.List) node.Node {
			return awaiter(p.String("does"))
		}},
		node.Type{Name: "act", Props: does, Build: func(p *field.Values, _ node.Env, _ *diag.List) node.Node { return actor(p.String("does")) }},
		node.Type{Name: "count", Props: does, Transparent: true, Build: func(p *field.Values, _ node.Env, _ *diag.List) node.Node { return actor("count") }},
		node.Type{Name: "answer", Props: does, Build: func(p *field.Values, _ node.Env, _ *diag.List) node.Node { return answerer(p.String("does")) }},
	)
}

type puppet string

func (p puppet) Do(ctx context.Context, in node.Input) (node.Outcome, error) {
	switch p {
	case "fail":
		return nil, errors.New("told to fail")
	case "hang":
		<-ctx.Done()
		return nil, ctx.Err()
	case "true", "false":
		return node.Branch{Handle: string(p)}, nil
	case "ask":
		return node.Deliver{Destination: "d", Gate: "d"}, nil
	}
	return node.Value{V: map[string]any{"saw": in.Message, "outputs": int64(len(in.Env.Outputs))}}, nil
}

func pickProps() *field.Object {
	return &field.Object{Name: "pick", Fields: []field.Field{{Name: "ways", Type: field.Strings, Required: true}, {Name: "take", Type: field.String}, {Name: "plain", Type: field.Bool}}}
}

func pickWays(p *field.Values) (handles []string, plain bool) {
	return p.Strings("ways"), p.Bool("plain")
}

type picker string

func (p picker) Do(context.Context, node.Input) (node.Outcome, error) {
	return node.Branch{Handle: string(p), Notes: node.Notes{Reads: []script.Read{{Operand: "payload.n", Value: int64(1)}}}}, nil
}

func loopProps() *field.Object {
	return &field.Object{Name: "loop", Fields: []field.Field{
		{Name: "items", Type: field.Expression, Required: true},
		{Name: "as", Type: field.String, Default: "item"},
		{Name: "index", Type: field.String, Default: "index"},
		{Name: "parallel", Type: field.Int, Default: "1"},
		{Name: "on_error", Type: field.Enum, Enum: []string{"fail", "continue"}, Default: "fail"},
		{Name: "nodes", Type: field.Any, Required: true},
		{Name: "connections", Type: field.Any},
	}}
}

type looper struct {
	items script.Program
	ask   node.Each
}

func buildLoop(p *field.Values, env node.Env, out *diag.List) node.Node {
	l := &looper{ask: node.Each{As: p.String("as"), Index: p.String("index"), Parallel: int(p.Int("parallel")), Continue: p.String("on_error") == "continue"}}
	if l.items = script.CompileValue(script.Default, script.FromNode(p.Node("items")), env.Scope, out); l.items == nil {
		return nil
	}
	return l
}

func (l *looper) Do(ctx context.Context, in node.Input) (node.Outcome, error) {
	res, err := l.items.Eval(ctx, in.Env)
	if err != nil {
		return node.Value{}, err
	}
	ask := l.ask
	ask.Reads = res.Reads
	ask.Items, _ = res.Value.([]any)
	return ask, nil
}

type beginner string

func (b beginner) Do(_ context.Context, in node.Input) (node.Outcome, error) {
	if b == "fail" {
		return nil, errors.New("told to fail")
	}
	return node.Value{V: map[string]any{"as": string(b), "given": in.Env.Payload}}, nil
}

func napProps() *field.Object {
	return &field.Object{Name: "nap", Fields: []field.Field{{Name: "for", Type: field.Duration, Required: true}}}
}

// napper waits for a time.
type napper time.Duration

func (n napper) Do(_ context.Context, in node.Input) (node.Outcome, error) {
	return node.Wait{Until: in.At.Add(time.Duration(n))}, nil
}

func (napper) HandsOn() bool { return true }

// awaiter waits an hour for an event of acme.
type awaiter string

var _ node.Awaiter = awaiter("")

func (a awaiter) Do(_ context.Context, in node.Input) (node.Outcome, error) {
	return node.Wait{Until: in.At.Add(time.Hour), For: &node.Await{Provider: "acme", Correlation: string(a)}}, nil
}

func (awaiter) Provider() string          { return "acme" }
func (awaiter) Matches(event string) bool { return event == "order.paid" }

func (awaiter) Match(_ context.Context, env *script.Env) (string, bool, error) {
	id, _ := payload.Encode(env.Payload)
	return string(id), true, nil
}

// actor asks for the other effects and gives the other outcomes.
type actor string

func (a actor) Do(_ context.Context, in node.Input) (node.Outcome, error) {
	switch a {
	case "gather":
		return node.Batch{Key: "k", Item: in.Message, Count: 2}, nil
	case "call":
		return node.Call{Pipeline: "other", Input: in.Message}, nil
	case "count":
		return node.Measure{Metric: &node.Metric{Name: "things_total", Kind: node.Counter}, Value: 1}, nil
	}
	return node.Emit{Event: string(a), Payload: in.Message}, nil
}

func (a actor) Emits() (string, bool) { return string(a), true }

// answerer answers the sender with a text; the longer it is the longer it may take.
type answerer string

func (a answerer) Do(context.Context, node.Input) (node.Outcome, error) {
	return node.Reply{Status: 201, Headers: map[string]string{"X-A": "b"}, Body: []byte(a)}, nil
}

func (a answerer) Responds() time.Duration { return time.Duration(len(a)) * time.Second }
