package subscription

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Everyone among the users of a subscription stands for all of them; as an event it stands for every event.
const Everyone = "*"

// Bounds on what one subscription may list.
const (
	// MaxItems is how many events, users or scopes it may name.
	MaxItems = 1000
	// MaxItemBytes is how long each of them may be.
	MaxItemBytes = 200
)

// List takes texts apart at commas: a subscription may write `events: agent:complete,budget:*`, as one variable of the environment does.
// What is empty is left out, and what comes twice is kept once.
func List(texts ...string) []string {
	var out []string
	for _, text := range texts {
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" && !slices.Contains(out, item) {
				out = append(out, item)
			}
		}
	}
	return out
}

// CheckEvents says what is wrong with patterns of event names: each is a name, or `*`, or ends in `*` as `agent:*` and `order.*` do.
func CheckEvents(patterns []string) error {
	if len(patterns) == 0 {
		return errors.New("it names no event: write `*` for all")
	}
	if err := checkItems(patterns); err != nil {
		return err
	}
	for _, p := range patterns {
		if before, found := strings.CutSuffix(p, "*"); strings.Contains(p, "*") && (!found || strings.Contains(before, "*")) {
			return fmt.Errorf("%q holds a `*` that is not at its end", p)
		}
	}
	return nil
}

// checkItems says what is wrong with the entries of any list.
func checkItems(items []string) error {
	if len(items) > MaxItems {
		return fmt.Errorf("it has %d entries, and %d are allowed", len(items), MaxItems)
	}
	for _, item := range items {
		switch {
		case len(item) > MaxItemBytes:
			return fmt.Errorf("an entry is longer than %d bytes", MaxItemBytes)
		case strings.ContainsFunc(item, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar }):
			return fmt.Errorf("%q holds blanks or characters that cannot be shown", item)
		}
	}
	return nil
}

// Names says whether one of the patterns stands for an event.
func Names(patterns []string, event string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		prefix, many := strings.CutSuffix(p, "*")
		return p == event || many && strings.HasPrefix(event, prefix)
	})
}
