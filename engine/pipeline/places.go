package pipeline

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/run"
)

// Compare gives a comparison of the paths of steps by their places in the diagram: each node behind all that come into it, the items of a
// foreach by their numbers, each item whole. A foreach comes before its items. Paths that the diagram does not have come last, by
// name.
func (d *Diagram) Compare() func(a, b string) int {
	ranks := make(map[string]int, len(d.defs))
	for i, n := range d.Nodes() {
		ranks[n.Path] = i
	}
	rank := func(path string) int {
		if i, ok := ranks[path]; ok {
			return i
		}
		return math.MaxInt
	}
	return func(a, b string) int {
		var x, y string // the paths so far, without numbers
		for {
			var m, n int
			x, m, a = item(x, a)
			y, n, b = item(y, b)
			if c := cmp.Or(cmp.Compare(rank(x), rank(y)), cmp.Compare(x, y), cmp.Compare(m, n)); c != 0 || a == "" && b == "" {
				return c
			}
		}
	}
}

// item cuts a path behind its first number; before is what was cut off already. The number is -1 where there is none.
func item(before, path string) (definition string, number int, rest string) {
	label, tail, found := strings.Cut(path, "[")
	if !found {
		return before + path, -1, ""
	}
	text, rest, _ := strings.Cut(tail, "]")
	number, err := strconv.Atoi(text)
	if err != nil {
		number = -1
	}
	return before + label, number, rest
}

// InOrder puts steps, attempts and tasks of a run into the order of the diagram, in place: attempts at one place by round and number.
func (d *Diagram) InOrder(steps []run.Step, attempts []run.Attempt, tasks []run.Task) {
	by := d.Compare()
	slices.SortStableFunc(steps, func(a, b run.Step) int { return by(a.Path, b.Path) })
	slices.SortStableFunc(attempts, func(a, b run.Attempt) int {
		return cmp.Or(by(a.Path, b.Path), cmp.Compare(a.Round, b.Round), cmp.Compare(a.N, b.N))
	})
	slices.SortStableFunc(tasks, func(a, b run.Task) int { return by(a.Path, b.Path) })
}
