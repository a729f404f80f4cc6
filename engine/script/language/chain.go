package language

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/value"
)

// Chain is a name in scope and the members taken of it, as far as the text states them: payload.commits[0].id. It is resolved in
// one way by all languages, and again for the reads of a Result.
type Chain struct {
	root string // one of Names, or "" for an output
	// keys begin with the label where the root is steps or an output.
	keys []value.Key
	text string
}

// NewChain makes the chain of a name in scope.
func NewChain(name string) *Chain {
	if IsName(name) {
		return &Chain{root: name, text: name}
	}
	return &Chain{keys: []value.Key{{Name: name}}, text: name}
}

// Member gives the chain with a member more. Names of headers are taken in lower case, as they are kept.
func (c *Chain) Member(k value.Key) *Chain {
	if !k.IsIndex && (c.root == "headers" && len(c.keys) == 0 || c.root == "event" && len(c.keys) == 1 && c.keys[0].Name == "headers") {
		k.Name = strings.ToLower(k.Name)
	}
	return &Chain{root: c.root, keys: append(slices.Clip(c.keys), k), text: c.text + memberText(k)}
}

func memberText(k value.Key) string {
	switch {
	case k.IsIndex:
		return "[" + strconv.FormatInt(k.Index, 10) + "]"
	case isIdentifier(k.Name):
		return "." + k.Name
	}
	return "[" + strconv.Quote(k.Name) + "]"
}

// Root gives the name that the chain begins with: one of Names, or a label.
func (c *Chain) Root() string {
	if c.root == "" {
		return c.keys[0].Name
	}
	return c.root
}

// Keys gives the members that the chain takes of its root. They are not to be changed.
func (c *Chain) Keys() []value.Key {
	if c.root == "" {
		return c.keys[1:]
	}
	return c.keys
}

// Len is how many members the chain takes.
func (c *Chain) Len() int { return len(c.keys) }

// String gives the chain as findings and reads name it.
func (c *Chain) String() string { return c.text }

// Value gives what the chain stands for in an environment, null where it is not there. With `now` it is a time.Time.
func (c *Chain) Value(env *Env) any {
	keys := c.keys
	var v any
	switch c.root {
	case "":
		v, keys = env.Outputs[keys[0].Name], keys[1:]
	case "payload":
		v = env.Payload
	case "headers":
		v = object(env.Headers)
	case "query":
		v = object(env.Query)
	case "vars":
		v = object(env.Vars)
	case "run":
		v = object(env.Run)
	case "steps":
		v = object(env.Outputs)
	case "now":
		return env.Now
	case "event":
		return eventValue(env, keys)
	}
	for _, k := range keys {
		v = value.At(v, k)
	}
	return v
}

// object gives a map as a value; a missing one is an empty map, not a nil one, because the name is always there.
func object(m map[string]any) any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// eventValue gives the event or a member of it. Headers, query and payload are those of the environment, so that whoever fills one
// in need not repeat them.
func eventValue(env *Env, keys []value.Key) any {
	if len(keys) == 0 {
		out := make(map[string]any, len(env.Event)+4)
		for name, v := range env.Event {
			out[name] = v
		}
		out["headers"], out["query"], out["payload"], out["raw"] = object(env.Headers), object(env.Query), env.Payload, raw(env.Body)
		return out
	}
	var v any
	switch keys[0].Name {
	case "payload":
		v = env.Payload
	case "headers":
		v = object(env.Headers)
	case "query":
		v = object(env.Query)
	case "raw":
		v = raw(env.Body)
	default:
		v = env.Event[keys[0].Name]
	}
	for _, k := range keys[1:] {
		v = value.At(v, k)
	}
	return v
}

// raw gives a body as text: as it is where that is UTF-8, in base64 where it is not, null where there is none.
func raw(body []byte) any {
	switch {
	case body == nil:
		return nil
	case utf8.Valid(body):
		return string(body)
	}
	return base64.StdEncoding.EncodeToString(body)
}

// Check reports members that cannot be there: unknown fields of the event, labels of no node, anything of now. The chain's text
// begins at an offset. In a lenient scope the first two are warnings.
func (c *Chain) Check(r *Report, scope Scope, from int) {
	if len(c.keys) == 0 {
		return
	}
	first := c.keys[0]
	switch c.root {
	case "event":
		if first.IsIndex || !slices.Contains(EventFields(), first.Name) {
			hint := diag.DidYouMean(first.Name, EventFields())
			if hint == "" {
				hint = "fields of the body are under `payload`"
			}
			r.name(scope, from, hint, "`event` has no field %s", strings.TrimPrefix(memberText(first), "."))
		}
	case "steps":
		if !first.IsIndex && !slices.Contains(scope.Labels, first.Name) {
			r.name(scope, from, diag.DidYouMean(first.Name, scope.Labels), "no node of the pipeline has the label %q", first.Name)
		}
	case "now":
		r.Word(diag.ExpressionType, from, "", "`now` is a time and has no fields")
	}
}

// Reads collects the chains that an expression names.
type Reads struct{ chains []placedChain }

type placedChain struct {
	chain *Chain
	at    int
}

// Add enters a chain whose text begins at an offset.
func (r *Reads) Add(c *Chain, at int) { r.chains = append(r.chains, placedChain{c, at}) }

// Chains gives the chains in the order of the text, each once.
func (r *Reads) Chains() []*Chain {
	slices.SortStableFunc(r.chains, func(a, b placedChain) int { return a.at - b.at })
	var out []*Chain
	for _, p := range r.chains {
		if !slices.ContainsFunc(out, func(c *Chain) bool { return c.text == p.chain.text }) {
			out = append(out, p.chain)
		}
	}
	return out
}

// Values resolves chains for a Result.
func Values(chains []*Chain, env *Env) []Read {
	if len(chains) == 0 {
		return nil
	}
	out := make([]Read, len(chains))
	for i, c := range chains {
		v := c.Value(env)
		if c.root == "now" {
			v = env.Now.Format(timeFormat)
		}
		out[i] = Read{Operand: c.text, Value: v}
	}
	return out
}

// name reports a name that stands for nothing: an error, or in a lenient scope a warning.
func (r *Report) name(scope Scope, at int, hint, format string, args ...any) {
	if scope.Lenient {
		r.out.Warnf(diag.UnknownName, r.src.Span(at, at+wordLen(r.src.Text, at)), hint, format+": it is null", args...)
		return
	}
	r.Word(diag.UnknownName, at, hint, format, args...)
}

// Constant gives the value of True, False and None, which lenient scopes know.
func (s Scope) Constant(name string) (v any, ok bool) {
	if !s.Lenient || slices.Contains(s.Labels, name) {
		return nil, false
	}
	switch name {
	case "True", "False":
		return name == "True", true
	case "None":
		return nil, true
	}
	return nil, false
}

// UnknownName reports a name that is not in scope, and says whether it is null instead of an error, as it is in a lenient scope. Its
// chain (see NewChain) then has the value null.
func UnknownName(r *Report, scope Scope, name string, at int) (null bool) {
	r.name(scope, at, unknownHint(r, scope, name), "unknown name %s", name)
	return scope.Lenient
}

func unknownHint(r *Report, scope Scope, name string) string {
	if slices.Contains(scope.Labels, name) {
		return "the label is a word of the languages, too: write steps[" + strconv.Quote(name) + "]"
	}
	if hint := nameHint(name); hint != "" {
		return hint
	}
	hint := diag.DidYouMean(name, append(Names(), scope.Identifiers()...))
	if hint == "" && strings.Contains(r.src.Text, "-"+name) {
		hint = `a name with a dash is written in brackets: headers["x-name"]`
	}
	if hint == "" {
		hint = "the names are " + strings.Join(Names(), ", ") + " and the labels of nodes"
	}
	return hint
}

// nameHint answers for names that people bring from elsewhere.
func nameHint(name string) string {
	switch name {
	case "env", "secrets", "secret":
		return "expressions cannot read the environment; a secret is written as `<<env.NAME>>` where it is sent, in a destination's `url` or `headers`"
	case "body", "data", "json", "request":
		return "the decoded body is `payload`"
	case "header":
		return "did you mean `headers`?"
	case "True", "False":
		return "write " + strings.ToLower(name)
	case "None", "undefined":
		return "write null"
	case "$env":
		return "name the values one by one"
	}
	return ""
}
