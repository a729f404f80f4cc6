package signature

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"net/textproto"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/source"
)

// When is a compiled `when`: conditions on a request, all of which must hold. It is immutable, and looks at nothing but the request
// and the operator's variables.
type When struct{ conditions []condition }

// condition holds where any of its choices does.
type condition struct {
	source  *Template
	choices []choice
}

// choice is one value that a source may have.
type choice struct {
	kind choiceKind
	// text is compared by equal and prefix, template rendered and compared by rendered.
	text     string
	template *Template
	// pattern is anchored at both ends.
	pattern *regexp.Regexp
}

type choiceKind uint8

const (
	equal choiceKind = iota
	prefixed
	rendered
	matching
	// isPresent holds for what is there and not empty, isAbsent for what is not there at all: of something that is there twice, or empty,
	// neither holds.
	isPresent
	isAbsent
)

// The limits of one `when`.
const (
	maxConditions   = 16
	maxChoices      = 32
	maxPatternBytes = 256
)

// ParseWhen compiles a map of bare sources to what they must be: text, a number or a bool (compared as text; a last "*" matches any
// rest), "*" for present and not empty, false for absent, a template, {matches: PATTERN} for a regular expression (RE2) that the whole
// text must match, or a list of which one must hold. Where it has findings the result is nil.
func ParseWhen(n *source.Node, scope *Scope, out *diag.List) *When {
	if n.Refused {
		return nil
	}
	if n.Kind != source.Map || len(n.Entries) == 0 {
		out.Errorf(diag.BadValue, n.Span, "write a map, such as {header:X-Version: v2}", "`when` needs at least one condition")
		return nil
	}
	if len(n.Entries) > maxConditions {
		out.Errorf(diag.BadValue, n.Span, "", "`when` has at most %d conditions", maxConditions)
		return nil
	}
	w, ok := &When{}, true
	for _, entry := range n.Entries {
		c := condition{source: bare(entry.Key, Condition, scope, out)}
		values := []*source.Node{entry.Value}
		if entry.Value.Kind == source.List {
			values = entry.Value.Items
		}
		if len(values) == 0 || len(values) > maxChoices {
			out.Errorf(diag.BadValue, entry.Value.Span, "", "a list of values needs between 1 and %d of them", maxChoices)
			ok = false
			continue
		}
		for _, v := range values {
			if v.Refused {
				ok = false
				continue
			}
			ch, fine := parseChoice(v, scope, out)
			c.choices, ok = append(c.choices, ch), ok && fine
		}
		ok = ok && c.source != nil
		w.conditions = append(w.conditions, c)
	}
	if !ok {
		return nil
	}
	return w
}

func parseChoice(n *source.Node, scope *Scope, out *diag.List) (choice, bool) {
	switch n.Kind {
	case source.Bool:
		if n.Text == "false" {
			return choice{kind: isAbsent}, true
		}
		return choice{text: n.Text}, true
	case source.Int, source.Float:
		return choice{text: n.Text}, true
	case source.Map:
		return parsePattern(n, out)
	case source.String:
	default:
		out.Errorf(diag.BadValue, n.Span, "write a text, \"*\" for present, false for absent, {matches: PATTERN}, or a list",
			"a source cannot be compared with this")
		return choice{}, false
	}
	t := Parse(n, Expected, scope, out)
	switch {
	case t == nil:
		return choice{}, false
	case !t.plain():
		return choice{kind: rendered, template: t}, true
	}
	text := t.literal()
	switch rest, cut := strings.CutSuffix(text, "*"); {
	case text == "":
		out.Errorf(diag.BadValue, n.Span, "write false for a source that is not there", "a source is never compared with nothing")
		return choice{}, false
	case cut && rest == "":
		return choice{kind: isPresent}, true
	case cut:
		return choice{kind: prefixed, text: rest}, true
	}
	return choice{text: text}, true
}

// parsePattern compiles {matches: PATTERN}.
func parsePattern(n *source.Node, out *diag.List) (choice, bool) {
	const hint = "write {matches: \"[a-f0-9]{32}\"}"
	p := n.Get("matches")
	if p == nil || len(n.Entries) != 1 || p.Kind != source.String || p.Text == "" {
		out.Errorf(diag.BadValue, n.Span, hint, "a source is compared with a text, or with a map that holds `matches` and nothing else")
		return choice{}, false
	}
	if len(p.Text) > maxPatternBytes {
		out.Errorf(diag.BadValue, p.Span, "", "a pattern is at most %d bytes long", maxPatternBytes)
		return choice{}, false
	}
	re, err := regexp.Compile(`\A(?:` + p.Text + `)\z`)
	if err != nil {
		// The library quotes the pattern with what was put around it.
		message := err.Error()
		var broken *syntax.Error
		if errors.As(err, &broken) {
			message = string(broken.Code)
		}
		out.Errorf(diag.BadValue, p.Span, hint, "%q is no regular expression: %s", p.Text, message)
		return choice{}, false
	}
	return choice{kind: matching, text: p.Text, pattern: re}, true
}

// Holds says whether every condition holds for the request. Comparisons with templates take constant time.
func (w *When) Holds(r *Request) bool {
	e := env{req: r}
	for i := range w.conditions {
		if !w.conditions[i].holds(&e) {
			return false
		}
	}
	return true
}

func (c *condition) holds(e *env) bool {
	v, there := c.source.parts[0].place.alternatives[0].read(e)
	for i := range c.choices {
		if c.choices[i].holds(e, v, there) {
			return true
		}
	}
	return false
}

func (c *choice) holds(e *env, v value, there presence) bool {
	switch c.kind {
	case isPresent:
		return there == nested || there == present && !v.empty()
	case isAbsent:
		return there == absent
	}
	if there != present {
		return false
	}
	switch c.kind {
	case prefixed:
		return strings.HasPrefix(v.string(), c.text)
	case rendered:
		want, err := c.template.Text(e.req)
		return err == nil && want != "" && subtle.ConstantTimeCompare([]byte(v.string()), []byte(want)) == 1
	case matching:
		return c.pattern.MatchString(v.string())
	}
	return v.string() == c.text
}

// Text tells the conditions in words, for people; variables stand by their names.
func (w *When) Text() string {
	var all []string
	for _, c := range w.conditions {
		var any []string
		for _, ch := range c.choices {
			any = append(any, ch.words())
		}
		all = append(all, c.source.text+" "+strings.Join(any, " or "))
	}
	return strings.Join(all, " and ")
}

func (c *choice) words() string {
	switch c.kind {
	case isPresent:
		return "is there"
	case isAbsent:
		return "is not there"
	case prefixed:
		return "begins with " + strconv.Quote(c.text)
	case rendered:
		return "is " + c.template.text
	case matching:
		return "matches " + strconv.Quote(c.text)
	}
	return "is " + strconv.Quote(c.text)
}

// Uses says whether a condition names a source, as that which is looked at or in the value that it is compared with.
func (w *When) Uses(source string) bool {
	for _, c := range w.conditions {
		if c.source.Uses(source) {
			return true
		}
		for _, ch := range c.choices {
			if ch.template != nil && ch.template.Uses(source) {
				return true
			}
		}
	}
	return false
}

// Bounds says whether a condition lets a source have no texts but those of one form: what is compared with is a pattern, a whole
// text or a template in each choice.
func (w *When) Bounds(name, arg string) bool {
	for _, c := range w.conditions {
		source, with, _ := c.source.Sole()
		if source == name && with == arg && !slices.ContainsFunc(c.choices, func(ch choice) bool {
			return ch.kind == isPresent || ch.kind == isAbsent || ch.kind == prefixed
		}) {
			return true
		}
	}
	return false
}

// Headers gives the names of the headers that conditions look at, as they were written.
func (w *When) Headers() []string {
	var out []string
	for _, c := range w.conditions {
		out = append(out, c.source.Args("header")...)
	}
	return out
}

// Apply changes method, headers and query of a request so that the conditions hold, and says whether they do now: what is in the body
// stays as it is, and so may fail them.
func (w *When) Apply(r *Request) bool {
	e := env{req: r}
	for i := range w.conditions {
		c := &w.conditions[i]
		if c.holds(&e) {
			continue
		}
		name, arg, _ := c.source.Sole()
		for j := range c.choices {
			if c.choices[j].apply(r, name, arg) {
				break
			}
		}
	}
	return w.Holds(r)
}

// apply makes one choice true, where it can.
func (c *choice) apply(r *Request, name, arg string) bool {
	text := c.text
	switch c.kind {
	case matching:
		return false // any text that matches would be made up
	case isPresent:
		text = "1" // anything
	case rendered:
		var err error
		if text, err = c.template.Text(r); err != nil {
			return false
		}
	}
	gone := c.kind == isAbsent
	switch {
	case name == "header" && gone:
		delete(r.Header, textproto.CanonicalMIMEHeaderKey(arg))
	case name == "header":
		if r.Header == nil {
			r.Header = http.Header{}
		}
		r.Header.Set(arg, text)
	case name == "query" && arg != "" && gone:
		r.setQuery(arg, nil)
	case name == "query" && arg != "":
		r.setQuery(arg, &text)
	case name == "method" && !gone:
		r.Method = text
	default:
		return false
	}
	return true
}
