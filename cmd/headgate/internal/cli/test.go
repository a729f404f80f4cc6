package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/trial"
	"github.com/headgate/headgate/manifests"
)

// testFlags say what is tested and how it is told.
type testFlags struct {
	run         string
	verbose     bool
	catalog     bool
	skipUnknown bool
}

func (a *app) testCommand() *cobra.Command {
	var o testFlags
	cmd := &cobra.Command{
		Use:     "test DIR...",
		Short:   "Run the tests that stand in manifests",
		GroupID: groupTry,
		Long: `Run the tests that stand in manifests: documents of kind test (docs/testing.md).

Each case makes one request, signed by the provider's own rule, and looks at what the gateway would
make of it and answer. Nothing is listened on, stored or sent. Variables of the environment are not
read: tests give their own secrets, or fitting ones are made up.

A case that fails is exit 1, a test that cannot be understood exit 2.`,
		Example: `  headgate test manifests/
  headgate test manifests/ --run 'acme/.*refused' -v
  headgate test --catalog github slack`,
	}
	f := cmd.Flags()
	f.Var(&flagString{&o.run, "regexp"}, "run", "only cases whose PROVIDER/NAME this matches")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "tell of every case what came of it")
	f.BoolVar(&o.catalog, "catalog", false, "test the catalogue in this binary; arguments are names of its providers")
	f.BoolVar(&o.skipUnknown, "skip-unknown", false, "pass over documents of no known kind")
	cmd.RunE = does(func(ctx context.Context, args []string) error { return a.test(ctx, o, args) })
	return cmd
}

func (a *app) test(ctx context.Context, o testFlags, args []string) error {
	begun := time.Now()
	options := trial.Options{}
	if o.run != "" {
		pattern, err := regexp.Compile(o.run)
		if err != nil {
			return misused("--run: %v", err)
		}
		options.Run = pattern
	}
	load, err := a.testOptions(o, args)
	if err != nil {
		return err
	}
	bundle, list := manifest.Load(ctx, load)
	options.Bundle = bundle
	report, found := trial.Run(ctx, options)
	list.Merge(found)
	if err := ctx.Err(); err != nil {
		return failed(fmt.Errorf("running the tests: %w", context.Cause(ctx)))
	}
	if list.HasErrors() {
		return a.refuseTests(list)
	}
	if len(report.Results) == 0 {
		hint := ""
		if o.run == "" {
			hint = "a test is a document of `kind: test`; docs/testing.md shows one"
		}
		return &exitError{code: exitRuntime, err: errors.New("there is no case to run"), hint: hint}
	}
	if err := a.printReport(report, o.verbose, time.Since(begun)); err != nil {
		return err
	}
	if n := report.Failed(); n > 0 {
		return &exitError{code: exitRuntime, err: fmt.Errorf("%d of %d cases failed", n, len(report.Results)), silent: true}
	}
	return nil
}

// refuseTests prints why the tests could not be run.
func (a *app) refuseTests(list *diag.List) error {
	format := formatText
	if a.json {
		format = formatJSON
	}
	if err := a.printer(format)(a.Stdout, list.Sorted()); err != nil {
		return failed(fmt.Errorf("writing the findings: %w", err))
	}
	a.talk("%s %s; no test was run", a.talkPaint("31;1", "refused:"), summary(list))
	return refused(list.Err())
}

// testOptions load what is tested, without the environment.
func (a *app) testOptions(o testFlags, args []string) (manifest.Options, error) {
	load := manifest.Options{Catalogue: manifests.FS(), NoEnv: true, SkipUnknown: o.skipUnknown}
	if !o.catalog {
		s, err := a.settings(nil)
		if err != nil {
			return load, err
		}
		load.Dirs, err = folders(args, s)
		return load, err
	}
	names, err := catalogueNames()
	if err != nil {
		return load, err
	}
	for _, name := range args {
		if !slices.Contains(names, name) {
			return load, misused("the catalogue has no provider %q%s", name, semicolon(diag.DidYouMean(name, names)))
		}
	}
	load.Files, err = catalogueFiles(args...)
	return load, err
}

// catalogueNames lists the providers of the catalogue.
func catalogueNames() ([]string, error) {
	entries, err := fs.ReadDir(manifests.FS(), ".")
	if err != nil {
		return nil, failed(fmt.Errorf("reading the catalogue: %w", err))
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// catalogueFiles gives the catalogue, or the providers of it that are named, as the sources of a folder.
func catalogueFiles(names ...string) ([]*source.File, error) {
	var out []*source.File
	err := fs.WalkDir(manifests.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if provider, _, _ := strings.Cut(name, "/"); len(names) > 0 && !slices.Contains(names, provider) {
			return nil
		}
		data, err := fs.ReadFile(manifests.FS(), name)
		if err != nil {
			return err
		}
		out = append(out, source.NewFile(path.Join("manifests", name), data))
		return nil
	})
	if err != nil {
		return nil, failed(fmt.Errorf("reading the catalogue: %w", err))
	}
	return out, nil
}

// testReport is the result as JSON.
type testReport struct {
	Passed int        `json:"passed"`
	Failed int        `json:"failed"`
	TookMS float64    `json:"took_ms"`
	Cases  []testCase `json:"cases"`
}

type testCase struct {
	Provider  string        `json:"provider"`
	Name      string        `json:"name"`
	OK        bool          `json:"ok"`
	Verdict   string        `json:"verdict"`
	Status    int           `json:"status"`
	Diagnosis string        `json:"diagnosis,omitempty"`
	TookMS    float64       `json:"took_ms"`
	At        testPlace     `json:"at"`
	Failures  []testFailure `json:"failures,omitempty"`
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

func testPlaceOf(s source.Span) testPlace {
	if s.File == nil {
		return testPlace{}
	}
	return testPlace{File: s.File.Name, Line: s.Start.Line, Col: s.Start.Col}
}

func (a *app) printReport(r trial.Report, verbose bool, took time.Duration) error {
	failures := r.Failed()
	if a.json {
		out := testReport{Passed: len(r.Results) - failures, Failed: failures, TookMS: float64(took.Microseconds()) / 1000, Cases: []testCase{}}
		for _, c := range r.Results {
			one := testCase{
				Provider: c.Provider, Name: c.Name, OK: len(c.Failures) == 0, Verdict: c.Verdict, Status: c.Status, Diagnosis: c.Diagnosis,
				TookMS: float64(c.Took.Microseconds()) / 1000, At: testPlaceOf(c.Span),
			}
			for _, f := range c.Failures {
				one.Failures = append(one.Failures, testFailure{At: testPlaceOf(f.Span), What: f.What, Got: f.Got, Want: f.Want})
			}
			out.Cases = append(out.Cases, one)
		}
		return a.printJSON(out)
	}
	for _, c := range r.Results {
		a.printCase(c, verbose)
	}
	if failures > 0 {
		a.talk("%s %d of %s failed in %s", a.talkPaint("31;1", "FAIL:"), failures, count(len(r.Results), "case"), took.Round(time.Millisecond))
		return nil
	}
	a.talk("%s %s in %s", a.talkPaint("32;1", "ok:"), count(len(r.Results), "case"), took.Round(time.Millisecond))
	return nil
}

func (a *app) printCase(c trial.Result, verbose bool) {
	word, color := "ok  ", "32"
	if len(c.Failures) > 0 {
		word, color = "FAIL", "31;1"
	}
	line := fmt.Sprintf("%s  %s: %s", a.paint(color, word), c.Provider, visible(c.Name))
	if verbose {
		line += fmt.Sprintf("  (%s in %s)", strings.TrimSpace(fmt.Sprintf("%s %d", c.Verdict, c.Status)), c.Took.Round(10*time.Microsecond))
	}
	fmt.Fprintln(a.Stdout, line)
	for _, f := range c.Failures {
		fmt.Fprintf(a.Stdout, "      %s: %s: got %s, want %s\n", f.Span, f.What, visible(f.Got), visible(f.Want))
	}
	if c.Diagnosis != "" && (verbose || len(c.Failures) > 0) {
		fmt.Fprintf(a.Stdout, "      refused: %s\n", visible(c.Diagnosis))
	}
}
