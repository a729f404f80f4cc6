// Package doctor finds out what durability a folder, its disk and the settings really give, before an outage does.
//
// [Examine] gives one [Line] for each thing that it looked at: whether it is well, what was found, and what to do. It writes to the folder (a trial
// store and a file to time the disk with, both removed again) and to nothing else, and may be called while a gateway runs.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/sqlite"
)

// Status says how grave a line is.
type Status string

// The statuses.
const (
	OK   Status = "ok"
	Warn Status = "warn" // it works, and an operator should know
	Fail Status = "fail" // a gateway would not start, or could lose what it acknowledged
)

// Line is one thing that was looked at.
type Line struct {
	Status Status `json:"status"`
	// Check names what was looked at, in a word or two.
	Check   string `json:"check"`
	Message string `json:"message"`
	// Do is what to do about it; "" where there is nothing to do.
	Do string `json:"do,omitempty"`
}

// Options says what to look at.
type Options struct {
	// Path is the file of the store; "" for one in memory.
	Path string
	// LookupEnv finds variables of the process; os.LookupEnv where nil.
	LookupEnv func(string) (string, bool)
	// Now is the clock of this machine; time.Now where nil.
	Now func() time.Time
}

// Report is the answer of Examine.
type Report struct {
	Lines []Line `json:"lines"`
}

// Add adds a line.
func (r *Report) Add(s Status, check, message, do string) {
	r.Lines = append(r.Lines, Line{s, check, message, do})
}

// Worst gives the gravest status of all lines.
func (r *Report) Worst() Status {
	worst := OK
	for _, l := range r.Lines {
		if l.Status == Fail {
			return Fail
		}
		if l.Status == Warn {
			worst = Warn
		}
	}
	return worst
}

// Examine looks at the folder of a store, its disk, and this process.
func Examine(ctx context.Context, o Options) *Report {
	if o.LookupEnv == nil {
		o.LookupEnv = os.LookupEnv
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Report{}
	if o.Path == "" {
		r.Add(Fail, "store", "the store is in memory: everything is lost when the process ends", "set HEADGATE_STORE=sqlite:///path, or leave it out")
	} else {
		r.examineFolder(ctx, &o)
	}
	r.preload(o.LookupEnv)
	r.limits()
	return r
}

func (r *Report) examineFolder(ctx context.Context, o *Options) {
	dir := filepath.Dir(o.Path)
	there, err := nearest(dir)
	if err != nil {
		r.Add(Fail, "folder", err.Error(), "make the folder, or set HEADGATE_DATA_DIR")
		return
	}
	if there != dir {
		r.Add(OK, "folder", dir+" is not there yet; the first start makes it in "+there, "")
	} else {
		r.folder(dir)
	}
	name, warning, err := sqlite.FileSystem(there)
	switch {
	case err != nil:
		r.Add(Fail, "file system", err.Error(), "put the store on a local disk: HEADGATE_DATA_DIR")
	case warning != "":
		r.Add(Warn, "file system", warning, "mount a volume for HEADGATE_DATA_DIR")
	case strings.HasPrefix(name, "type "):
		r.Add(Warn, "file system", "an unknown one ("+name+"): whether its locks and fsync hold is not known", "prefer ext4, xfs, btrfs or zfs")
	default:
		r.Add(OK, "file system", name, "")
	}
	unsafe := err != nil
	r.mount(there)
	r.space(there, o.Path)
	r.file(ctx, o)
	if unsafe {
		return // what SQLite would do there says nothing
	}
	work, err := os.MkdirTemp(there, ".doctor-")
	if err != nil {
		r.Add(Fail, "writing", fmt.Sprintf("nothing can be written to %s: %v", there, err), "give the gateway's user the folder")
		return
	}
	r.fsync(work, name == "tmpfs" || name == "ramfs")
	r.trial(ctx, work)
	if err := os.RemoveAll(work); err != nil {
		r.Add(Warn, "folder", fmt.Sprintf("%s could not be removed: %v", work, err), "remove it")
	}
}

// nearest gives a folder, or the nearest one above it that is there.
func nearest(dir string) (string, error) {
	for {
		info, err := os.Stat(dir)
		switch {
		case err == nil && !info.IsDir():
			return "", fmt.Errorf("%s is no folder", dir)
		case err == nil:
			return dir, nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("looking at %s: %w", dir, err)
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("there is no folder %s", dir)
		}
		dir = up
	}
}

// folder looks at who may read the folder, and at what a process that was killed has left in it.
func (r *Report) folder(dir string) {
	info, err := os.Stat(dir)
	if err != nil {
		r.Add(Fail, "folder", err.Error(), "")
		return
	}
	if info.Mode().Perm()&0o007 != 0 {
		r.Add(Warn, "folder", fmt.Sprintf("%s has the mode %o: others on this machine may look into it", dir, info.Mode().Perm()), "chmod o-rwx "+dir)
	} else {
		r.Add(OK, "folder", fmt.Sprintf("%s, mode %o", dir, info.Mode().Perm()), "")
	}
	var left []string
	for _, pattern := range []string{".backup-*", ".*.part", "*.restored", ".doctor-*"} {
		found, _ := filepath.Glob(filepath.Join(dir, pattern)) // the patterns are well-formed
		left = append(left, found...)
	}
	if len(left) > 0 {
		r.Add(Warn, "leftovers", "a backup, a restore or a doctor that was cut short has left "+strings.Join(left, ", "), "remove them when none is under way")
	}
}

// file looks at the store that is there.
func (r *Report) file(ctx context.Context, o *Options) {
	g, err := sqlite.Look(ctx, o.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.Add(OK, "store", "there is none yet; the first start makes it", "")
		return
	case err != nil:
		r.Add(Fail, "store", err.Error(), "headgate verify says more")
		return
	case g.Schema > g.Newest:
		r.Add(Fail, "schema", fmt.Sprintf("the store has schema %d, and this version knows %d: a newer version wrote it", g.Schema, g.Newest), "run that version or a newer one")
		return
	case g.Schema < g.Newest:
		r.Add(OK, "schema", fmt.Sprintf("%d; the next start makes it %d, which older versions do not read", g.Schema, g.Newest), "make a backup first")
	default:
		r.Add(OK, "schema", fmt.Sprint(g.Schema), "")
	}
	if g.Locked {
		r.Add(OK, "lock", "a gateway has the store open", "")
	} else {
		r.Add(OK, "lock", "nobody has the store open", "")
	}
	const slack = 2 * time.Second // the store notes its time once a second
	if ahead := g.Clock.Sub(o.Now()); ahead > slack {
		r.Add(Warn, "clock", fmt.Sprintf("the store was last written at %s, %s from now: the clock was set back, and the store's time stands still until then",
			g.Clock.UTC().Format(time.RFC3339), field.FormatDuration(ahead.Round(time.Second))), "set the clock right (NTP), or wait")
		return
	}
	r.Add(OK, "clock", o.Now().UTC().Format(time.RFC3339)+", not before what the store has seen", "")
}

// trial makes a store, as a gateway does, and reads back what it acknowledged.
func (r *Report) trial(ctx context.Context, dir string) {
	err := func() error {
		path := filepath.Join(dir, "trial.db")
		s, err := sqlite.New(sqlite.Options{Path: path})
		if err != nil {
			return err
		}
		if err := s.Start(ctx); err != nil {
			return err
		}
		_, err = s.Append(ctx, []store.Arrival{{Event: event.Event{State: event.Ignored, Body: []byte("trial")}}})
		if err := errors.Join(err, s.Stop(ctx)); err != nil {
			return err
		}
		_, err = sqlite.Check(ctx, path)
		return err
	}()
	if err != nil {
		r.Add(Fail, "trial store", err.Error(), "a gateway would not work here either: see what the other lines say")
		return
	}
	r.Add(OK, "trial store", "journal wal, synchronous FULL: what is acknowledged was synced before", "")
}

// preload looks for libraries that make fsync do nothing.
func (r *Report) preload(lookup func(string) (string, bool)) {
	lib, ok := lookup("LD_PRELOAD")
	if !ok || lib == "" {
		return
	}
	if strings.Contains(lib, "eatmydata") || strings.Contains(lib, "nosync") {
		r.Add(Fail, "LD_PRELOAD", lib+" makes fsync do nothing: acknowledged events could be lost", "unset LD_PRELOAD")
		return
	}
	r.Add(Warn, "LD_PRELOAD", "this library stands between programs and the system: "+lib, "make sure that it leaves fsync alone")
}
