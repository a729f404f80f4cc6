// Package watch tells when a manifest folder may have changed.
//
// It watches directories, never single files: editors, git and Kubernetes replace files, and a watch on a file sees only the first
// such change. Events are let settle, at most for a second; where none arrive (network and some container file systems) a
// fingerprint is polled. It does not read manifests: a call of OnChange only says that loading is worth while.
package watch

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// The times of a Watcher.
const (
	settle    = 150 * time.Millisecond // without an event: a save of several files is one change
	settleMax = time.Second            // a folder that never rests is loaded all the same
	poll      = 10 * time.Second       // where events do not arrive
)

// Options is what New needs; Dirs, OnChange and Logger are required.
type Options struct {
	// Dirs are the manifest folders, watched with all that lies below them.
	Dirs []string
	// Files gives single files besides (secrets); their directories are watched.
	Files func() []string
	// OnChange is called when something may have changed, one call at a time, and once when the watch is on.
	OnChange func(ctx context.Context)
	Logger   *slog.Logger
}

// Watcher watches; make it with New and call Run.
type Watcher struct{ o Options }

// New checks the options.
func New(o Options) (*Watcher, error) {
	switch {
	case len(o.Dirs) == 0:
		return nil, errors.New("watch: Dirs is missing")
	case o.OnChange == nil:
		return nil, errors.New("watch: OnChange is missing")
	case o.Logger == nil:
		return nil, errors.New("watch: Logger is missing")
	}
	if o.Files == nil {
		o.Files = func() []string { return nil }
	}
	return &Watcher{o: o}, nil
}

// Run watches until ctx ends. Where the system has no watches left it polls only, and says so once.
func (w *Watcher) Run(ctx context.Context) error {
	fw, err := fsnotify.NewWatcher()
	if err != nil {
		w.o.Logger.WarnContext(ctx, "file events are not available; polling for changes", "every", poll, "error", err)
		return w.loop(ctx, nil)
	}
	defer func() { _ = fw.Close() }()
	return w.loop(ctx, fw)
}

func (w *Watcher) loop(ctx context.Context, fw *fsnotify.Watcher) error {
	var events <-chan fsnotify.Event
	var failures <-chan error
	if fw != nil {
		events, failures = fw.Events, fw.Errors
	}
	inside := w.follow(ctx, fw)
	last, _ := Fingerprint(w.o.Dirs, w.o.Files())
	w.o.OnChange(ctx) // for what changed between the last load and the first watch
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failures: // read always: fsnotify stops, and Close hangs, when nobody does
			w.o.Logger.DebugContext(ctx, "watching manifests", "error", err)
		case <-ticker.C:
		case ev := <-events:
			if !inside[filepath.Dir(ev.Name)] && !w.isRoot(filepath.Clean(ev.Name)) {
				continue // something else in a folder's parent
			}
			if !w.settled(ctx, events, failures) {
				return nil
			}
		}
		inside = w.follow(ctx, fw)
		now, err := Fingerprint(w.o.Dirs, w.o.Files())
		if err != nil || now == last {
			continue
		}
		last = now
		w.o.OnChange(ctx)
	}
}

// settled waits until events pause, or for settleMax; false where ctx ended.
func (w *Watcher) settled(ctx context.Context, events <-chan fsnotify.Event, failures <-chan error) bool {
	limit := time.NewTimer(settleMax)
	defer limit.Stop()
	rest := time.NewTimer(settle)
	defer rest.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case err := <-failures:
			w.o.Logger.DebugContext(ctx, "watching manifests", "error", err)
		case <-events:
			rest.Reset(settle)
		case <-rest.C:
			return true
		case <-limit.C:
			return true
		}
	}
}

// isRoot says whether a path is a folder that is watched, or a link on the way to it.
func (w *Watcher) isRoot(path string) bool {
	for _, root := range w.o.Dirs {
		if slices.Contains(way(root), path) {
			return true
		}
	}
	return false
}

// way gives a folder and every link on the path to it: what must be replaced for the folder to become another one.
func way(root string) []string {
	root = filepath.Clean(root)
	out := []string{root}
	for dir := filepath.Dir(root); dir != "." && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if info, err := os.Lstat(dir); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			out = append(out, dir)
		}
	}
	return out
}

// follow watches every directory that there is now, and the parents of the folders, which see a folder being replaced. It gives the
// directories whose every change counts.
func (w *Watcher) follow(ctx context.Context, fw *fsnotify.Watcher) map[string]bool {
	dirs := map[string]bool{}
	if fw == nil {
		return dirs
	}
	for _, root := range w.o.Dirs {
		root = filepath.Clean(root)
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return nil // it vanished meanwhile; the parent's event brings us back
			case d.IsDir() && path != root && d.Name() == ".git":
				return fs.SkipDir
			case d.IsDir():
				dirs[path] = true
			case d.Type()&fs.ModeSymlink != 0:
				// ConfigMap volumes and git-sync keep the real files behind links.
				if target, err := filepath.EvalSymlinks(path); err == nil {
					if info, err := os.Stat(target); err == nil && info.IsDir() {
						dirs[target] = true
					} else {
						dirs[filepath.Dir(target)] = true
					}
				}
			}
			return nil
		})
	}
	for _, f := range w.o.Files() {
		dirs[filepath.Dir(f)] = true
	}
	add := func(dir string) {
		if err := fw.Add(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			w.o.Logger.DebugContext(ctx, "watching a directory", "error", err)
		}
	}
	for dir := range dirs {
		add(dir)
	}
	for _, root := range w.o.Dirs {
		for _, path := range way(root) {
			add(filepath.Dir(path))
		}
	}
	return dirs
}

// Fingerprint sums up names, sizes and times of the manifest-like files below dirs and of the single files: cheap, and different
// after a change. Other files (a data directory below the folder, say) do not count.
func Fingerprint(dirs, files []string) (string, error) {
	f := &fingerprint{seen: map[string]bool{}}
	for _, root := range dirs {
		f.walk(root)
	}
	for _, path := range files {
		f.note(path)
	}
	sort.Strings(f.lines)
	h := fnv.New64a()
	for _, l := range f.lines {
		_, _ = h.Write([]byte(l + "\n"))
	}
	return fmt.Sprintf("%016x", h.Sum64()), f.err
}

type fingerprint struct {
	lines []string
	seen  map[string]bool // directories, so that links cannot lead in a circle
	err   error
}

func (f *fingerprint) walk(root string) {
	target, err := filepath.EvalSymlinks(root)
	if err != nil {
		f.lines = append(f.lines, root+" gone")
		return
	}
	if f.seen[target] {
		return
	}
	f.seen[target] = true
	f.lines = append(f.lines, root+" is "+target)
	err = filepath.WalkDir(target, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // gone meanwhile: the next fingerprint differs
		case d.IsDir() && path != target && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.Type()&fs.ModeSymlink != 0:
			if info, err := os.Stat(path); err == nil && info.IsDir() && !strings.HasPrefix(d.Name(), ".") {
				f.walk(path)
				return nil
			}
		}
		if counts(d.Name()) && !d.IsDir() {
			f.note(path)
		}
		return nil
	})
	if err != nil && f.err == nil {
		f.err = fmt.Errorf("walking %s: %w", root, err)
	}
}

// counts says whether a file of that name can be part of a folder's meaning.
func counts(name string) bool {
	switch filepath.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return name == ".headgateignore"
}

func (f *fingerprint) note(path string) {
	info, err := os.Stat(path)
	if err != nil {
		f.lines = append(f.lines, path+" gone")
		return
	}
	f.lines = append(f.lines, fmt.Sprintf("%s %d %d", path, info.Size(), info.ModTime().UnixNano()))
}
