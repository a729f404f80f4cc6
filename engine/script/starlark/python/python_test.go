package python

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.starlark.net/syntax"
)

// shape writes a tree in a short form, so that tests show what binds to what.
func shape(n syntax.Node) string {
	list := func(xs []syntax.Expr) string {
		parts := make([]string, len(xs))
		for i, x := range xs {
			parts[i] = shape(x)
		}
		return strings.Join(parts, " ")
	}
	switch n := n.(type) {
	case *syntax.Ident:
		return n.Name
	case *syntax.Literal:
		return fmt.Sprintf("%#v", n.Value)
	case *syntax.ParenExpr:
		return shape(n.X)
	case *syntax.BinaryExpr:
		return "(" + shape(n.X) + " " + n.Op.String() + " " + shape(n.Y) + ")"
	case *syntax.UnaryExpr:
		if n.X == nil {
			return "(" + n.Op.String() + ")"
		}
		return "(" + n.Op.String() + " " + shape(n.X) + ")"
	case *syntax.CallExpr:
		return shape(n.Fn) + "(" + list(n.Args) + ")"
	case *syntax.DotExpr:
		return shape(n.X) + "." + n.Name.Name
	case *syntax.IndexExpr:
		return shape(n.X) + "[" + shape(n.Y) + "]"
	case *syntax.SliceExpr:
		bound := func(x syntax.Expr) string {
			if x == nil {
				return ""
			}
			return shape(x)
		}
		return shape(n.X) + "[" + bound(n.Lo) + ":" + bound(n.Hi) + ":" + bound(n.Step) + "]"
	case *syntax.ListExpr:
		return "[" + list(n.List) + "]"
	case *syntax.TupleExpr:
		return "<" + list(n.List) + ">"
	case *syntax.DictExpr:
		return "{" + list(n.List) + "}"
	case *syntax.DictEntry:
		return shape(n.Key) + ": " + shape(n.Value)
	case *syntax.CondExpr:
		return "(" + shape(n.Cond) + " ? " + shape(n.True) + " : " + shape(n.False) + ")"
	case *syntax.LambdaExpr:
		return "lambda(" + list(n.Params) + ") " + shape(n.Body)
	case *syntax.Comprehension:
		parts := []string{shape(n.Body)}
		for _, c := range n.Clauses {
			switch c := c.(type) {
			case *syntax.ForClause:
				parts = append(parts, "for "+shape(c.Vars)+" in "+shape(c.X))
			case *syntax.IfClause:
				parts = append(parts, "if "+shape(c.Cond))
			}
		}
		return "[" + strings.Join(parts, " ") + "]"
	case *syntax.ExprStmt:
		return shape(n.X)
	case *syntax.AssignStmt:
		return shape(n.LHS) + " " + n.Op.String() + " " + shape(n.RHS)
	case *syntax.ReturnStmt:
		if n.Result == nil {
			return "return"
		}
		return "return " + shape(n.Result)
	case *syntax.BranchStmt:
		return n.Token.String()
	case *syntax.IfStmt:
		return "if " + shape(n.Cond) + " {" + shapes(n.True) + "} {" + shapes(n.False) + "}"
	case *syntax.ForStmt:
		return "for " + shape(n.Vars) + " in " + shape(n.X) + " {" + shapes(n.Body) + "}"
	case *syntax.WhileStmt:
		return "while " + shape(n.Cond) + " {" + shapes(n.Body) + "}"
	case *syntax.DefStmt:
		return "def " + n.Name.Name + "(" + list(n.Params) + ") {" + shapes(n.Body) + "}"
	}
	return fmt.Sprintf("%T", n)
}

func shapes(list []syntax.Stmt) string {
	parts := make([]string, len(list))
	for i, s := range list {
		parts[i] = shape(s)
	}
	return strings.Join(parts, "; ")
}

func TestTextBecomesATree(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"not a < b == c":                               "(not ((a < b) and (b == c)))",
		"a or b and not c in d":                        "(a or (b and (not (c in d))))",
		"a not in b is not None":                       "((a not in b) and (b != None))",
		"-a ** -b":                                     "(- $power(a (- b)))",
		"a ** b ** c":                                  "$power(a $power(b c))",
		"a + b * c - d % e":                            "((a + (b * c)) - $percent(d e))",
		"a | b ^ c & d << 1":                           "(a | (b ^ (c & (d << 1))))",
		"a if b else c if d else e":                    "(b ? a : (d ? c : e))",
		"x[1], x[:2], x[::3], x[1, 2]":                 "<x[1] x[:2:] x[::3] x[<1 2>]>",
		"f(a, *b, k=1, **c)":                           "f(a (* b) (k = 1) (** c))",
		"f(x for x in y if x)":                         "f([x for x in y if x])",
		"{1, 2}":                                       "set([1 2])",
		"{a: b, **c, d: e}":                            "(({a: b} | c) | {d: e})",
		"{k: v for k, v in x}":                         "[k: v for <k v> in x]",
		"(), (a,), (a)":                                "<<> <a> a>",
		"lambda a, b=1, *c, **d: a":                    "lambda(a (b = 1) (* c) (** d)) a",
		"a = b = c":                                    "b = c; a = b",
		"x: int":                                       "pass",
		"x: dict[str, int] = {}":                       "x = {}",
		"x += 1; x **= 2; x //= 3":                     "x += 1; x = $power(x 2); x //= 3",
		"del x[1], y.z[2]":                             "x.pop(1); y.z.pop(2)",
		"if a: b\nelif c: d\nelse: e":                  "if a {b} {if c {d} {e}}",
		"while a:\n  break\n  continue":                "while a {break; continue}",
		"for a, b in c:\n\tpass":                       "for <a b> in c {pass}",
		"def f(a: int, /, *, b='x') -> str:\n  return": `def f(a (*) (b = "x")) {return}`,
		`"a" 'b'`:                                      `"ab"`,
		`f"a{b!r:>{c}}{{" "d"`:                         `$join("a" $format(b $join(">" $format(c "" "")) "r") "{" "d")`,
		`f"{a = }"`:                                    `$join("a = " $format(a "" "r"))`,
		`f"{x["k"]}"`:                                  `$join($format(x["k"] "" ""))`,
		`f'''{a
		}'''`: `$join($format(a "" ""))`,
		`"\x41\u00e9\101\q\
"`: `"AéA\\q"`,
		`r"\n" + rf"\d{1}"`:                  `("\\n" + $join("\\d" $format(1 "" "")))`,
		"0x1F + 0b11 + 0o17 + 1_000 + 1.5e3": "((((31 + 3) + 15) + 1000) + 1500)",
		"99999999999999999999":               "99999999999999999999",
		"x = (1 +\n  2) # c\n\n# d\ny":       "x = (1 + 2); y",
		"return a, b":                        "return <a b>",
	} {
		file, err := Parse("x", text)
		if err != nil {
			t.Errorf("`%s`: %v", text, err)
			continue
		}
		if got := shapes(file.Stmts); got != want {
			t.Errorf("`%s` is %s, want %s", text, got, want)
		}
	}
}

func TestMistakesHaveAPlace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"x = «)»":                     "unexpected `)`",
		"if a:\n«»b":                  "a line that is indented belongs here",
		"if a:\n    x\n  «»y":         "indented unlike any block",
		"  «»x = 1":                   "indented further",
		"x = 1\n  «»y = 2":            "indented further",
		"x = «'abc»\ny":               "a quote is opened here and never closed",
		"f'«{»a'":                     "never closed",
		"f'{a«!»x}'":                  "behind ! stands",
		`"«\x»g"`:                     "too few digits",
		`"«\N»{DASH}"`:                "not known by their names",
		"«import» os":                 "nothing can be imported",
		"for x in y: pass\n«else»: z": "`else` of a loop",
		"x «:=» 1":                    "`:=` is not known",
		"a «is» b":                    "`is` stands before",
		"x = «08»":                    "no number",
		"x = a «b»":                   "unexpected `b`",
		"f(1«=»2)":                    "unexpected `=`",
		"x = «$»":                     "unexpected `$`",
	} {
		plain := strings.NewReplacer("«", "", "»", "").Replace(text)
		_, err := Parse("x", plain)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Message, want) {
			t.Errorf("`%s`: %v, want %s", plain, err, want)
			continue
		}
		if from := strings.Index(text, "«"); e.From != from {
			t.Errorf("`%s`: the mistake is at %d, want %d (%s)", plain, e.From, from, e.Message)
		}
	}
}

func TestPlacesCountCharacters(t *testing.T) {
	t.Parallel()
	file, err := Parse("x", "ü = 1\nö = 'ä' + z")
	if err != nil {
		t.Fatal(err)
	}
	z := file.Stmts[1].(*syntax.AssignStmt).RHS.(*syntax.BinaryExpr).Y.(*syntax.Ident)
	if z.NamePos.Line != 2 || z.NamePos.Col != 11 {
		t.Errorf("z is at %d:%d, want 2:11", z.NamePos.Line, z.NamePos.Col)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`f"{payload.n:>{width}}{{}}{x!r}" 'a' rf"""{1}"""`, "for a, b in x: pass\nelse: pass", "x: int = 1; del x[1], y[2]", "def f(a, *, b: int = 1, **k) -> str: return a",
		"{**a, 'b': 1, **c}", "a < b <= c is not None not in d", "lambda *a, k=1: 1", "\tif 1:\n  2", `"\x41\u00e9\N{x}\777"`, "x[1:2:3][::]", "0x1F + 1_000 + 1e3 + 1.5j",
		"f'{'", "f'{a!}'", "f'{a:{b:{c}}}'", "x \\\n + 1", "f\"{x[\"a\"]}\"",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse("x", text)
		var e *Error
		switch {
		case err == nil && file == nil:
			t.Fatal("neither a tree nor a mistake")
		case err != nil && !errors.As(err, &e):
			t.Fatal(err)
		case err != nil && (e.From < 0 || e.From > len(text) || e.To < e.From || e.To > len(text)):
			t.Fatalf("`%s`: a mistake between %d and %d of %d bytes", text, e.From, e.To, len(text))
		case err != nil && e.Message == "":
			t.Fatal("a mistake without words")
		}
	})
}
