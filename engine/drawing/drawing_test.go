package drawing

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
)

// hostile are labels that try to be more than text in one of the formats.
func hostile() []string {
	return []string{
		`<script>alert(1)</script>`, `"]; click n0 "javascript:alert(1)"`, "a\\\" -> b [URL=\"javascript:1\"]", "`**bold**`", `end`, "]]>&amp;&#60;",
		"turned \u202eround", "zero\u200bwidth", "two\nlines\tand\x00zero", "#quot;", `%%{init: {}}%%`, "n0 --> n1", "<br/>", `\N\l`, "日本語のラベル", "\xff\xfe", strings.Repeat("long ", 200),
		strings.Repeat("x", 500), "---", "'", `${x}`, "{{ payload }}", "|", ";",
	}
}

func hostilePicture(labels ...string) pipeline.Picture {
	p := pipeline.Picture{}
	for i, s := range labels {
		label := s + itoa(i)
		p.Nodes = append(p.Nodes, pipeline.PictureNode{Label: label, Type: s, Path: label, Detail: s, Entry: i == 0})
		if i > 0 {
			p.Edges = append(p.Edges, pipeline.PictureEdge{From: p.Nodes[i-1].Label, To: label, Handle: s, Label: s})
		}
	}
	body := pipeline.Picture{Nodes: []pipeline.PictureNode{{Label: labels[0], Type: "hook", Path: "Each/" + labels[0]}}}
	p.Nodes = append(p.Nodes, pipeline.PictureNode{Label: "Each", Type: "foreach", Path: "Each", Body: &body})
	p.Edges = append(p.Edges, pipeline.PictureEdge{From: p.Nodes[0].Label, To: "Each"})
	return p
}

// elements reads an SVG document to its end and counts its elements.
func elements(t *testing.T, svg string) map[string]int {
	t.Helper()
	found := map[string]int{}
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatalf("the SVG is no XML: %v", err)
		}
		start, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		found[start.Name.Local]++
		for _, a := range start.Attr {
			if strings.HasPrefix(strings.ToLower(a.Name.Local), "on") || a.Name.Local == "href" {
				t.Errorf("the element %s has the attribute %s", start.Name.Local, a.Name.Local)
			}
		}
	}
}

func TestSVGHoldsLabelsAsText(t *testing.T) {
	t.Parallel()
	p := hostilePicture(hostile()...)
	run := &Run{Marks: map[string]Mark{p.Nodes[1].Path: {State: Failed, Taken: []string{p.Edges[1].Handle}}}}
	for _, o := range []Options{{Title: hostile()[0], Note: hostile()[1]}, {Run: run}} {
		got := SVG(&p, o)
		found := elements(t, got)
		for name := range found {
			if !slices.Contains([]string{"svg", "title", "rect", "text", "path", "g", "polygon", "circle"}, name) {
				t.Errorf("got an element %s", name)
			}
		}
		if strings.ContainsAny(got, "\u202e\u200b\x00") {
			t.Error("the SVG holds characters that turn or hide text")
		}
	}
}

func TestTurningAndHidingCharactersAreShown(t *testing.T) {
	t.Parallel()
	rows := []struct{ in, want string }{
		{"a\nb\tc", "a b c"},
		{"x\u202ey", "x\ufffdy"},
		{"x\u2066y", "x\ufffdy"},
		{"x\u200by", "x\ufffdy"},
		{"\x1b[31m", "\ufffd[31m"},
		{"\xff", "\ufffd"},
		{"größer 日本", "größer 日本"},
	}
	for _, r := range rows {
		if got := clean(r.in); got != r.want {
			t.Errorf("clean(%q): got %q, want %q", r.in, got, r.want)
		}
	}
}

// readMermaid checks every line of a flowchart and counts its nodes and edges.
func readMermaid(t *testing.T, text string) (nodes, edges int) {
	t.Helper()
	quoted := `"(?:[A-Za-z0-9 \-_.,:/=+!?()$]|[^\x00-\x7f]|#[0-9]+;|<br/>)*"`
	node := regexp.MustCompile(`^ *n\d+(?:\(\[|\{\{|\[/|\[\[|\[|\()` + quoted + `(?:\]\)|\}\}|\\\]|\]\]|\]|\))$`)
	edge := regexp.MustCompile(`^ *n\d+ (?:-->|-\.->|==>)(?:\|` + quoted + `\|)? n\d+$`)
	group := regexp.MustCompile(`^ *subgraph n\d+\[` + quoted + `\]$`)
	other := regexp.MustCompile(`^(?: *end| *direction TB| *class n\d+ [a-z]+| *classDef [a-z]+ [a-z0-9:#, -]+|flowchart TB)$`)
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if lines[0] == "---" {
		if !regexp.MustCompile(`^title: "(?:[^"\\<>]|\\.)*"$`).MatchString(lines[1]) || lines[2] != "---" {
			t.Errorf("the title is not one line of text: %q", lines[1])
		}
		lines = lines[3:]
	}
	open := 0
	for i, line := range lines {
		switch {
		case node.MatchString(line):
			nodes++
		case group.MatchString(line):
			nodes++
			open++
		case edge.MatchString(line):
			edges++
		case other.MatchString(line):
			if strings.TrimSpace(line) == "end" {
				open--
			}
		default:
			t.Errorf("line %d is none that a flowchart has: %q", i+1, line)
		}
	}
	if open != 0 || lines[0] != "flowchart TB" {
		t.Errorf("got %d open subgraphs and the first line %q", open, lines[0])
	}
	return nodes, edges
}

// readDOT reads a graph by the grammar of its language, as far as it is used here, and counts nodes and edges.
func readDOT(t *testing.T, text string) (nodes, edges int) {
	t.Helper()
	token := regexp.MustCompile(`^(?:\s+|"(?:[^"\\]|\\["\\n])*"|->|[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[{}\[\]=,])`)
	var tokens []string
	for rest := text; rest != ""; {
		m := token.FindString(rest)
		if m == "" {
			t.Fatalf("no token of DOT begins with %.40q", rest)
		}
		if strings.TrimSpace(m) != "" {
			tokens = append(tokens, m)
		}
		rest = rest[len(m):]
	}
	plain := strings.Join(tokens, " ")
	attrs := `(?:\[ (?:\w+ = (?:\w+|"(?:[^"\\]|\\.)*")(?: , )?)+ ?\])`
	plain = regexp.MustCompile(attrs).ReplaceAllString(plain, "@")
	nodes = len(regexp.MustCompile(`\bn\d+ @`).FindAllString(regexp.MustCompile(`-> n\d+( @)?`).ReplaceAllString(plain, "-> "), -1)) +
		strings.Count(plain, "subgraph cluster_n")
	edges = strings.Count(plain, "->")
	shape := regexp.MustCompile(`^digraph pipeline \{( (graph|node|edge|n\d+) @| n\d+ -> n\d+( @)?| subgraph cluster_n\d+ \{| \})* \}$`)
	if !shape.MatchString(plain) || strings.Count(plain, "{") != strings.Count(plain, "}") {
		t.Errorf("this is no graph: %s", plain)
	}
	return nodes, edges
}

func count(p *pipeline.Picture) (nodes, edges int) {
	nodes, edges = len(p.Nodes), len(p.Edges)
	for i := range p.Nodes {
		if b := p.Nodes[i].Body; b != nil {
			n, e := count(b)
			nodes, edges = nodes+n, edges+e
		}
	}
	return nodes, edges
}

func pictures(t *testing.T) map[string]pipeline.Picture {
	t.Helper()
	return map[string]pipeline.Picture{
		"tiny": tiny(t), "branching": branching(t), "orders": orders(t), "large": large(t, 24), "larger": large(t, 40), "hostile": hostilePicture(hostile()...), "empty": {},
	}
}

func TestMermaidAndDOTHaveEveryNodeAndEdge(t *testing.T) {
	t.Parallel()
	for name, p := range pictures(t) {
		wantNodes, wantEdges := count(&p)
		for _, o := range []Options{{}, {Title: hostile()[1], Note: hostile()[0], Run: ordersRun()}} {
			if nodes, edges := readMermaid(t, Mermaid(&p, o)); nodes != wantNodes || edges != wantEdges {
				t.Errorf("%s as Mermaid: got %d nodes and %d edges, want %d and %d", name, nodes, edges, wantNodes, wantEdges)
			}
			if nodes, edges := readDOT(t, DOT(&p, o)); nodes != wantNodes || edges != wantEdges {
				t.Errorf("%s as DOT: got %d nodes and %d edges, want %d and %d", name, nodes, edges, wantNodes, wantEdges)
			}
		}
	}
}

func TestTheOutlineShowsChainsBranchesAndJoins(t *testing.T) {
	t.Parallel()
	p := branching(t)
	want := `big-pull-requests

▶ Opened                receive    github pull_request, if payload.action == "opened"
● Is big                condition  payload.pull_request.changed_files > 20
├─ [true]
│ ● Message             code       {"text": "Big PR: " + payload.pull_request.html_url}
│ ● Tell Slack          hook       ops-slack
│ ├─ [error]
│ │ ● Note the failure  emit       slack.failed
│ → Done
├─ [false]
│ ● Count               metric     pull_requests_total
│ → Done
● Done                  end        (after Count, Tell Slack)
`
	if got := Text(&p, Options{Title: "big-pull-requests"}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	r := Show([]run.Step{
		{Path: "Opened", State: run.StepDone},
		{Path: "Is big", State: run.StepDone, Branch: "false"},
		{Path: "Message", State: run.StepSkipped},
		{Path: "Tell Slack", State: run.StepSkipped},
		{Path: "Count", State: run.StepDone},
	}, []run.Task{{Path: "Done"}})
	got := Text(&p, Options{Run: r})
	for _, line := range []string{
		`✓ Opened                receive    done  github pull_request, if payload.action == "opened"`, `├─ [false] taken`, `├─ [true]`,
		`│ · Message             code       not reached  {"text": "Big PR: " + payload.pull_request.html_url}`, `… Done                  end        waiting  (after Count, Tell Slack)`,
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("the line %q is missing in\n%s", line, got)
		}
	}
}

func TestEveryNodeStandsOnceInTheOutline(t *testing.T) {
	t.Parallel()
	for name, p := range pictures(t) {
		want, _ := count(&p)
		got := 0
		for line := range strings.Lines(Text(&p, Options{})) {
			if strings.ContainsAny(strings.TrimLeft(line, "│┊ ")[:min(3, len(strings.TrimLeft(line, "│┊ ")))], "▶●") {
				got++
			}
		}
		if got != want {
			t.Errorf("%s: got %d nodes, want %d", name, got, want)
		}
	}
}

func TestAMarkTellsTheWorstOfAllItems(t *testing.T) {
	t.Parallel()
	r := ordersRun()
	rows := []struct {
		path, tally string
		state       State
		taken       []string
	}{
		{"Urgency", "", Done, []string{"normal"}},
		{"Each line/Look up", "1 failed, 1 waiting, 1 done", Failed, []string{"", "error"}},
		{"Each line/In stock", "1 done, 1 not reached", Done, []string{"true"}},
		{"Each line", "", Waiting, nil},
		{"Collect", "", Skipped, nil},
	}
	for _, row := range rows {
		m := r.Marks[row.path]
		if m.State != row.state || m.tally() != row.tally || !slices.Equal(m.Taken, row.taken) {
			t.Errorf("%s: got %s, %q, taken %q, want %s, %q, %q", row.path, m.State, m.tally(), m.Taken, row.state, row.tally, row.taken)
		}
	}
}

func FuzzEveryFormatHoldsLabelsAsText(f *testing.F) {
	for _, s := range hostile() {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a)+len(b) > 2000 {
			return
		}
		p := hostilePicture(a, b, a+b)
		elements(t, SVG(&p, Options{Title: a, Note: b}))
		readMermaid(t, Mermaid(&p, Options{Title: a, Note: b}))
		readDOT(t, DOT(&p, Options{Title: a}))
		if got := Text(&p, Options{Title: a}); strings.ContainsAny(got, "\x1b\u202e\x00\r") {
			t.Errorf("the outline holds control characters: %q", got)
		}
	})
}
