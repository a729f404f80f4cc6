package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/source"
)

// maxFiles bounds what is loaded at once: far above what a team writes, low enough to load in a blink.
const maxFiles = 1000

// maxEntries bounds the walk itself: a folder of more entries is no manifest folder, and is found out before it was all read.
const maxEntries = 100_000

// walker finds the manifest files of folders.
type walker struct {
	out     *diag.List
	seen    map[string]bool // real paths of files and folders
	files   []*manifestFile
	entries int
	full    bool
	broken  bool // something could not be read
}

// folders reads all manifest files below dirs: folder by folder in the order given, in each by path. A file that is reached on
// several ways (a link beside it, a folder inside another one) is read once.
func (w *walker) folders(ctx context.Context, dirs []string) {
	w.seen = map[string]bool{}
	stored := map[string]int{}
	for _, dir := range dirs {
		if ctx.Err() != nil {
			return
		}
		abs, err := filepath.Abs(dir)
		if err != nil {
			w.unreadable(dir, err)
			continue
		}
		info, err := os.Stat(abs)
		if err != nil {
			w.unreadable(dir, err)
			continue
		}
		single := ""
		if !info.IsDir() {
			dir, abs, single = filepath.Dir(dir), filepath.Dir(abs), filepath.Base(abs)
		}
		name := filepath.Base(abs)
		if stored[name]++; stored[name] > 1 {
			name = fmt.Sprintf("%s~%d", name, stored[name])
		}
		w.folder(ctx, folderTree(dir, abs, name), single)
	}
}

func (w *walker) unreadableFile(shown string, err error) {
	w.broken = true
	w.out.Errorf(diag.Unreadable, fileSpan(shown), "", "the file cannot be read: %v", cause(err))
}

// fileSpan is the place of a file of which no line is known.
func fileSpan(shown string) source.Span { return source.NewFile(shown, nil).Span(0, 0) }

func (w *walker) unreadable(name string, err error) {
	w.broken = true
	w.out.Errorf(diag.Unreadable, source.Span{}, "", "`%s` cannot be read: %v", name, cause(err))
}

func (w *walker) folder(ctx context.Context, t *tree, single string) {
	root, err := os.OpenRoot(t.abs)
	if err != nil {
		w.unreadable(t.shown, err)
		return
	}
	defer func() { _ = root.Close() }()
	real, err := filepath.EvalSymlinks(t.abs)
	if err != nil {
		w.unreadable(t.shown, err)
		return
	}
	v := visit{walker: w, tree: t, root: root, real: real}
	if single != "" {
		v.file(single, single)
	} else {
		if data, err := readFile(root, ignoreFile); err == nil {
			v.ignore = parseIgnore(source.NewFile(filepath.Join(t.shown, ignoreFile), data), w.out)
		}
		v.dir(ctx, ".", ".")
	}
	sort.SliceStable(v.found, func(i, j int) bool { return v.found[i].name < v.found[j].name })
	w.files = append(w.files, v.found...)
	if len(w.files) > maxFiles {
		w.files = w.files[:maxFiles]
		w.out.Errorf(diag.Limit, source.Span{}, "split them over gateways, or name some in "+ignoreFile,
			"there are more than %d manifest files", maxFiles)
		w.full = true
	}
}

// visit is the walk over one folder. Names are paths as they are written; real names have no links in them.
type visit struct {
	*walker
	tree   *tree
	root   *os.Root
	real   string
	ignore []ignorePattern
	found  []*manifestFile
}

func (v *visit) dir(ctx context.Context, name, realName string) {
	if !v.first(realName) || v.full || ctx.Err() != nil {
		return
	}
	entries, err := fs.ReadDir(v.root.FS(), realName)
	if err != nil {
		v.unreadable(filepath.Join(v.tree.shown, filepath.FromSlash(name)), err)
		return
	}
	for _, e := range entries {
		if v.entries++; v.entries > maxEntries {
			if !v.full {
				v.full = true
				v.out.Errorf(diag.Limit, source.Span{}, "", "`%s` holds more than %d entries: it is no manifest folder", v.tree.shown, maxEntries)
			}
			return
		}
		v.entry(ctx, e, path.Join(name, e.Name()), path.Join(realName, e.Name()))
	}
}

// first says whether a file or folder is met for the first time.
func (v *visit) first(realName string) bool {
	key := filepath.Join(v.real, filepath.FromSlash(realName))
	if v.seen[key] {
		return false
	}
	v.seen[key] = true
	return true
}

func (v *visit) entry(ctx context.Context, e fs.DirEntry, name, realName string) {
	if strings.HasPrefix(e.Name(), ".") || e.Name() == "testdata" {
		return
	}
	isDir, isLink := e.IsDir(), e.Type()&fs.ModeSymlink != 0
	if isLink {
		if ignored(v.ignore, name, false) {
			return
		}
		target, info, err := v.follow(realName)
		if err != nil {
			if isManifest(name) { // a broken link to something else is none of our business
				v.unreadableFile(filepath.Join(v.tree.shown, filepath.FromSlash(name)), err)
			}
			return
		}
		realName, isDir = target, info.IsDir()
	}
	switch {
	case ignored(v.ignore, name, isDir):
	case isDir:
		v.dir(ctx, name, realName)
	case isManifest(name):
		v.file(name, realName)
	}
}

func isManifest(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	return ext == ".yaml" || ext == ".yml"
}

// follow gives the real name of a link's target. Links that lead out of the folder are refused.
func (v *visit) follow(name string) (string, fs.FileInfo, error) {
	errOut := errors.New("the link leads out of the manifest folder")
	done := "."
	rest := strings.Split(name, "/")
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if done == "." {
				return "", nil, errOut
			}
			done = path.Dir(done)
			continue
		}
		next := path.Join(done, part)
		info, err := v.root.Lstat(filepath.FromSlash(next))
		if err != nil {
			return "", nil, cause(err)
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		if links++; links > 40 {
			return "", nil, errors.New("the links go round in a circle")
		}
		target, err := v.root.Readlink(filepath.FromSlash(next))
		if err != nil {
			return "", nil, cause(err)
		}
		if filepath.IsAbs(target) {
			return "", nil, errOut
		}
		rest = append(strings.Split(filepath.ToSlash(target), "/"), rest...)
	}
	info, err := v.root.Lstat(filepath.FromSlash(done))
	if err != nil {
		return "", nil, cause(err)
	}
	return done, info, nil
}

func (v *visit) file(name, realName string) {
	if !v.first(realName) {
		return
	}
	shown := filepath.Join(v.tree.shown, filepath.FromSlash(name))
	data, err := readFile(v.root, realName)
	if errors.Is(err, errTooLarge) {
		v.out.Errorf(diag.Limit, fileSpan(shown), "", "the file is larger than %d bytes", source.MaxFileBytes)
		v.broken = true
		return
	}
	if err != nil {
		v.unreadableFile(shown, err)
		return
	}
	v.found = append(v.found, &manifestFile{file: source.NewFile(shown, data), tree: v.tree, name: name})
}
