package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/sqlite"
)

// backedUp is what backup prints under --json.
type backedUp struct {
	File     string          `json:"file"`
	Bytes    int64           `json:"bytes"`
	Contents sqlite.Contents `json:"contents"`
}

// storeFile is how a command finds the file of a store that no gateway has open.
type storeFile struct{ dir, store string }

func (f *storeFile) flags(cmd *cobra.Command) {
	cmd.Flags().Var(&flagString{&f.dir, "folder"}, "data-dir", "the folder of the default store (HEADGATE_DATA_DIR, default ./data)")
	cmd.Flags().Var(&flagString{&f.store, "sqlite:///path"}, "store", "the store (HEADGATE_STORE)")
}

// named says whether the command line names one.
func (f *storeFile) named() bool { return f.dir != "" || f.store != "" }

// settings are those of the environment, with what the command line says of the store.
func (f *storeFile) settings(a *app) (*settings, error) {
	s, err := a.settings(nil)
	switch {
	case err != nil:
		return nil, err
	case f.dir != "":
		s.DataDir, s.Store = f.dir, f.store
	case f.store != "":
		s.Store = f.store
	}
	return s, nil
}

// path gives the file; "" for a store in memory.
func (f *storeFile) path(a *app) (string, error) {
	s, err := f.settings(a)
	if err != nil {
		return "", err
	}
	return s.storePath()
}

// storePath is the file of the store that the settings name; "" for one in memory.
func (s *settings) storePath() (string, error) {
	if s.Store == "memory:" {
		return "", nil
	}
	path := filepath.Join(s.DataDir, "headgate.db")
	if s.Store != "" {
		u, err := url.Parse(s.Store)
		if err != nil || u.Scheme != "sqlite" || u.Host != "" || len(u.Path) < 2 {
			return "", unusable(errors.New("the store's address is none of a file: write sqlite:///path/to/file.db"), "")
		}
		path = u.Path
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", unusable(err, "")
	}
	return abs, nil
}

// onDisk is path, where that must be a file.
func (f *storeFile) onDisk(a *app) (string, error) {
	path, err := f.path(a)
	if err == nil && path == "" {
		err = unusable(errors.New("the store is in memory: there is no file"), "--data-dir DIR")
	}
	return path, err
}

func (a *app) backupCommand() *cobra.Command {
	var from storeFile
	cmd := &cobra.Command{
		Use:     "backup FILE",
		Short:   "Write a checked copy of the store to a file, while the gateway runs",
		GroupID: groupKeep,
		Long: `Write a copy of the store to a file that is not there yet, while the gateway runs. The copy is of one
instant, compact, and checked before it gets its name. With --data-dir the store of a gateway that is
stopped is copied.

The key that seals what providers handed over is not in the copy: keep seal.key of the data folder, or
HEADGATE_SEAL_KEY, in another place. Whoever has the copy has every body in it.`,
		Example: `  headgate backup headgate-monday.db
  headgate backup --server gateway.internal:8081 copy.db
  headgate backup --data-dir /var/lib/headgate copy.db      # the gateway is stopped`,
		Args: exactly("FILE"),
	}
	conn := a.connectFlags(cmd)
	from.flags(cmd)
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		to, err := filepath.Abs(args[0])
		if err != nil {
			return unusable(err, "")
		}
		if _, err := os.Lstat(to); err == nil {
			return failed(fmt.Errorf("%s is there already", to))
		}
		if _, err := os.Stat(filepath.Dir(to)); err != nil {
			return unusable(fmt.Errorf("looking at the folder of the file: %w", err), "")
		}
		if from.named() {
			err = a.copyStopped(ctx, &from, to)
		} else {
			err = download(ctx, conn, to)
		}
		if err != nil {
			return err
		}
		return a.printBackup(ctx, to)
	})
	return cmd
}

// copyStopped copies a store that no gateway has open.
func (a *app) copyStopped(ctx context.Context, from *storeFile, to string) error {
	path, err := from.onDisk(a)
	if err != nil {
		return err
	}
	err = sqlite.Copy(ctx, path, to)
	switch {
	case errors.Is(err, store.ErrLocked):
		return unusable(err, "headgate backup FILE, without --data-dir, asks the gateway that has it open")
	case errors.Is(err, os.ErrNotExist):
		return unusable(err, "")
	case err != nil:
		return failed(err)
	}
	return nil
}

// download asks a running gateway for a copy.
func download(ctx context.Context, conn *connection, to string) error {
	c, err := conn.dial()
	if err != nil {
		return err
	}
	c.http.Timeout = 0 // the copy takes as long as it takes; ctx ends it
	res, err := c.open(ctx, http.MethodPost, "/api/v1/backup", nil)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if err := sqlite.Receive(ctx, res.Body, res.ContentLength, to); err != nil {
		return failed(fmt.Errorf("taking a backup of %s: %w", c.base, err))
	}
	return nil
}

func (a *app) printBackup(ctx context.Context, path string) error {
	done := backedUp{File: path}
	info, err := os.Stat(path)
	if err == nil {
		done.Bytes = info.Size()
		done.Contents, err = sqlite.Check(ctx, path)
	}
	if err != nil {
		return failed(err)
	}
	if a.json {
		return a.printJSON(done)
	}
	fmt.Fprintf(a.Stdout, "%s: %s, %s, %s\n", path, bytesOf(done.Bytes), count(int(done.Contents.Events), "event"), count(int(done.Contents.Runs), "run"))
	a.talk("the key that seals secrets (seal.key in the data folder, or HEADGATE_SEAL_KEY) is not in it: keep it in another place")
	a.talk("%s headgate verify %s   headgate restore %s --data-dir DIR", a.talkPaint("2", "next:"), path, path)
	return nil
}

func (a *app) restoreCommand() *cobra.Command {
	var to storeFile
	var force, damaged bool
	cmd := &cobra.Command{
		Use:     "restore FILE",
		Short:   "Make the store of a gateway that is stopped of a backup",
		GroupID: groupKeep,
		Long: `Make a store of a backup: verify the backup, copy it beside the place that it is for, and give it its name
when it is whole. The gateway must be stopped. A store that is there is refused, or moved aside with --force.

What was claimed when the backup was made counts as lost: its attempts are unknown and are made again. What
came after the backup is not in it; senders that were told 200 since will not send it again.`,
		Example: `  headgate restore headgate-monday.db --data-dir /var/lib/headgate
  headgate restore headgate-monday.db --data-dir /var/lib/headgate --force`,
		Args: exactly("FILE"),
	}
	to.flags(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "move a store that is there aside")
	cmd.Flags().BoolVar(&damaged, "damaged", false, "take a backup in which verify finds faults: what is damaged stays so, and is parked when it is met")
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		path, err := to.onDisk(a)
		if err != nil {
			return err
		}
		if err := a.verifyBackup(ctx, args[0], damaged); err != nil {
			return err
		}
		done, err := sqlite.Restore(ctx, sqlite.RestoreOptions{From: args[0], To: path, Replace: force, Now: time.Now})
		switch {
		case errors.Is(err, sqlite.ErrExists):
			return unusable(fmt.Errorf("%s: there is a store already", path), "--force moves it aside")
		case errors.Is(err, store.ErrLocked):
			return unusable(err, "stop the gateway, or restore to another place: --data-dir DIR")
		case errors.Is(err, sqlite.ErrFileSystem):
			return unusable(err, "")
		case err != nil:
			return failed(err)
		}
		if a.json {
			return a.printJSON(struct {
				Store string `json:"store"`
				sqlite.Restored
			}{path, done})
		}
		fmt.Fprintf(a.Stdout, "%s: %s, %s\n", path, count(int(done.Contents.Events), "event"), count(int(done.Contents.Runs), "run"))
		if done.Aside != "" {
			a.talk("the store that was there is %s now", done.Aside)
		}
		a.talk("what providers handed over, and registered subscriptions, are sealed: put seal.key beside the store, or set HEADGATE_SEAL_KEY")
		return nil
	})
	return cmd
}

// verifyBackup refuses a backup with faults. One of an older version is only checked for being whole, which Restore does.
func (a *app) verifyBackup(ctx context.Context, path string, damaged bool) error {
	contents, err := sqlite.Check(ctx, path)
	if errors.Is(err, os.ErrNotExist) {
		return unusable(err, "")
	}
	if err != nil && !damaged {
		return failed(fmt.Errorf("%s is no sound backup: %w", path, err))
	}
	if newest := sqlite.Schema(); contents.Schema != newest {
		return nil
	}
	v, err := sqlite.Verify(ctx, sqlite.VerifyOptions{Path: path})
	switch {
	case errors.Is(err, store.ErrLocked):
		return unusable(err, "")
	case err != nil:
		return failed(err)
	case v.Found > 0 && !damaged:
		for _, f := range v.Findings {
			a.talk("%s", visible(findingLine(f)))
		}
		return failed(fmt.Errorf("%s has %s; --damaged restores it all the same", path, count(v.Found, "fault")))
	}
	return nil
}
