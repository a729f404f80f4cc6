package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/editor"
	"github.com/headgate/headgate/engine/manifest"
)

func (a *app) schemaCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:     "schema DIR...",
		Short:   "Write the JSON Schema of manifest folders, for editors",
		GroupID: groupServe,
		Long: `Write the JSON Schema of manifest folders, by which an editor completes, explains and checks manifests.

It holds the keys of every kind and node type, and the names of the folder itself: its providers with
their events, destinations, pipelines and nodes. Write it again when those change. No secret is read,
and a folder with errors has a schema too.

Without folders those of HEADGATE_MANIFESTS are read.`,
		Example: `  headgate schema examples/quickstart
  headgate schema manifests/ -o manifests/.headgate/schema.json`,
	}
	cmd.Flags().VarP(&flagString{&out, "file"}, "output", "o", "write it to this file; its folder is made where it is missing")
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		s, err := a.settings(nil)
		if err != nil {
			return err
		}
		dirs, err := folders(args, s)
		if err != nil {
			return err
		}
		return a.schema(ctx, dirs, s, out)
	})
	return cmd
}

func (a *app) schema(ctx context.Context, dirs []string, s *settings, out string) error {
	load := s.loadOptions(dirs, environment{}).Manifest
	load.NoEnv, load.SkipUnknown, load.Env = true, true, nil
	bundle, list := manifest.Load(ctx, load)
	for _, dir := range dirs {
		if _, err := os.Stat(dir); err != nil {
			return refused(list.Err())
		}
	}
	text, err := editor.Schema(editor.Options{Bundle: bundle, Kinds: kindObjects(), Types: engine.NodeTypes(), Catalogue: catalogueWords()})
	if err != nil {
		return failed(err)
	}
	if list.HasErrors() {
		a.warn("%s in the manifests: names that could not be read are missing from the schema; headgate validate shows them", summary(list))
	}
	if out == "" {
		if _, err := a.Stdout.Write(text); err != nil {
			return failed(fmt.Errorf("writing the result: %w", err))
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil { //nolint:gosec // a schema is for everybody who reads the manifests
		return unusable(fmt.Errorf("writing the schema: %w", err), "")
	}
	if err := os.WriteFile(out, text, 0o644); err != nil { //nolint:gosec // likewise
		return unusable(fmt.Errorf("writing the schema: %w", err), "")
	}
	a.talk("%s %s, from %s", a.talkPaint("32;1", "written:"), out, count(len(bundle.Files()), "file"))
	return nil
}
