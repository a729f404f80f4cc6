package pipeline

import (
	"time"

	"github.com/headgate/headgate/engine/run"
)

// Slice is how much is worked on in one go: so long, and until so many bytes have been added to what is kept. When it is over no further
// node is begun, entries aside. It may serve several folds one after the other; it must not be used by several goroutines at once.
//
// Only the time of nodes counts, by the clock of the folds: where that stands still a slice is over by its bytes alone.
type Slice struct {
	left  time.Duration
	bytes int
	// owes says that a step must still be made before the slice is over, so that every slice leads on.
	owes bool
	// asks says that the time of nodes counts that ask for an effect or for their body. They are evaluated anew in every fold until they
	// have ended: where that alone takes longer than the slice, a run would otherwise come on by one step a fold.
	asks  bool
	whole *Slice
}

// NewSlice makes the slice of a run that goes on: at least one step is made in it.
func NewSlice(left time.Duration, bytes int) *Slice {
	return &Slice{left: left, bytes: bytes, owes: true}
}

// NewBudget makes what a series of runs that begin has together; see [Slice.Part].
func NewBudget(left time.Duration, bytes int) *Slice {
	return &Slice{left: left, bytes: bytes, asks: true}
}

// Part gives a slice of a budget for a run that begins. It is over when the budget is; a run that begins then does its entries only.
func (s *Slice) Part(left time.Duration, bytes int) *Slice {
	return &Slice{left: left, bytes: bytes, asks: true, whole: s}
}

// Over says whether no further node is to be begun.
func (s *Slice) Over() bool {
	return s != nil && !s.owes && (s.left <= 0 || s.bytes <= 0 || s.whole.Over())
}

// Late says whether a budget was overdrawn by as much again several times: even entries take too long.
func (s *Slice) Late(by time.Duration) bool {
	return s != nil && (s.left < -by || s.whole.Late(by))
}

// Add notes what was begun for the run beside its steps: the input of a called run, an item of a batch.
func (s *Slice) Add(bytes int) {
	for ; s != nil; s = s.whole {
		s.bytes -= bytes
		s.owes = false
	}
}

// begin and end stand around the work on a node.
func (s *Slice) begin(clock func() time.Time) time.Time {
	if s == nil {
		return time.Time{}
	}
	return clock()
}

func (s *Slice) end(begun time.Time, clock func() time.Time, asks bool) {
	if s == nil || asks && !s.asks {
		return
	}
	took := clock().Sub(begun)
	for ; s != nil; s = s.whole {
		s.left -= took
	}
}

// Bytes is what a record keeps in all; it is bounded by run.MaxRunBytes.
func (r *Record) Bytes() int {
	n := 0
	if r.Run != nil {
		n = len(r.Run.Input)
	}
	for i := range r.Steps {
		n += kept(&r.Steps[i])
	}
	return n
}

// kept is how much a step adds to what is kept of its run.
func kept(s *run.Step) int {
	n := len(s.Output) + s.Handed
	for i := range s.Reads {
		n += len(s.Reads[i].Operand) + len(s.Reads[i].Value)
	}
	for _, line := range s.Log {
		n += len(line)
	}
	return n
}
