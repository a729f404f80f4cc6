// Guards of the engine's own functions, for code that calls any of them.
//
// The engine looks at its clock between steps of code, and then at every ten thousandth, not inside of its own functions. So those of them
// that take long with large values look at the clock themselves first, and refuse what would take them long. Lists that are full cannot
// be as long as that, there is no memory for them.
(prelude, names) => {
	"use strict"
	const { hide, tick, text, getPrototypeOf } = prelude
	const { construct, apply } = Reflect, own = Object.getOwnPropertyDescriptor
	const mostElements = 1 << 20, mostCompared = 1 << 27
	const named = names === "*" ? names : names.split(" ")
	const short = (list) => {
		if (list?.length > mostElements) throw new RangeError("a list is longer than " + mostElements)
	}
	const quick = (s, part) => {
		if (typeof part === "string" && text(s).length * part.length > mostCompared) throw new RangeError("the texts are too long to search one in the other")
	}
	const find = String.prototype.indexOf
	const small = (s, pattern, by) => { // what is put in the place of a pattern is read anew each time
		if (typeof by !== "string") return
		let times = text(s).length
		if (typeof pattern === "string" && pattern !== "") {
			times = 0
			for (let i = 0; (i = apply(find, s, [pattern, i])) >= 0; i += pattern.length) times++
		}
		if (times * by.length > mostCompared) throw new RangeError("the texts are too long to put one into the other")
	}
	const plain = (s) => { // marks that stand together are sorted, each among all others
		if (/\p{M}{100}/u.test(text(s))) throw new RangeError("the text has too many marks in one place")
	}
	const first = (self, args) => short(args[0])
	const search = (s, args) => quick(s, args[0])
	const replace = (s, args) => {
		quick(s, args[0])
		small(s, args[0], args[1])
	}
	const checks = {
		array: (list, args) => { // args are lists in concat only; nothing else there takes one
			short(list)
			for (const more of args) if (typeof more === "object") short(more)
		},
		string: {
			indexOf: search, lastIndexOf: search, includes: search, split: search, replace, replaceAll: replace, normalize: plain,
			localeCompare: (s, args) => { plain(s); plain(args[0]) },
		},
		arrays: { from: first, of: first, fromAsync: first }, strings: { raw: (self, args) => short(args[0]?.raw) }, math: { sumPrecise: first },
		iterator: { drop: (self, args) => short({ length: args[0] }), take: (self, args) => {} },
		json: { stringify: (self, args) => short(args[1]) },
	}
	const guard = (where, name, check) => {
		const f = own(where, name)?.value
		if (typeof f !== "function" || name === "constructor") return
		hide(where, name, function (...args) {
			tick()
			check?.(this, args)
			return apply(f, this, args)
		})
	}
	const typed = getPrototypeOf(Uint8Array.prototype)
	const places = [
		[Array.prototype, () => checks.array], [String.prototype, (n) => checks.string[n]], [Array, (n) => checks.arrays[n]],
		[String, (n) => checks.strings[n]], [Iterator.prototype, (n) => checks.iterator[n]], [JSON, (n) => checks.json[n]], [Object, () => undefined],
		[Reflect, () => undefined], [typed, () => undefined], [Set.prototype, () => undefined], [Map, () => undefined], [BigInt.prototype, () => undefined],
		[Math, (n) => checks.math[n]],
	]
	const all = named === "*"
	for (const [where, check] of places) {
		for (const name of all ? Object.getOwnPropertyNames(where) : named) {
			if (all || own(where, name)) guard(where, name, check(name))
		}
	}
	// With a function to call, JSON.stringify looks at the clock.
	if (all || named.includes("stringify")) {
		const guarded = JSON.stringify
		hide(JSON, "stringify", (v, replace, space) => guarded(v, replace ?? ((key, v) => v), space))
	}
	for (const name of ["Array", "Set"]) {
		if (!all && !named.includes(name)) continue
		const check = (args) => {
			tick()
			short(name === "Set" ? args[0] : args.length === 1 ? { length: args[0] } : args)
		}
		hide(globalThis, name, new Proxy(globalThis[name], {
			construct(target, args, by) {
				check(args)
				return construct(target, args, by)
			},
			apply(target, self, args) {
				check(args)
				return apply(target, self, args)
			},
		}))
	}
}
