package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/trial"
)

// validateFlags say what is checked and how it is told.
type validateFlags struct {
	envFile     string
	noEnv       bool
	strict      bool
	skipUnknown bool
	dev         bool
	catalog     bool
	format      string
}

// The formats of findings, as the flag names them.
const (
	formatNames = "text|json|github"
	formatText  = "text"
	formatJSON  = "json"
)

// findingPrinter prints findings in one format.
type findingPrinter func(w io.Writer, findings []diag.Finding) error

// printer gives the printer of a format, or nil for one that does not exist.
func (a *app) printer(format string) findingPrinter {
	text := func(w io.Writer, findings []diag.Finding) error {
		return diag.WriteText(w, findings, diag.TextOptions{Color: a.color})
	}
	i := slices.Index(strings.Split(formatNames, "|"), format)
	if i < 0 {
		return nil
	}
	return []findingPrinter{text, diag.WriteJSON, diag.WriteGitHub}[i]
}

func (a *app) validateCommand() *cobra.Command {
	var o validateFlags
	cmd := &cobra.Command{
		Use:     "validate DIR...",
		Short:   "Check manifest folders and print all that is wrong",
		GroupID: groupServe,
		Long: `Check manifest folders as serve and reload do, and print all that is wrong, each with its line.

Findings go to stdout, the summary to stderr. Errors are exit 2; with --strict, warnings are too.
Without folders those of HEADGATE_MANIFESTS are checked.`,
		Example: `  headgate validate examples/quickstart
  headgate validate --env-file .env manifests/ more-manifests/
  headgate validate --no-env --strict --format github manifests/    in CI, without secrets`,
	}
	f := cmd.Flags()
	f.Var(&flagString{&o.envFile, "file"}, "env-file", "a file of NAME=VALUE lines; the environment wins")
	f.BoolVar(&o.noEnv, "no-env", false, "put placeholders in the place of <<env.X>> and <<file.PATH>>")
	f.BoolVar(&o.strict, "strict", false, "warnings count as errors")
	f.BoolVar(&o.skipUnknown, "skip-unknown", false, "pass over documents of no known kind")
	f.BoolVar(&o.dev, "dev", false, "check as serve --dev does: loopback addresses and dev-secret are all right")
	f.BoolVar(&o.catalog, "catalog", false, "check the catalogue in this binary")
	f.Var(&flagString{&o.format, formatNames}, "format", "how findings are printed (default text)")
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		if o.format == "" {
			o.format = formatText
		}
		if a.json {
			o.format = formatJSON
		}
		if a.printer(o.format) == nil {
			return misused("--format: %q is none of %s", o.format, strings.ReplaceAll(formatNames, "|", ", "))
		}
		if o.catalog && len(args) > 0 {
			return misused("--catalog checks the catalogue alone; leave the folders out")
		}
		return a.validate(ctx, o, args)
	})
	return cmd
}

func (a *app) validate(ctx context.Context, o validateFlags, args []string) error {
	begun := time.Now()
	env, err := a.environment(o.envFile)
	if err != nil {
		return err
	}
	s, err := a.settings(nil)
	if err != nil {
		return err
	}
	s.Dev = s.Dev || o.dev
	var load snapshot.Options
	if o.catalog {
		if load, err = catalogOptions(ctx, s); err != nil {
			return err
		}
	} else {
		dirs, err := folders(args, s)
		if err != nil {
			return err
		}
		load = s.loadOptions(dirs, env)
		load.Manifest.NoEnv, load.Manifest.SkipUnknown, load.Check = o.noEnv, o.skipUnknown, trial.Check
	}
	snap, list := snapshot.Load(ctx, load)
	if err := ctx.Err(); err != nil {
		return failed(fmt.Errorf("checking the manifests: %w", context.Cause(ctx)))
	}
	if err := a.printer(o.format)(a.Stdout, list.Sorted()); err != nil {
		return failed(fmt.Errorf("writing the findings: %w", err))
	}
	if snap == nil || list.HasErrors() || o.strict && list.Count(diag.Warning) > 0 {
		a.talk("%s %s", a.talkPaint("31;1", "refused:"), summary(list))
		return refused(list.Err())
	}
	notes := ""
	if list.Len() > 0 {
		notes = " (" + summary(list) + ")"
	}
	a.talk("%s %s in %s%s", a.talkPaint("32;1", "ok:"), contents(snap), time.Since(begun).Round(time.Millisecond), notes)
	return nil
}

// contents counts what a snapshot holds.
func contents(s *snapshot.Snapshot) string {
	subscriptions := ""
	if n := len(s.Subscriptions().All()); n > 0 {
		subscriptions = ", " + count(n, "subscription")
	}
	return fmt.Sprintf("%s, %s, %s%s in %s", count(len(s.Providers()), "provider"), count(len(s.Pipelines()), "pipeline"),
		count(len(s.Destinations()), "destination"), subscriptions, count(len(s.Bundle().Files()), "file"))
}

// catalogOptions load every provider of the catalogue as a user's manifest would: with `use:`, and with what its operator provides, none
// of which is set.
func catalogOptions(ctx context.Context, s *settings) (snapshot.Options, error) {
	load := s.loadOptions(nil, environment{process: func(string) (string, bool) { return "", false }})
	load.Manifest.NoEnv = true
	bundle, err := catalogue(ctx)
	if err != nil {
		return load, err
	}
	for _, doc := range bundle.Documents(manifest.Provider) {
		load.Manifest.Files = append(load.Manifest.Files, source.NewFile(doc.Name+".yaml", []byte(useOf(doc, doc.Name).manifest)))
	}
	return load, nil
}
