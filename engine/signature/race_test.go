//go:build race

package signature

// underRace says that pools drop what they hold, so that allocations cannot be counted.
const underRace = true
