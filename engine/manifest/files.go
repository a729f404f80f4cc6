package manifest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/headgate/headgate/engine/source"
)

// tree is where files come from: a manifest folder, the catalogue, or memory. Its names are slash paths inside of it.
type tree struct {
	// shown and stored are put in front of a name, for people and among the stored sources.
	shown, stored string
	// abs is the absolute folder, "" where there is none; relative <<file…>> references start from it.
	abs  string
	open func(name string) ([]byte, error)
}

// folderTree reads a folder through os.Root, which follows no link out of it. The root is opened for each reading: a folder that
// was replaced meanwhile (git-sync, ConfigMap) is read where it is now.
func folderTree(dir, abs, stored string) *tree {
	return &tree{shown: dir, stored: stored, abs: abs, open: func(name string) ([]byte, error) {
		root, err := os.OpenRoot(abs)
		if err != nil {
			return nil, cause(err)
		}
		defer func() { _ = root.Close() }()
		return readFile(root, name)
	}}
}

func readFile(root *os.Root, name string) ([]byte, error) {
	// A named pipe would block in Open until somebody writes to it.
	info, err := root.Stat(filepath.FromSlash(name))
	if err != nil {
		return nil, cause(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is no regular file")
	}
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, cause(err)
	}
	defer func() { _ = f.Close() }()
	return readLimited(f)
}

func readLimited(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, source.MaxFileBytes+1))
	if err != nil {
		return nil, cause(err)
	}
	if len(data) > source.MaxFileBytes {
		return nil, errTooLarge
	}
	return data, nil
}

var (
	errTooLarge = fmt.Errorf("it is larger than %d bytes", source.MaxFileBytes)
	errMissing  = errors.New("there is no such file")
)

// fsTree reads the catalogue.
func fsTree(fsys fs.FS) *tree {
	prefix := strings.TrimSuffix(CataloguePrefix, "/")
	return &tree{shown: prefix, stored: prefix, open: func(name string) ([]byte, error) {
		f, err := fsys.Open(name)
		if err != nil {
			return nil, cause(err)
		}
		defer func() { _ = f.Close() }()
		return readLimited(f)
	}}
}

// memoryTree reads among files in memory.
func memoryTree(files []*source.File) *tree {
	byName := make(map[string]*source.File, len(files))
	for _, f := range files {
		byName[f.Name] = f
	}
	return &tree{open: func(name string) ([]byte, error) {
		if f := byName[name]; f != nil {
			return f.Data, nil
		}
		return nil, fs.ErrNotExist
	}}
}

// cause takes the path out of an error of package os: findings name it as the manifest does, not as this machine does.
func cause(err error) error {
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		err = pe.Err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return errMissing
	}
	return err
}

// schemasDir is where schema:// leads, beside the manifest.
const schemasDir = "schemas"

// manifestFile is one file of manifests and the files that its documents name.
type manifestFile struct {
	file *source.File
	tree *tree
	// name is the path inside the tree.
	name string
	// catalogue says that it is of the catalogue and not of the user.
	catalogue bool

	mu    sync.Mutex
	reads map[string]reading // by path inside the tree
}

type reading struct {
	data []byte
	err  error
}

// stored is the path of a file of the tree among stored sources.
func (m *manifestFile) stored(name string) string { return path.Join(m.tree.stored, name) }

// dir is the absolute folder of the file, "" where it has none.
func (m *manifestFile) dir() string {
	if m.tree.abs == "" {
		return ""
	}
	return filepath.Join(m.tree.abs, filepath.FromSlash(path.Dir(m.name)))
}

func (m *manifestFile) read(rel string) ([]byte, error) {
	name := rel
	if after, ok := strings.CutPrefix(rel, "schema://"); ok {
		name = path.Join(schemasDir, after)
	}
	if name == "" || path.IsAbs(name) || strings.Contains(name, `\`) || strings.Contains(name, "://") {
		return nil, fmt.Errorf("reading `%s`: write a path relative to the manifest", rel)
	}
	name = path.Join(path.Dir(m.name), name)
	if !filepath.IsLocal(name) {
		return nil, fmt.Errorf("reading `%s`: it lies outside of the manifest folder", rel)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r, known := m.reads[name]
	if !known {
		r.data, r.err = m.tree.open(name)
		if m.reads == nil {
			m.reads = map[string]reading{}
		}
		m.reads[name] = r
	}
	if r.err != nil {
		return nil, fmt.Errorf("reading `%s`: %w", rel, r.err)
	}
	return r.data, nil
}

// sources adds the file and all that was read beside it.
func (m *manifestFile) sources(all map[string][]byte) {
	all[m.stored(m.name)] = m.file.Data
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, r := range m.reads {
		if r.err == nil {
			all[m.stored(name)] = r.data
		}
	}
}
