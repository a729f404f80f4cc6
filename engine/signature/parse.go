package signature

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/source"
)

// Limits of one template: far above what any known scheme needs, and low enough that no manifest can make a request expensive.
const (
	maxTemplateBytes = 4096
	maxPlaceholders  = 32
	maxAlternatives  = 8
)

// Parse compiles the template that a scalar holds, for a place and with what it may name there; a nil scope is the request alone.
// Where it has findings the result is nil. The values of variables are compiled in, and never printed.
func Parse(n *source.Node, place Place, scope *Scope, out *diag.List) *Template {
	p := newParser(n, place, scope, out)
	if n.Value != nil && n.Value.HasRef() {
		p.fail(0, len(p.text), diag.BadTemplate, "name it under `vars`, and write {var:name} here",
			"a reference cannot stand in a template")
		return nil
	}
	if len(p.text) > maxTemplateBytes {
		p.fail(0, 1, diag.BadTemplate, "", "a template is at most %d bytes long", maxTemplateBytes)
		return nil
	}
	t := &Template{text: p.text, parts: p.sequence(false)}
	if !p.failed {
		p.checkPairs(t)
	}
	if p.failed {
		return nil
	}
	t.once = t.costly() && !t.Uses("secret")
	return t
}

// Short compiles the short form of a template, such as `header: X-Event`, which says as much as "{header:X-Event}".
func Short(name string, arg *source.Node, place Place, scope *Scope, out *diag.List) *Template {
	p := newParser(arg, place, scope, out)
	ph := p.bind(name, p.text, 0, len(p.text))
	if p.failed {
		return nil
	}
	text := "{" + name + ":" + p.text + "}"
	return &Template{text: text, parts: []part{{place: ph}}}
}

// ParsePart compiles a bare source without braces, such as header:X-Signature. One that ends in "?" is [Template.Optional].
func ParsePart(n *source.Node, scope *Scope, out *diag.List) *Template {
	return bare(n, Part, scope, out)
}

// bare compiles one source without braces.
func bare(n *source.Node, place Place, scope *Scope, out *diag.List) *Template {
	p := newParser(n, place, scope, out)
	if strings.HasPrefix(p.text, "{") {
		p.fail(0, len(p.text), diag.BadTemplate, "write it without braces: "+strings.Trim(p.text, "{}"), "a single source is wanted here")
		return nil
	}
	ph := p.placeholder(len(p.text))
	switch {
	case p.failed:
		return nil
	case len(ph.alternatives) != 1 || len(ph.alternatives[0].apply) > 0:
		p.fail(0, len(p.text), diag.BadTemplate, "write one source, such as header:X-Name", "neither `??` nor `|` can stand here")
	case ph.alternatives[0].optional && place != Part:
		p.fail(0, len(p.text), diag.BadTemplate, "", "`?` cannot stand here")
	}
	if p.failed {
		return nil
	}
	return &Template{text: p.text, parts: []part{{place: ph}}}
}

// parser reads one template from left to right.
type parser struct {
	node   *source.Node
	text   string
	at     int
	place  Place
	scope  *Scope
	out    *diag.List
	failed bool
	placed int
}

func newParser(n *source.Node, place Place, scope *Scope, out *diag.List) *parser {
	if scope == nil {
		scope = &Scope{}
	}
	text := n.Text
	if n.Value != nil && !n.Value.HasRef() {
		text = n.Value.Reveal() // \<< has become <<
	}
	return &parser{node: n, text: text, place: place, scope: scope, out: out}
}

// fail adds an error at text[from:to].
func (p *parser) fail(from, to int, rule diag.Rule, hint, format string, args ...any) {
	p.failed = true
	p.out.Errorf(rule, source.Span{File: p.node.Span.File, Start: p.node.TextPos(from), End: p.node.TextPos(to)}, hint, format, args...)
}

// sequence reads parts up to the end, or inside a group up to its "]".
func (p *parser) sequence(inGroup bool) []part {
	var parts []part
	var lit []byte
	flush := func() {
		if len(lit) > 0 {
			parts = append(parts, part{literal: lit})
			lit = nil
		}
	}
	for p.at < len(p.text) {
		c := p.text[p.at]
		switch {
		case c == '\\':
			lit = append(lit, p.escape()...)
		case c == '{' && p.at+1 < len(p.text) && isLower(p.text[p.at+1]):
			flush()
			if ph := p.braces(); ph != nil {
				parts = append(parts, part{place: ph})
			}
		case c == '{' && p.almost() != "":
			name := p.almost()
			p.fail(p.at, p.at+1, diag.BadTemplate, fmt.Sprintf(`write {%s}, or \{ for a literal brace; {{ }} are the expressions of pipelines`, name),
				"this brace begins no placeholder, for no letter follows it")
			for p.at < len(p.text) && p.text[p.at] == '{' {
				p.at++
			}
		case c == '[' && inGroup:
			p.fail(p.at, p.at+1, diag.BadTemplate, `write \[ for a literal bracket`, "groups do not nest")
			p.at++
		case c == '[':
			flush()
			start := p.at
			p.at++
			failed := p.failed
			p.failed = false
			group := p.sequence(true)
			broken := p.failed // the placeholder, for one
			p.failed = p.failed || failed
			if p.at >= len(p.text) || p.text[p.at] != ']' {
				p.fail(start, start+1, diag.BadTemplate, `close it with ], or write \[ for a literal bracket`, "the group that begins here does not end")
				return parts
			}
			p.at++
			if !broken && !slices.ContainsFunc(group, func(q part) bool { return q.place != nil }) {
				p.fail(start, p.at, diag.BadTemplate, `write \[ for a literal bracket`, "a group without a placeholder can never be dropped")
			}
			parts = append(parts, part{group: group})
		case c == ']' && inGroup:
			flush()
			return parts
		default:
			lit = append(lit, c)
			p.at++
		}
	}
	flush()
	return parts
}

// almost gives the source that somebody meant who wrote {{body}} or { body }; "" where a brace is but a brace, as in JSON.
func (p *parser) almost() string {
	rest := strings.TrimLeft(strings.TrimPrefix(p.text[p.at+1:], "{"), " \t")
	if len(rest) == len(p.text)-p.at-1 {
		return ""
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return r < 'a' || r > 'z' })
	if end <= 0 || !strings.ContainsRune(":|?} ", rune(rest[end])) {
		return ""
	}
	if !slices.ContainsFunc(sources(), func(s sourceType) bool { return s.name == rest[:end] }) {
		return ""
	}
	return rest[:end]
}

// escape reads a backslash and what it protects.
func (p *parser) escape() []byte {
	start := p.at
	p.at++
	if p.at < len(p.text) {
		switch c := p.text[p.at]; c {
		case '{', '}', '[', ']', '\\':
			p.at++
			return []byte{c}
		case 'n', 'r', 't':
			p.at++
			p.fail(start, p.at, diag.BadTemplate, "inside double quotes YAML itself makes \\"+string(c)+" the character", "\\%c is no escape here", c)
			return nil
		}
	}
	p.fail(start, start+1, diag.BadTemplate, `write \\ for a literal backslash`, `a backslash stands before { } [ ] or \ only`)
	return nil
}

// braces reads {…} and gives nil where it is broken.
func (p *parser) braces() *placeholder {
	start := p.at
	p.at++
	end := closing(p.text, p.at)
	if end < 0 {
		p.fail(start, start+1, diag.BadTemplate, `close it with }, or write \{ for a literal brace`, "the placeholder that begins here does not end")
		p.at = len(p.text)
		return nil
	}
	if p.placed++; p.placed == maxPlaceholders+1 {
		p.fail(start, end+1, diag.BadTemplate, "", "a template has at most %d placeholders", maxPlaceholders)
	}
	ph := p.placeholder(end)
	p.at = end + 1
	return ph
}

// closing gives the offset of the "}" that ends a placeholder, or -1. Quoted keys of a JSON path may hold one.
func closing(text string, at int) int {
	quoted := false
	for ; at < len(text); at++ {
		switch c := text[at]; {
		case c == '"':
			quoted = !quoted
		case c == '}' && !quoted:
			return at
		}
	}
	return -1
}

// placeholder reads alternatives up to the offset end.
func (p *parser) placeholder(end int) *placeholder {
	ph := newPlaceholder(strings.TrimSpace(p.text[p.at:end]))
	start := p.at
	for {
		if a := p.alternative(end); a != nil {
			ph.alternatives = append(ph.alternatives, *a)
		}
		p.blanks(end)
		if p.at >= end || p.failed {
			break
		}
		if !strings.HasPrefix(p.text[p.at:end], "??") {
			p.fail(p.at, p.at+1, diag.BadTemplate, "after a source stand `|function`, `?` or `?? another source`", "%q cannot stand here", p.text[p.at])
			break
		}
		p.at += 2
		p.blanks(end)
	}
	if len(ph.alternatives) > maxAlternatives {
		p.fail(start, end, diag.BadTemplate, "", "a placeholder has at most %d alternatives", maxAlternatives)
	}
	if p.failed {
		return nil
	}
	return ph
}

func (p *parser) alternative(end int) *alternative {
	start := p.at
	name := p.word(end)
	arg, hasArg := "", false
	if p.at < end && p.text[p.at] == ':' {
		p.at++
		arg, hasArg = p.argument(end), true
	}
	a := p.source(name, arg, hasArg, start, p.at)
	if p.at < end && p.text[p.at] == '?' && !strings.HasPrefix(p.text[p.at:end], "??") {
		p.at++
		if a != nil {
			a.optional = true
		}
	}
	for p.blanks(end); p.at < end && p.text[p.at] == '|'; p.blanks(end) {
		p.at++
		p.blanks(end)
		if f, ok := p.function(end, a); ok && a != nil {
			a.apply = append(a.apply, f)
		}
	}
	if a == nil || p.failed {
		return nil
	}
	if len(a.apply) > maxFunctions {
		p.fail(start, p.at, diag.BadTemplate, "", "at most %d functions can follow a source", maxFunctions)
	}
	if n := len(a.apply); n > 0 && a.apply[n-1].binary && p.place&texts != 0 {
		p.fail(start, p.at, diag.BadTemplate, "add |hex", "the result of %s is no text", a.apply[n-1].name)
	}
	return a
}

// bind makes the placeholder of a short form.
func (p *parser) bind(name, arg string, from, to int) *placeholder {
	a := p.source(name, arg, true, from, to)
	if a == nil {
		return nil
	}
	ph := newPlaceholder(name + ":" + arg)
	ph.alternatives = []alternative{*a}
	return ph
}

func newPlaceholder(text string) *placeholder {
	return &placeholder{missing: &MissingError{Placeholder: text}, unclear: &MissingError{Placeholder: text, Unclear: true}}
}

// source finds a source by name and binds its argument; findings stand at text[from:to].
func (p *parser) source(name, arg string, hasArg bool, from, to int) *alternative {
	all := sources()
	i := slices.IndexFunc(all, func(s sourceType) bool { return s.name == name })
	if i < 0 {
		var names []string
		for _, s := range all {
			names = append(names, s.name)
		}
		hint := diag.DidYouMean(name, names)
		if hint == "" {
			hint = "the sources are " + strings.Join(names, ", ")
		}
		p.fail(from, from+max(1, len(name)), diag.UnknownSource, hint, "there is no source %q", name)
		return nil
	}
	s := all[i]
	switch {
	case s.place&p.place == 0:
		p.misplaced(s, from, to)
		return nil
	case s.arg == always && arg == "" || s.arg == maybe && hasArg && arg == "":
		p.fail(from, to, diag.BadTemplate, "write it as "+s.example, "`%s` needs to be told which one", s.name)
		return nil
	case s.arg == never && hasArg:
		p.fail(from, to, diag.BadTemplate, "", "`%s` takes nothing after it", s.name)
		return nil
	}
	read, err := s.bind(binding{arg: arg, scope: p.scope, place: p.place})
	if err != nil {
		hint := "write it as " + s.example
		if own := (*bindError)(nil); errors.As(err, &own) {
			hint = own.hint
		}
		p.fail(from, to, diag.BadTemplate, hint, "%s", err)
		return nil
	}
	a := &alternative{source: s.name, arg: arg, place: s.place, read: read, whole: s.whole && arg == ""}
	if s.name == "let" {
		a.let = p.scope.Lets[arg]
	}
	return a
}

// misplaced says that a source cannot stand here: where it belongs, or what belongs here, whichever is short.
func (p *parser) misplaced(s sourceType, from, to int) {
	if len(placeWords(s.place)) <= 4 {
		p.fail(from, to, diag.BadTemplate, "", "`%s` cannot stand here: it %s", s.name, belongs(s.place))
		return
	}
	var can []string
	for _, other := range sources() {
		if other.place&p.place != 0 {
			can = append(can, other.name)
		}
	}
	p.fail(from, to, diag.BadTemplate, "what can: "+strings.Join(can, ", "), "`%s` cannot stand in %s", s.name, strings.Join(placeWords(p.place), ""))
}

// function reads the name of a function that is applied to what a gives; a is nil where that is broken.
func (p *parser) function(end int, a *alternative) (function, bool) {
	from := p.at
	name := p.word(end)
	all := functions()
	i := slices.IndexFunc(all, func(f function) bool { return f.name == name })
	if i < 0 {
		var names []string
		for _, f := range all {
			names = append(names, f.name)
		}
		hint := diag.DidYouMean(name, names)
		if hint == "" {
			hint = "the functions are " + strings.Join(names, ", ")
		}
		p.fail(from, from+max(1, len(name)), diag.UnknownFunction, hint, "there is no function %q", name)
		return function{}, false
	}
	f := all[i]
	switch {
	case f.keyed && p.place&keyedPlaces == 0:
		p.fail(from, p.at, diag.BadTemplate, "", "%s uses the secret, and %s", name, belongs(keyedPlaces))
		return function{}, false
	case f.keyed && p.place == Reply:
		f.apply = ofToken(f.apply)
	case f.name == pairsOfHeaders && a != nil:
		if a.source != "header" || a.optional || len(a.apply) > 0 || strings.HasSuffix(a.arg, "*") {
			p.fail(from, p.at, diag.BadTemplate, "write {header:X-Signed-Headers|headerpairs} with the header that holds the list",
				"headerpairs needs the list as it stands in one header")
			return function{}, false
		}
		f.apply = headerPairs(a.arg)
	}
	return f, true
}

// checkPairs refuses a signed text in which the end of the header pairs could be taken for the beginning of something else: they stand on
// a line of their own, for no header holds a line end. Nor may the list be left out, or another one be taken in its place.
func (p *parser) checkPairs(t *Template) {
	if p.place != Signed && p.place != Lets {
		return
	}
	n := 0
	for a := range t.all {
		if a.let == nil && a.pairs() {
			n++
		}
	}
	for i, q := range t.parts {
		if q.place == nil || !q.place.alternatives[0].pairs() || len(q.place.alternatives) > 1 {
			continue
		}
		before, after := i == 0, i == len(t.parts)-1
		if !before {
			before = strings.HasSuffix(string(t.parts[i-1].literal), "\n")
		}
		if !after {
			after = strings.HasPrefix(string(t.parts[i+1].literal), "\n")
		}
		if before && after && p.place == Signed {
			n--
		}
	}
	if n > 0 {
		p.fail(0, len(p.text), diag.BadTemplate, "begin and end its line in the signed text: \"{method}\\n{header:X-Signed-Headers|headerpairs}\\n{body}\"",
			"headerpairs stands on a line of its own, without `??`, `[ ]` or `let`, or a sender could pass off a part of a header as another one")
	}
}

// word reads the name of a source or function.
func (p *parser) word(end int) string {
	from := p.at
	for p.at < end && (isLower(p.text[p.at]) || p.text[p.at] >= 'A' && p.text[p.at] <= 'Z' || p.text[p.at] >= '0' && p.text[p.at] <= '9' ||
		p.text[p.at] == '-' || p.text[p.at] == '_') {
		p.at++
	}
	return p.text[from:p.at]
}

// argument reads what a source is told: up to a blank, "|", "?" or the end, quoted text as a whole.
func (p *parser) argument(end int) string {
	from, quoted := p.at, false
	for ; p.at < end; p.at++ {
		c := p.text[p.at]
		if c == '"' {
			quoted = !quoted
		}
		if !quoted && (c == '|' || c == '?' || c == ' ' || c == '\t') {
			break
		}
	}
	return p.text[from:p.at]
}

func (p *parser) blanks(end int) {
	for p.at < end && (p.text[p.at] == ' ' || p.text[p.at] == '\t') {
		p.at++
	}
}

func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
