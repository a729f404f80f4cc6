// Package filter compiles the filter language of Dust's webhook triggers, so that filters which were written there run here:
//
//	(and (eq "action" "opened")
//	     (gt "pull_request.changed_files" 20)
//	     (not (has-any "pull_request.labels.*.name" ("wip" "draft"))))
//
// A filter is a condition over the payload and sees nothing else. A path in it begins inside the payload. Nothing in it is an error at
// run time: what is missing or of another kind makes a comparison false. What can never hold is told of when it is compiled.
//
// The language has 14 operators: and, or, not; eq, starts-with, contains, has, has-all, has-any, gt, gte, lt, lte, exists. Where Dust's own
// reader is defective (brackets inside of text, text that is never closed, text behind the end, unbounded depth), this one is not.
//
// [Compile] is called by one goroutine; its Program by any number.
package filter

import (
	"context"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/value"
)

// Compile makes a program of src, which is always a condition. What is wrong with it goes to out; the program is then nil.
func Compile(src language.Source, scope language.Scope, _ bool, out *diag.List) language.Program {
	report := language.NewReport(src, out)
	if !language.CheckSize(report) {
		return nil
	}
	r := reader{text: src.Text, report: report, scope: scope}
	root, ok := r.read()
	if !ok {
		return nil
	}
	c := compiler{report: report}
	test := c.test(root)
	if report.Failed() {
		return nil
	}
	return &program{root: test, paths: c.paths}
}

type program struct {
	root  test
	paths []*path // those of all comparisons in the order of the text, each once
}

var _ language.Program = (*program)(nil)

// Eval implements language.Program. It fails only where a budget is spent.
func (p *program) Eval(ctx context.Context, env *language.Env) (language.Result, error) {
	e := evaluation{payload: env.Payload, budget: value.NewBudget(ctx)}
	result := language.Result{Reads: p.reads(env.Payload)}
	if err := e.budget.Err(); err != nil {
		return result, err
	}
	yes := p.root.holds(&e)
	if err := e.budget.Err(); err != nil {
		return result, err
	}
	result.Value = yes
	return result, nil
}

// reads gives what each path finds, null where that is nothing.
func (p *program) reads(payload any) []language.Read {
	out := make([]language.Read, len(p.paths))
	for i, path := range p.paths {
		out[i] = language.Read{Operand: path.text, Value: path.shown(payload)}
	}
	return out
}
