package drawing

import (
	"fmt"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
)

// sketch makes a picture of lines: "Label type detail…" is a node (blanks of the label are written _), "A -> B" and "A[true] -> B" are
// connections. Lines between "Label foreach detail {" and "}" are a body.
func sketch(t *testing.T, text string) pipeline.Picture {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	p, rest := sketchLines(t, lines, "")
	if len(rest) > 0 {
		t.Fatalf("lines are left over: %q", rest)
	}
	return p
}

func sketchLines(t *testing.T, lines []string, prefix string) (p pipeline.Picture, rest []string) {
	t.Helper()
	label := func(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "_", " ") }
	for len(lines) > 0 {
		line := strings.TrimSpace(lines[0])
		lines = lines[1:]
		switch {
		case line == "":
		case line == "}":
			return p, lines
		case strings.Contains(line, " -> "):
			names := strings.Split(line, " -> ")
			for i := 0; i+1 < len(names); i++ {
				from, handle, _ := strings.Cut(strings.TrimSuffix(strings.TrimSpace(names[i]), "]"), "[")
				to, as, _ := strings.Cut(names[i+1], " as ")
				to, _, _ = strings.Cut(to, "[")
				p.Edges = append(p.Edges, pipeline.PictureEdge{From: label(from), To: label(to), Handle: handle, Label: as})
			}
		default:
			name, more, _ := strings.Cut(line, " ")
			typ, detail, _ := strings.Cut(more, " ")
			n := pipeline.PictureNode{Label: label(name), Type: typ, Path: prefix + label(name), Entry: typ == "receive" || typ == "start"}
			if before, ok := strings.CutSuffix(detail, "{"); ok {
				body, after := sketchLines(t, lines, n.Path+"/")
				n.Body, lines, detail = &body, after, strings.TrimSpace(before)
			}
			n.Detail = detail
			p.Nodes = append(p.Nodes, n)
		}
	}
	return p, nil
}

func tiny(t *testing.T) pipeline.Picture {
	t.Helper()
	return sketch(t, `
		Opened receive github pull_request
		Tell_Slack hook ops-slack
		Opened -> Tell_Slack
	`)
}

func branching(t *testing.T) pipeline.Picture {
	t.Helper()
	return sketch(t, `
		Opened receive github pull_request, if payload.action == "opened"
		Is_big condition payload.pull_request.changed_files > 20
		Message code {"text": "Big PR: " + payload.pull_request.html_url}
		Tell_Slack hook ops-slack
		Count metric pull_requests_total
		Note_the_failure emit slack.failed
		Done end
		Opened -> Is_big
		Is_big[true] -> Message -> Tell_Slack -> Done
		Is_big[false] -> Count -> Done
		Tell_Slack[error] -> Note_the_failure
	`)
}

func orders(t *testing.T) pipeline.Picture {
	t.Helper()
	return sketch(t, `
		Order_placed receive acme order.created
		Urgency switch payload.priority
		Page_somebody hook pager
		Wait_for_payment wait acme payment.succeeded, at most 1h
		Reminder hook mail
		Collect batch by payload.customer, 50 or 10m
		Each_line foreach payload.lines as line {
			Look_up hook stock GET /articles/{{ line.sku }}
			In_stock condition steps["Look up"].json.left > 0
			Reserve hook stock POST /reservations
			Backorder emit article.missing
			Look_up -> In_stock
			In_stock[true] -> Reserve
			In_stock[false] -> Backorder
			Look_up[error] -> Backorder
		}
		Summary code a_rather_long_first_line_of_code_that_nobody_would_want_to_read_in_a_box_at_all(payload)
		Ship call shipping
		Answer respond 200
		Order_placed -> Urgency
		Order_placed -> Answer
		Urgency[very urgent, call them] -> Page_somebody
		Urgency[normal] -> Wait_for_payment
		Urgency[default] -> Collect
		Wait_for_payment -> Each_line
		Wait_for_payment[timeout] -> Reminder
		Collect -> Each_line
		Page_somebody -> Each_line
		Each_line -> Summary -> Ship
		Each_line[error] -> Reminder
	`)
}

// large has n nodes: rows of branches that meet again, edges over many layers, and error ways.
func large(t *testing.T, n int) pipeline.Picture {
	t.Helper()
	var b strings.Builder
	b.WriteString("In receive acme *\nOther_in receive globex *\n")
	types := []string{"code", "condition", "hook", "metric", "wait", "switch"}
	for i := range n - 4 {
		fmt.Fprintf(&b, "Step_%d %s detail of step %d\n", i, types[i%len(types)], i)
	}
	b.WriteString("Last code join everything\nBad emit it.failed\nIn -> Step_0\nOther_in -> Step_3\n")
	for i := range n - 4 {
		from := fmt.Sprintf("Step_%d", i)
		if i%len(types) == 1 {
			from += "[true]"
			fmt.Fprintf(&b, "Step_%d[false] -> Last\n", i)
		}
		if i%len(types) == 5 {
			from += "[default]"
			for j, way := range []string{"eu", "us"} {
				if i+3+j < n-4 {
					fmt.Fprintf(&b, "Step_%d[%s] -> Step_%d\n", i, way, i+3+j)
				}
			}
		}
		if i%9 == 2 {
			fmt.Fprintf(&b, "Step_%d[error] -> Bad\n", i)
		}
		switch {
		case i+1 >= n-4:
			fmt.Fprintf(&b, "%s -> Last\n", from)
		case i%4 == 0 && i+2 < n-4:
			fmt.Fprintf(&b, "%s -> Step_%d\n%s -> Step_%d\n", from, i+1, from, i+2)
		case i%4 == 1 && i+2 < n-4:
			fmt.Fprintf(&b, "%s -> Step_%d\n", from, i+2)
		default:
			fmt.Fprintf(&b, "%s -> Step_%d\n", from, i+1)
		}
	}
	return sketch(t, b.String())
}

func ordersRun() *Run {
	return Show([]run.Step{
		{Path: "Order placed", State: run.StepDone},
		{Path: "Urgency", State: run.StepDone, Branch: "normal"},
		{Path: "Wait for payment", State: run.StepDone},
		{Path: "Page somebody", State: run.StepSkipped},
		{Path: "Collect", State: run.StepSkipped},
		{Path: "Each line[0]/Look up", State: run.StepDone},
		{Path: "Each line[0]/In stock", State: run.StepDone, Branch: "true"},
		{Path: "Each line[0]/Reserve", State: run.StepDone},
		{Path: "Each line[0]/Backorder", State: run.StepSkipped},
		{Path: "Each line[1]/Look up", State: run.StepFailed, Branch: "error"},
		{Path: "Each line[1]/In stock", State: run.StepSkipped},
		{Path: "Each line[1]/Backorder", State: run.StepDone},
		{Path: "Answer", State: run.StepDone},
	}, []run.Task{{Path: "Each line[2]/Look up"}, {Path: "Each line"}})
}
