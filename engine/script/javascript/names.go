package javascript

import (
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/language"
)

// globals lists the names that JavaScript itself brings, as the prelude leaves them.
func globals() []string {
	return []string{
		"AggregateError", "Array", "ArrayBuffer", "BigInt", "BigInt64Array", "BigUint64Array", "Boolean", "DataView", "Date", "Error", "EvalError",
		"Float16Array", "Float32Array", "Float64Array", "Infinity", "Int16Array", "Int32Array", "Int8Array", "InternalError", "Iterator", "JSON",
		"Map", "Math", "NaN", "Number", "Object", "Promise", "Proxy", "RangeError", "ReferenceError", "Reflect", "RegExp", "Set", "String", "Symbol",
		"SyntaxError", "TypeError", "URIError", "Uint16Array", "Uint32Array", "Uint8Array", "Uint8ClampedArray", "WeakMap", "WeakSet", "console",
		"decodeURI", "decodeURIComponent", "encodeURI", "encodeURIComponent", "escape", "globalThis", "isFinite", "isNaN", "parseFloat", "parseInt",
		"print", "undefined", "unescape",
	}
}

// absentHint answers for names that other homes of JavaScript have.
func absentHint(name string) string {
	switch name {
	case "eval", "Function":
		return "text cannot be made into code"
	case "require", "module", "exports", "process", "Deno", "Bun", "std", "os", "Buffer", "__dirname":
		return "code has no modules, no files and no environment"
	case "fetch", "XMLHttpRequest", "WebSocket", "axios":
		return "code reaches no network; a hook node sends"
	case "setTimeout", "setInterval", "setImmediate", "queueMicrotask":
		return "nothing runs after the code's last line; a wait node waits"
	case "window", "self", "global", "document":
		return "there is no browser here"
	case "Intl", "TextEncoder", "TextDecoder", "URL", "URLSearchParams", "structuredClone", "crypto", "atob", "btoa", "performance":
		return "only what the language itself has is there; see docs/expressions.md"
	case "Atomics", "SharedArrayBuffer", "WeakRef", "FinalizationRegistry":
		return "there is nothing to share memory with"
	}
	return ""
}

// declared gives every name that the code may bind, and some that it does not: it errs on the side of knowing a name.
func (c *code) declared() map[string]bool {
	out := map[string]bool{"arguments": true, "async": true, "of": true, "get": true, "set": true, "static": true}
	group := func(open int) { // all names in brackets
		for i := open + 1; i < c.tokens[open].pair; i++ {
			if c.tokens[i].kind == word {
				out[c.tokens[i].text] = true
			}
		}
	}
	for i, t := range c.tokens {
		switch {
		case t.kind == word && (t.text == "let" || t.text == "const" || t.text == "var"):
			c.declarators(i+1, out)
		case t.kind == word && (t.text == "function" || t.text == "class") && c.kind(i+1, word):
			out[c.tokens[i+1].text] = true
		case c.is(i, "*") && c.kind(i+1, word): // function* name
			out[c.tokens[i+1].text] = true
		case c.is(i, "=>") && c.kind(i-1, word):
			out[c.tokens[i-1].text] = true
		case c.is(i, "(") && t.pair > i && (c.is(t.pair+1, "=>") || c.is(t.pair+1, "{") && c.bindsBefore(i)):
			group(i)
		}
	}
	return out
}

// bindsBefore says whether brackets in front of a block name parameters: those of a function, a method or a catch.
func (c *code) bindsBefore(open int) bool {
	if !c.kind(open-1, word) {
		return !c.is(open-1, ")")
	}
	switch c.tokens[open-1].text {
	case "if", "while", "for", "switch", "with":
		return false
	}
	return true
}

// declarators marks the names of `let a = 1, {b, c: d} = x`, which stand from token i on.
func (c *code) declarators(i int, out map[string]bool) {
	binding := true
	for ; i < len(c.tokens); i++ {
		t := c.tokens[i]
		switch {
		case t.kind == word && binding:
			if t.text == "of" || t.text == "in" {
				return
			}
			out[t.text] = true
		case t.kind != sign:
		case t.text == ";" || (t.text == ")" || t.text == "]" || t.text == "}"):
			return
		case t.text == ",":
			binding = true
		case t.text == "=":
			binding = false
		case t.pair > i:
			if binding {
				for j := i + 1; j < t.pair; j++ {
					if c.tokens[j].kind == word {
						out[c.tokens[j].text] = true
					}
				}
			}
			i = t.pair
		}
	}
}

// isMethod says whether token i is the name of a method in an object or a class, as in {total() {…}}.
func (c *code) isMethod(i int) bool {
	open := i + 1
	return c.is(open, "(") && c.tokens[open].pair > open && c.is(c.tokens[open].pair+1, "{")
}

// checkNames reports names that are not there, each once, and gives those that are null instead, as they are in a lenient scope.
func (c *code) checkNames(report *language.Report, scope language.Scope) (null []string) {
	for _, t := range c.tokens {
		if t.kind == word && t.text == "class" {
			return nil // fields of classes look like names
		}
	}
	known := c.declared()
	for _, name := range globals() {
		known[name] = true
	}
	for i, t := range c.tokens {
		if !c.isReference(i) || known[t.text] || isInScope(scope, t.text) || c.isMethod(i) {
			continue
		}
		known[t.text] = true
		if _, ok := scope.Constant(t.text); ok {
			continue
		}
		if hint := absentHint(t.text); hint != "" {
			report.Errorf(diag.UnknownName, t.from, t.to, hint, "unknown name %s", t.text)
			continue
		}
		if near := diag.DidYouMean(t.text, globals()); near != "" && !scope.Lenient && !slices.Contains(scope.Labels, t.text) &&
			diag.DidYouMean(t.text, append(language.Names(), scope.Identifiers()...)) == "" {
			report.Errorf(diag.UnknownName, t.from, t.to, near, "unknown name %s", t.text)
			continue
		}
		if strings.TrimSpace(t.text) != "" && language.UnknownName(report, scope, t.text, t.from) {
			null = append(null, t.text)
		}
	}
	return null
}

// constants gives the constants of a lenient scope that the code names.
func (c *code) constants(scope language.Scope) map[string]any {
	out := map[string]any{}
	for i, t := range c.tokens {
		if c.isReference(i) {
			if v, ok := scope.Constant(t.text); ok {
				out[t.text] = v
			}
		}
	}
	return out
}

// isGuarded says whether a name is that of a function which guards.js knows, or the length by which a list can be made long.
func isGuarded(name string) bool {
	switch name {
	case // of lists and iterators
		"Array", "Set", "at", "concat", "copyWithin", "drop", "entries", "every", "fill", "filter", "find", "findIndex", "findLast", "findLastIndex", "flat",
		"flatMap", "forEach", "from", "fromAsync", "includes", "indexOf", "join", "keys", "lastIndexOf", "length", "map", "of", "pop", "push", "reduce",
		"reduceRight", "reverse", "set", "shift", "slice", "some", "sort", "splice", "subarray", "take", "toArray", "toLocaleString", "toReversed", "toSorted",
		"toSpliced", "toString", "unshift", "values", "with", "buffer", "byteLength", "byteOffset",
		// of texts
		"anchor", "big", "blink", "bold", "charAt", "charCodeAt", "codePointAt", "endsWith", "fixed", "fontcolor", "fontsize", "fromCharCode", "fromCodePoint",
		"isWellFormed", "italics", "link", "localeCompare", "match", "matchAll", "normalize", "padEnd", "padStart", "raw", "repeat", "replace", "replaceAll",
		"search", "small", "split", "startsWith", "strike", "sub", "substr", "substring", "sup", "toLocaleLowerCase", "toLocaleUpperCase", "toLowerCase",
		"toUpperCase", "toWellFormed", "trim", "trimEnd", "trimLeft", "trimRight", "trimStart", "valueOf",
		// of objects and the rest
		"add", "apply", "assign", "clear", "construct", "defineProperties", "delete", "deleteProperty", "difference", "freeze", "fromEntries",
		"getOwnPropertyDescriptors", "getOwnPropertyNames", "getOwnPropertySymbols", "groupBy", "has", "intersection", "isDisjointFrom", "isFrozen", "isSealed",
		"isSubsetOf", "isSupersetOf", "ownKeys", "parse", "seal", "stringify", "sumPrecise", "symmetricDifference", "toJSON", "union":
		return true
	}
	return false
}
