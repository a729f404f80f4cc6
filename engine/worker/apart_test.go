package worker

import (
	"testing"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func TestOfAGateOneTaskAtATimeMayKillTheProcess(t *testing.T) {
	t.Parallel()
	lost := func(counts ...int) (tasks []store.Claimed) {
		for i, n := range counts {
			tasks = append(tasks, store.Claimed{Task: run.Task{ID: int64(i + 1), Lost: n}})
		}
		return tasks
	}
	w := idle(t)
	for _, c := range []struct {
		lost       []int
		under, now int
		slots      int // from then on
	}{
		{[]int{0, 0, 0}, 0, 3, defaultSlots},
		{[]int{run.MaxLost, 0}, 0, 2, defaultSlots}, // only parked
		{[]int{1, 1, 0}, 0, 3, defaultSlots},        // once says nothing
		{[]int{0, 1, 2, 0}, 0, 2, 1},
		{[]int{2, 2, 0}, 0, 1, 1},
		{[]int{0, 0}, 1, 0, 0}, // another lane's, beside one that is suspected
		{[]int{2, 0}, 1, 0, 0},
		{[]int{0}, 0, 1, defaultSlots},
		{[]int{2, 0}, 1, 0, 0}, // beside one that is not
	} {
		w.begin("ops", c.under)
		now, rest := w.apart("ops", lost(c.lost...))
		if len(now) != c.now || len(now)+len(rest) != len(c.lost) {
			t.Errorf("of tasks that were lost %v times beside %d under way %d are worked on and %d given back, want %d now", c.lost, c.under, len(now), len(rest), c.now)
		}
		if n, _ := w.allowance(store.Work{Gate: "ops"}, w.now()); n != c.slots {
			t.Errorf("after tasks that were lost %v times %d more may be claimed, want %d", c.lost, n, c.slots)
		}
		w.end("ops", c.under)
	}
}
