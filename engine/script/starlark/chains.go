package starlark

import (
	"slices"
	"strings"

	"go.starlark.net/syntax"

	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/value"
)

// input is a name in scope, or a member of one, that the guest is handed the value of.
type input struct {
	name  string // what the program calls it
	chain *language.Chain
	// of is the chain without its last member, where that is a character's number if of is text; nil where the last member is a name.
	of    *language.Chain
	index int64
}

// value gives the input's value. The chains of all languages know no characters of text, those of code do.
func (in input) value(env *language.Env) any {
	v := in.chain.Value(env)
	if v != nil || in.of == nil {
		return v
	}
	text, ok := in.of.Value(env).(string)
	if !ok {
		return nil
	}
	i, runes := in.index, []rune(text)
	if i < 0 {
		i += int64(len(runes))
	}
	if i < 0 || i >= int64(len(runes)) {
		return nil
	}
	return string(runes[i])
}

// link is a place in the text that stands for a chain.
type link struct {
	chain *language.Chain
	of    *language.Chain // chain without its last member; nil for a mere name
	keys  []value.Key
	at    syntax.Position
	// hole takes what the place becomes when all chains are known.
	hole *syntax.ParenExpr
}

// chain gives the chain that an expression states, with its root, its members, and the offset of the first; nil where it states none.
func (w *rewriter) chain(x syntax.Expr) (c *language.Chain, root *syntax.Ident, keys []value.Key, first int) {
	switch x := x.(type) {
	case *syntax.Ident:
		if w.roots[x] {
			return language.NewChain(x.Name), x, nil, 0
		}
	case *syntax.ParenExpr:
		return w.chain(x.X)
	case *syntax.DotExpr:
		return w.member(x.X, value.Key{Name: x.Name.Name}, x.Name.NamePos)
	case *syntax.IndexExpr:
		if k, ok := key(x.Y); ok {
			return w.member(x.X, k, syntax.Start(x.Y))
		}
	}
	return nil, nil, nil, 0
}

func (w *rewriter) member(x syntax.Expr, k value.Key, at syntax.Position) (*language.Chain, *syntax.Ident, []value.Key, int) {
	c, root, keys, first := w.chain(x)
	if c == nil {
		return nil, nil, nil, 0
	}
	if len(keys) == 0 {
		first = w.offset(at)
	}
	if !k.IsIndex && (root.Name == "headers" && len(keys) == 0 || root.Name == "event" && len(keys) == 1 && keys[0].Name == "headers") {
		k.Name = strings.ToLower(k.Name) // as the chain takes it
	}
	return c.Member(k), root, append(slices.Clip(keys), k), first
}

// key gives the member that an index states.
func key(x syntax.Expr) (value.Key, bool) {
	switch x := x.(type) {
	case *syntax.Literal:
		switch v := x.Value.(type) {
		case string:
			return value.Key{Name: v}, x.Token == syntax.STRING
		case int64:
			return value.Key{Index: v, IsIndex: true}, true
		}
	case *syntax.UnaryExpr:
		if k, ok := key(x.X); ok && x.Op == syntax.MINUS && k.IsIndex {
			return value.Key{Index: -k.Index, IsIndex: true}, true
		}
	}
	return value.Key{}, false
}

// link makes the place of a chain; fill says later what it becomes.
func (w *rewriter) link(x syntax.Expr) syntax.Expr {
	c, root, keys, first := w.chain(x)
	if c == nil {
		return nil
	}
	if len(keys) > 0 && language.IsName(root.Name) {
		c.Check(w.report, w.scope, first)
	}
	w.reads.Add(c, w.offset(root.NamePos))
	hole := w.input(c, keys, syntax.Start(x))
	w.links[len(w.links)-1].of = w.parent(x)
	return hole
}

// parent gives the chain that a chain's last member is taken of.
func (w *rewriter) parent(x syntax.Expr) *language.Chain {
	switch x := x.(type) {
	case *syntax.ParenExpr:
		return w.parent(x.X)
	case *syntax.DotExpr:
		c, _, _, _ := w.chain(x.X)
		return c
	case *syntax.IndexExpr:
		c, _, _, _ := w.chain(x.X)
		return c
	}
	return nil
}

// input makes a place that stands for a chain.
func (w *rewriter) input(c *language.Chain, keys []value.Key, at syntax.Position) *syntax.ParenExpr {
	hole := &syntax.ParenExpr{Lparen: at, Rparen: at}
	w.links = append(w.links, link{chain: c, keys: keys, at: at, hole: hole})
	return hole
}

// fill puts inputs into the places of chains. A chain whose beginning is an input, too, is taken of that, so that what the code changes
// there is seen by all that name it.
func (w *rewriter) fill() {
	slices.SortStableFunc(w.links, func(a, b link) int { return len(a.keys) - len(b.keys) })
	var roots []link
	for _, l := range w.links {
		i := slices.IndexFunc(roots, func(r link) bool {
			return rootName(r) == rootName(l) && len(r.keys) <= len(l.keys) && slices.Equal(r.keys, l.keys[:len(r.keys)])
		})
		if i < 0 {
			i = len(roots)
			roots = append(roots, l)
			w.inputs = append(w.inputs, l.input())
		}
		var x syntax.Expr = &syntax.Ident{NamePos: l.at, Name: "$" + roots[i].chain.String()}
		for _, k := range l.keys[len(roots[i].keys):] {
			x = w.call("$at", l.at, x, keyLiteral(k, l.at))
		}
		l.hole.X = x
	}
}

func (l link) input() input {
	in := input{name: "$" + l.chain.String(), chain: l.chain}
	if n := len(l.keys); n > 0 && l.keys[n-1].IsIndex {
		in.of, in.index = l.of, l.keys[n-1].Index
	}
	return in
}

// rootName gives the name that a chain begins with: the chain without its members.
func rootName(l link) string {
	text := l.chain.String()
	if i := strings.IndexAny(text, ".["); i >= 0 && len(l.keys) > 0 {
		return text[:i]
	}
	return text
}

func keyLiteral(k value.Key, at syntax.Position) syntax.Expr {
	if k.IsIndex {
		return &syntax.Literal{Token: syntax.INT, TokenPos: at, Raw: "0", Value: k.Index}
	}
	return &syntax.Literal{Token: syntax.STRING, TokenPos: at, Raw: `""`, Value: k.Name}
}
