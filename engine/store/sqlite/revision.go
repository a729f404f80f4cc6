package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/store"
)

// revisionFile is a file of a revision as it is stored: its content lies in sources, once for all revisions that have it.
type revisionFile struct {
	Path string `json:"path"`
	Hash []byte `json:"hash"`
}

// PutRevision implements store.Store.
func (s *Store) PutRevision(ctx context.Context, r store.Revision) error {
	files := make([]revisionFile, len(r.Files))
	for i, f := range r.Files {
		sum := sha256.Sum256(f.Data)
		files[i] = revisionFile{Path: f.Path, Hash: sum[:]}
	}
	doc, err := json.Marshal(files)
	if err != nil {
		return fmt.Errorf("writing a revision as JSON: %w", err)
	}
	return s.submit(ctx, 0, func(w *writer, now time.Time) error {
		digest, err := w.name(r.Digest)
		if err != nil {
			return err
		}
		w.lastPut++
		if err := w.setMeta("put", w.lastPut); err != nil {
			return err
		}
		changed, _, err := w.exec("UPDATE revisions SET put = ?, stored = ? WHERE digest = ?", w.lastPut, nano(now), digest)
		if err != nil || changed > 0 {
			return err
		}
		for i, f := range files {
			if _, _, err := w.exec("INSERT INTO sources (hash, data) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING", f.Hash, blob(r.Files[i].Data)); err != nil {
				return err
			}
		}
		_, _, err = w.exec("INSERT INTO revisions (digest, kind, name, put, stored, files) VALUES (?, ?, ?, ?, ?, ?)",
			digest, r.Kind, r.Name, w.lastPut, nano(now), doc)
		return err
	})
}

const revisionColumns = "SELECT n.name, v.kind, v.name, v.stored, v.files FROM revisions v JOIN names n ON n.id = v.digest "

// Revision implements store.Store.
func (s *Store) Revision(ctx context.Context, digest string) (store.Revision, error) {
	return s.revision(ctx, fmt.Sprintf("revision %q", digest), revisionColumns+"WHERE n.name = ?", digest)
}

// LastSnapshot implements store.Store.
func (s *Store) LastSnapshot(ctx context.Context) (store.Revision, error) {
	return s.revision(ctx, "last snapshot", revisionColumns+"WHERE v.kind = ? ORDER BY v.put DESC LIMIT 1", store.SnapshotRevision)
}

func (s *Store) revision(ctx context.Context, what, sql string, arg any) (store.Revision, error) {
	var out store.Revision
	err := s.read(ctx, func(v *view) error {
		var files []revisionFile
		found, err := v.c.first(func(r row) error {
			out = store.Revision{Digest: r.text(0), Kind: r.text(1), Name: r.text(2), Stored: at(r.int(3))}
			return json.Unmarshal(r.bytes(4), &files)
		}, sql, arg)
		if err != nil {
			return fmt.Errorf("reading %s: %w", what, err)
		}
		if !found {
			return fmt.Errorf("%s: %w", what, store.ErrNotFound)
		}
		for _, f := range files {
			var data []byte
			if found, err = v.c.first(func(r row) error { data = r.bytes(0); return nil }, "SELECT data FROM sources WHERE hash = ?", f.Hash); err != nil {
				return fmt.Errorf("reading %s: %w", what, err)
			}
			if sum := sha256.Sum256(data); !found || string(sum[:]) != string(f.Hash) {
				return fmt.Errorf("%s: %s: %w", what, f.Path, store.ErrCorrupt)
			}
			out.Files = append(out.Files, store.RevisionFile{Path: f.Path, Data: blob(data)})
		}
		return nil
	})
	if err != nil {
		return store.Revision{}, err
	}
	return out, nil
}
