package drawing

import (
	"testing"

	"github.com/headgate/headgate/engine/pipeline"
)

// overlaps says whether two cells cover each other, with a pixel to spare.
func overlaps(a, b *cell) bool {
	return a.x-a.w/2 < b.x+b.w/2-1 && b.x-b.w/2 < a.x+a.w/2-1 && a.y < b.y+b.h-1 && b.y < a.y+a.h-1
}

func checkSheet(t *testing.T, name string, s *sheet) {
	t.Helper()
	var all []*cell
	for _, layer := range s.g.layers {
		all = append(all, layer...)
	}
	for i, a := range all {
		if a.x-a.w/2 < -0.5 || a.x+a.w/2 > s.g.w+0.5 || a.y < 0 || a.y+a.h > s.g.h+0.5 {
			t.Errorf("%s: a cell at %.0f, %.0f lies outside of the picture", name, a.x, a.y)
		}
		for _, b := range all[i+1:] {
			if overlaps(a, b) {
				t.Errorf("%s: cells at %.0f, %.0f and %.0f, %.0f overlap", name, a.x, a.y, b.x, b.y)
			}
		}
	}
	for _, c := range s.g.chains {
		for i := 1; i < len(c.cells); i++ {
			if from, to := c.cells[i-1], c.cells[i]; from.layer+1 != to.layer || from.y+from.h >= to.y {
				t.Errorf("%s: an edge does not lead down from layer to layer: %d to %d", name, from.layer, to.layer)
			}
		}
	}
	for _, c := range s.g.boxes {
		for i := range c.ports {
			a := &c.ports[i]
			if abs(a.x)+a.w/2 > c.w/2 {
				t.Errorf("%s: the way %q hangs over the side of its node", name, a.name)
			}
			for j := range c.ports[:i] {
				if b := &c.ports[j]; abs(a.x-b.x) < (a.w+b.w)/2 {
					t.Errorf("%s: the ways %q and %q overlap", name, a.name, b.name)
				}
			}
		}
	}
	for i := range s.parts {
		if b := s.parts[i].body; b != nil {
			if c := s.g.boxes[i]; b.g.w > c.w || b.g.h > c.h {
				t.Errorf("%s: the body of %s is larger than its box", name, s.p.Nodes[i].Label)
			}
			checkSheet(t, name, b)
		}
	}
}

func TestNothingOverlaps(t *testing.T) {
	t.Parallel()
	all := pictures(t)
	all["huge"] = large(t, 200)
	for name, p := range all {
		for _, o := range []Options{{}, {Run: ordersRun()}} {
			checkSheet(t, name, newSheet(&p, &o))
		}
	}
}

func TestWhatCanBeDrawnWithoutCrossingsIs(t *testing.T) {
	t.Parallel()
	rows := map[string]pipeline.Picture{"tiny": tiny(t), "branching": branching(t), "orders": orders(t)}
	rows["crossed as written"] = sketch(t, `
		In receive a b
		A code
		B code
		C code
		D code
		E code
		F code
		In -> A
		In -> B
		In -> C
		C -> D
		A -> E
		B -> F
		A -> F
	`)
	for name, p := range rows {
		s := newSheet(&p, &Options{})
		if got := s.g.crossings(); got != 0 {
			t.Errorf("%s: got %d crossings, want none", name, got)
		}
	}
}

func TestAChainStandsInOneLine(t *testing.T) {
	t.Parallel()
	p := sketch(t, `
		In receive github push
		A_much_longer_label_than_that_of_the_others code
		Look condition payload.x
		Last hook somewhere
		In -> A_much_longer_label_than_that_of_the_others -> Look
		Look[true] -> Last
	`)
	s := newSheet(&p, &Options{})
	for i, c := range s.g.boxes {
		if abs(c.x-s.g.boxes[0].x) > 1 {
			t.Errorf("%s stands at %.1f, want %.1f", p.Nodes[i].Label, c.x, s.g.boxes[0].x)
		}
	}
}

func TestACircleEndsTheLayoutAllTheSame(t *testing.T) {
	t.Parallel()
	p := sketch(t, `
		A code
		B code
		A -> B
		B -> A
	`)
	if got := elements(t, SVG(&p, Options{}))["rect"]; got < 2 {
		t.Errorf("got %d boxes, want both", got)
	}
}
