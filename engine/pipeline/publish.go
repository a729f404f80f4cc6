package pipeline

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/script"
)

// A hook to subscribers begins a run for each of them, of a pipeline that consists of the hook alone: "<pipeline>/<path>". Such a run names
// in its cause who published, and where; what its node sees is what the hook saw there.

// Place is where a node stands in a run: what it sees, and what comes into it.
type Place struct {
	Env     *script.Env
	Message any
	// Raw says that the message is the event's own payload.
	Raw bool
}

// With gives the place with one more name in scope.
func (p Place) With(name string, value any) *Place {
	env := script.Env{}
	if p.Env != nil {
		env = *p.Env
	}
	env.Outputs = maps.Clone(env.Outputs)
	if env.Outputs == nil {
		env.Outputs = map[string]any{}
	}
	env.Outputs[name] = value
	p.Env = &env
	return &p
}

// SubName names the pipeline of the runs that a hook publishes: path is that of its steps, with or without the numbers of items.
func SubName(name, path string) string { return name + "/" + Definition(path) }

// SplitName takes the name of a run's pipeline apart: path is that of the hook which published the run, "" where none did.
func SplitName(name string) (pipeline, path string) {
	pipeline, path, _ = strings.Cut(name, "/")
	return pipeline, path
}

// Published is the cause of a run that a hook began for a subscription: which run, where, and for whom. It says nothing of rounds, so that
// publishing again is the same as publishing once.
func Published(sender run.ID, path, subscription string) run.Cause {
	return run.Cause{Kind: run.Call, Ref: sender.String() + "/" + path + "[" + subscription + "]"}
}

// Publication reads what Published made; false for every other cause.
func Publication(c run.Cause) (sender run.ID, path, subscription string, ok bool) {
	id, rest, found := strings.Cut(c.Ref, "/")
	at := strings.LastIndexByte(rest, '[')
	if c.Kind != run.Call || !found || at < 1 || !strings.HasSuffix(rest, "]") {
		return run.ID{}, "", "", false
	}
	sender, err := run.ParseID(id)
	if err != nil {
		return run.ID{}, "", "", false
	}
	return sender, rest[:at], rest[at+1 : len(rest)-1], true
}

// Sub gives the pipeline of the runs that the hook at a path publishes; false where it publishes none.
func (d *Diagram) Sub(path string) (*Diagram, bool) {
	at := d.find(path)
	if at == nil {
		return nil, false
	}
	p, is := at.node.(node.Publisher)
	if !is {
		return nil, false
	}
	if _, is = p.Publishes(); !is {
		return nil, false
	}
	v := *at
	v.path, v.in, v.before, v.handles, v.plain, v.catches, v.leads, v.body = v.label, nil, nil, nil, true, false, false, nil
	sub := &Diagram{
		Name: SubName(d.Name, at.path), Title: d.Title, Labels: d.Labels, Revision: d.Revision, Document: d.Document, sender: d, senderPath: at.path,
		graph: &graph{nodes: []vertex{v}, index: map[string]int{v.label: 0}},
	}
	sub.defs = map[string]*vertex{v.label: &sub.graph.nodes[0]}
	return sub, true
}

// Sender gives the diagram of the runs that publish to this one's; nil for every diagram that Sub did not give.
func (d *Diagram) Sender() *Diagram { return d.sender }

// Hook gives the label of the only node of a diagram that Sub gave.
func (d *Diagram) Hook() string { return d.graph.nodes[0].label }

// Publications gives the paths of the hooks that publish, in order.
func (d *Diagram) Publications() []string {
	var out []string
	for _, n := range d.Nodes() {
		if p, ok := n.Node.(node.Publisher); ok {
			if _, publishes := p.Publishes(); publishes {
				out = append(out, n.Path)
			}
		}
	}
	return out
}

// Place gives what the node at the path of a step sees, and what comes into it, whether it has ended or not; false where the run did not
// come to it.
func (d *Diagram) Place(ctx context.Context, rec Record, path string, clock func() time.Time) (*Place, bool) {
	f := d.fold(rec, clock)
	f.target, f.place = path, &Place{}
	f.walk(ctx, f.root)
	return f.place, f.place.Env != nil
}

// looks says whether a node that has its step is looked at all the same.
func (f *fold) looks(path string) bool { return f.place != nil && f.leadsTo(path) }

// stand makes the root of a diagram that Sub gave what it is: the place of its node in the run that published.
func (fr *frame) stand(rec *Record) {
	fr.body, fr.env = true, &script.Env{}
	if rec.Place != nil {
		fr.env, fr.item, fr.raw = rec.Place.Env, rec.Place.Message, rec.Place.Raw
	}
	if rec.Run != nil {
		fr.reached = rec.Run.Created
	}
}

// subscription is the one that a run is for; "" where it is for none.
func (d *Diagram) subscription(r *run.Run) string {
	if d.sender == nil || r == nil {
		return ""
	}
	_, _, id, _ := Publication(r.Cause)
	return id
}

// AudienceLane is the order of what a hook sends to each of its subscribers.
type AudienceLane struct {
	// Keep says that a parked run keeps its lane.
	Keep bool

	value string
}

// Of gives the key of the turn for one gate: "lane:<gate>:<value as JSON>".
func (l *AudienceLane) Of(gate string) string { return "lane:" + gate + ":" + l.value }

// LaneAt gives the lane of a hook to subscribers in which a publication stands, given what the hook sees; nil where the expression gives
// null. The error is the expression's.
func LaneAt(ctx context.Context, env *script.Env, o *destination.Ordering) (*AudienceLane, error) {
	res, err := o.By.Eval(ctx, env)
	if err != nil {
		return nil, fmt.Errorf("evaluating the ordering: %w", err)
	}
	if res.Value == nil {
		return nil, nil
	}
	text, err := orderText(res.Value)
	if err != nil {
		return nil, fmt.Errorf("writing the value of the ordering as JSON: %w", err)
	}
	return &AudienceLane{Keep: o.Keep, value: text}, nil
}
