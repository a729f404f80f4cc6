package run

import "strings"

// caught is the branch of a failed step whose failure was dealt with.
const caught = "error"

// Reopened gives the steps that a parked run keeps when a person retries it: all but what parked it and what was left undone because of
// that. Failures that were caught have been dealt with, and stay. What lies in a body (a foreach) stays where the node with the body does:
// it is over, and tells what was done there. The steps stay in their order; the slice given is not changed.
func Reopened(steps []Step) []Step {
	gone := make(map[string]bool)
	stays := make(map[string]bool, len(steps))
	for i := range steps {
		s := &steps[i]
		repeat := s.State == StepSkipped || s.State == StepFailed && s.Branch != caught
		stays[s.Path] = !repeat
		gone[s.Path] = repeat
	}
	kept := make([]Step, 0, len(steps))
	for i := range steps {
		if !gone[steps[i].Path] || within(steps[i].Path, stays) {
			kept = append(kept, steps[i])
		}
	}
	return kept
}

// within says whether a path lies in the body of a node whose step stays.
func within(path string, stays map[string]bool) bool {
	for at, rest := 0, path; ; {
		i := strings.IndexByte(rest, '[')
		if i < 0 {
			return false
		}
		if stays[path[:at+i]] {
			return true
		}
		at += i + 1
		rest = path[at:]
	}
}
