// Package script compiles and evaluates the expressions of manifests: conditions, values, {{ templates }} and trees of them.
//
// It is not the {source|function} language of signatures, which names bytes that nobody has verified yet. It performs nothing: an
// expression sees an [Env] and gives a value, under limits that hold whatever a payload says (engine/script/value has them), with no
// file, network, environment, clock or chance in reach. What names mean, and what is missing, is the same in all languages and
// stands in engine/script/language.
//
// Everything compiles at load, with findings at their place in the manifest's own line; what does not compile is nil. Compiling is
// done by one goroutine; a [Program], [Template] or [Tree] may be evaluated by any number.
package script

import (
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/cel"
	"github.com/headgate/headgate/engine/script/expr"
	"github.com/headgate/headgate/engine/script/filter"
	"github.com/headgate/headgate/engine/script/javascript"
	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/starlark"
	"github.com/headgate/headgate/engine/script/value"
	"github.com/headgate/headgate/engine/source"
)

// The vocabulary that all languages share.
type (
	// Source is the text of an expression or template and where it stands.
	Source = language.Source
	// Scope is what an expression may name beside the names that are always there.
	Scope = language.Scope
	// Shared keeps what compiling many expressions has in common.
	Shared = language.Shared
	// Machines hold the isolated languages for the life of a process.
	Machines = language.Machines
	// MachineOptions are what Machines may use.
	MachineOptions = language.MachineOptions
	// Env holds the values behind the names for one evaluation.
	Env = language.Env
	// Read is an operand and the value that it had.
	Read = language.Read
	// Result is what a program gave.
	Result = language.Result
	// Program is a compiled expression.
	Program = language.Program
	// Error is the failure of an evaluation.
	Error = value.Error
	// Code says why an evaluation failed.
	Code = value.Code
)

// The codes of an Error.
const (
	Expression   = value.Expression
	TooExpensive = value.TooExpensive
	TooLarge     = value.TooLarge
	NotBoolean   = value.NotBoolean
	Cancelled    = value.Cancelled
)

// FromNode makes a Source of a manifest's scalar.
func FromNode(n *source.Node) Source { return language.FromNode(n) }

// NewShared makes what a Scope may share between the expressions of one load.
func NewShared() *Shared { return language.NewShared() }

// NewMachines makes the machines of isolated languages, which whoever makes them closes; nothing is started before a program needs it.
func NewMachines(o MachineOptions) *Machines { return language.NewMachines(o) }

// Language is one expression language.
type Language struct {
	// Name is what a manifest says in `language:`.
	Name string
	Doc  string
	// Filters, Conditions and Code say where it may be used: as the filter of a receive, which is evaluated for every event of its
	// provider, in conditions, and for values.
	Filters, Conditions, Code bool
	compile                   func(src Source, scope Scope, condition bool, out *diag.List) Program
}

// Default is the language where a manifest names none, and that of templates.
const Default = "expr"

// Languages lists all languages, the default first.
func Languages() []Language {
	return []Language{
		{Name: Default, Doc: "expr-lang.org: short, with loops such as any(payload.labels, .name == \"bug\")", Filters: true, Conditions: true, Code: true, compile: expr.Compile},
		{Name: "cel", Doc: "the Common Expression Language, cel.dev, as Kubernetes has it", Filters: true, Conditions: true, Code: true, compile: cel.Compile},
		{Name: "filter", Doc: "the filter language of Dust's triggers: (and (eq \"action\" \"opened\") (gt \"n\" 20))", Filters: true, Conditions: true, compile: filter.Compile},
		{Name: "starlark", Doc: "Starlark, the language of Bazel: Python's syntax, for code of several lines", Conditions: true, Code: true, compile: starlark.Compile},
		{Name: "javascript", Doc: "JavaScript (ES2023), for code of several lines", Conditions: true, Code: true, compile: javascript.Compile},
		{Name: "python", Doc: "the small part of Python that DiPeO's code nodes use", Conditions: true, Code: true, compile: starlark.CompilePython},
		{Name: "text", Doc: "a {{ template }} text, which gives a string", Code: true, compile: compileText},
	}
}

// FilterLanguages lists the names of the languages of filters.
func FilterLanguages() []string { return names(func(l Language) bool { return l.Filters }) }

// ConditionLanguages lists the names of the languages of conditions.
func ConditionLanguages() []string { return names(func(l Language) bool { return l.Conditions }) }

// CodeLanguages lists the names of the languages of code.
func CodeLanguages() []string { return names(func(l Language) bool { return l.Code }) }

func names(usable func(Language) bool) []string {
	var out []string
	for _, l := range Languages() {
		if usable(l) {
			out = append(out, l.Name)
		}
	}
	return out
}

// CompileCondition compiles an expression that must give true or false; an empty name means the default language. A text that can
// give nothing else is a finding, a value that is something else an Error with the code NotBoolean. It gives nil where there are
// findings.
func CompileCondition(lang string, src Source, scope Scope, out *diag.List) Program {
	return compile(lang, src, scope, true, out)
}

// CompileValue compiles an expression that may give any value; an empty name means the default language. It gives nil where there
// are findings.
func CompileValue(lang string, src Source, scope Scope, out *diag.List) Program {
	return compile(lang, src, scope, false, out)
}

func compile(lang string, src Source, scope Scope, condition bool, out *diag.List) Program {
	if lang == "" {
		lang = Default
	}
	usable := CodeLanguages()
	if condition {
		usable = ConditionLanguages()
	}
	for _, l := range Languages() {
		if l.Name == lang && (condition && l.Conditions || !condition && l.Code) {
			return l.compile(src, scope, condition, out)
		}
	}
	hint := diag.DidYouMean(lang, usable)
	if hint == "" {
		hint = "the languages are " + strings.Join(usable, ", ")
	}
	out.Errorf(diag.BadValue, src.Span(0, len(src.Text)), hint, "there is no language %q here", lang)
	return nil
}
