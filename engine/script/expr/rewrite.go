package expr

import (
	"reflect"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/conf"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/value"
)

// rewriter makes a tree in which all that touches values is a call of a function made for that very place. It never changes the tree
// it reads: the parser uses one node twice where comparisons are chained.
type rewriter struct {
	*compilation
	functions conf.FunctionsTable
	known     []value.Function // filled when the first call is met
	labels    []string         // those that the text names, and the unknown names of a lenient scope
	vars      []string         // names that `let` gave, innermost last
	reads     language.Reads
}

// The Go types that the library's compiler makes shorter code for.
func boolType() reflect.Type { return reflect.TypeFor[bool]() }
func listType() reflect.Type { return reflect.TypeFor[[]any]() }

// operation is what a call does with its evaluated arguments.
type operation = func(e *evaluation, args []any) (any, error)

// call makes a call in the place of n. A type other than nil saves the library a conversion.
func (w *rewriter) call(n ast.Node, t reflect.Type, op operation, args ...ast.Node) ast.Node {
	name := "#" + strconv.Itoa(len(w.functions))
	w.functions[name] = &builtin.Function{Name: name, Func: func(params ...any) (any, error) {
		return op(params[0].(*evaluation), params[1:])
	}}
	call := &ast.CallNode{
		Callee:    &ast.IdentifierNode{Value: name},
		Arguments: append([]ast.Node{&ast.IdentifierNode{Value: "$env"}}, args...),
	}
	call.SetLocation(n.Location())
	if t != nil {
		call.SetType(t)
	}
	return call
}

func site(op string, operands ...ast.Node) *value.Site {
	s := &value.Site{Op: op}
	for _, n := range operands {
		s.Operands = append(s.Operands, operandText(n))
	}
	return s
}

// operandText gives a node's text for messages, "" where it is too long to help.
func operandText(n ast.Node) string {
	const mostParts, mostCharacters = 12, 60
	if parts := mostParts; n == nil || !count(n, &parts) {
		return ""
	}
	if text := n.String(); utf8.RuneCountInString(text) <= mostCharacters {
		return text
	}
	return ""
}

// count takes the parts of a node from left and says whether that sufficed. Making text of a node takes the square of its size, so it is
// only done for small ones; loops and choices never are.
func count(n ast.Node, left *int) bool {
	if *left--; *left < 0 {
		return false
	}
	switch n := n.(type) {
	case *ast.IdentifierNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NilNode, *ast.StringNode, *ast.PointerNode:
		return true
	case *ast.ChainNode:
		return count(n.Node, left)
	case *ast.MemberNode:
		return count(n.Node, left) && count(n.Property, left)
	case *ast.UnaryNode:
		return count(n.Node, left)
	case *ast.BinaryNode:
		return count(n.Left, left) && count(n.Right, left)
	case *ast.CallNode:
		return count(n.Callee, left) && countAll(n.Arguments, left)
	case *ast.BuiltinNode:
		return countAll(n.Arguments, left)
	case *ast.ArrayNode:
		return countAll(n.Nodes, left)
	}
	return false
}

func countAll(list []ast.Node, left *int) bool {
	return !slices.ContainsFunc(list, func(n ast.Node) bool { return !count(n, left) })
}

// at gives the byte where a node's text is said to begin.
func (w *rewriter) at(n ast.Node) int { return w.src.Byte(n.Location().From) }

// start gives the byte where a node's text begins; the library places a member at its name and an operation at its sign.
func (w *rewriter) start(n ast.Node) int {
	switch x := n.(type) {
	case *ast.MemberNode:
		return w.start(x.Node)
	case *ast.ChainNode:
		return w.start(x.Node)
	case *ast.SliceNode:
		return w.start(x.Node)
	case *ast.BinaryNode:
		return w.start(x.Left)
	}
	return w.at(n)
}

func (w *rewriter) node(n ast.Node) ast.Node {
	switch n := n.(type) {
	case *ast.IntegerNode:
		return w.constant(n, int64(n.Value))
	case *ast.BytesNode:
		w.report.Word(diag.ExpressionType, w.at(n), "", "bytes are no value here; write text")
		return n
	case *ast.IdentifierNode, *ast.MemberNode, *ast.ChainNode:
		return w.member(n)
	case *ast.UnaryNode:
		return w.unary(n)
	case *ast.BinaryNode:
		return w.binary(n)
	case *ast.SliceNode:
		return w.slice(n)
	case *ast.CallNode:
		return w.callNode(n)
	case *ast.BuiltinNode:
		return w.loop(n)
	case *ast.VariableDeclaratorNode:
		return w.let(n)
	case *ast.SequenceNode:
		return place(n, &ast.SequenceNode{Nodes: w.nodes(n.Nodes)})
	case *ast.ConditionalNode:
		return place(n, &ast.ConditionalNode{Ternary: n.Ternary, Cond: w.boolean("?:", n.Cond), Exp1: w.node(n.Exp1), Exp2: w.node(n.Exp2)})
	case *ast.ArrayNode:
		return place(n, &ast.ArrayNode{Nodes: w.nodes(n.Nodes)})
	case *ast.MapNode:
		return place(n, &ast.MapNode{Pairs: w.nodes(n.Pairs)})
	case *ast.PairNode:
		return place(n, &ast.PairNode{Key: w.key(n.Key), Value: w.node(n.Value)})
	}
	return n // literals and pointers
}

func place(old, fresh ast.Node) ast.Node {
	fresh.SetLocation(old.Location())
	return fresh
}

func (w *rewriter) constant(n ast.Node, v any) ast.Node { return place(n, &ast.ConstantNode{Value: v}) }

func (w *rewriter) nodes(list []ast.Node) []ast.Node {
	out := make([]ast.Node, len(list))
	for i, n := range list {
		out[i] = w.node(n)
	}
	return out
}

// key makes sure that a map's name is text.
func (w *rewriter) key(n ast.Node) ast.Node {
	if _, ok := n.(*ast.StringNode); ok {
		return n
	}
	s := site("{…}", n)
	return w.call(n, reflect.TypeFor[string](), func(_ *evaluation, args []any) (any, error) {
		return s.Name(args[0])
	}, w.node(n))
}

// boolean makes sure that an operand is true or false.
func (w *rewriter) boolean(op string, n ast.Node) ast.Node {
	if w.isBool(n) {
		return w.node(n)
	}
	s := site(op, n)
	return w.call(n, boolType(), func(_ *evaluation, args []any) (any, error) {
		return s.Bool(0, args[0])
	}, w.node(n))
}

// isBool says whether the text shows that a node is true or false.
func (w *rewriter) isBool(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BoolNode:
		return true
	case *ast.UnaryNode:
		return n.Operator == "!" || n.Operator == "not"
	case *ast.BinaryNode:
		switch n.Operator {
		case "==", "!=", "<", ">", "<=", ">=", "in", "matches", "contains", "startsWith", "endsWith", "and", "or", "&&", "||":
			return true
		}
	case *ast.BuiltinNode:
		switch n.Name {
		case "all", "any", "none", "one", "hasPrefix", "hasSuffix":
			return true
		}
	}
	return false
}

func (w *rewriter) let(n *ast.VariableDeclaratorNode) ast.Node {
	v := w.node(n.Value)
	w.vars = append(w.vars, n.Name)
	body := w.node(n.Expr)
	w.vars = w.vars[:len(w.vars)-1]
	return place(n, &ast.VariableDeclaratorNode{Name: n.Name, Value: v, Expr: body})
}

// member rewrites a name or what is taken of something.
func (w *rewriter) member(n ast.Node) ast.Node {
	if id, ok := n.(*ast.IdentifierNode); ok && !w.inScope(id.Value, w.at(id)) {
		if !slices.Contains(w.vars, id.Value) {
			language.UnknownName(w.report, w.scope, id.Value, w.at(id))
		}
		return n
	}
	if chain, root, first := w.chain(n); chain != nil {
		if first != nil {
			chain.Check(w.report, w.scope, w.at(first))
		}
		w.reads.Add(chain, w.at(root))
		return w.call(n, nil, func(e *evaluation, _ []any) (any, error) { return chain.Value(e.env), nil })
	}
	if c, ok := n.(*ast.ChainNode); ok {
		return w.node(c.Node)
	}
	m := n.(*ast.MemberNode)
	if k, ok := key(m.Property); ok {
		return w.call(m, nil, func(_ *evaluation, args []any) (any, error) { return value.At(args[0], k), nil }, w.node(m.Node))
	}
	return w.call(m, nil, func(_ *evaluation, args []any) (any, error) {
		return value.Member(args[0], args[1]), nil
	}, w.node(m.Node), w.node(m.Property))
}

// inScope says whether a name that is written at an offset has a chain. In a lenient scope all have, and are null.
func (w *rewriter) inScope(name string, at int) bool {
	switch {
	case slices.Contains(w.vars, name):
		return false
	case language.IsName(name) || slices.Contains(w.labels, name):
		return true
	case w.scope.IsLabel(name) || w.scope.Lenient && language.UnknownName(w.report, w.scope, name, at):
		w.labels = append(w.labels, name)
		return true
	}
	return false
}

// chain gives the chain that n is, the node of its name and that of its first member; nil where n is none.
func (w *rewriter) chain(n ast.Node) (c *language.Chain, root, first ast.Node) {
	switch n := n.(type) {
	case *ast.ChainNode:
		return w.chain(n.Node)
	case *ast.IdentifierNode:
		if w.inScope(n.Value, w.at(n)) {
			return language.NewChain(n.Value), n, nil
		}
	case *ast.MemberNode:
		k, ok := key(n.Property)
		if !ok {
			return nil, nil, nil
		}
		c, root, first := w.chain(n.Node)
		if c == nil {
			return nil, nil, nil
		}
		if first == nil {
			first = n.Property
		}
		return c.Member(k), root, first
	}
	return nil, nil, nil
}

// key gives the member that a property states.
func key(property ast.Node) (value.Key, bool) {
	switch p := property.(type) {
	case *ast.StringNode:
		return value.Key{Name: p.Value}, true
	case *ast.IntegerNode:
		return value.Key{Index: int64(p.Value), IsIndex: true}, true
	case *ast.UnaryNode:
		if i, ok := p.Node.(*ast.IntegerNode); ok && p.Operator == "-" {
			return value.Key{Index: -int64(i.Value), IsIndex: true}, true
		}
	}
	return value.Key{}, false
}
