package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/destination"
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
func (f *fold) turns() bool { return f.d.limits != nil || f.d.orderBy != nil || f.rec.Turns }

// Begin is Next for a record without steps. Where the pipeline has limits or an order, or the record says that there are other turns to
// wait for, it does the entry nodes only, and says whether a run is to begin: Progress then holds their steps, and all else follows
// from Next, once the run has its turn. Where it says no, Progress is Next's.
func (d *Diagram) Begin(ctx context.Context, rec Record, clock func() time.Time) (Progress, bool) {
	f := d.fold(rec, clock)
	if !f.turns() {
		f.walk(ctx, f.root)
		return f.progress(), false
	}
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
	text, err := orderText(res.Value)
	if err != nil {
		return "", false, fmt.Errorf("writing the value of order_by as JSON: %w", err)
	}
	return "order:" + d.Name + ":" + text, true, nil
}

// orderText is a value as it stands in a key.
func orderText(v any) (string, error) {
	text, err := payload.Encode(v)
	if err != nil {
		return "", err
	}
	if len(text) > longestOrder {
		sum := sha256.Sum256(text)
		return "sha256:" + hex.EncodeToString(sum[:]), nil
	}
	return string(text), nil
}

// Lane is the turn of an ordered destination that a run takes.
type Lane struct {
	// Key is "lane:<gate>:<value as JSON>".
	Key string
	// Keep says that a parked run keeps it.
	Keep bool
}

// Lanes gives the lanes of a run that Begin said is to begin, given the ordered destinations by their gates. They are sorted, so that
// runs which take several of them never wait for each other in a circle. A destination whose expression gives null has no lane for the
// run. The expressions see what the nodes behind the first entry see; the error is theirs.
func (d *Diagram) Lanes(ctx context.Context, rec Record, ordered map[string]*destination.Ordering) ([]Lane, error) {
	if len(ordered) == 0 {
		return nil, nil
	}
	f := d.fold(rec, time.Now)
	env := f.views.behindEntries(ctx, f)
	var lanes []Lane
	for _, gate := range slices.Sorted(maps.Keys(ordered)) {
		o := ordered[gate]
		res, err := o.By.Eval(ctx, env)
		if err != nil {
			return nil, fmt.Errorf("evaluating the ordering of destination %q: %w", gate, err)
		}
		if res.Value == nil {
			continue
		}
		text, err := orderText(res.Value)
		if err != nil {
			return nil, fmt.Errorf("writing the value of the ordering of destination %q as JSON: %w", gate, err)
		}
		lanes = append(lanes, Lane{Key: "lane:" + gate + ":" + text, Keep: o.Keep})
	}
	slices.SortFunc(lanes, func(a, b Lane) int { return strings.Compare(a.Key, b.Key) })
	return lanes, nil
}
