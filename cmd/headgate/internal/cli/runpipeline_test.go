package cli

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/trial"
)

func TestInputIsPutTogether(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "input.json")
	if err := os.WriteFile(file, []byte(`{"a": 9007199254740993, "b": "x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		flags runFlags
		stdin string
		want  string
	}{
		{runFlags{}, "", `{}`},
		{runFlags{input: []string{"day=monday", "n=3", `text="3"`, "list=[1, 2]", "none=null", "yes=true", "eq=a=b", "empty="}}, "", `{"day":"monday","empty":"","eq":"a=b","list":[1,2],"n":3,"none":null,"text":"3","yes":true}`},
		{runFlags{inputFile: file, input: []string{"b=y"}}, "", `{"a":9007199254740993,"b":"y"}`},
		{runFlags{inputFile: "-"}, `{"c": {}}`, `{"c":{}}`},
	} {
		a := &app{Process: Process{Stdin: strings.NewReader(row.stdin)}}
		got, err := a.input(row.flags)
		if err != nil || string(got) != row.want {
			t.Errorf("%+v: got %s, %v; want %s", row.flags, got, err, row.want)
		}
	}
	for _, flags := range []runFlags{{input: []string{"day"}}, {input: []string{"=x"}}, {inputFile: "-"}, {inputFile: file + "x"}} {
		a := &app{Process: Process{Stdin: strings.NewReader("[]")}}
		if got, err := a.input(flags); err == nil {
			t.Errorf("%+v: got %s, want an error", flags, got)
		}
	}
}

func TestRequestsOfADryRunShowNoSecret(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	request := func(after time.Duration, body string) *trial.Request {
		return &trial.Request{
			Pipeline: "report", Path: "Tell", Method: "POST", URL: "<<env.URL>>/a", At: at.Add(after), Body: []byte(body),
			Header: http.Header{"Authorization": {"Bearer <<env.TOKEN>>"}, "X-A": {"b", "c"}},
		}
	}
	var out bytes.Buffer
	a := &app{Process: Process{Stdout: &out}}
	a.printRequests("report", &trial.Performed{Began: at, Requests: []*trial.Request{
		request(0, "{\"a\":[\"\u202e\"]}"), request(90*time.Minute, "one\ntwo\x1b[31m"), request(time.Second, "\xff\xfe"), request(2*time.Second, ""),
	}})
	const head = "  POST <<env.URL>>/a\n  Authorization: •••\n  X-A: b, c\n"
	want := "\nrequest of Tell\n" + head + "\n  {\n    \"a\": [\n      \"\ufffd\"\n    ]\n  }\n" +
		"\nrequest of Tell after 1h30m\n" + head + "\n  one\n  two\ufffd[31m\n" +
		"\nrequest of Tell after 1s\n" + head + "\n  2 B that are no text\n" +
		"\nrequest of Tell after 2s\n" + head
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAPlaceTellsWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) time.Time { return noon().Add(d) }
	for _, row := range []struct {
		task run.Task
		want string
	}{
		{run.Task{Held: true, Due: in(0)}, "it has not its turn yet, under the limits of its pipeline"},
		{run.Task{Kind: run.TaskChild, Due: in(100 * 365 * 24 * time.Hour)}, "for the run that it called"},
		{run.Task{Kind: run.TaskChild, Due: in(time.Minute)}, "for the run that it called, at most 1m"},
		{run.Task{Kind: run.TaskWait, Due: in(3 * time.Hour)}, "for an event, at most 3h"},
		{run.Task{Kind: run.TaskTimer, Due: in(10 * time.Minute)}, "due in 10m"},
		{run.Task{Kind: run.TaskTimer, Due: in(100 * 365 * 24 * time.Hour)}, "for more items"},
		{run.Task{Kind: run.TaskStep, N: 2, Due: in(-time.Second)}, "attempt 3 is due now"},
		{run.Task{Kind: run.TaskStep, Due: in(0)}, "due now"},
	} {
		if got := dueIn(row.task, noon()); got != row.want {
			t.Errorf("%+v: got %q, want %q", row.task, got, row.want)
		}
	}
}

func TestAHiddenValueIsNotShown(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &app{Process: Process{Stdout: &out}}
	a.printStep(&admin.Step{Step: run.Step{Reads: []run.Read{{Operand: "payload.name", Value: "null", Hidden: true}}}})
	if got, want := out.String(), "      payload.name = hidden\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
