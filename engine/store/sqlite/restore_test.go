package sqlite_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/sqlite"
)

// killed gives the file of a store whose process was killed: what it acknowledged last is in its log only.
func killed(t *testing.T, events int) string {
	t.Helper()
	s := started(t, sqlite.Options{})
	life(t, s, events, func(int) []byte { return []byte("{}") })
	path := filepath.Join(t.TempDir(), "headgate.db")
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(s.Info().Path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+suffix, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// wantNoLog fails where a log lies beside a store.
func wantNoLog(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the log beside %s: %v, want none", filepath.Base(path), err)
	}
}

func TestARestoreThatIsCutShortLeavesTheStoreInItsPlaceWithItsLog(t *testing.T) {
	t.Parallel()
	path := killed(t, 20)
	aside := path + ".replaced"
	if err := sqlite.PutAside(path, aside); err != nil {
		t.Fatalf("PutAside: %v", err)
	}
	for _, p := range []string{path, aside} { // as a crash at this moment leaves them
		wantNoLog(t, p)
		if v := verified(t, p); v.Contents.Events != 20 {
			t.Errorf("%s has %d events, want 20", filepath.Base(p), v.Contents.Events)
		}
	}
}

func TestAStoreIsReplacedWhateverItsState(t *testing.T) {
	t.Parallel()
	s := started(t, sqlite.Options{})
	life(t, s, 8, func(int) []byte { return []byte("{}") })
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := s.Backup(t.Context(), copied); err != nil {
		t.Fatalf("Backup: %v", err)
	}
	replace := func(t *testing.T, to string) string {
		t.Helper()
		done, err := sqlite.Restore(t.Context(), sqlite.RestoreOptions{From: copied, To: to, Replace: true})
		if err != nil || done.Aside == "" {
			t.Fatalf("Restore gave %+v, %v", done, err)
		}
		wantNoLog(t, to)
		if v := verified(t, to); v.Contents.Events != 8 {
			t.Errorf("the store has %d events, want the 8 of the backup", v.Contents.Events)
		}
		return done.Aside
	}
	wantBytes := func(t *testing.T, path, want string) {
		t.Helper()
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v, want %q", filepath.Base(path), got, err, want)
		}
	}

	t.Run("killed", func(t *testing.T) {
		t.Parallel()
		aside := replace(t, killed(t, 20))
		if v := verified(t, aside); v.Contents.Events != 20 {
			t.Errorf("what lies aside has %d events, want 20", v.Contents.Events)
		}
	})
	t.Run("damaged", func(t *testing.T) {
		t.Parallel()
		to := filepath.Join(t.TempDir(), "headgate.db")
		for suffix, text := range map[string]string{"": "no store at all", "-wal": "and no log"} {
			if err := os.WriteFile(to+suffix, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		aside := replace(t, to)
		wantBytes(t, aside, "no store at all")
		wantBytes(t, aside+"-wal", "and no log")
	})
	t.Run("a log without its store", func(t *testing.T) {
		t.Parallel()
		to := filepath.Join(t.TempDir(), "headgate.db")
		if err := os.WriteFile(to+"-wal", []byte("a log"), 0o600); err != nil {
			t.Fatal(err)
		}
		aside := replace(t, to)
		wantBytes(t, aside+"-wal", "a log")
	})
	t.Run("open", func(t *testing.T) {
		t.Parallel()
		other := started(t, sqlite.Options{})
		_, err := sqlite.Restore(t.Context(), sqlite.RestoreOptions{From: copied, To: other.Info().Path, Replace: true})
		if !errors.Is(err, store.ErrLocked) {
			t.Errorf("under a gateway: %v, want %v", err, store.ErrLocked)
		}
	})
}
