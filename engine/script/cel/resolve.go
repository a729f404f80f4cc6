package cel

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/parser"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/value"
)

// rewriter first resolves the names of a parsed expression, so that all that are unknown are reported at once, and after the type
// check makes the tree that is run.
type rewriter struct {
	*compilation
	factory    ast.ExprFactory
	nextID     int64
	known      []value.Function
	members    []member
	locals     []string         // variables of macros, innermost last
	accus      []string         // their accumulators
	macros     []string         // the macros, innermost last
	labels     map[int64]string // members of `steps` that were written as labels
	unknown    []string         // names that are null in a lenient scope
	operations []operation
	reads      language.Reads
	loops      int
}

func newRewriter(c *compilation, root ast.Expr) *rewriter {
	w := &rewriter{compilation: c, factory: ast.NewExprFactory(), labels: map[int64]string{}, known: value.Functions(), members: members()}
	ast.PreOrderVisit(root, ast.NewExprVisitor(func(e ast.Expr) { w.nextID = max(w.nextID, e.ID()) }))
	return w
}

func (w *rewriter) id() int64 {
	w.nextID++
	return w.nextID
}

// at gives the byte where a node is said to begin.
func (w *rewriter) at(e ast.Expr) int {
	r, ok := w.info.GetOffsetRange(e.ID())
	if !ok {
		return 0
	}
	return w.src.Byte(int(r.Start))
}

// start gives the byte where a node's text begins; the library places a member at its dot and an operation at its sign.
func (w *rewriter) start(e ast.Expr) int {
	switch e.Kind() {
	case ast.SelectKind:
		if w.labels[e.ID()] == "" {
			return w.start(e.AsSelect().Operand())
		}
	case ast.CallKind:
		if call := e.AsCall(); call.IsMemberFunction() {
			return w.start(call.Target())
		} else if len(call.Args()) == 2 {
			return w.start(call.Args()[0])
		}
	}
	return w.at(e)
}

// text gives a node's text for messages, "" where it is too long to help.
func (w *rewriter) text(e ast.Expr) string {
	if c, _ := w.chain(e); c != nil {
		return c.String()
	}
	const mostParts, mostCharacters = 12, 60
	if parts := mostParts; !count(e, &parts) {
		return ""
	}
	if text, err := parser.Unparse(e, w.info); err == nil && utf8.RuneCountInString(text) <= mostCharacters {
		return text
	}
	return ""
}

// count takes the parts of a node from left and says whether that sufficed: text is made of small nodes only, and never of loops and
// choices.
func count(e ast.Expr, left *int) bool {
	if *left--; *left < 0 {
		return false
	}
	switch e.Kind() {
	case ast.IdentKind, ast.LiteralKind:
		return true
	case ast.SelectKind:
		return count(e.AsSelect().Operand(), left)
	case ast.ListKind:
		return countAll(e.AsList().Elements(), left)
	case ast.CallKind:
		call := e.AsCall()
		return (!call.IsMemberFunction() || count(call.Target(), left)) && countAll(call.Args(), left)
	}
	return false
}

func countAll(list []ast.Expr, left *int) bool {
	return !slices.ContainsFunc(list, func(e ast.Expr) bool { return !count(e, left) })
}

// resolve reports names and functions that are not known, and writes labels as members of `steps`.
func (w *rewriter) resolve(e ast.Expr) {
	switch e.Kind() {
	case ast.LiteralKind:
		switch e.AsLiteral().(type) {
		case types.Bytes:
			w.report.Word(diag.ExpressionType, w.at(e), "", "bytes are no value here; write text")
		case types.Uint:
			w.report.Word(diag.ExpressionType, w.at(e), "leave out the u", "unsigned numbers are no values here")
		}
	case ast.IdentKind:
		w.resolveName(e)
	case ast.SelectKind:
		w.resolve(e.AsSelect().Operand())
		w.checkChain(e)
	case ast.CallKind:
		w.resolveCall(e)
	case ast.ListKind:
		w.resolveAll(e.AsList().Elements())
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			m := entry.AsMapEntry()
			if _, isText := m.Key().AsLiteral().(types.String); m.Key().Kind() == ast.LiteralKind && !isText {
				w.report.Word(diag.ExpressionType, w.at(m.Key()), "", "names of a map are strings")
			}
			w.resolve(m.Key())
			w.resolve(m.Value())
		}
	case ast.StructKind:
		w.report.Word(diag.ExpressionType, w.at(e), `a map is written {"name": value}`, "%s is no value here", e.AsStruct().TypeName())
	case ast.ComprehensionKind:
		w.resolveLoop(e)
	}
}

func (w *rewriter) resolveAll(list []ast.Expr) {
	for _, e := range list {
		w.resolve(e)
	}
}

func (w *rewriter) resolveLoop(e ast.Expr) {
	c := e.AsComprehension()
	if w.loops++; w.loops == maxLoops+1 {
		w.report.Errorf(diag.ExpressionTooLarge, 0, len(w.src.Text), "", "the expression has more than %d macros", maxLoops)
	}
	w.resolve(c.IterRange())
	w.resolve(c.AccuInit())
	leave := w.enter(e)
	w.resolve(c.LoopCondition())
	w.resolve(c.LoopStep())
	w.resolve(c.Result())
	leave()
}

// enter brings the variables of a macro into scope until leave is called.
func (w *rewriter) enter(e ast.Expr) (leave func()) {
	c := e.AsComprehension()
	locals, accus, macros := len(w.locals), len(w.accus), len(w.macros)
	w.locals = append(w.locals, c.IterVar(), c.IterVar2(), c.AccuVar())
	w.accus = append(w.accus, c.AccuVar())
	w.macros = append(w.macros, w.macro(e))
	return func() { w.locals, w.accus, w.macros = w.locals[:locals], w.accus[:accus], w.macros[:macros] }
}

// macro gives the name of the macro that a loop was written as.
func (w *rewriter) macro(e ast.Expr) string {
	if call, ok := w.info.GetMacroCall(e.ID()); ok {
		return call.AsCall().FunctionName()
	}
	return "a macro"
}

func (w *rewriter) resolveName(e ast.Expr) {
	name := e.AsIdent()
	switch {
	case slices.Contains(w.locals, name) || language.IsName(name):
	case w.scope.IsLabel(name) || slices.Contains(w.unknown, name):
		w.label(e, name)
	default:
		if v, ok := w.scope.Constant(name); ok {
			e.SetKindCase(w.factory.NewLiteral(e.ID(), adapter{}.NativeToValue(v)))
		} else if language.UnknownName(w.report, w.scope, name, w.at(e)) {
			w.unknown = append(w.unknown, name)
			w.label(e, name)
		}
	}
}

// label makes a name a member of `steps`, which is where its value is looked up.
func (w *rewriter) label(e ast.Expr, name string) {
	w.labels[e.ID()] = name
	steps := w.factory.NewIdent(w.id(), "steps")
	e.SetKindCase(w.factory.NewSelect(e.ID(), steps, name))
}

// checkChain reports a member that cannot be there, once: where the chain has but one.
func (w *rewriter) checkChain(e ast.Expr) {
	c, root := w.chain(e)
	if c == nil || c.Len() != 1 || w.labels[e.ID()] != "" || w.labels[root.ID()] != "" {
		return
	}
	at := w.at(e)
	if rest := w.src.Text[at:]; strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "[") {
		at++
	}
	c.Check(w.report, w.scope, at)
}

func (w *rewriter) resolveCall(e ast.Expr) {
	call := e.AsCall()
	if call.IsMemberFunction() {
		w.resolve(call.Target())
	}
	w.resolveAll(call.Args())
	name := call.FunctionName()
	if _, isOperator := operators.FindReverse(name); isOperator || strings.HasPrefix(name, "@") || name == operators.Index || name == operators.Conditional {
		if name == operators.Index {
			w.checkChain(e)
		}
		return
	}
	if name == "matches" {
		w.checkPattern(call)
		return
	}
	if call.IsMemberFunction() {
		w.resolveMember(e, name)
		return
	}
	if w.globalFunction(name) == "" && name != "bool" && name != "dyn" {
		names := []string{"size", "double", "timestamp", "bool", "has", "matches"}
		for _, f := range w.known {
			names = append(names, f.Name)
		}
		hint := diag.DidYouMean(name, names)
		switch {
		case name == "now":
			hint = "`now` is a value: write it without brackets"
		case slices.ContainsFunc(w.members, func(m member) bool { return m.name == name }):
			hint = "write x." + name + "(…)"
		}
		w.report.Word(diag.UnknownName, w.callAt(e), hint, "unknown function %s", name)
	}
}

// checkPattern reports a pattern that is none, or that a value could choose.
func (w *rewriter) checkPattern(call ast.CallExpr) {
	if len(call.Args()) == 0 {
		return // the type check says so
	}
	last := call.Args()[len(call.Args())-1]
	text, ok := last.AsLiteral().(types.String)
	if !ok {
		w.report.Word(diag.ExpressionType, w.start(last), "", "a pattern must be written out, it cannot come from a value")
		return
	}
	if _, err := value.CompilePattern(string(text)); err != nil {
		w.report.Word(diag.ExpressionSyntax, w.at(last), "", "%v", err)
	}
}

func (w *rewriter) resolveMember(e ast.Expr, name string) {
	names := timeGetters()
	for _, m := range w.members {
		names = append(names, m.name)
	}
	if !slices.Contains(names, name) {
		hint := diag.DidYouMean(name, names)
		if hint == "" && w.globalFunction(name) != "" {
			hint = "write " + name + "(x), not x." + name + "()"
		}
		w.report.Word(diag.UnknownName, w.callAt(e), hint, "unknown method %s", name)
		return
	}
	if !slices.Contains(timeGetters(), name) {
		return
	}
	for _, arg := range e.AsCall().Args() {
		zone, ok := arg.AsLiteral().(types.String)
		if !ok || zone != "UTC" && !strings.ContainsAny(string(zone), "+-") || strings.Contains(string(zone), "/") {
			w.report.Word(diag.ExpressionType, w.at(arg), `write an offset such as "+02:00"`, "names of time zones are not known here, because they would have to be read from files")
		}
	}
}

// callAt gives the place of a call's name; the library points to its bracket.
func (w *rewriter) callAt(e ast.Expr) int {
	at, name := w.at(e), e.AsCall().FunctionName()
	if i := at - len(name); i >= 0 && w.src.Text[i:at] == name {
		return i
	}
	return at
}

// globalFunction gives the name in engine/script/value of a function that is called with its values in brackets, or "".
func (w *rewriter) globalFunction(name string) string {
	switch name {
	case "size":
		return "len"
	case "double":
		return "float"
	case "timestamp":
		return "date"
	}
	if slices.ContainsFunc(w.known, func(f value.Function) bool { return f.Name == name }) {
		return name
	}
	return ""
}

// chain gives the chain of members that e is and the node of its name; nil where e is none.
func (w *rewriter) chain(e ast.Expr) (*language.Chain, ast.Expr) {
	if label := w.labels[e.ID()]; label != "" {
		return language.NewChain(label), e
	}
	switch e.Kind() {
	case ast.IdentKind:
		if name := e.AsIdent(); language.IsName(name) && !slices.Contains(w.locals, name) {
			return language.NewChain(name), e
		}
	case ast.SelectKind:
		if s := e.AsSelect(); !s.IsTestOnly() {
			return w.link(s.Operand(), value.Key{Name: s.FieldName()})
		}
	case ast.CallKind:
		if call := e.AsCall(); call.FunctionName() == operators.Index {
			if k, ok := key(call.Args()[1]); ok {
				return w.link(call.Args()[0], k)
			}
		}
	}
	return nil, nil
}

func (w *rewriter) link(operand ast.Expr, k value.Key) (*language.Chain, ast.Expr) {
	c, root := w.chain(operand)
	if c == nil {
		return nil, nil
	}
	return c.Member(k), root
}

// key gives the member that an index states.
func key(e ast.Expr) (value.Key, bool) {
	if e.Kind() != ast.LiteralKind {
		return value.Key{}, false
	}
	switch v := e.AsLiteral().(type) {
	case types.String:
		return value.Key{Name: string(v)}, true
	case types.Int:
		return value.Key{Index: int64(v), IsIndex: true}, true
	}
	return value.Key{}, false
}
