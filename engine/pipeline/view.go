package pipeline

import (
	"context"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/script"
)

// views are the names that nodes see, outputs aside: the record's as it is, for entries; without the payload, where a receive keeps it
// from what is behind it; and with the output of a start as the payload, behind a start. Each is made when it is first needed.
type views struct {
	// hidden says that a receive that the run began at keeps the payload to itself.
	hidden bool
	// payload is the record's.
	payload any
	whole   *script.Env
	without *script.Env
	started map[int]*script.Env // by the start's place
}

func newViews(f *fold) views {
	v := views{payload: f.rec.Payload}
	if f.rec.Run != nil {
		v.payload = PayloadOf(f.rec.Run, f.rec.Payload)
	}
	for i := range f.d.graph.nodes {
		if r := f.d.graph.nodes[i].receives(); r != nil && !r.IncludePayload && f.enters(&f.d.graph.nodes[i]) == taken {
			v.hidden = true
		}
	}
	return v
}

// message is what a receive hands on.
func (v *views) message() (value any, raw bool) {
	if v.hidden {
		return nil, false
	}
	return v.payload, true
}

// of gives the names that a node of the document's own graph sees.
func (v *views) of(ctx context.Context, f *fold, i int) *script.Env {
	if at := &f.d.graph.nodes[i]; !at.typ.Entry {
		return v.behind(ctx, f, at.before)
	}
	return v.all(ctx, f)
}

func (v *views) all(ctx context.Context, f *fold) *script.Env {
	if v.whole == nil {
		v.whole = f.rec.env(v.payload)
		f.d.bind(ctx, v.whole)
	}
	return v.whole
}

// behind gives the names that a node sees that some others lead to.
func (v *views) behind(ctx context.Context, f *fold, before []int) *script.Env {
	whole := v.all(ctx, f)
	if v.hidden {
		if v.without == nil {
			v.without = withPayload(whole, nil)
			v.without.Body = nil
			f.d.bind(ctx, v.without)
		}
		return v.without
	}
	for _, j := range before {
		start := &f.d.graph.nodes[j]
		if s := f.root.places[j].step; start.typ.Entry && start.receives() == nil && s != nil && s.State == run.StepDone {
			return v.behindStart(ctx, f, j)
		}
	}
	return whole
}

// behindEntries gives the names that are seen behind the entries that a run began at.
func (v *views) behindEntries(ctx context.Context, f *fold) *script.Env {
	var before []int
	for i := range f.d.graph.nodes {
		if f.d.graph.nodes[i].typ.Entry {
			before = append(before, i)
		}
	}
	return v.behind(ctx, f, before)
}

func (v *views) behindStart(ctx context.Context, f *fold, start int) *script.Env {
	if env, ok := v.started[start]; ok {
		return env
	}
	value, _ := f.value(f.root, start)
	env := withPayload(v.whole, value)
	f.d.bind(ctx, env)
	if v.started == nil {
		v.started = map[int]*script.Env{}
	}
	v.started[start] = env
	return env
}

// bind renders the pipeline's vars; where one fails every one is null, and the node that reads it says so.
func (d *Diagram) bind(ctx context.Context, env *script.Env) {
	env.Vars = nil
	if d.vars == nil {
		return
	}
	if v, err := d.vars.Render(ctx, env); err == nil {
		env.Vars, _ = v.(map[string]any)
	}
}
