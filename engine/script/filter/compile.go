package filter

import (
	"fmt"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/language"
)

// operator is one of the language.
type operator struct {
	name string
	// make compiles a list that begins with the operator.
	make func(c *compiler, op string, list item) test
}

func operators() []operator {
	order := func(holds func(order int) bool) func(*compiler, string, item) test {
		return func(c *compiler, op string, list item) test { return c.compare(op, list, holds) }
	}
	return []operator{
		{"and", func(c *compiler, _ string, list item) test { return all(c.tests("and", list)) }},
		{"or", func(c *compiler, _ string, list item) test { return anyOf(c.tests("or", list)) }},
		{"not", (*compiler).not},
		{"eq", (*compiler).equal},
		{"starts-with", (*compiler).text},
		{"contains", (*compiler).text},
		{"has", (*compiler).has},
		{"has-all", (*compiler).hasSome},
		{"has-any", (*compiler).hasSome},
		{"gt", order(func(c int) bool { return c > 0 })},
		{"gte", order(func(c int) bool { return c >= 0 })},
		{"lt", order(func(c int) bool { return c < 0 })},
		{"lte", order(func(c int) bool { return c <= 0 })},
		{"exists", (*compiler).exists},
	}
}

// compiler makes tests of items.
type compiler struct {
	report *language.Report
	known  []operator
	paths  []*path
}

// test compiles a list. Where something is wrong it gives any test, and goes on, so that all findings come at once.
func (c *compiler) test(list item) test {
	if c.known == nil {
		c.known = operators()
	}
	if len(list.list) == 0 {
		c.report.Errorf(diag.ExpressionSyntax, list.from, list.to, `write (eq "action" "opened")`, "an expression is empty")
		return constant(false)
	}
	head := list.list[0]
	if head.isList {
		c.report.Errorf(diag.ExpressionSyntax, head.from, head.to, "join several with and: (and (…) (…))", "an expression begins with an operator, not with a bracket")
		return constant(false)
	}
	name, _ := head.value.(string)
	i := slices.IndexFunc(c.known, func(o operator) bool { return o.name == name })
	if i < 0 {
		c.unknown(head, name)
		return constant(false)
	}
	return c.known[i].make(c, name, list)
}

func (c *compiler) unknown(head item, name string) {
	if name == "" {
		name = fmt.Sprint(head.value)
	}
	names := make([]string, len(c.known))
	for i, o := range c.known {
		names[i] = o.name
	}
	hint := operatorHint(strings.ToLower(name))
	if hint == "" {
		hint = diag.DidYouMean(name, names)
	}
	if hint == "" {
		hint = "the operators are " + strings.Join(names, ", ")
	}
	c.report.Errorf(diag.UnknownName, head.from, head.to, hint, "unknown operator %s", name)
}

// operatorHint answers for operators that people bring from elsewhere.
func operatorHint(name string) string {
	switch name {
	case "=", "==", "===", "is", "equals":
		return "did you mean `eq`?"
	case "!=", "!==", "<>", "ne", "neq", "not-eq":
		return "write (not (eq …))"
	case ">":
		return "did you mean `gt`?"
	case ">=", "ge":
		return "did you mean `gte`?"
	case "<":
		return "did you mean `lt`?"
	case "<=", "le":
		return "did you mean `lte`?"
	case "&&", "all", "every":
		return "did you mean `and`?"
	case "||", "any", "some":
		return "did you mean `or`?"
	case "!":
		return "did you mean `not`?"
	case "in", "one-of":
		return "write (or (eq f 1) (eq f 2)); has-any asks what a list has"
	case "ends-with", "matches", "regex":
		return "this language has no such operator; a condition in expr has endsWith and matches"
	}
	return ""
}

// tests compiles the operands of `and`, `or` and `not`.
func (c *compiler) tests(op string, list item) []test {
	var out []test
	for _, it := range list.list[1:] {
		if !it.isList {
			c.report.Errorf(diag.ExpressionSyntax, it.from, it.to, "", "`%s` joins expressions in brackets", op)
			continue
		}
		out = append(out, c.test(it))
	}
	return out
}

func (c *compiler) not(op string, list item) test {
	tests := c.tests(op, list)
	if len(list.list) != 2 {
		c.arity(list, "`not` takes one expression, not %d", len(list.list)-1)
	}
	if len(tests) != 1 {
		return constant(false)
	}
	return not{tests[0]}
}

func (c *compiler) arity(list item, format string, args ...any) {
	c.report.Errorf(diag.ExpressionType, list.from, list.to, "", format, args...)
}

// field gives the path that an operator works on, nil where there is none.
func (c *compiler) field(op string, list item, operands int) *path {
	if len(list.list) != operands+1 {
		if operands == 1 {
			c.arity(list, "`%s` takes a path, not %d operands", op, len(list.list)-1)
		} else {
			c.arity(list, "`%s` takes a path and a value, not %d operands", op, len(list.list)-1)
		}
		return nil
	}
	it := list.list[1]
	text, ok := it.value.(string)
	if !ok || it.isList {
		hint := ""
		if !it.isList {
			hint = "write the path in quotes"
		}
		c.report.Errorf(diag.ExpressionType, it.from, it.to, hint, "the path of `%s` is a text", op)
		return nil
	}
	p := newPath(text, c.report, it.from, it.to)
	if i := slices.IndexFunc(c.paths, func(have *path) bool { return have.text == text }); i >= 0 {
		return c.paths[i]
	}
	c.paths = append(c.paths, p)
	return p
}

// never warns of a comparison that no payload fulfils.
func (c *compiler) never(it item, hint, format string, args ...any) test {
	c.report.Warnf(diag.ExpressionType, it.from, it.to, hint, format+", so this is never true", args...)
	return constant(false)
}

// scalar is field for operators that compare one value: it refuses what a wildcard makes, and lists to compare with.
func (c *compiler) scalar(op string, list item) (p *path, operand item, never test) {
	if p = c.field(op, list, 2); p == nil {
		return nil, item{}, constant(false)
	}
	operand = list.list[2]
	if p.each != nil {
		return p, operand, c.never(list.list[1], "ask what the list has with has, has-any or has-all", "a wildcard makes a list and `%s` compares one value", op)
	}
	return p, operand, nil
}

func (c *compiler) equal(op string, list item) test {
	p, operand, never := c.scalar(op, list)
	switch {
	case never != nil:
		return never
	case operand.isList:
		return c.never(operand, "", "`eq` compares with a text, a number, true, false or null")
	}
	return equal{p, operand.value}
}

func (c *compiler) text(op string, list item) test {
	p, operand, never := c.scalar(op, list)
	if never != nil {
		return never
	}
	part, ok := operand.value.(string)
	if !ok {
		return c.never(operand, "write it in quotes", "`%s` compares with a text", op)
	}
	return text{p, part, op == "starts-with"}
}

func (c *compiler) compare(op string, list item, holds func(int) bool) test {
	p, operand, never := c.scalar(op, list)
	if never != nil {
		return never
	}
	if !isNumber(operand.value) {
		hint := ""
		if s, ok := operand.value.(string); ok && isNumber(bare(s)) {
			hint = "write the number without quotes"
		}
		return c.never(operand, hint, "`%s` compares with a number", op)
	}
	return order{p, operand.value, holds}
}

func (c *compiler) has(op string, list item) test {
	p := c.field(op, list, 2)
	if p == nil {
		return constant(false)
	}
	operand := list.list[2]
	if operand.isList {
		return c.never(operand, "has-any and has-all take several", "`has` asks for one value")
	}
	return has{p, []any{operand.value}, true}
}

func (c *compiler) hasSome(op string, list item) test {
	p := c.field(op, list, 2)
	if p == nil {
		return constant(false)
	}
	operand := list.list[2]
	if !operand.isList {
		c.report.Errorf(diag.ExpressionType, operand.from, operand.to, fmt.Sprintf("write (%s \"%s\" (…)), or use has", op, p.text), "`%s` takes a list of values", op)
		return constant(false)
	}
	every := op == "has-all"
	var values []any
	for _, it := range operand.list {
		if it.isList {
			c.report.Warnf(diag.ExpressionType, it.from, it.to, "", "a list inside of a list of values equals nothing")
			if every {
				return constant(false)
			}
			continue
		}
		values = append(values, it.value)
	}
	if len(values) == 0 && !every {
		return c.never(operand, "", "the list of values is empty")
	}
	return has{p, values, every}
}

func (c *compiler) exists(op string, list item) test {
	p := c.field(op, list, 1)
	if p == nil {
		return constant(false)
	}
	return exists{p}
}
