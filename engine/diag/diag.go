// Package diag is how Headgate complains about files: a [Finding] has a severity, a stable rule id, a place, a message and a
// hint, and a [List] collects all findings of a load, never only the first.
//
// Parser, decoder, compiler and linter all speak this one type; the printers (text with excerpt and caret, JSON, GitHub
// annotations) are here too. Program errors are not findings: they are errors of engine/fault or plain ones.
package diag

import (
	"fmt"
	"slices"
	"sort"

	"github.com/headgate/headgate/engine/source"
)

// Severity orders findings. Its zero value is invalid on purpose.
type Severity uint8

// The severities: an Error refuses the manifests, a Warning does so under --strict, a Hint never does.
const (
	Error Severity = iota + 1
	Warning
	Hint
)

// String gives "error", "warning" or "hint".
func (s Severity) String() string { return [...]string{"invalid", "error", "warning", "hint"}[s] }

// Rule is the stable id of one kind of finding, such as "unknown-key". All rules stand in rules.go.
type Rule string

// Finding is one complaint.
type Finding struct {
	Severity Severity
	Rule     Rule
	Span     source.Span
	// Message says what is wrong, without a final full stop.
	Message string
	// Hint says what to do, e.g. "did you mean `signature`?"; may be empty.
	Hint string
	// Related points to other places ("first defined here").
	Related []Related
}

// Related is another place that a finding speaks of.
type Related struct {
	Span    source.Span
	Message string
}

// String gives the one-line form: file:line:col: severity[rule]: message; hint.
func (f Finding) String() string {
	s := fmt.Sprintf("%s[%s]: %s", f.Severity, f.Rule, f.Message)
	if f.Hint != "" {
		s += "; " + f.Hint
	}
	if f.Span.IsZero() {
		return s
	}
	return f.Span.String() + ": " + s
}

// List collects findings. The zero List is empty and ready. It is not safe for concurrent use.
type List struct{ findings []Finding }

// Add appends findings.
func (l *List) Add(f ...Finding) { l.findings = append(l.findings, f...) }

// Errorf adds an error at span. The hint may be "".
func (l *List) Errorf(rule Rule, span source.Span, hint, format string, args ...any) {
	l.Add(Finding{Severity: Error, Rule: rule, Span: span, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

// Warnf adds a warning at span. The hint may be "".
func (l *List) Warnf(rule Rule, span source.Span, hint, format string, args ...any) {
	l.Add(Finding{Severity: Warning, Rule: rule, Span: span, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

// Merge adds all findings of other.
func (l *List) Merge(other *List) {
	if other != nil {
		l.findings = append(l.findings, other.findings...)
	}
}

// Len is the count of findings.
func (l *List) Len() int { return len(l.findings) }

// Count is the count of findings of one severity.
func (l *List) Count(s Severity) int {
	n := 0
	for _, f := range l.findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// HasErrors says whether any finding is an Error.
func (l *List) HasErrors() bool { return l.Count(Error) > 0 }

// Sorted gives the findings by file name, place, severity and rule, each once: what two documents have in common is found in both.
// The List keeps its own order, and all.
func (l *List) Sorted() []Finding {
	out := append([]Finding(nil), l.findings...)
	sort.SliceStable(out, func(i, j int) bool {
		a, b := out[i], out[j]
		an, bn := fileName(a), fileName(b)
		switch {
		case an != bn:
			return an < bn
		case a.Span.Start != b.Span.Start:
			return a.Span.Start.Before(b.Span.Start)
		case a.Severity != b.Severity:
			return a.Severity < b.Severity
		}
		return a.Rule < b.Rule
	})
	said := make(map[finding]bool, len(out))
	return slices.DeleteFunc(out, func(f Finding) bool {
		key := finding{f.Severity, f.Rule, f.Span, f.Message}
		again := said[key]
		said[key] = true
		return again
	})
}

// finding is what makes two findings the same.
type finding struct {
	severity Severity
	rule     Rule
	span     source.Span
	message  string
}

func fileName(f Finding) string {
	if f.Span.File == nil {
		return ""
	}
	return f.Span.File.Name
}

// Err gives nil where the list has no errors, else an *Error that holds the list.
func (l *List) Err() error {
	if !l.HasErrors() {
		return nil
	}
	return &FindingsError{List: l}
}

// FindingsError is a List as an error: manifests were refused.
type FindingsError struct{ List *List }

// Error gives the first error and the count of the others.
func (e *FindingsError) Error() string {
	var errors []Finding
	for _, f := range e.List.Sorted() {
		if f.Severity == Error {
			errors = append(errors, f)
		}
	}
	switch len(errors) {
	case 0:
		return "no findings"
	case 1:
		return errors[0].String()
	}
	return fmt.Sprintf("%s (and %d more)", errors[0], len(errors)-1)
}
