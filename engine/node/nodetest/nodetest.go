// Package nodetest builds nodes of written props for the tests of node types, in a small world that every one of them shares.
//
// It stays out of the binary. All functions may be called by tests that run at once.
package nodetest

import (
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/source"
)

// Label is the built node's own label; Message is that of the node before it, whose output is "hi".
const (
	Label   = "Out"
	Message = "Message"
)

// At is when the node is reached.
func At() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }

// Build makes a node of props, written as in a manifest, and gives its findings as `file:line:col: severity[rule]: …`. The node is nil
// where it could not be made.
func Build(tb testing.TB, typ node.Type, props string) (n node.Node, found []string) {
	tb.Helper()
	var out diag.List
	n = typ.Build(Props(tb, typ, props, &out), node.Env{
		Pipeline: "flow", Label: Label, Scope: script.Scope{Labels: []string{Message}, Shared: script.NewShared()}, World: World{},
	}, &out)
	for _, f := range out.Sorted() {
		found = append(found, f.String())
	}
	return n, found
}

// Props decodes props by the type's description.
func Props(tb testing.TB, typ node.Type, props string, out *diag.List) *field.Values {
	tb.Helper()
	docs, problems := source.ParseYAML(source.NewFile("p.yaml", []byte(props)))
	if len(problems) > 0 || len(docs) != 1 {
		tb.Fatalf("%s: %d documents, %v", props, len(docs), problems)
	}
	return typ.Props.DecodeAt("props", docs[0], out)
}

// Good is Build for props without findings.
func Good(tb testing.TB, typ node.Type, props string) node.Node {
	tb.Helper()
	n, found := Build(tb, typ, props)
	if n == nil || len(found) > 0 {
		tb.Fatalf("%s: got the node %v and the findings %q, want a node", props, n, found)
	}
	return n
}

// Wrong checks that each of the rows, props and a part of what is said of them, has that finding, and that nothing is said twice.
func Wrong(t *testing.T, typ node.Type, rows [][2]string) {
	t.Helper()
	for _, r := range rows {
		_, found := Build(t, typ, r[0])
		if !strings.Contains(strings.Join(found, "\n"), r[1]) {
			t.Errorf("%s gives %q, want a finding with %q", r[0], found, r[1])
		}
		if len(found) != 1 {
			t.Errorf("%s gives %d findings, want one for one mistake: %q", r[0], len(found), found)
		}
	}
}

// Input is what a node sees of an event with the body, JSON, that came to it straight from a receive.
func Input(tb testing.TB, body string) node.Input {
	tb.Helper()
	v, err := payload.Decode([]byte(body))
	if err != nil {
		tb.Fatalf("%s: %v", body, err)
	}
	return node.Input{
		Env:     &script.Env{Payload: v, Now: At(), Outputs: map[string]any{Message: "hi"}, Event: map[string]any{"payload": v}},
		Message: v, Raw: true, At: At(),
	}
}

// Operands gives the operands that were read, in order, with a blank between them.
func Operands(notes node.Notes) string {
	var names []string
	for _, r := range notes.Reads {
		names = append(names, r.Operand)
	}
	return strings.Join(names, " ")
}

// World has the provider acme with the events order.created, order.paid and ping; open, which takes any; silent, which has none; and the
// pipelines notify and report.
type World struct{}

var _ node.World = World{}

// Provider implements node.World.
func (World) Provider(name string) (events []string, open, ok bool) {
	switch name {
	case "acme":
		return []string{"order.created", "order.paid", "ping"}, false, true
	case "open":
		return nil, true, true
	case "silent":
		return nil, false, true
	}
	return nil, false, false
}

// Providers implements node.World.
func (World) Providers() []string { return []string{"acme", "open", "silent"} }

// Destination implements node.World.
func (World) Destination(string) (*manifest.Document, bool) { return nil, false }

// Destinations implements node.World.
func (World) Destinations() []string { return nil }

// Pipeline implements node.World.
func (World) Pipeline(name string) bool { return name == "notify" || name == "report" }

// Pipelines implements node.World.
func (World) Pipelines() []string { return []string{"notify", "report"} }
