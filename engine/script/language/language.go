// Package language is what all expression languages have in common: the text they compile and its place in a manifest, the names
// in scope and the values behind them, and what a program gives back.
//
// It knows no language; engine/script lists them. The names are the same in every language and in templates:
//
//	payload          the body of the event, decoded
//	headers          the stored headers, names in lower case
//	query            the query string; a name that occurs more than once has a list
//	event            the event: name, id, provider, delivery, received, source, headers, query, payload, raw (the body as it came)
//	vars             the pipeline's own values
//	run              the run: id, pipeline, revision, cause, round, and input where it was called or started by hand
//	now              the run's frozen time
//	steps["Label"]   the output of an earlier step
//	Label            the same, where the label is a name and none of the above, nor a word of the languages
//
// What is not there is null, at any depth: payload.pull_request.draft of an event without pull_request is null. Null equals null
// only; ordering it, or calculating with it, is an error that names the operand; it holds nothing (`in`) and matches nothing
// (`contains`, `startsWith`, `endsWith`, `matches`).
//
// A Scope and a Source belong to compilation, which is done by one goroutine. Programs may be run by many at once.
package language

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/headgate/headgate/engine/script/value"
)

// Scope is what an expression may name beside the names that are always there.
type Scope struct {
	// Labels are the labels of the pipeline's nodes.
	Labels []string
	// Shared keeps what compiling many expressions has in common, so that it is made once a load; nil makes it each time.
	Shared *Shared
	// Lenient makes an unknown name null, with a warning, and True, False and None constants: documents that were written for another
	// house name what is only there at run time, or never.
	Lenient bool
	// Machines hold the isolated languages; nil makes them with Shared, which is for tests and short commands.
	Machines *Machines
}

// Env holds the values behind the names for one evaluation. They are plain values (see engine/script/value), shared by all that run
// at the time: nobody changes them.
type Env struct {
	Event   map[string]any
	Payload any
	// Body is the event's body as it was received, for event.raw; nil makes that null.
	Body    []byte
	Headers map[string]any // names in lower case
	Query   map[string]any
	Vars    map[string]any
	Run     map[string]any
	Now     time.Time
	// Outputs are the outputs of earlier steps by label.
	Outputs map[string]any
}

// Read is an operand that an expression names, as it is written, and the value that it had: a plain one, shared and not to be
// changed.
type Read struct {
	Operand string
	Value   any
}

// Result is what a program gave: a plain JSON value (no times, whole numbers as int64), and the operands that it names in the order
// of the text, each once, whether the evaluation came to them or not.
type Result struct {
	Value any
	Reads []Read
	// Log is what code printed.
	Log []string
}

// Program is a compiled expression. It may be run by many goroutines at once, keeps nothing of an evaluation, and holds the limits
// of engine/script/value whatever the context says. The error is a *value.Error; the Result then holds the reads only.
type Program interface {
	Eval(ctx context.Context, env *Env) (Result, error)
}

// Names lists the names that are always in scope.
func Names() []string {
	return []string{"event", "payload", "headers", "query", "vars", "run", "now", "steps"}
}

// EventFields lists what `event` holds.
func EventFields() []string {
	return []string{"name", "id", "provider", "delivery", "received", "source", "headers", "query", "payload", "raw"}
}

// IsName says whether a name is always in scope.
func IsName(name string) bool {
	switch name {
	case "event", "payload", "headers", "query", "vars", "run", "now", "steps":
		return true
	}
	return false
}

// IsWord says whether a name has a meaning of its own in one of the languages, functions aside. No label takes its place in any.
func IsWord(name string) bool {
	switch name {
	case // expr
		"and", "contains", "else", "endsWith", "false", "if", "in", "let", "matches", "nil", "not", "null", "or", "startsWith", "true",
		"all", "any", "count", "filter", "find", "findIndex", "findLast", "findLastIndex", "groupBy", "map", "none", "one", "reduce",
		"sortBy", "sum",
		// CEL
		"as", "bool", "break", "bytes", "const", "continue", "double", "dyn", "exists", "exists_one", "existsOne", "for", "function",
		"has", "import", "list", "loop", "namespace", "null_type", "package", "return", "size", "timestamp", "uint", "var", "void",
		"while",
		// JavaScript
		"arguments", "async", "await", "case", "catch", "class", "debugger", "default", "delete", "do", "enum", "eval", "export", "extends",
		"finally", "Infinity", "instanceof", "interface", "NaN", "new", "of", "private", "protected", "public", "static", "super", "switch",
		"this", "throw", "try", "typeof", "undefined", "with", "yield",
		// Starlark and Python
		"assert", "def", "del", "elif", "except", "False", "from", "global", "is", "lambda", "None", "nonlocal", "pass", "print", "raise",
		"True",
		// what people bring from elsewhere
		"env":
		return true
	}
	return false
}

// IsLabel says whether a name is that of a label which can be written as a name.
func (s Scope) IsLabel(name string) bool {
	if !slices.Contains(s.Labels, name) || IsName(name) || IsWord(name) || !isIdentifier(name) {
		return false
	}
	_, isFunction := value.FunctionByName(name)
	return !isFunction
}

// Identifiers gives the labels of the scope that can be written as names.
func (s Scope) Identifiers() []string {
	var out []string
	for _, l := range s.Labels {
		if s.IsLabel(l) && !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	return out
}

// isIdentifier says whether s is a name in all languages: ASCII letters, digits and _, not beginning with a digit.
func isIdentifier(s string) bool {
	for i, r := range s {
		if r > unicode.MaxASCII || r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	return s != "" && !strings.HasPrefix(s, "__")
}
