package trial

import (
	"slices"
	"strings"
	"sync"

	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/source"
)

// PipelineCoverage tells what of a pipeline the cases reached.
type PipelineCoverage struct {
	Pipeline string
	// Cases is how many cases test the pipeline.
	Cases int
	// Events, Nodes and Branches are what can be reached: events as PROVIDER/NAME as the receives write it, patterns too; nodes by their
	// paths without the numbers of items ("Each/Tell"); branches as "Is big[true]".
	Events, Nodes, Branches Reach
}

// Reach is how much of something was reached.
type Reach struct {
	Total  int
	Missed []string
}

// Reached is the count of what was.
func (r Reach) Reached() int { return r.Total - len(r.Missed) }

// Total and Reached sum up events, nodes and branches.
func (c *PipelineCoverage) Total() int { return c.Events.Total + c.Nodes.Total + c.Branches.Total }

// Reached is how much of Total was reached.
func (c *PipelineCoverage) Reached() int {
	return c.Events.Reached() + c.Nodes.Reached() + c.Branches.Reached()
}

// Percent is how much of all pipelines was reached, from 0 to 100; 100 where there is nothing to reach.
func Percent(all []PipelineCoverage) float64 {
	total, reached := 0, 0
	for i := range all {
		total, reached = total+all[i].Total(), reached+all[i].Reached()
	}
	if total == 0 {
		return 100
	}
	return 100 * float64(reached) / float64(total)
}

// coverage collects what cases reach; nil collects nothing. It may be used by many goroutines.
type coverage struct {
	snapshot *snapshot.Snapshot

	mu      sync.Mutex
	cases   map[string]int
	reached map[string]map[string]bool // by pipeline: events, nodes and branches, each with a letter before it
}

func newCoverage(snap *snapshot.Snapshot, o Options) *coverage {
	if !o.Coverage || snap == nil {
		return nil
	}
	return &coverage{snapshot: snap, cases: map[string]int{}, reached: map[string]map[string]bool{}}
}

// What a mark is about.
const (
	markEvent  = "e "
	markNode   = "n "
	markBranch = "b "
)

// saw notes what a case has reached, in all pipelines that ran.
func (c *coverage) saw(name string, done *Performed) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cases[name]++
	for i := range done.Runs {
		rec := &done.Runs[i]
		marks := c.reached[rec.Run.Pipeline]
		if marks == nil {
			marks = map[string]bool{}
			c.reached[rec.Run.Pipeline] = marks
		}
		if rec.Run.Cause.Kind == run.Live {
			e := done.events[rec.Run.Event]
			marks[markEvent+e.Provider+"/"+e.Name] = true
		}
		for _, s := range rec.Steps {
			if s.State == run.StepSkipped {
				continue
			}
			path := pipeline.Definition(s.Path)
			marks[markNode+path] = true
			if s.Branch != "" {
				marks[markBranch+path+"["+s.Branch+"]"] = true
			}
		}
	}
}

// report gives the coverage of every enabled pipeline.
func (c *coverage) report() []PipelineCoverage {
	if c == nil {
		return nil
	}
	var out []PipelineCoverage
	for _, d := range c.snapshot.Pipelines() {
		marks := c.reached[d.Name]
		one := PipelineCoverage{Pipeline: d.Name, Cases: c.cases[d.Name]}
		reach := func(r *Reach, what string, reached bool) {
			if r.Total++; !reached {
				r.Missed = append(r.Missed, what)
			}
		}
		for _, e := range eventsOf(d) {
			reach(&one.Events, e, came(marks, e))
		}
		branch := func(what string) { reach(&one.Branches, what, marks[markBranch+what]) }
		eachNode(d.Picture(), func(p *pipeline.Picture, n *pipeline.PictureNode) {
			reach(&one.Nodes, n.Path, marks[markNode+n.Path])
			for _, way := range d.Ways(n.Path) {
				if way != "" {
					branch(n.Path + "[" + way + "]")
				}
			}
			caught := func(e pipeline.PictureEdge) bool { return e.From == n.Label && e.Handle == pipeline.ErrorHandle }
			if slices.ContainsFunc(p.Edges, caught) {
				branch(n.Path + "[" + pipeline.ErrorHandle + "]")
			}
		})
		out = append(out, one)
	}
	return out
}

// eventsOf gives what starts a pipeline as its receives write it: PROVIDER/NAME, where NAME may be a pattern.
func eventsOf(d *pipeline.Diagram) []string {
	var out []string
	for _, n := range itemsOrNone(d.Document.Root.Get("nodes")) {
		props := n.Get("props")
		if typ := n.Get("type"); typ == nil || typ.Text != "receive" || props.Get("provider") == nil {
			continue
		}
		names := []string{"*"}
		if event := props.Get("event"); event != nil {
			names = names[:0]
			for _, item := range itemsOf(event) {
				names = append(names, item.Text)
			}
		}
		for _, name := range names {
			if e := props.Get("provider").Text + "/" + name; !slices.Contains(out, e) {
				out = append(out, e)
			}
		}
	}
	return out
}

func itemsOrNone(n *source.Node) []*source.Node {
	if n == nil {
		return nil
	}
	return n.Items
}

// came says whether one of the events that came is meant by a pattern.
func came(marks map[string]bool, pattern string) bool {
	provider, name, _ := strings.Cut(pattern, "/")
	set, err := field.ParseSet([]string{name})
	if err != nil {
		return false
	}
	for mark := range marks {
		if event, ok := strings.CutPrefix(mark, markEvent+provider+"/"); ok && set.Match(event) {
			return true
		}
	}
	return false
}

// eachNode gives every node of a picture and of the bodies in it, with the picture that it stands in.
func eachNode(p pipeline.Picture, yield func(in *pipeline.Picture, n *pipeline.PictureNode)) {
	for i := range p.Nodes {
		yield(&p, &p.Nodes[i])
		if body := p.Nodes[i].Body; body != nil {
			eachNode(*body, yield)
		}
	}
}
