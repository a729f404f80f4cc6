package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/sqlite"
)

func (a *app) verifyCommand() *cobra.Command {
	var where storeFile
	cmd := &cobra.Command{
		Use:     "verify [FILE]",
		Short:   "Look for damage in a store or a backup: every body, every record",
		GroupID: groupKeep,
		Long: `Read a whole store, or a backup, and say what is wrong with it: bodies that do not match their checksum, a
file that SQLite finds malformed, records that contradict each other, an audit log that was altered. It
changes nothing. Exit 1 where anything was found.

A store that a gateway has open cannot be verified: verify a backup of it.`,
		Example: `  headgate verify copy.db
  headgate verify --data-dir /var/lib/headgate      # the gateway is stopped
  headgate verify copy.db --json`,
		Args: cobra.MaximumNArgs(1),
	}
	where.flags(cmd)
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		path := ""
		switch {
		case len(args) == 1 && where.named():
			return misused("name a FILE, or --data-dir or --store: not both")
		case len(args) == 1:
			path = args[0]
		default:
			var err error
			if path, err = where.onDisk(a); err != nil {
				return err
			}
		}
		v, err := sqlite.Verify(ctx, sqlite.VerifyOptions{Path: path})
		switch {
		case errors.Is(err, store.ErrLocked):
			return unusable(err, "headgate backup copy.db && headgate verify copy.db")
		case errors.Is(err, os.ErrNotExist), errors.Is(err, sqlite.ErrNewerSchema):
			return unusable(err, "")
		case err != nil:
			return failed(fmt.Errorf("%s: %w", path, err))
		}
		return a.printVerification(v)
	})
	return cmd
}

func findingLine(f sqlite.Finding) string {
	if f.Subject == "" {
		return fmt.Sprintf("%-5s %s", f.Check, f.Message)
	}
	return fmt.Sprintf("%-5s %s: %s", f.Check, f.Subject, f.Message)
}

func (a *app) printVerification(v sqlite.Verification) error {
	if a.json {
		if err := a.printJSON(v); err != nil {
			return err
		}
	} else {
		for _, f := range v.Findings {
			fmt.Fprintln(a.Stdout, visible(findingLine(f)))
		}
		if more := v.Found - len(v.Findings); more > 0 {
			fmt.Fprintf(a.Stdout, "and %d more\n", more)
		}
		for _, note := range v.Notes {
			a.talk("%s %s", a.talkPaint("2", "note:"), visible(note))
		}
		bodies, entries := fmt.Sprint(v.Bodies, " bodies"), fmt.Sprint(v.Audit, " entries")
		if v.Bodies == 1 {
			bodies = "1 body"
		}
		if v.Audit == 1 {
			entries = "1 entry"
		}
		fmt.Fprintf(a.Stdout, "%s: %s (%s), %s, %s, %s of the audit log, in %s: ", v.Path, bodies, bytesOf(v.Contents.Bytes),
			count(int(v.Contents.Runs), "run"), count(int(v.Attempts), "attempt"), entries, span(v.Took.Round(time.Millisecond)))
		if v.Found == 0 {
			fmt.Fprintln(a.Stdout, "sound")
		} else {
			fmt.Fprintln(a.Stdout, count(v.Found, "fault"))
		}
	}
	if v.Found > 0 {
		return &exitError{code: exitRuntime, err: fmt.Errorf("%s has faults", v.Path), silent: true}
	}
	return nil
}
