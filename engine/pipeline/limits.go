package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/run"
)

// Limits bound the runs of a pipeline.
type Limits struct {
	// Runs is how many may begin in a period of Per; 0 for any number.
	Runs int
	Per  time.Duration
	// Concurrency is how many may be open at once; 0 for any number.
	Concurrency int
	// Drop says that a run which would have to wait for its turn does not happen.
	Drop bool
}

// Limits gives the limits of the pipeline; false where it has none.
func (d *Diagram) Limits() (Limits, bool) {
	if d.limits == nil {
		return Limits{}, false
	}
	return *d.limits, true
}

// Ordered says whether the pipeline has `order_by`.
func (d *Diagram) Ordered() bool { return d.orderBy != nil }

// turns says that a run may have to wait between its entries and all else.
func (d *Diagram) turns() bool { return d.limits != nil || d.orderBy != nil }

// Begin is Next for a record without steps. Where the pipeline has limits or an order it does the entry nodes only, and says whether
// a run is to begin: Progress then holds their steps, and all else follows from Next, once the run has its turn. Where it says no,
// Progress is Next's.
func (d *Diagram) Begin(ctx context.Context, rec Record, clock func() time.Time) (Progress, bool) {
	if !d.turns() {
		return d.Next(ctx, rec, clock), false
	}
	f := d.fold(rec, clock)
	goes := false
	for i := range f.root.places { // entries come first in the order
		if f.root.graph.nodes[i].typ.Entry {
			f.visit(ctx, f.root, i)
			goes = goes || f.through(i)
		}
	}
	if goes {
		f.out.State = run.Open
		return f.out, true
	}
	f.walk(ctx, f.root)
	return f.progress(), false
}

// through says whether a run goes on behind an entry.
func (f *fold) through(i int) bool {
	s := f.root.places[i].step
	return s != nil && (s.State == run.StepDone || s.State == run.StepFailed && s.Branch == ErrorHandle)
}

// longestOrder is how long the value in an order key may be; of longer ones the key holds a digest.
const longestOrder = 200

// OrderKey gives the key of the turn that orders a run that Begin said is to begin, "order:<pipeline>:<value as JSON>"; false where the
// run is bound to no order. The record holds the steps that Begin gave. The expression sees what the nodes behind the first entry see;
// the error is the expression's.
func (d *Diagram) OrderKey(ctx context.Context, rec Record) (key string, has bool, err error) {
	if d.orderBy == nil {
		return "", false, nil
	}
	f := d.fold(rec, time.Now)
	env := f.views.behindEntries(ctx, f)
	res, err := d.orderBy.Eval(ctx, env)
	if err != nil {
		return "", false, fmt.Errorf("evaluating order_by: %w", err)
	}
	if res.Value == nil {
		return "", false, nil
	}
	text, err := payload.Encode(res.Value)
	if err != nil {
		return "", false, fmt.Errorf("writing the value of order_by as JSON: %w", err)
	}
	if len(text) > longestOrder {
		sum := sha256.Sum256(text)
		text = []byte("sha256:" + hex.EncodeToString(sum[:]))
	}
	return "order:" + d.Name + ":" + string(text), true, nil
}
