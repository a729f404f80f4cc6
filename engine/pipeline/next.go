package pipeline

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/script"
)

// Next folds the record: it does what pure nodes are ready to do, until nothing more follows without an effect. A record without steps
// begins at the entry nodes that the run is for. clock times the steps, and says whether a wait for a time is over already: one that
// is ends in the fold, one that is not is an effect. A wait for an event never ends here.
func (d *Diagram) Next(ctx context.Context, rec Record, clock func() time.Time) Progress {
	f := d.fold(rec, clock)
	f.walk(ctx, f.root)
	return f.progress()
}

// Effect gives what is asked for at a path, and does nothing else of what is ready; false where nothing is asked for there, or it may
// not be yet.
func (d *Diagram) Effect(ctx context.Context, rec Record, path string, clock func() time.Time) (Effect, bool) {
	f := d.fold(rec, clock)
	f.target = path
	f.walk(ctx, f.root)
	for _, e := range f.out.Effects {
		if e.Path == path {
			return e, true
		}
	}
	return Effect{}, false
}

// way is what is known of one edge.
type way uint8

const (
	pending way = iota // its source may still take it
	taken
	passed // not taken
	closed // an unhandled failure lies behind it
)

// place is what is known of one node.
type place struct {
	step *run.Step // nil where it has not ended
	// value is its output, for transparent nodes what came in, once known.
	value  any
	raw    bool
	known  bool
	closed bool // it will never run because of a failure before it
	over   bool // nothing will happen here any more
	// inside are the steps of the node's body, as indexes into the record.
	inside []int32
}

// frame is what is known of one graph: of the document's own, or of a body for one item.
type frame struct {
	graph  *graph
	places []place
	prefix string // of the paths of its steps
	// waiting says that something in it has not ended.
	waiting bool

	// body says that the graph is a node's body. Its first nodes get the item; env holds what it sees of what is around it, with the
	// item and its number among the outputs.
	body bool
	item any
	// raw says that the item is the event's payload itself, which that of a foreach never is.
	raw bool
	env *script.Env
	// reached is when the body was come to.
	reached time.Time
	// weight is how often the body is run in all: for each of its items, in each of the bodies around it.
	weight int
}

func newFrame(g *graph) *frame {
	return &frame{graph: g, places: make([]place, len(g.nodes)), weight: 1}
}

// take enters a step of the record, given by its index and what its path is inside of the frame.
func (fr *frame) take(rec *Record, i int, path string) {
	label, _, nested := strings.Cut(path, "[")
	at, ok := fr.graph.index[label]
	switch {
	case !ok: // of a node that this revision does not have
	case nested:
		fr.places[at].inside = append(fr.places[at].inside, int32(i)) //nolint:gosec // a record has far fewer steps
	default:
		fr.ended(at, &rec.Steps[i])
	}
}

// fold is one look at a record.
type fold struct {
	d     *Diagram
	rec   Record
	clock func() time.Time
	root  *frame
	views views
	out   Progress
	// target, where not "", is the path of the only node that is begun, with the nodes in whose bodies it stands.
	target string
	// place, where not nil, is filled in when the target is reached, which is not begun then; steps that are there already do not count.
	place *Place
	// bytes is what the record keeps with the new steps, and emitted how many events the run has emitted; -1 where nobody has asked yet.
	bytes, emitted int
}

func (d *Diagram) fold(rec Record, clock func() time.Time) *fold {
	f := &fold{d: d, rec: rec, clock: clock, root: newFrame(d.graph), bytes: -1, emitted: -1}
	for i := range rec.Steps {
		f.root.take(&f.rec, i, rec.Steps[i].Path)
	}
	f.views = newViews(f)
	if d.sender != nil {
		f.root.stand(&f.rec)
	}
	return f
}

// walk visits all nodes of a graph; in topological order all that comes before a node is settled when it is reached.
func (f *fold) walk(ctx context.Context, fr *frame) {
	for i := range fr.places {
		f.visit(ctx, fr, i)
	}
}

func (f *fold) visit(ctx context.Context, fr *frame, i int) {
	v, p := &fr.graph.nodes[i], &fr.places[i]
	if p.step != nil && !f.looks(fr.prefix+v.label) {
		return
	}
	switch state := f.arrive(fr, v); state {
	case pending:
		fr.waiting = true
		return
	case passed, closed:
		p.over, p.closed = true, state == closed
		return
	case taken:
	}
	if !f.begins(v, fr.prefix+v.label) {
		fr.waiting = true
		return
	}
	begun := f.rec.Slice.begin(f.clock)
	in := node.Input{Event: f.rec.Event, Env: f.envFor(ctx, fr, i), At: f.reached(fr, v)}
	in.Message, in.Raw = f.message(fr, v)
	if f.place != nil && f.target == fr.prefix+v.label {
		*f.place = Place{Env: in.Env, Message: in.Message, Raw: in.Raw}
		return
	}
	in.Subscription = f.d.subscription(f.rec.Run)
	step, ask := f.do(ctx, v, in, fr.prefix+v.label)
	f.rec.Slice.end(begun, f.clock, ask != nil)
	switch ask := ask.(type) {
	case nil:
		f.settle(fr, i, step)
	case node.Each:
		f.each(ctx, fr, i, in, ask, step)
	case node.Wait:
		if ask.For == nil && !ask.Until.After(f.clock()) {
			f.settle(fr, i, v.ended(withNotes(step, ask.Notes, false), in.Message, ""))
			return
		}
		f.ask(fr, v, in, ask)
	default:
		f.ask(fr, v, in, ask)
	}
}

// begins says whether a node that is ready is begun now.
func (f *fold) begins(v *vertex, path string) bool {
	if f.target != "" {
		return f.leadsTo(path)
	}
	if !v.typ.Entry && f.rec.Slice.Over() {
		f.out.More = true
		return false
	}
	return true
}

// leadsTo says whether a path is the target's, or that of a node in whose body it stands.
func (f *fold) leadsTo(path string) bool {
	rest, ok := strings.CutPrefix(f.target, path)
	return ok && (rest == "" || rest[0] == '[')
}

// settle enters a new step.
func (f *fold) settle(fr *frame, i int, step run.Step) {
	n := kept(&step)
	if f.bytes >= 0 {
		f.bytes += n
	}
	f.rec.Slice.Add(n)
	f.out.Steps = append(f.out.Steps, step)
	fr.ended(i, &step)
}

// ask enters an effect.
func (f *fold) ask(fr *frame, v *vertex, in node.Input, ask node.Outcome) {
	fr.waiting = true
	e := Effect{
		Path: fr.prefix + v.label, Node: v.label, Type: v.typ.Name, Ask: ask, Env: in.Env, Message: in.Message, Raw: in.Raw,
		At: in.At, Timeout: v.timeout, Catches: v.catches, notes: notesOf(ask),
	}
	if w, ok := ask.(node.Wait); ok && w.For != nil {
		e.Await = AwaitGroup{Provider: w.For.Provider, Pipeline: f.d.Name, Revision: f.d.Revision, Path: v.path}.String()
	}
	f.out.Effects = append(f.out.Effects, e)
}

// ended notes that a node has its step.
func (fr *frame) ended(i int, step *run.Step) {
	p := &fr.places[i]
	p.step, p.over = step, true
	p.closed = step.State == run.StepFailed && !fr.graph.nodes[i].catches
}

// value gives the output of a node that has ended, and whether it is the event's payload itself.
func (f *fold) value(fr *frame, i int) (value any, raw bool) {
	v, p := &fr.graph.nodes[i], &fr.places[i]
	if p.known || p.step == nil {
		return p.value, p.raw
	}
	p.known = true
	switch {
	case p.step.State == run.StepFailed && p.step.Failure != nil:
		p.value = failed(p.step.Failure) // what takes the failure sees it as the output of the node
	case v.receives() != nil:
		p.value, p.raw = f.views.message()
	case v.transparent:
		p.value, p.raw = f.message(fr, v)
	case len(p.step.Output) > 0:
		if val, err := payload.Decode(p.step.Output); err == nil {
			p.value = val
		}
	}
	return p.value, p.raw
}

func failed(why *run.Failure) any {
	return map[string]any{"error": map[string]any{"kind": why.Kind, "code": why.Code, "message": why.Message}}
}

// arrive tells whether a node can run: when every connection that can still be taken has been, once one is. An entry can where the
// run is for it, and the first nodes of a body at once.
func (f *fold) arrive(fr *frame, v *vertex) way {
	if v.typ.Entry {
		return f.enters(v)
	}
	state := passed
	if fr.body && len(v.in) == 0 {
		state = taken
	}
	for _, e := range v.in {
		switch fr.along(e) {
		case pending:
			return pending
		case closed:
			state = closed
		case taken:
			if state == passed {
				state = taken
			}
		case passed:
		}
	}
	return state
}

// enters says whether a run begins at an entry: a live one at the receives that its event is for, a called or manual one at the starts.
func (f *fold) enters(v *vertex) way {
	r := v.receives()
	switch {
	case r == nil && f.rec.started(), r != nil && !f.rec.started() && r.Matches(f.rec.Event.Provider, f.rec.Event.Name):
		return taken
	}
	return passed
}

// started says that no receive of the pipeline began the run.
func (r *Record) started() bool {
	return r.Run.Cause.Kind == run.Call || r.Run.Cause.Kind == run.Manual || r.Event != nil && r.Event.Source == event.Manual
}

func (fr *frame) along(e edge) way {
	p := &fr.places[e.from]
	switch {
	case !p.over:
		return pending
	case p.closed:
		return closed
	case p.step == nil || p.step.State == run.StepSkipped || p.step.State == run.StepFiltered:
		return passed
	case p.step.State == run.StepFailed:
		if e.handle == ErrorHandle {
			return taken
		}
		return passed
	case e.handle == p.step.Branch:
		return taken
	}
	return passed
}

// message is what came over the connections that were taken: the output of the one node that they leave, or a map of outputs. Into the
// first nodes of a body comes the item.
func (f *fold) message(fr *frame, v *vertex) (value any, raw bool) {
	if fr.body && len(v.in) == 0 {
		return fr.item, fr.raw
	}
	var few [4]int
	from := few[:0]
	for _, e := range v.in {
		if fr.along(e) == taken && !slices.Contains(from, e.from) {
			from = append(from, e.from)
		}
	}
	if len(from) == 1 {
		return f.value(fr, from[0])
	}
	joined := make(map[string]any, len(from))
	for _, i := range from {
		joined[fr.graph.nodes[i].label], _ = f.value(fr, i)
	}
	return joined, false
}

// reached is when the run came to a node: the end of the last step that leads to it. Behind the entries of a pipeline whose runs wait
// for their turn nothing says when that was, so that it is now.
func (f *fold) reached(fr *frame, v *vertex) time.Time {
	at := fr.reached
	entries := !fr.body
	for _, e := range v.in {
		if fr.along(e) != taken {
			continue
		}
		s := fr.places[e.from].step
		entries = entries && fr.graph.nodes[e.from].typ.Entry
		if end := s.Started.Add(s.Took); end.After(at) {
			at = end
		}
	}
	if at.IsZero() || entries && f.turns() {
		return f.clock()
	}
	return at
}

// envFor is the scope of one node: the record's, the outputs of the nodes before it, and the names that its connections give. Outputs
// of nodes beside it are left out: whether they are there would depend on which hook was answered first.
func (f *fold) envFor(ctx context.Context, fr *frame, i int) *script.Env {
	v := &fr.graph.nodes[i]
	around := fr.env
	if !fr.body {
		around = f.views.of(ctx, f, i)
	}
	env := *around
	env.Outputs = make(map[string]any, len(around.Outputs)+len(v.before))
	maps.Copy(env.Outputs, around.Outputs)
	for _, j := range v.before {
		if p := &fr.places[j]; p.step != nil && p.step.State != run.StepSkipped && p.step.State != run.StepFiltered {
			env.Outputs[fr.graph.nodes[j].label], _ = f.value(fr, j)
		}
	}
	for _, e := range v.in {
		if e.label != "" && fr.along(e) == taken {
			env.Outputs[e.label], _ = f.value(fr, e.from)
		}
	}
	return &env
}

// progress closes the account: the run goes on, is done, or is parked with its first failure.
func (f *fold) progress() Progress {
	f.out.State = run.Open
	if f.root.waiting {
		return f.out
	}
	f.skip(f.root)
	if why := f.root.firstFailure(); why != nil {
		f.out.State, f.out.Reason, f.out.Message = run.Parked, why.Failure.Code, why.Path+": "+why.Failure.Message
		return f.out
	}
	f.out.State, f.out.Outcome = run.Done, f.root.outcome()
	return f.out
}

// firstFailure is the failed step nobody caught that stands first in the graph.
func (fr *frame) firstFailure() *run.Step {
	for i := range fr.places {
		if s := fr.places[i].step; s != nil && s.State == run.StepFailed && !fr.graph.nodes[i].catches {
			return s
		}
	}
	return nil
}

// skip records the nodes that will never run, so that the record tells of every node.
func (f *fold) skip(fr *frame) {
	for i := range fr.places {
		if fr.places[i].step != nil {
			continue
		}
		v := &fr.graph.nodes[i]
		f.out.Steps = append(f.out.Steps, run.Step{
			Path: fr.prefix + v.label, Node: v.label, Type: v.typ.Name, State: run.StepSkipped, Round: f.rec.Run.Round, Started: f.clock(),
		})
	}
}

// outcome is "filtered" where nothing but entries and nodes that branch ran, else "completed". An entry that nothing follows is
// completed by itself, and a failure that was caught is no filter.
func (fr *frame) outcome() run.Outcome {
	for i := range fr.places {
		v, s := &fr.graph.nodes[i], fr.places[i].step
		if s == nil {
			continue
		}
		acts := !v.typ.Entry && !v.branches() || v.typ.Entry && !v.leads
		if s.State == run.StepFailed || s.State == run.StepDone && acts {
			return run.Completed
		}
	}
	return run.Filtered
}
