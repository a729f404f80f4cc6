package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/script"
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
	format      string
	coverage    bool
	minimum     float64
}

// The formats of what tests came to, as the flag names them.
const (
	testFormats = "text|json|junit"
	formatJUnit = "junit"
)

func (a *app) testCommand() *cobra.Command {
	var o testFlags
	cmd := &cobra.Command{
		Use:     "test DIR...",
		Short:   "Run the tests that stand in manifests",
		GroupID: groupTry,
		Long: `Run the tests that stand in manifests: documents of kind test (docs/testing.md).

The case of a provider makes one request, signed by the provider's own rule, and looks at what the
gateway would make of it and answer. The case of a pipeline goes on from there: its hooks are answered
by script, retries and waits happen in simulated time, and what it did and sent is looked at. Nothing
is listened on, stored or sent. Variables of the environment are not read: tests give their own
secrets, or fitting ones are made up.

A case that fails is exit 1, a test that cannot be understood exit 2.`,
		Example: `  headgate test manifests/
  headgate test manifests/ --run 'acme/.*refused' -v
  headgate test manifests/ --coverage --coverage-min 80
  headgate test manifests/ --format junit > report.xml
  headgate test --catalog github slack`,
	}
	f := cmd.Flags()
	f.Var(&flagString{&o.run, "regexp"}, "run", "only cases whose PROVIDER/NAME or PIPELINE/NAME this matches")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "tell of every case what came of it, and of pipelines each step")
	f.BoolVar(&o.coverage, "coverage", false, "tell which events, nodes and branches of pipelines no case reached")
	f.Float64Var(&o.minimum, "coverage-min", 0, "exit 1 where less than `percent` of all pipelines is reached; implies --coverage")
	f.Var(&flagString{&o.format, testFormats}, "format", "how the result is printed (default text)")
	f.BoolVar(&o.catalog, "catalog", false, "test the catalogue in this binary; arguments are names of its providers")
	f.BoolVar(&o.skipUnknown, "skip-unknown", false, "pass over documents of no known kind")
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		switch {
		case a.json:
			o.format = formatJSON
		case o.format == "":
			o.format = formatText
		case !slices.Contains(strings.Split(testFormats, "|"), o.format):
			return misused("--format: %q is none of %s", o.format, strings.ReplaceAll(testFormats, "|", ", "))
		}
		if o.minimum < 0 || o.minimum > 100 {
			return misused("--coverage-min: %g is not from 0 to 100", o.minimum)
		}
		o.coverage = o.coverage || o.minimum > 0
		return a.test(ctx, o, args)
	})
	return cmd
}

func (a *app) test(ctx context.Context, o testFlags, args []string) error {
	begun := time.Now()
	machines := a.machines()
	defer func() { _ = machines.Close(context.WithoutCancel(ctx)) }()
	options := trial.Options{Types: engine.NodeTypes(), Machines: machines, Coverage: o.coverage}
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
		return a.refuseTests(o.format, list)
	}
	if len(report.Results) == 0 && !o.coverage {
		hint := ""
		if o.run == "" {
			hint = "a test is a document of `kind: test`; docs/testing.md shows one"
		}
		return &exitError{code: exitRuntime, err: errors.New("there is no case to run"), hint: hint}
	}
	if err := a.printReport(report, o, time.Since(begun)); err != nil {
		return err
	}
	if n := report.Failed(); n > 0 {
		return &exitError{code: exitRuntime, err: fmt.Errorf("%d of %d cases failed", n, len(report.Results)), silent: true}
	}
	if reached := trial.Percent(report.Coverage); reached < o.minimum {
		return &exitError{code: exitRuntime, err: fmt.Errorf("%s of the pipelines is reached, and --coverage-min wants %s", percent(reached), percent(o.minimum))}
	}
	return nil
}

// machines are the isolated languages of a command that runs pipelines itself; nothing is started before a program needs it. Compiling
// them takes seconds, so that they are kept between two commands where the system has a place for that.
func (a *app) machines() *script.Machines {
	dir := ""
	for _, place := range []struct{ variable, below string }{{"XDG_CACHE_HOME", ""}, {"HOME", ".cache"}, {"LocalAppData", ""}} {
		if base, ok := a.LookupEnv(place.variable); ok && filepath.IsAbs(base) {
			dir = filepath.Join(base, place.below, "headgate", "machines")
			break
		}
	}
	return script.NewMachines(script.MachineOptions{CacheDir: dir})
}

// refuseTests prints why the tests could not be run.
func (a *app) refuseTests(format string, list *diag.List) error {
	if format == formatJUnit {
		format = formatText // there is no report of what was not run
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
