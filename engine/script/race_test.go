//go:build race

package script_test

// slowdown is how much slower the race detector makes everything.
const slowdown = 10
