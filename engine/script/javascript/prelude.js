// The first thing that runs in every machine. It takes away what code must not have, gives what it may have, and leaves a function by
// which values come in and results go out.
(() => {
	"use strict"
	const { parse, stringify, rawJSON } = JSON
	const { defineProperty, getPrototypeOf, freeze, keys } = Object
	const text = String, number = Number, big = BigInt
	const RealDate = Date, construct = Reflect.construct
	const well = String.prototype.isWellFormed, mend = String.prototype.toWellFormed
	const mostLines = 100, mostCharacters = 1000, mostInAll = 8192

	// A number that neither a Number nor a BigInt holds. It counts as the nearest Number and comes out as it went in.
	class Decimal {
		#digits
		constructor(digits) { this.#digits = digits; freeze(this) }
		valueOf() { return number(this.#digits) }
		toString() { return this.#digits }
		toJSON() { return rawJSON(this.#digits) }
		[Symbol.toPrimitive](hint) { return hint === "string" ? this.#digits : number(this.#digits) }
	}
	defineProperty(BigInt.prototype, "toJSON", { value() { return rawJSON(text(this)) }, configurable: true, writable: true })

	const hide = (where, name, value) => defineProperty(where, name, { value, configurable: true, writable: true })

	// No text becomes code.
	const refuse = function () { throw new TypeError("text cannot be made into code") }
	for (const f of [function () {}, async function () {}, function* () {}, async function* () {}]) hide(getPrototypeOf(f), "constructor", refuse)
	for (const name of ["eval", "Function", "Atomics", "SharedArrayBuffer", "WeakRef", "FinalizationRegistry"]) delete globalThis[name]

	// No chance, and no clock but the run's. Dates are made when they are first named, because that takes a while.
	hide(Math, "random", () => { throw new Error("Math.random is not there: a run must come out the same when it is done again") })
	let clock = 0, dates
	defineProperty(globalThis, "Date", { get() { return makeDates() }, set(v) { hide(globalThis, "Date", v) }, configurable: true })
	const makeDates = () => {
		if (dates) return dates
		const { parse, UTC, prototype } = RealDate
		for (const name of ["Date", "Day", "FullYear", "Hours", "Milliseconds", "Minutes", "Month", "Seconds"]) {
			hide(prototype, "get" + name, prototype["getUTC" + name])
			if (name !== "Day") hide(prototype, "set" + name, prototype["setUTC" + name])
		}
		hide(prototype, "getTimezoneOffset", () => 0)
		for (const name of ["toString", "toLocaleString"]) hide(prototype, name, prototype.toUTCString)
		for (const name of ["toDateString", "toLocaleDateString"]) hide(prototype, name, function () { return this.toISOString().slice(0, 10) })
		for (const name of ["toTimeString", "toLocaleTimeString"]) hide(prototype, name, function () { return this.toISOString().slice(11, 19) })
		// Text without an offset is UTC.
		const read = (s) => {
			const zoned = parse(s + "Z")
			return zoned === zoned ? zoned : parse(s)
		}
		hide(RealDate, "now", () => clock)
		hide(RealDate, "parse", (s) => read(text(s)))
		dates = new Proxy(RealDate, {
			construct(target, args, by) {
				if (args.length === 0) args = [clock]
				else if (args.length > 1) args = [UTC(...args)]
				else if (typeof args[0] === "string") args = [read(args[0])]
				return construct(target, args, by === dates ? target : by)
			},
			apply() { return new RealDate(clock).toUTCString() },
		})
		hide(globalThis, "Date", dates)
		hide(prototype, "constructor", dates)
		return dates
	}

	// The code's time, by the real clock.
	const real = RealDate.now
	let end = Infinity
	const tick = () => {
		if (real() > end) throw new RangeError("the time of the code is over")
	}

	// What code prints.
	const lines = []
	let printed = 0
	const show = (v) => {
		if (typeof v === "string") return v
		try {
			return stringify(v) ?? text(v)
		} catch {
			return text(v)
		}
	}
	const print = (...args) => {
		if (lines.length >= mostLines || printed >= mostInAll) return
		let line = ""
		for (const v of args) {
			if (line.length <= mostCharacters) line += (line && " ") + show(v)
		}
		if (line.length > mostCharacters) line = line.slice(0, mostCharacters) + "…"
		printed += line.length
		lines[lines.length] = mend.call(line)
	}
	hide(globalThis, "print", print)
	hide(globalThis, "console", { log: print, info: print, warn: print, error: print, debug: print })

	// The result.
	const place = (key) => key === "" ? "the result" : "the result's " + key
	const check = (key, v) => {
		switch (typeof v) {
		case "number":
			if (v - v !== 0) throw new TypeError(`${place(key)} is ${v}, which is no JSON`)
			return v
		case "bigint":
			return rawJSON(text(v))
		case "string":
			return well.call(v) ? v : mend.call(v)
		case "function": case "symbol":
			throw new TypeError(`${place(key)} is a ${typeof v}, which is no JSON`)
		case "object":
			if (v instanceof Promise) throw new TypeError(`${place(key)} is a promise: code ends with its last line, nothing is awaited`)
			if (v instanceof Map || v instanceof Set) throw new TypeError(`${place(key)} is a ${v instanceof Map ? "Map" : "Set"}, which is no JSON: make an object or an array of it`)
		}
		return v
	}

	// Names of headers are found whatever their case.
	const anyCase = (headers) => new Proxy(headers, {
		get(o, key) { return typeof key === "string" && !(key in o) ? o[key.toLowerCase()] : o[key] },
		has(o, key) { return key in o || typeof key === "string" && key.toLowerCase() in o },
	})

	const enter = (json, mark, ms, now, limit) => {
		clock = ms
		const whole = "i" + mark, fraction = "d" + mark
		const names = parse(json, mark === "" ? undefined : (key, v) => {
			if (typeof v !== "string") return v
			if (v.startsWith(whole)) return big(v.slice(whole.length))
			return v.startsWith(fraction) ? new Decimal(v.slice(fraction.length)) : v
		})
		if (names.headers) names.headers = anyCase(names.headers)
		if (names.event?.headers) names.event.headers = anyCase(names.event.headers)
		if (now !== "") {
			names.now = new (makeDates())(ms)
			hide(names.now, "toJSON", () => now)
		}
		for (const name of keys(names)) hide(globalThis, name, names[name])
		end = real() + limit
	}
	return (what, ...args) => {
		switch (what) {
		case "guard": // the function of guards.js, and the names that the code may call
			return args[0]({ hide, tick, text, getPrototypeOf }, args[1])
		case "enter":
			return enter(...args)
		case "result":
			return args[0] === undefined ? "null" : stringify(args[0], check)
		case "log":
			return lines.join("\u0000")
		}
	}
})()
