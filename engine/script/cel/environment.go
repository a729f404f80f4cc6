package cel

import (
	"fmt"

	library "github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/env"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/value"
)

// Names that no expression can write.
const (
	opName  = "@op"  // the function that does all that the rewriter put in place of something else
	envName = "@env" // the evaluation, which is that function's first argument
)

// newEnvironment makes what parser, checker and planner share. It holds no labels, so one serves all expressions: the rewriter makes
// a label a member of `steps` before the types are checked.
func newEnvironment() (*library.Env, error) {
	object := library.MapType(library.StringType, library.DynType)
	left := env.NewLibrarySubset().AddExcludedFunctions(env.NewFunction("bytes"), env.NewFunction("uint"), env.NewFunction("type"))
	options := []library.EnvOption{
		library.StdLib(library.StdLibSubset(left)),
		library.ParserExpressionSizeLimit(language.MaxSourceBytes),
		library.ExpressionNodeLimit(language.MaxNodes),
		library.ParserErrorRecoveryLimit(4), // only the first error is shown
		library.CrossTypeNumericComparisons(true),
		library.DefaultUTCTimeZone(true),
		library.EnableMacroCallTracking(), // so that messages can name a macro
		library.CustomTypeAdapter(adapter{}),
		library.Variable("payload", library.DynType),
		library.Variable("now", library.TimestampType),
		library.Function(opName, library.Overload(opName, nil, library.DynType), library.SingletonFunctionBinding(perform)),
	}
	for _, name := range language.Names() {
		if name != "payload" && name != "now" {
			options = append(options, library.Variable(name, object))
		}
	}
	for _, f := range value.Functions() {
		if !isStandard(f.Name) {
			options = append(options, declare(f))
		}
	}
	for _, m := range members() {
		if m.args != nil {
			options = append(options, m.declare())
		}
	}
	return library.NewCustomEnv(options...)
}

// isStandard says whether the library's own declaration of a function is good enough for the type check.
func isStandard(name string) bool {
	switch name {
	case "int", "string", "duration":
		return true
	}
	return false
}

// maxArguments is how many arguments of functions that take any number the type checker knows.
const maxArguments = 8

// declare tells the type checker of a function: any arguments, any result.
func declare(f value.Function) library.EnvOption {
	var overloads []library.FunctionOpt
	for n := f.Min; n <= min(f.Max, maxArguments); n++ {
		args := make([]*library.Type, n)
		for i := range args {
			args[i] = library.DynType
		}
		overloads = append(overloads, library.Overload(fmt.Sprintf("%s_%d", f.Name, n), args, library.DynType))
	}
	return library.Function(f.Name, overloads...)
}

// member is a function that is called on a value: x.name(…).
type member struct {
	name     string
	function string // its name in engine/script/value, "" for those that have an operation of their own
	// args are the types of target and arguments, least of which must be there; nil where the library declares the function.
	args  []*library.Type
	least int
	gives *library.Type
}

// members lists the functions that can be called on a value.
func members() []member {
	text, number, list := library.StringType, library.IntType, library.ListType(library.DynType)
	return []member{
		{name: "size", function: "len"},
		{name: "contains"},
		{name: "startsWith"},
		{name: "endsWith"},
		{name: "matches"},
		{"lowerAscii", "lower", []*library.Type{text}, 1, text},
		{"upperAscii", "upper", []*library.Type{text}, 1, text},
		{"trim", "trim", []*library.Type{text}, 1, text},
		{"replace", "replace", []*library.Type{text, text, text, number}, 3, text},
		{"split", "split", []*library.Type{text, text, number}, 2, list},
		{"join", "join", []*library.Type{list, text}, 1, text},
		{"indexOf", "indexOf", []*library.Type{text, text}, 2, number},
		{"lastIndexOf", "lastIndexOf", []*library.Type{text, text}, 2, number},
		{"substring", "", []*library.Type{text, number, number}, 2, text},
	}
}

func (m member) declare() library.EnvOption {
	var overloads []library.FunctionOpt
	for n := m.least; n <= len(m.args); n++ {
		overloads = append(overloads, library.MemberOverload(fmt.Sprintf("member_%s_%d", m.name, n), m.args[:n], m.gives))
	}
	return library.Function(m.name, overloads...)
}

// timeGetters lists the library's own functions on times and durations; all but getMilliseconds and so on of durations take a time
// zone, too.
func timeGetters() []string {
	return []string{
		"getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours", "getMilliseconds", "getMinutes", "getMonth",
		"getSeconds",
	}
}

// operation does what stands in one place of an expression.
type operation = func(e *evaluation, args []ref.Val) ref.Val

// perform is the function @op: its arguments are the evaluation, the number of an operation and what that works on.
func perform(args ...ref.Val) ref.Val {
	e := args[0].(*evaluation)
	return e.program.operations[args[1].(types.Int)](e, args[2:])
}
