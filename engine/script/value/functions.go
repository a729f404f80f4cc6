package value

import (
	"math"
	"strings"
)

// call is a function of the languages. Its arguments are as many as its Function allows; it must not change them.
type call = func(b *Budget, s *Site, args []any) (any, error)

// Function is one function that expressions may call. CEL spells some of them its own way, see engine/script/cel.
type Function struct {
	Name string
	// Min and Max are how many arguments it takes.
	Min, Max int
	// Usage shows a call, Doc says in a sentence what it gives.
	Usage, Doc string
	Call       call
}

// Functions lists all functions, in the order of their documentation. None reads a file, the network, the environment, a clock or
// chance.
func Functions() []Function {
	return []Function{
		{"len", 1, 1, `len(payload.commits)`, "How many elements a list or map has, or characters a text.", length},
		{"type", 1, 1, `type(payload.id)`, `"nil", "bool", "int", "float", "string", "array", "map", "time" or "duration".`, typeName},
		{"get", 2, 2, `get(payload, vars.name)`, "A member by a name or index; null where there is none.", get},

		{"lower", 1, 1, `lower(payload.state)`, "Text in lower case.", mapText(strings.ToLower)},
		{"upper", 1, 1, `upper(payload.state)`, "Text in upper case.", mapText(strings.ToUpper)},
		{"trim", 1, 2, `trim(payload.title)`, "Text without white space, or without the given characters, at both ends.", trim},
		{"trimPrefix", 2, 2, `trimPrefix(payload.ref, "refs/heads/")`, "Text without a beginning, if it has it.", trimEnd(strings.TrimPrefix)},
		{"trimSuffix", 2, 2, `trimSuffix(payload.name, ".git")`, "Text without an end, if it has it.", trimEnd(strings.TrimSuffix)},
		{"hasPrefix", 2, 2, `hasPrefix(payload.ref, "refs/tags/")`, "Whether text begins with another.", testText("startsWith")},
		{"hasSuffix", 2, 2, `hasSuffix(payload.name, ".git")`, "Whether text ends with another.", testText("endsWith")},
		{"indexOf", 2, 2, `indexOf(payload.title, ":")`, "At which character text first holds another; -1 for nowhere.", index(strings.Index)},
		{"lastIndexOf", 2, 2, `lastIndexOf(payload.path, "/")`, "At which character text last holds another; -1 for nowhere.", index(strings.LastIndex)},
		{"split", 2, 3, `split(payload.ref, "/")`, "The pieces of text between separators, at most n of them.", split(false)},
		{"splitAfter", 2, 3, `splitAfter(payload.body, "\n")`, "Like split; each piece keeps its separator.", split(true)},
		{"join", 1, 2, `join(payload.tags, ", ")`, "The texts of a list, one after the other.", join},
		{"replace", 3, 4, `replace(payload.title, "\n", " ")`, "Text with all, or the first n, occurrences replaced.", replace},
		{"repeat", 2, 2, `repeat("-", 20)`, "Text n times over.", repeat},

		{"int", 1, 1, `int(payload.count)`, "A number without its fraction, or the whole number that text is.", toInt},
		{"float", 1, 1, `float(payload.price)`, "The number that text is.", toFloat},
		{"string", 1, 1, `string(payload.id)`, "Any value as text: null as nothing, lists and maps as JSON.", toText},
		{"toJSON", 1, 1, `toJSON(payload.user)`, "A value as compact JSON.", toJSON},
		{"fromJSON", 1, 1, `fromJSON(payload.payload)`, "The value that JSON text says.", fromJSON},
		{"toBase64", 1, 1, `toBase64(payload.id)`, "Text in base64.", toBase64},
		{"fromBase64", 1, 1, `fromBase64(payload.data)`, "The text that base64 says.", fromBase64},

		{"abs", 1, 1, `abs(payload.delta)`, "A number without its sign.", abs},
		{"ceil", 1, 1, `ceil(payload.price)`, "The next whole number above.", rounded(math.Ceil)},
		{"floor", 1, 1, `floor(payload.price)`, "The next whole number below.", rounded(math.Floor)},
		{"round", 1, 1, `round(payload.price)`, "The nearest whole number.", rounded(math.Round)},
		{"max", 1, 64, `max(payload.a, payload.b)`, "The greatest of numbers and lists of numbers; null for none.", extreme(1)},
		{"min", 1, 64, `min(payload.prices)`, "The smallest of numbers and lists of numbers; null for none.", extreme(-1)},
		{"mean", 1, 64, `mean(payload.prices)`, "The average of numbers; 0 for none.", mean},
		{"median", 1, 64, `median(payload.prices)`, "The middle one of numbers; 0 for none.", median},
		{"bitand", 2, 2, `bitand(payload.flags, 4)`, "Bits that both have.", bits(func(x, y int64) int64 { return x & y })},
		{"bitor", 2, 2, `bitor(payload.flags, 4)`, "Bits that either has.", bits(func(x, y int64) int64 { return x | y })},
		{"bitxor", 2, 2, `bitxor(payload.flags, 4)`, "Bits that one has and the other not.", bits(func(x, y int64) int64 { return x ^ y })},
		{"bitnot", 1, 1, `bitnot(payload.flags)`, "All bits turned round.", bits(func(x, _ int64) int64 { return ^x })},

		{"first", 1, 1, `first(payload.commits)`, "The first element; null where there is none.", end(0)},
		{"last", 1, 1, `last(payload.commits)`, "The last element; null where there is none.", end(-1)},
		{"take", 2, 2, `take(payload.commits, 5)`, "The first n elements.", take},
		{"reverse", 1, 1, `reverse(payload.commits)`, "A list from its end to its beginning.", reverse},
		{"sort", 1, 2, `sort(payload.tags, "desc")`, "A list of numbers or of texts in order.", sortList},
		{"uniq", 1, 1, `uniq(payload.tags)`, "A list without elements that were there before.", uniq},
		{"flatten", 1, 1, `flatten(payload.pages)`, "A list with the elements of its lists in their place.", flatten},
		{"concat", 1, 64, `concat(payload.added, payload.changed)`, "Lists one after the other.", concatLists},
		{"keys", 1, 1, `keys(payload.labels)`, "The sorted names of a map.", entries(func(_ map[string]any, name string) any { return name })},
		{"values", 1, 1, `values(payload.labels)`, "The values of a map, by their sorted names.", entries(func(m map[string]any, name string) any { return m[name] })},
		{"toPairs", 1, 1, `toPairs(payload.labels)`, "[name, value] for each name of a map, sorted.", entries(func(m map[string]any, name string) any { return []any{name, m[name]} })},
		{"fromPairs", 1, 1, `fromPairs([["a", 1]])`, "A map of [name, value] pairs.", fromPairs},

		{"date", 1, 2, `date(payload.created_at)`, "The time that text says; a layout is Go's. Without an offset it is UTC.", date},
		{"duration", 1, 1, `now - date(payload.created_at) > duration("24h")`, "The length of time that text such as 1h30m says.", duration},
	}
}

// FunctionByName gives the function of a name.
func FunctionByName(name string) (Function, bool) {
	for _, f := range Functions() {
		if f.Name == name {
			return f, true
		}
	}
	return Function{}, false
}

func get(_ *Budget, _ *Site, args []any) (any, error) { return Member(args[0], args[1]), nil }

// Sum adds up numbers and lists of numbers.
func (b *Budget) Sum(s *Site, args ...any) (any, error) { return sum(b, s, args) }
