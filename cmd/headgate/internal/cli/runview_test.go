package cli

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
)

var update = flag.Bool("update", false, "write the golden files of this package again")

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

// noon is when the views of these tests are looked at.
func noon() time.Time { return time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC) }

func aDetail() admin.RunDetail {
	ev := event.Event{
		ID: event.NewID(noon().Add(-2*time.Minute), 1), Provider: "github", Name: "pull_request", Received: noon().Add(-2 * time.Minute), State: event.Routed,
	}
	name := ev.Name
	r := run.Run{
		ID: run.NewID(ev.ID, "big-pull-requests", run.Cause{Kind: run.Live}), Event: ev.ID, Pipeline: "big-pull-requests",
		Revision: "3f2a91c07b1e4d5566778899aabbccdd", State: run.Open, Created: noon().Add(-2 * time.Minute), Cause: run.Cause{Kind: run.Live},
	}
	step := func(s run.Step, ms float64) admin.Step { return admin.Step{Step: s, TookMS: ms} }
	attempt := func(n int, ago time.Duration, status int, wait float64, answer string) admin.Attempt {
		return admin.Attempt{
			Attempt: run.Attempt{
				Path: "Tell Slack", N: n, Destination: "ops-slack", Line: "POST <<env.SLACK_URL>>", Started: noon().Add(-ago),
				Outcome: run.AttemptTemporary, Code: "http_503", Status: status, Answer: answer,
			},
			TookMS: 31, RetryAfterS: wait,
		}
	}
	return admin.RunDetail{
		Run: admin.Run{Run: r}, Event: &admin.Event{Event: ev, Name: &name},
		Steps: []admin.Step{
			step(run.Step{Path: "Opened", Type: "receive", State: run.StepDone, Reads: []run.Read{{Operand: "payload.action", Value: `"opened"`}}}, 0.2),
			step(run.Step{Path: "Is big", Type: "condition", State: run.StepDone, Branch: "true", Reads: []run.Read{
				{Operand: "payload.pull_request.changed_files", Value: "25"},
			}}, 0.1),
			step(run.Step{Path: "Message", Type: "code", State: run.StepDone, Output: json.RawMessage(`{"text": "Big PR: \u001b[31mred"}`)}, 1.5),
		},
		Attempts: []admin.Attempt{attempt(2, 30*time.Second, 503, 60, "busy\n"), attempt(1, 90*time.Second, 503, 0, "")},
		Tasks:    []run.Task{{Kind: run.TaskStep, Path: "Tell Slack", N: 2, Due: noon().Add(25 * time.Second)}},
	}
}

func TestAWaitingRunShowsWhyItWaits(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &app{Process: Process{Stdout: &out, Stderr: &out}}
	a.printRun(aDetail(), noon())
	golden(t, "run-waiting.txt", out.String())
}

func TestAParkedRunShowsWhatFailedAndWhatToDo(t *testing.T) {
	t.Parallel()
	d := aDetail()
	d.Run.State, d.Run.Reason, d.Run.Message = run.Parked, "retries_spent", "Tell Slack: 2 attempts, the last answered 503"
	d.Run.Finished = noon()
	d.Run.Round = 1
	d.Tasks = nil
	d.Attempts[0].Round, d.Attempts[0].N = 1, 1
	d.Steps = append(d.Steps,
		admin.Step{Step: run.Step{Path: "Tell Slack", Type: "hook", State: run.StepFailed, Failure: &run.Failure{Code: "retries_spent", Message: "503 Service Unavailable"}}},
		admin.Step{Step: run.Step{Path: "Afterwards", Type: "hook", State: run.StepSkipped}},
	)
	var out bytes.Buffer
	a := &app{Process: Process{Stdout: &out, Stderr: &out}}
	a.printRun(d, noon())
	golden(t, "run-parked.txt", out.String())
}

func TestAnEventShowsHowItWasVerified(t *testing.T) {
	t.Parallel()
	d := aDetail()
	ev := admin.EventDetail{Event: *d.Event, Runs: []admin.Run{d.Run}, Body: &admin.Body{Encoding: "json", Value: json.RawMessage(`{"action":"opened"}`)}}
	ev.Verification = event.Verification{Rule: "signature[0] hmac-sha256", Secret: 1}
	ev.Delivery, ev.Duplicates, ev.Request, ev.BodySize, ev.ContentType, ev.BodyCRC = "72d3162e", 3, "req1", 4321, "application/json", 0xabc
	ev.Headers = []event.Header{{Name: "x-github-event", Value: "pull_request"}}
	ev.Source = event.Live
	var out bytes.Buffer
	a := &app{Process: Process{Stdout: &out, Stderr: &out}}
	a.printEvent(ev, noon())
	golden(t, "event.txt", out.String())
}
