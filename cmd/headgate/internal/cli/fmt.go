package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/format"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/source"
)

// fmtFlags say what is done with files that are not in the one form.
type fmtFlags struct{ check, diff bool }

func (a *app) fmtCommand() *cobra.Command {
	var o fmtFlags
	cmd := &cobra.Command{
		Use:     "fmt DIR...|-",
		Short:   "Write manifests in one form",
		GroupID: groupServe,
		Long: `Write manifests in one form: keys in the order of the manual, two blanks of indentation, quotes where
YAML needs them, maps in braces on lines of their own where they are long. Comments and the lines of
texts stay, and so does the meaning: what was written is read again and compared.

A document that cannot be written anew safely (one with anchors or tags) is left alone, and named. One
that cannot be read is left alone, too, and is exit 2. - formats stdin to stdout.`,
		Example: `  headgate fmt manifests/
  headgate fmt --check manifests/      in CI, names the files that differ and fails where there are any
  headgate fmt --diff manifests/
  headgate fmt - < orders.yaml`,
	}
	f := cmd.Flags()
	f.BoolVar(&o.check, "check", false, "write nothing; name the files that are not in the one form, and exit 1")
	f.BoolVar(&o.diff, "diff", false, "write nothing; print what would change")
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		if len(args) == 1 && args[0] == "-" {
			return a.formatStdin(o)
		}
		s, err := a.settings(nil)
		if err != nil {
			return err
		}
		dirs, err := folders(args, s)
		if err != nil {
			return err
		}
		return a.formatFolders(ctx, dirs, o)
	})
	return cmd
}

// formatted is what --json tells of one file.
type formatted struct {
	File    string `json:"file"`
	Changed bool   `json:"changed"`
	// Left are the places of documents that stay as they were, each with the reason.
	Left []string `json:"left,omitempty"`
}

func (a *app) formatStdin(o fmtFlags) error {
	data, err := io.ReadAll(io.LimitReader(a.Stdin, source.MaxFileBytes+1))
	if err != nil {
		return unusable(fmt.Errorf("reading stdin: %w", err), "")
	}
	r := format.File(source.NewFile("stdin", data), formatOptions())
	if err := a.printLeft(&r); err != nil {
		return err
	}
	changed := !bytes.Equal(data, r.Data)
	switch {
	case len(r.Problems) > 0:
		return refused(errors.New("stdin cannot be read"))
	case o.diff:
		fmt.Fprint(a.Stdout, a.diff("stdin", data, r.Data))
	case !o.check:
		if _, err := a.Stdout.Write(r.Data); err != nil {
			return failed(fmt.Errorf("writing the result: %w", err))
		}
	}
	if o.check && changed {
		return &exitError{code: exitRuntime, err: errors.New("stdin is not in the one form"), silent: false}
	}
	return nil
}

func (a *app) formatFolders(ctx context.Context, dirs []string, o fmtFlags) error {
	files, list := manifest.Find(ctx, dirs)
	if err := ctx.Err(); err != nil {
		return failed(fmt.Errorf("reading the manifests: %w", context.Cause(ctx)))
	}
	if err := printFindings(a.Stderr, list, a.talkColor); err != nil {
		return err
	}
	options, result, changed, broken, left := formatOptions(), []formatted{}, 0, 0, 0
	for _, f := range files {
		r := format.File(f, options)
		if err := a.printLeft(&r); err != nil {
			return err
		}
		one := formatted{File: f.Name, Changed: !bytes.Equal(f.Data, r.Data)}
		for _, l := range r.Left {
			one.Left = append(one.Left, fmt.Sprintf("%s: %s", l.Span, l.Why))
		}
		result = append(result, one)
		left += len(r.Left)
		if len(r.Problems) > 0 {
			broken++
		}
		if !one.Changed {
			continue
		}
		changed++
		switch {
		case o.diff:
			if !a.json {
				fmt.Fprint(a.Stdout, a.diff(f.Name, f.Data, r.Data))
			}
		default:
			if !a.json {
				fmt.Fprintln(a.Stdout, f.Name)
			}
			if o.check {
				continue
			}
			if err := replaceFile(f.Name, r.Data); err != nil {
				return unusable(fmt.Errorf("writing %s: %w", f.Name, err), "")
			}
		}
	}
	if a.json {
		if err := a.printJSON(map[string]any{"files": result}); err != nil {
			return err
		}
	}
	what := "changed"
	if o.check || o.diff {
		what = "not in the one form"
	}
	a.talk("%s, %d %s", count(len(files), "file"), changed, what)
	switch {
	case broken > 0 || list.HasErrors():
		return &exitError{code: exitFindings, err: errors.New("there are files that cannot be read"), silent: true}
	case o.check && changed > 0:
		return &exitError{code: exitRuntime, err: errors.New("there are files to be formatted"), silent: true}
	}
	return nil
}

// printLeft tells what of a file was left alone, and why.
func (a *app) printLeft(r *format.Result) error {
	list := &diag.List{}
	for _, p := range r.Problems {
		list.Add(diag.Finding{Severity: diag.Error, Rule: diag.Rule(p.Code), Span: p.Span, Message: p.Message, Hint: p.Hint})
	}
	if err := printFindings(a.Stderr, list, a.talkColor); err != nil {
		return err
	}
	for _, l := range r.Left {
		a.talk("%s: %s %s", l.Span, a.talkPaint("33", "left alone:"), l.Why)
	}
	return nil
}

// replaceFile writes a file at once: who reads it meanwhile sees the old one or the new one.
func replaceFile(name string, data []byte) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
