package javascript

import (
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/value"
)

// code is a text taken apart.
type code struct {
	text   string
	tokens []token
}

func (c *code) is(i int, text string) bool {
	return i >= 0 && i < len(c.tokens) && c.tokens[i].kind == sign && c.tokens[i].text == text
}

func (c *code) kind(i int, k kind) bool { return i >= 0 && i < len(c.tokens) && c.tokens[i].kind == k }

// access is one member that a chain takes: .name, ?.name or [key].
type access struct {
	at       int // the index of the dot or bracket
	optional bool
	// key is the member where the text states it.
	key    value.Key
	static bool
	// called says that the member is called at once: it is a method.
	called bool
}

// chain is a value and what is taken of it, one after the other.
type chain struct {
	// root is the index of the name it begins with, -1 for a bracket.
	root, end int
	accesses  []access
	tagged    bool // a template stands behind it
}

// follow reads the members that stand from token i on.
func (c *code) follow(root, i int, dots bool) chain {
	out := chain{root: root}
	for i < len(c.tokens) {
		optional := c.is(i, "?.")
		switch {
		case (optional || c.is(i, ".")) && c.kind(i+1, word):
			name := c.tokens[i+1].text
			out.accesses = append(out.accesses, access{at: i, optional: optional, key: value.Key{Name: name}, static: !strings.ContainsAny(name, `\#`)})
			i += 2
		case c.is(i, "[") && !dots || optional && c.is(i+1, "["):
			open := i
			if optional {
				open++
			}
			if c.tokens[open].pair < 0 {
				out.end = open
				return out
			}
			key, static := c.key(open)
			out.accesses = append(out.accesses, access{at: i, optional: optional, key: key, static: static})
			i = c.tokens[open].pair + 1
		case c.is(i, "(") || optional && c.is(i+1, "("):
			if optional {
				i++
			}
			if c.tokens[i].pair < 0 {
				out.end = i
				return out
			}
			if n := len(out.accesses); n > 0 {
				out.accesses[n-1].called = true
			}
			i = c.tokens[i].pair + 1
		default:
			out.tagged = c.kind(i, text) && c.tokens[i].text[0] == '`'
			out.end = i
			return out
		}
		dots = false
	}
	out.end = i
	return out
}

// key gives what stands between brackets where that is one string or index.
func (c *code) key(open int) (value.Key, bool) {
	if c.tokens[open].pair != open+2 {
		return value.Key{}, false
	}
	t := c.tokens[open+1]
	switch {
	case t.kind == text && len(t.text) > 1 && !strings.ContainsAny(t.text, "\\`"):
		return value.Key{Name: t.text[1 : len(t.text)-1]}, true
	case t.kind == number:
		if n, err := strconv.ParseInt(t.text, 10, 32); err == nil {
			return value.Key{Index: n, IsIndex: true}, true
		}
	}
	return value.Key{}, false
}

// isReference says whether token i is a name that stands for a value, not a member, a key of an object or a label.
func (c *code) isReference(i int) bool {
	t := c.tokens[i]
	if t.kind != word || isKeyword(t.text) || isConstant(t.text) || strings.ContainsAny(t.text, `\#`) || c.is(i-1, ".") || c.is(i-1, "?.") {
		return false
	}
	if c.is(i+1, ":") && !c.is(i-1, "?") {
		if i == 0 || c.is(i-1, "{") || c.is(i-1, ",") || c.is(i-1, ";") || c.is(i-1, "}") {
			return false
		}
		if c.kind(i+2, word) && slices.Contains([]string{"for", "while", "do"}, c.tokens[i+2].text) {
			return false
		}
	}
	if c.kind(i-1, word) {
		switch c.tokens[i-1].text {
		case "break", "continue", "function", "class":
			return false
		}
	}
	return true
}

// chains gives all chains of the code: those that begin with a name, and those that go on behind a bracket.
func (c *code) chains() []chain {
	var out []chain
	taken := map[int]bool{} // brackets that belong to a chain, so that none begins behind them
	add := func(ch chain) {
		for i := ch.root + 1; i < ch.end; i++ {
			if c.tokens[i].pair > i {
				taken[i] = true
				i = c.tokens[i].pair
			}
		}
		out = append(out, ch)
	}
	for i, t := range c.tokens {
		switch {
		case c.isReference(i):
			if (t.text == "of" || t.text == "get" || t.text == "set" || t.text == "static") && c.is(i+1, "[") {
				continue // a word of the language here
			}
			add(c.follow(i, i+1, false))
		case (c.is(i, "(") || c.is(i, "[")) && t.pair > i && !taken[i]:
			// `if (x) [1, 2].forEach(…)` looks like an index, so only a dot begins a chain here.
			if after := t.pair + 1; c.is(after, ".") || c.is(after, "?.") {
				ch := c.follow(-1, after, true)
				ch.root = t.pair
				add(ch)
				out[len(out)-1].root = -1
			}
		}
	}
	return out
}

// maxMembers bounds the members that a chain is recorded by; what a deeper one reads is recorded as what it reads it of.
const maxMembers = 64

// reads gives the chains of names in scope, as the text states them. A method is not part of what is read, nor is a length.
func (c *code) reads(scope language.Scope, all []chain) (reads language.Reads, roots []placed) {
	for _, ch := range all {
		if ch.root < 0 {
			continue
		}
		t := c.tokens[ch.root]
		if !isInScope(scope, t.text) {
			continue
		}
		lc := language.NewChain(t.text)
		for i, a := range ch.accesses {
			if !a.static || a.called || i == len(ch.accesses)-1 && !a.key.IsIndex && a.key.Name == "length" {
				break
			}
			lc = lc.Member(a.key)
			if i == maxMembers {
				break
			}
			if a.key.IsIndex && a.key.Index < 0 {
				break
			}
		}
		reads.Add(lc, t.from)
		p := placed{chain: lc, at: t.from}
		if len(ch.accesses) > 0 {
			p.first = c.tokens[min(ch.accesses[0].at+1, len(c.tokens)-1)].from
		}
		roots = append(roots, p)
	}
	return reads, roots
}

// placed is a chain of a name in scope, and the offsets of the name and of its first member.
type placed struct {
	chain     *language.Chain
	at, first int
}

// isInScope says whether a name is one of ours. What JavaScript itself brings goes before a label.
func isInScope(scope language.Scope, name string) bool {
	return language.IsName(name) || scope.IsLabel(name) && !slices.Contains(globals(), name)
}

// insertion is a question mark that soften put into a text.
type insertion struct {
	at int // the offset in the text as it was
}

// soften makes every member that is taken of a value optional, so that a member of what is not there is not there either. Chains that
// are given a value, or made with `new`, stay as they are.
func (c *code) soften(all []chain) (string, []insertion) {
	var marks []insertion
	width := map[int]string{}
	for _, ch := range all {
		if ch.tagged || c.kind(ch.end, sign) && isAssignment(c.tokens[ch.end].text) {
			continue
		}
		if before := ch.root - 1; ch.root >= 0 && (c.is(before, "++") || c.is(before, "--") || c.kind(before, word) && c.tokens[before].text == "new") {
			continue
		}
		for _, a := range ch.accesses {
			if a.optional {
				continue
			}
			at := c.tokens[a.at].from
			if width[at] = "?"; c.is(a.at, "[") {
				width[at] = "?."
			}
			marks = append(marks, insertion{at})
		}
	}
	slices.SortFunc(marks, func(a, b insertion) int { return a.at - b.at })
	var out strings.Builder
	from := 0
	var placed []insertion
	for _, m := range marks {
		out.WriteString(c.text[from:m.at])
		out.WriteString(width[m.at])
		for range len(width[m.at]) {
			placed = append(placed, m)
		}
		from = m.at
	}
	out.WriteString(c.text[from:])
	return out.String(), placed
}
