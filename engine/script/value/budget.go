package value

import (
	"context"
	"errors"
	"time"
)

// The limits of one evaluation. They are far above what a condition or a message takes and hold whatever a payload makes of it.
const (
	// MaxSteps counts rounds of loops, compared elements and the like.
	MaxSteps = 100_000
	// MaxTime bounds an evaluation as a whole. Steps end runaway loops long before; this ends what is slow in each step.
	MaxTime = 200 * time.Millisecond
	// MaxBytes bounds every string and list that is made, and the JSON of the result.
	MaxBytes = 1 << 20
	// MaxGrowth bounds all that one evaluation makes, so that many values below MaxBytes are no way around it.
	MaxGrowth = 8 << 20
	// MaxMatchBytes bounds the text that a pattern is held against.
	MaxMatchBytes = 256 << 10
	// MaxDepth bounds how deep a value may nest that is compared, flattened or put out.
	MaxDepth = 200
)

// slotBytes is what one element of a list costs: an interface and, mostly, a pointer to its content.
const slotBytes = 24

// checkEvery is how many steps pass between two looks at clock and context.
const checkEvery = 256

// Budget is what one evaluation may still spend. It is made by NewBudget, and used by one goroutine.
type Budget struct {
	ctx      context.Context
	deadline time.Time
	steps    int
	growth   int
	err      *Error
}

// NewBudget makes the budget of an evaluation that begins now. The context ends it early.
func NewBudget(ctx context.Context) Budget {
	b := Budget{ctx: ctx, deadline: time.Now().Add(MaxTime)}
	if ctx.Err() != nil {
		b.err = cancelled(ctx)
	}
	return b
}

// Err gives why nothing may be spent any more, nil while something may.
func (b *Budget) Err() error {
	if b.err == nil {
		return nil
	}
	return b.err
}

// Step spends n steps.
func (b *Budget) Step(n int) error {
	before := b.steps
	b.steps += n
	if b.err == nil && b.steps > MaxSteps {
		b.err = Errorf(TooExpensive, "the expression takes more than %d steps", MaxSteps)
	}
	if b.err == nil && before/checkEvery != b.steps/checkEvery {
		b.look()
	}
	return b.Err()
}

// Grow spends n bytes for one string or list that is about to be made; it is asked before the memory is.
func (b *Budget) Grow(n int) error {
	if b.err == nil && (n < 0 || n > MaxBytes) {
		b.err = Errorf(TooLarge, "the expression makes a value of more than %d bytes", MaxBytes)
	}
	if b.growth += n; b.err == nil && b.growth > MaxGrowth {
		b.err = Errorf(TooLarge, "the expression makes more than %d bytes of data", MaxGrowth)
	}
	if b.err == nil && n >= 4096 {
		b.look()
	}
	return b.Err()
}

// List spends what a list of n elements takes.
func (b *Budget) List(n int) error {
	if n > MaxSteps {
		return b.Step(n)
	}
	if err := b.Step(n); err != nil {
		return err
	}
	return b.Grow(n * slotBytes)
}

// Scan spends what reading n bytes costs, of which perStep are worth a step.
func (b *Budget) Scan(n, perStep int) error {
	if n < perStep {
		return b.Err()
	}
	return b.Step(n / perStep)
}

// How many bytes are read in about the time of a step.
const (
	bytesCompared = 4096 // by the processor's own means
	bytesCounted  = 256  // one character after the other
	bytesMatched  = 16   // against a pattern
)

func (b *Budget) look() {
	switch {
	case b.ctx.Err() != nil:
		b.err = cancelled(b.ctx)
	case time.Now().After(b.deadline):
		b.err = Errorf(TooExpensive, "the expression takes longer than %s", MaxTime)
	}
}

func cancelled(ctx context.Context) *Error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return Errorf(Cancelled, "the time for the expression ran out")
	}
	return Errorf(Cancelled, "the evaluation was stopped")
}
