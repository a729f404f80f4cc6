//go:build race

package javascript

// slowdown is how much slower the race detector makes the engine, at least.
const slowdown = 5
