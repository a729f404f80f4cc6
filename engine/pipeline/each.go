package pipeline

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/run"
)

// MaxItems is how often one body may be run in all in a run: for each of its items, in each of the bodies around it.
const MaxItems = 10_000

// each runs a node's body for its items: those that are over are only counted, of the others as many as may be are worked on, in order.
// The node ends when all are over.
func (f *fold) each(ctx context.Context, fr *frame, i int, in node.Input, ask node.Each, step run.Step) {
	v := &fr.graph.nodes[i]
	step = withNotes(step, ask.Notes, false)
	if v.body == nil {
		f.settle(fr, i, v.failed(step, &run.Failure{Kind: "internal", Code: "internal", Message: "the node has no body to run"}))
		return
	}
	if len(ask.Items)*fr.weight > MaxItems {
		f.settle(fr, i, v.failed(step, &run.Failure{
			Kind: kindPermanent, Code: CodeTooManyItems, Message: fmt.Sprintf("the body would be run more than %d times in all", MaxItems),
		}))
		return
	}
	b := f.bodies(fr, i, in, ask)
	parallel, working := max(ask.Parallel, 1), 0
	fresh := map[int]*frame{} // of the items that came to their end now
	for item := range ask.Items {
		if b.missing[item] == 0 && f.place == nil || f.target != "" && !strings.HasPrefix(f.target, b.prefix(item)) {
			continue
		}
		if working == parallel || f.out.More || ctx.Err() != nil {
			fr.waiting = true
			break
		}
		inner := b.enter(item, fr, parallel, f.clock)
		f.walk(ctx, inner)
		if inner.waiting {
			fr.waiting = true
			working++
			continue
		}
		f.skip(inner)
		fresh[item] = inner
	}
	if len(fresh) < b.unfinished || f.target != "" {
		fr.waiting = true
		return
	}
	step.Started = in.At
	step.Took = f.clock().Sub(in.At)
	f.settle(fr, i, f.keep(v, f.join(v, step, b, fresh)))
}

// bodies is what the record holds of a node's body, by item.
type bodies struct {
	rec    *Record
	graph  *graph
	in     node.Input
	ask    node.Each
	label  string
	offset int // in a path, of what stands behind "Each["
	// steps are indexes into the record, those of an item from first[item] to first[item+1].
	steps []int32
	first []int32
	// missing is how many nodes have no step yet, by item; unfinished how many items have such nodes.
	missing    []int32
	unfinished int
}

// bodies sorts the steps of a node's body by item. It makes nothing for an item that is over: a body may be run a thousand times, and
// the record is folded whenever something in it has ended.
func (f *fold) bodies(fr *frame, i int, in node.Input, ask node.Each) *bodies {
	v, n := &fr.graph.nodes[i], len(ask.Items)
	b := &bodies{
		rec: &f.rec, graph: v.body, in: in, ask: ask, label: fr.prefix + v.label, offset: len(fr.prefix) + len(v.label) + 1,
		first: make([]int32, n+1), missing: make([]int32, n),
	}
	nodes := len(v.body.nodes)
	for item := range b.missing {
		b.missing[item] = int32(nodes) //nolint:gosec // MaxNodes
	}
	inside := fr.places[i].inside
	seen := make([]bool, n*nodes)
	for _, at := range inside {
		item, path := b.split(at)
		if item >= n {
			continue // of a list that was longer
		}
		b.first[item+1]++
		if node, ok := v.body.index[path]; ok && !seen[item*nodes+node] {
			seen[item*nodes+node] = true
			b.missing[item]--
		}
	}
	for item := range n {
		b.first[item+1] += b.first[item]
		if b.missing[item] > 0 {
			b.unfinished++
		}
	}
	b.steps = make([]int32, b.first[n])
	next := append([]int32(nil), b.first[:n]...)
	for _, at := range inside {
		if item, _ := b.split(at); item < n {
			b.steps[next[item]] = at
			next[item]++
		}
	}
	return b
}

// split gives the item of a step and its path inside of the item's frame. What is no item's has a number beyond all.
func (b *bodies) split(at int32) (item int, path string) {
	number, path, _ := strings.Cut(b.rec.Steps[at].Path[b.offset:], "]/")
	item, err := strconv.Atoi(number)
	if err != nil || item < 0 {
		return 1 << 30, ""
	}
	return item, path
}

// fill enters the steps of an item into a frame of the body.
func (b *bodies) fill(fr *frame, item int) {
	fr.body, fr.item = true, b.ask.Items[item]
	for _, at := range b.steps[b.first[item]:b.first[item+1]] {
		_, path := b.split(at)
		fr.take(b.rec, int(at), path)
	}
}

// prefix is what the paths of an item's steps begin with.
func (b *bodies) prefix(item int) string { return b.label + "[" + strconv.Itoa(item) + "]/" }

// enter makes the frame of an item that is to be worked on.
func (b *bodies) enter(item int, outer *frame, parallel int, clock func() time.Time) *frame {
	fr := newFrame(b.graph)
	b.fill(fr, item)
	fr.prefix = b.prefix(item)
	fr.weight = outer.weight * len(b.ask.Items)
	fr.reached = b.in.At
	if item >= parallel {
		fr.reached = clock() // when its turn came
	}
	env := *b.in.Env
	env.Outputs = make(map[string]any, len(b.in.Env.Outputs)+2)
	maps.Copy(env.Outputs, b.in.Env.Outputs)
	env.Outputs[b.ask.As], env.Outputs[b.ask.Index] = fr.item, int64(item)
	fr.env = &env
	return fr
}

// join ends a node whose items are all over.
func (f *fold) join(v *vertex, step run.Step, b *bodies, fresh map[int]*frame) run.Step {
	results := make([]any, len(b.ask.Items))
	old := newFrame(b.graph)
	var first *run.Step
	at, more, size := 0, 0, 0
	for item := range results {
		fr := fresh[item]
		if fr == nil {
			clear(old.places)
			b.fill(old, item)
			fr = old
		}
		switch bad := fr.firstFailure(); {
		case bad == nil && size > run.MaxOutputBytes: // the list will be too large; no need to hold all of it
		case bad == nil:
			size += fr.resultBytes()
			results[item] = f.result(fr)
		case b.ask.Continue:
			results[item] = failed(bad.Failure)
		case first == nil:
			first, at = bad, item
		default:
			more++
		}
	}
	if first == nil && size > run.MaxOutputBytes {
		return v.failed(step, &run.Failure{Kind: kindPermanent, Code: CodeOutput, Message: errOutputSize.Error()})
	}
	if first == nil {
		return v.ended(step, results, "")
	}
	message := fmt.Sprintf("item %d, %s: %s", at, first.Node, first.Failure.Message)
	if more > 0 {
		message += fmt.Sprintf(" (and %d more failed)", more)
	}
	return v.failed(step, &run.Failure{Kind: first.Failure.Kind, Code: first.Failure.Code, Message: message})
}
