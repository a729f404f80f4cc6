package cli

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/trial"
)

// testReport is the result as JSON.
type testReport struct {
	Passed   int           `json:"passed"`
	Failed   int           `json:"failed"`
	TookMS   float64       `json:"took_ms"`
	Cases    []testCase    `json:"cases"`
	Coverage *testCoverage `json:"coverage,omitempty"`
}

// testCase is one case. Runs and Requests are there for cases of pipelines that failed, and for all with --verbose.
type testCase struct {
	Provider  string            `json:"provider,omitempty"`
	Pipeline  string            `json:"pipeline,omitempty"`
	Name      string            `json:"name"`
	OK        bool              `json:"ok"`
	Verdict   string            `json:"verdict,omitempty"`
	Status    int               `json:"status,omitempty"`
	Diagnosis string            `json:"diagnosis,omitempty"`
	TookMS    float64           `json:"took_ms"`
	At        testPlace         `json:"at"`
	Failures  []testFailure     `json:"failures,omitempty"`
	Runs      []admin.RunDetail `json:"runs,omitempty"`
	Requests  []sentRequest     `json:"requests,omitempty"`
	Notes     []string          `json:"notes,omitempty"`
}

type testFailure struct {
	At   testPlace `json:"at"`
	What string    `json:"what"`
	Got  string    `json:"got"`
	Want string    `json:"want"`
}

// testPlace is a place in a file.
type testPlace struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Col  int    `json:"col"`
}

// testCoverage is what of the pipelines the cases reached.
type testCoverage struct {
	Percent   float64            `json:"percent"`
	Pipelines []pipelineCoverage `json:"pipelines"`
}

type pipelineCoverage struct {
	Pipeline string  `json:"pipeline"`
	Cases    int     `json:"cases"`
	Percent  float64 `json:"percent"`
	Events   reach   `json:"events"`
	Nodes    reach   `json:"nodes"`
	Branches reach   `json:"branches"`
}

type reach struct {
	Total   int      `json:"total"`
	Reached int      `json:"reached"`
	Missed  []string `json:"missed"`
}

func testPlaceOf(s source.Span) testPlace {
	if s.File == nil {
		return testPlace{}
	}
	return testPlace{File: s.File.Name, Line: s.Start.Line, Col: s.Start.Col}
}

func (a *app) printReport(r trial.Report, o testFlags, took time.Duration) error {
	switch o.format {
	case formatJSON:
		return a.printJSON(testDocument(r, o, took))
	case formatJUnit:
		return a.printJUnit(r, took)
	}
	for i := range r.Results {
		a.printCase(&r.Results[i], o.verbose)
	}
	if r.Coverage != nil {
		a.printCoverage(r)
	}
	if failures := r.Failed(); failures > 0 {
		a.talk("%s %d of %s failed in %s", a.talkPaint("31;1", "FAIL:"), failures, count(len(r.Results), "case"), took.Round(time.Millisecond))
		return nil
	}
	a.talk("%s %s in %s", a.talkPaint("32;1", "ok:"), count(len(r.Results), "case"), took.Round(time.Millisecond))
	return nil
}

func testDocument(r trial.Report, o testFlags, took time.Duration) testReport {
	failures := r.Failed()
	out := testReport{Passed: len(r.Results) - failures, Failed: failures, TookMS: milliseconds(took), Cases: []testCase{}}
	for i := range r.Results {
		c := &r.Results[i]
		one := testCase{
			Provider: c.Provider, Pipeline: c.Pipeline, Name: c.Name, OK: len(c.Failures) == 0, Verdict: c.Verdict, Status: c.Status,
			Diagnosis: c.Diagnosis, TookMS: milliseconds(c.Took), At: testPlaceOf(c.Span),
		}
		for _, f := range c.Failures {
			one.Failures = append(one.Failures, testFailure{At: testPlaceOf(f.Span), What: f.What, Got: f.Got, Want: f.Want})
		}
		if p := c.Performed; p != nil && (!one.OK || o.verbose) {
			for _, rec := range p.Runs {
				one.Runs = append(one.Runs, runDetail(rec))
			}
			one.Requests, one.Notes = sentRequests(p.Requests, c.Pipeline), p.Notes
		}
		out.Cases = append(out.Cases, one)
	}
	if r.Coverage != nil {
		out.Coverage = coverageDocument(r.Coverage)
	}
	return out
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// runDetail gives a run as the admin API has it.
func runDetail(rec store.RunRecord) admin.RunDetail {
	d := admin.RunDetail{Run: admin.Run{Run: rec.Run}, Steps: []admin.Step{}, Attempts: []admin.Attempt{}, Tasks: append([]run.Task{}, rec.Tasks...)}
	for _, s := range rec.Steps {
		d.Steps = append(d.Steps, admin.Step{Step: s, TookMS: milliseconds(s.Took)})
	}
	for _, at := range rec.Attempts {
		d.Attempts = append(d.Attempts, admin.Attempt{Attempt: at, TookMS: milliseconds(at.Took), RetryAfterS: at.RetryAfter.Seconds()})
	}
	return d
}

func coverageDocument(all []trial.PipelineCoverage) *testCoverage {
	of := func(r trial.Reach) reach {
		return reach{Total: r.Total, Reached: r.Reached(), Missed: append([]string{}, r.Missed...)}
	}
	out := &testCoverage{Percent: rounded(trial.Percent(all)), Pipelines: []pipelineCoverage{}}
	for i := range all {
		c := &all[i]
		out.Pipelines = append(out.Pipelines, pipelineCoverage{
			Pipeline: c.Pipeline, Cases: c.Cases, Percent: rounded(trial.Percent(all[i : i+1])), Events: of(c.Events), Nodes: of(c.Nodes), Branches: of(c.Branches),
		})
	}
	return out
}

// rounded cuts to a tenth, so that nothing but all is 100.
func rounded(percent float64) float64 { return math.Floor(percent*10) / 10 }

func percent(p float64) string { return fmt.Sprintf("%g%%", rounded(p)) }

func (a *app) printCase(c *trial.Result, verbose bool) {
	word, color := "ok  ", "32"
	if len(c.Failures) > 0 {
		word, color = "FAIL", "31;1"
	}
	line := fmt.Sprintf("%s  %s: %s", a.paint(color, word), c.Target(), visible(c.Name))
	if verbose {
		line += fmt.Sprintf("  (%s in %s)", became(c), c.Took.Round(10*time.Microsecond))
	}
	fmt.Fprintln(a.Stdout, line)
	for _, f := range c.Failures {
		fmt.Fprintf(a.Stdout, "      %s: %s: got %s, want %s\n", f.Span, f.What, visible(f.Got), visible(f.Want))
	}
	if !verbose && len(c.Failures) == 0 {
		return
	}
	if c.Diagnosis != "" {
		fmt.Fprintf(a.Stdout, "      refused: %s\n", visible(c.Diagnosis))
	}
	if c.Performed != nil {
		a.printPerformed(c)
	}
}

// became says in short what became of a case.
func became(c *trial.Result) string {
	text := c.Verdict
	if c.Status != 0 {
		text += fmt.Sprintf(" %d", c.Status)
	}
	if c.Performed == nil {
		return text
	}
	var states []string
	for _, rec := range c.Performed.Runs {
		states = append(states, runState(rec.Run).text)
	}
	if len(states) == 0 {
		states = append(states, "no run")
	}
	return strings.TrimSpace(text + " " + strings.Join(states, ", "))
}

// printPerformed tells what the runs of a case did, as `headgate runs get` tells of a run.
func (a *app) printPerformed(c *trial.Result) {
	p := c.Performed
	inner := *a
	inner.Stdout = &indented{w: a.Stdout, by: "    "}
	for _, note := range p.Notes {
		fmt.Fprintf(a.Stdout, "      %s\n", visible(note))
	}
	if len(p.Runs) == 0 {
		fmt.Fprintln(a.Stdout, "      there was no run")
	}
	for _, rec := range p.Runs {
		state := runState(rec.Run)
		fmt.Fprintf(a.Stdout, "      %s: %s", a.paint("1", visible(rec.Run.Pipeline)), a.paint(state.color, state.text))
		if rec.Run.Reason != "" {
			fmt.Fprintf(a.Stdout, ": %s", visible(rec.Run.Reason))
		}
		if d := rec.Run.Finished.Sub(rec.Run.Created); !rec.Run.Finished.IsZero() && d > 0 {
			fmt.Fprintf(a.Stdout, " after %s", field.FormatDuration(d.Round(time.Millisecond)))
		}
		fmt.Fprintln(a.Stdout)
		inner.printPlacesAt(runDetail(rec), moment{now: p.Ended, began: p.Began})
	}
}

// indented writes lines with blanks before them.
type indented struct {
	w      io.Writer
	by     string
	inside bool // of a line
}

// Write writes what may be a piece of a line.
func (w *indented) Write(b []byte) (int, error) {
	var out bytes.Buffer
	for _, line := range bytes.SplitAfter(b, []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		if !w.inside {
			out.WriteString(w.by)
		}
		out.Write(line)
		w.inside = !bytes.HasSuffix(line, []byte("\n"))
	}
	if _, err := w.w.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (a *app) printCoverage(r trial.Report) {
	fmt.Fprintln(a.Stdout)
	var rows [][]cell
	for i := range r.Coverage {
		c := &r.Coverage[i]
		of := func(r trial.Reach) cell {
			k := cell{text: fmt.Sprintf("%d/%d", r.Reached(), r.Total)}
			switch {
			case r.Total == 0:
				k.text = "-"
			case len(r.Missed) > 0:
				k.color = "33"
			}
			return k
		}
		rows = append(rows, []cell{
			{text: c.Pipeline}, {text: fmt.Sprint(c.Cases)}, of(c.Events), of(c.Nodes), of(c.Branches), {text: percent(trial.Percent(r.Coverage[i : i+1]))},
		})
	}
	a.table(a.Stdout, []string{"PIPELINE", "CASES", "EVENTS", "NODES", "BRANCHES", "REACHED"}, rows)
	for i := range r.Coverage {
		a.printMissed(&r.Coverage[i])
	}
	a.talk("coverage: %s of %s", percent(trial.Percent(r.Coverage)), count(len(r.Coverage), "pipeline"))
}

// printMissed lists what no case reached.
func (a *app) printMissed(c *trial.PipelineCoverage) {
	if c.Reached() == c.Total() {
		return
	}
	fmt.Fprintf(a.Stdout, "\n%s\n", a.paint("1", "not reached in "+visible(c.Pipeline)))
	for _, kind := range []struct {
		name string
		r    trial.Reach
	}{{"event", c.Events}, {"node", c.Nodes}, {"branch", c.Branches}} {
		for _, what := range kind.r.Missed {
			fmt.Fprintf(a.Stdout, "  %-6s  %s\n", kind.name, visible(what))
		}
	}
}

// What of JUnit's XML continuous integration servers read.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		File    string        `xml:"file,attr"`
		Line    int           `xml:"line,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitFailure `xml:"failure"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",cdata"`
	}
)

// printJUnit prints the report as JUnit's XML: a suite for each provider and pipeline, in the order of the cases.
func (a *app) printJUnit(r trial.Report, took time.Duration) error {
	out := junitSuites{Tests: len(r.Results), Failures: r.Failed(), Time: seconds(took)}
	at := map[string]int{}
	times := map[string]time.Duration{}
	for i := range r.Results {
		c := &r.Results[i]
		name := "provider " + c.Provider
		if c.Pipeline != "" {
			name = "pipeline " + c.Pipeline
		}
		n, known := at[name]
		if !known {
			n = len(out.Suites)
			at[name] = n
			out.Suites = append(out.Suites, junitSuite{Name: name})
		}
		suite := &out.Suites[n]
		place := testPlaceOf(c.Span)
		one := junitCase{Class: c.Target(), Name: c.Name, File: place.File, Line: place.Line, Time: seconds(c.Took)}
		if len(c.Failures) > 0 {
			one.Failure = a.junitFailure(c)
			suite.Failures++
		}
		times[name] += c.Took
		suite.Tests++
		suite.Time, suite.Cases = seconds(times[name]), append(suite.Cases, one)
	}
	b, err := xml.MarshalIndent(out, "", "  ")
	if err == nil {
		_, err = fmt.Fprintf(a.Stdout, "%s%s\n", xml.Header, b)
	}
	if err != nil {
		return failed(fmt.Errorf("writing the report: %w", err))
	}
	return nil
}

// junitFailure tells of a failure as the text format does.
func (a *app) junitFailure(c *trial.Result) *junitFailure {
	f := c.Failures[0]
	var text bytes.Buffer
	plain := *a
	plain.Stdout, plain.color = &text, false
	plain.printCase(c, false)
	return &junitFailure{Message: fmt.Sprintf("%s: got %s, want %s", f.What, visible(f.Got), visible(f.Want)), Text: "\n" + text.String()}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
