package starlark

import (
	"slices"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/syntax"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/language"
)

// functions lists the functions that code may call.
func functions() []string {
	return []string{
		"abs", "all", "any", "bool", "chr", "dict", "enumerate", "fail", "float", "int", "isinstance", "len", "list", "max", "min", "ord", "print", "range",
		"repr", "reversed", "round", "set", "sorted", "str", "sum", "tuple", "type", "zip",
	}
}

// modules lists the names whose members are functions.
func modules() map[string][]string {
	return map[string][]string{
		"json": {"encode", "decode", "dumps", "loads"},
		"math": {
			"ceil", "copysign", "fabs", "floor", "mod", "pow", "remainder", "round", "exp", "sqrt", "acos", "asin", "atan", "atan2", "cos", "hypot",
			"sin", "tan", "degrees", "radians", "acosh", "asinh", "atanh", "cosh", "sinh", "tanh", "log", "gamma", "e", "pi",
		},
	}
}

// methods lists the methods that values have.
func methods() []string {
	return []string{
		// of text
		"capitalize", "codepoint_ords", "codepoints", "count", "elem_ords", "elems", "endswith", "find", "format", "index", "isalnum", "isalpha", "isdigit",
		"islower", "isspace", "istitle", "isupper", "join", "lower", "lstrip", "partition", "removeprefix", "removesuffix", "replace", "rfind", "rindex",
		"rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "title", "upper",
		// of lists, maps and sets
		"append", "clear", "extend", "get", "insert", "items", "keys", "pop", "popitem", "remove", "setdefault", "update", "values",
		"add", "difference", "discard", "intersection", "issubset", "issuperset", "symmetric_difference", "union",
	}
}

// functionHint answers for functions that people bring from elsewhere.
func functionHint(name string) string {
	switch name {
	case "map", "filter":
		return "write a comprehension: [x.name for x in payload.list if x.open]"
	case "getattr", "hasattr":
		return `what is missing is None: write x.get("name", default), or "name" in x`
	case "pow":
		return "write x ** y, or math.pow(x, y)"
	case "open", "input":
		return "code reads no files"
	case "eval", "exec", "compile", "__import__":
		return "code cannot make code"
	case "datetime", "time", "now":
		return "`now` is the time of the run, as text"
	case "format":
		return `write an f-string: f"{x:.2f}"; in Starlark "%s" % x`
	case "Exception", "ValueError", "TypeError", "KeyError":
		return `write fail("what is wrong")`
	case "frozenset":
		return "write set(…)"
	case "iter", "next":
		return "write a loop, or x[0]"
	case "super", "object", "property", "staticmethod", "classmethod":
		return "classes are not known here"
	case "bytes", "bytearray":
		return "bytes are no value here; write text"
	case "size", "length":
		return "write len(x)"
	case "lower", "upper", "trim", "split", "replace", "startsWith", "endsWith":
		return "it is a method: payload.title.lower(), strip(), split(\",\"), replace(\"a\", \"b\"), startswith(\"a\"), endswith(\"a\")"
	case "has", "exists":
		return "what is missing is None: write x != None"
	case "fetch", "requests":
		return "requests are sent by hook nodes"
	}
	return ""
}

// methodHint answers for methods of Python that Starlark has not.
func methodHint(name string) string {
	switch name {
	case "copy":
		return "write list(x) or dict(x)"
	case "sort":
		return "write x = sorted(x)"
	case "reverse":
		return "write x = reversed(x)"
	case "zfill", "rjust", "ljust", "center":
		return `f-strings have widths: f"{x:>10}", f"{x:05}"`
	case "encode", "decode":
		return "text is text here, and json.encode and json.decode are for JSON"
	case "isnumeric", "isdecimal":
		return "did you mean `isdigit`?"
	case "toLowerCase":
		return "did you mean `lower`?"
	case "toUpperCase":
		return "did you mean `upper`?"
	case "includes", "contains", "has_key":
		return `write "name" in x`
	case "trim":
		return "did you mean `strip`?"
	case "push":
		return "did you mean `append`?"
	case "length", "size":
		return "write len(x)"
	case "strftime", "isoformat", "timestamp":
		return "`now` is text here: 2024-01-02T03:04:05Z"
	}
	return ""
}

// wordHint answers for constants that people bring from elsewhere.
func wordHint(name string) string {
	switch name {
	case "true", "false":
		return "write " + strings.ToUpper(name[:1]) + name[1:]
	case "null", "nil", "undefined":
		return "write None"
	}
	return ""
}

// callees are the identifiers that are called.
func callees(file *syntax.File) map[*syntax.Ident]bool {
	out := map[*syntax.Ident]bool{}
	for _, s := range file.Stmts {
		syntax.Walk(s, func(n syntax.Node) bool {
			if call, ok := n.(*syntax.CallExpr); ok {
				if id, ok := call.Fn.(*syntax.Ident); ok {
					out[id] = true
				}
			}
			return true
		})
	}
	return out
}

// isFree says whether a name is none of the text's own.
func isFree(id *syntax.Ident) bool {
	b, ok := id.Binding.(*resolve.Binding)
	return ok && b.Scope == resolve.Predeclared
}

// scan goes through the names of a resolved text: those that are roots of chains are entered, those that nobody knows are reported.
func (w *rewriter) scan(file *syntax.File) {
	called := callees(file)
	own := w.ownNames(file)
	known := modules()
	reported := map[int]bool{}
	for _, s := range file.Stmts {
		syntax.Walk(s, func(n syntax.Node) bool {
			id, ok := n.(*syntax.Ident)
			if !ok || !isFree(id) || strings.HasPrefix(id.Name, "$") {
				return true
			}
			_, isModule := known[id.Name]
			isFunction := slices.Contains(functions(), id.Name)
			switch at := w.offset(id.NamePos); {
			case isFunction && (called[id] || !w.scope.IsLabel(id.Name)):
			case language.IsName(id.Name) || w.scope.IsLabel(id.Name):
				w.roots[id] = true
			case isModule:
			case reported[at]:
			default:
				reported[at] = true
				if w.unknown(id, at, called[id], own) {
					w.roots[id] = true
				}
			}
			return true
		})
	}
}

// unknown reports a name that nobody knows, and says whether it is null instead.
func (w *rewriter) unknown(id *syntax.Ident, at int, called bool, own []string) (null bool) {
	name := id.Name
	if hint := wordHint(name); hint != "" {
		w.report.Word(diag.UnknownName, at, hint, "unknown name %s", name)
		return false
	}
	if called {
		hint := functionHint(name)
		if hint == "" {
			hint = diag.DidYouMean(name, append(own, functions()...))
		}
		w.report.Word(diag.UnknownName, at, hint, "unknown function %s", name)
		return false
	}
	if hint := diag.DidYouMean(name, own); hint != "" && !w.scope.Lenient {
		w.report.Word(diag.UnknownName, at, hint, "unknown name %s", name)
		return false
	}
	return language.UnknownName(w.report, w.scope, name, at)
}

// ownNames lists the names that the text gives meanings.
func (w *rewriter) ownNames(file *syntax.File) []string {
	var out []string
	for _, s := range file.Stmts {
		syntax.Walk(s, func(n syntax.Node) bool {
			if id, ok := n.(*syntax.Ident); ok && id.Binding != nil && !isFree(id) && !isConstant(id.Name) && !strings.HasPrefix(id.Name, "$") && !slices.Contains(out, id.Name) {
				out = append(out, id.Name)
			}
			return true
		})
	}
	return out
}
