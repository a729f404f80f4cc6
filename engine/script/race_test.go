//go:build race

package script_test

// slowdown is how much slower the race detector makes everything.
const slowdown = 10

// bombLanguages are the languages whose bombs are exploded. The detector makes the engines of the others, which share nothing, so slow
// that only the clock would be tested.
func bombLanguages() []string { return []string{"expr", "cel", "filter"} }
