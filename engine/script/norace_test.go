//go:build !race

package script_test

import "github.com/headgate/headgate/engine/script"

// slowdown is 1 without the race detector.
const slowdown = 1

// bombLanguages are the languages whose bombs are exploded.
func bombLanguages() []string { return script.ConditionLanguages() }
