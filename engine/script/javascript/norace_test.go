//go:build !race

package javascript

// slowdown is 1 without the race detector.
const slowdown = 1
