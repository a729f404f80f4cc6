package wait

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/script/value"
)

// maxCorrelation bounds what events are matched by.
const maxCorrelation = 1024

// event waits for an event.
type event struct {
	events      node.Events
	filter      script.Program   // nil: any
	match       script.Program   // nil: any
	correlation *script.Template // there where match is
	timeout     time.Duration
}

var _ node.Awaiter = (*event)(nil)

func buildEvent(p *field.Values, env node.Env, out *diag.List) node.Node {
	n := &event{events: node.CompileEvents(p, env, out), timeout: p.Duration("timeout")}
	if p.String("provider") == node.AnyProvider {
		out.Errorf(diag.BadValue, p.Span("provider"), "name one provider; several waits may lead to the same node", "a wait looks at the events of one provider")
	}
	if !p.Has("provider") && p.Good("provider") {
		out.Errorf(diag.MissingKey, env.Span, "for example `provider: acme`", "the key `%s` is missing: wait %q waits for an event of nobody", p.Path("provider"), env.Label)
	}
	if !p.Has("timeout") && p.Good("timeout") {
		out.Errorf(diag.MissingKey, p.Span("timeout"), "for example `timeout: 1h`", "the key `%s` is missing: wait %q would wait for ever", p.Path("timeout"), env.Label)
	}
	for _, pair := range [][2]string{{"match", "correlation"}, {"correlation", "match"}} {
		if p.Has(pair[0]) && !p.Has(pair[1]) && p.Good(pair[1]) {
			out.Errorf(diag.MissingKey, p.KeySpan(pair[0]), "write what of the run must equal what of the event, such as `match: payload.id` and `correlation: \"{{ payload.id }}\"`",
				"`%s` says nothing without `%s`", p.Path(pair[0]), pair[1])
		}
	}
	alone := env.Scope // the event that comes is no part of this run
	alone.Labels = nil
	if p.Has("filter") && p.Good("filter") && p.Good("language") {
		n.filter = compile(p.Path("filter"), env.Scope.Labels, out, func(found *diag.List) script.Program {
			return script.CompileCondition(p.String("language"), script.FromNode(p.Node("filter")), alone, found)
		})
	}
	if p.Has("match") && p.Good("match") {
		n.match = compile(p.Path("match"), env.Scope.Labels, out, func(found *diag.List) script.Program {
			return script.CompileValue(script.Default, script.FromNode(p.Node("match")), alone, found)
		})
	}
	if p.Has("correlation") && p.Good("correlation") {
		n.correlation = script.CompileTemplate(script.FromNode(p.Node("correlation")), env.Scope, out)
	}
	return n
}

// compile says of labels that they cannot be seen by an expression over the event that comes.
func compile(path string, labels []string, out *diag.List, do func(found *diag.List) script.Program) script.Program {
	var found diag.List
	prog := do(&found)
	for _, f := range found.Sorted() {
		isLabel := func(label string) bool { return strings.HasSuffix(strings.TrimRight(f.Message, "\"'`"), label) }
		if f.Rule == diag.UnknownName && slices.ContainsFunc(labels, isLabel) {
			f.Hint = fmt.Sprintf("`%s` sees the event that comes, and no outputs; what the run knows goes into `correlation`", path)
		}
		out.Add(f)
	}
	return prog
}

// Provider implements node.Awaiter.
func (n *event) Provider() string { return n.events.Provider }

// Matches implements node.Awaiter.
func (n *event) Matches(name string) bool { return n.events.Matches(name) }

// OnlyEvent gives the name of the events that the node looks at where it is one alone.
func (n *event) OnlyEvent() (name string, ok bool) { return n.events.Only() }

// Match implements node.Awaiter. An event whose own value is null or empty matches nothing.
func (n *event) Match(ctx context.Context, env *script.Env) (correlation string, ok bool, err error) {
	if n.filter != nil {
		res, err := n.filter.Eval(ctx, env)
		if err != nil {
			return "", false, fmt.Errorf("evaluating the filter: %w", err)
		}
		if pass, _ := res.Value.(bool); !pass {
			return "", false, nil
		}
	}
	if n.match == nil {
		return "", true, nil
	}
	res, err := n.match.Eval(ctx, env)
	if err != nil {
		return "", false, fmt.Errorf("evaluating the match: %w", err)
	}
	text, err := textOf(ctx, res.Value)
	if err != nil {
		return "", false, fmt.Errorf("evaluating the match: %w", err)
	}
	return text, text != "" && len(text) <= maxCorrelation, nil
}

// Do asks for the wait.
func (n *event) Do(ctx context.Context, in node.Input) (node.Outcome, error) {
	out := node.Wait{Until: in.At.Add(n.timeout), For: &node.Await{Provider: n.events.Provider}}
	if n.correlation == nil {
		return out, nil
	}
	v, err := n.correlation.Render(ctx, in.Env)
	if err != nil {
		return nil, fmt.Errorf("rendering the correlation: %w", err)
	}
	text, err := textOf(ctx, v)
	switch {
	case err != nil:
		return nil, fmt.Errorf("rendering the correlation: %w", err)
	case text == "": // it would match whatever lacks the value, too
		return nil, fmt.Errorf("rendering the correlation: %w", &script.Error{Code: CodeNoCorrelation, Message: "it is null or empty"})
	case len(text) > maxCorrelation:
		return nil, fmt.Errorf("rendering the correlation: %w", &script.Error{
			Code: CodeNoCorrelation, Message: fmt.Sprintf("it has more than %d bytes", maxCorrelation),
		})
	}
	out.For.Correlation = text
	return out, nil
}

// textOf gives the text that values are compared by: strings as they are, null as nothing, all else as JSON.
func textOf(ctx context.Context, v any) (string, error) {
	budget := value.NewBudget(ctx)
	return budget.Text(v)
}
