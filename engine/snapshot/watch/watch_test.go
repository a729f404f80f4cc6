package watch_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headgate/headgate/engine/snapshot/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start watches dir and gives a channel that receives at each change; the watch is on when it returns.
func start(t *testing.T, dir string, files ...string) <-chan struct{} {
	t.Helper()
	changes := make(chan struct{}, 100)
	w, err := watch.New(watch.Options{
		Dirs: []string{dir}, Files: func() []string { return files }, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		OnChange: func(context.Context) { changes <- struct{}{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	expect(t, changes, "the watch began")
	return changes
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, changes <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-changes:
	case <-time.After(10 * time.Second):
		t.Fatalf("no change was told after %s", what)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestEveryStyleOfSavingIsSeen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "a.yaml")
	write(t, file, "one")
	changes := start(t, dir)

	write(t, file, "in place")
	expect(t, changes, "a write in place")

	write(t, filepath.Join(dir, ".a.yaml.tmp"), "renamed over")
	must(t, os.Rename(filepath.Join(dir, ".a.yaml.tmp"), file))
	expect(t, changes, "a rename over the file")

	must(t, os.Rename(file, file+"~"))
	write(t, file, "as vim saves")
	must(t, os.Remove(file+"~"))
	expect(t, changes, "a save with a backup copy")

	write(t, filepath.Join(dir, "new.yaml"), "new")
	expect(t, changes, "a new file")

	must(t, os.Remove(filepath.Join(dir, "new.yaml")))
	expect(t, changes, "a deleted file")

	must(t, os.MkdirAll(filepath.Join(dir, "team", "deep"), 0o755))
	write(t, filepath.Join(dir, "team", "deep", "b.yaml"), "below")
	expect(t, changes, "a new folder with a file in it")

	write(t, filepath.Join(dir, "team", "deep", "b.yaml"), "below, changed")
	expect(t, changes, "a change in a folder that is new")
}

func TestConfigMapSwapIsSeenEachTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	revision := func(name, text string) {
		must(t, os.Mkdir(filepath.Join(dir, name), 0o755))
		write(t, filepath.Join(dir, name, "gate.yaml"), text)
		must(t, os.Symlink(name, filepath.Join(dir, "..data_tmp")))
		must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	revision("..2026_1", "one")
	must(t, os.Symlink(filepath.Join("..data", "gate.yaml"), filepath.Join(dir, "gate.yaml")))
	changes := start(t, dir)
	for _, name := range []string{"..2026_2", "..2026_3", "..2026_4"} {
		revision(name, "revision "+name)
		expect(t, changes, "the swap to "+name)
	}
}

func TestGitSyncSwapOfTheWholeFolderIsSeen(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	for _, rev := range []string{"rev-a", "rev-b"} {
		must(t, os.Mkdir(filepath.Join(base, rev), 0o755))
		write(t, filepath.Join(base, rev, "gate.yaml"), rev+" text")
	}
	link := filepath.Join(base, "current")
	must(t, os.Symlink("rev-a", link))
	changes := start(t, link)
	must(t, os.Symlink("rev-b", link+".tmp"))
	must(t, os.Rename(link+".tmp", link))
	expect(t, changes, "the link was swapped")
}

func TestSwapOfALinkOnTheWayToTheFolderIsSeenAtOnce(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	for _, rev := range []string{"rev-a", "rev-b"} {
		must(t, os.MkdirAll(filepath.Join(base, rev, "manifests"), 0o755))
		write(t, filepath.Join(base, rev, "manifests", "gate.yaml"), rev+" text")
	}
	link := filepath.Join(base, "current")
	must(t, os.Symlink("rev-a", link))
	changes := start(t, filepath.Join(link, "manifests"))
	must(t, os.Symlink("rev-b", link+".tmp"))
	must(t, os.Rename(link+".tmp", link))
	select {
	case <-changes:
	case <-time.After(5 * time.Second): // well before the next poll
		t.Fatal("the swap was not seen before the next poll")
	}
}

func TestAFolderThatIsDeletedAndMadeAgainIsSeen(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "gate")
	must(t, os.Mkdir(dir, 0o755))
	write(t, filepath.Join(dir, "a.yaml"), "one")
	changes := start(t, dir)
	must(t, os.RemoveAll(dir))
	expect(t, changes, "the folder was deleted")
	must(t, os.Mkdir(dir, 0o755))
	write(t, filepath.Join(dir, "a.yaml"), "again")
	select {
	case <-changes:
	case <-time.After(5 * time.Second):
		t.Fatal("the folder that came back was not seen before the next poll")
	}
}

func TestSecretFileOutsideOfTheFolderIsSeen(t *testing.T) {
	t.Parallel()
	secrets := t.TempDir()
	file := filepath.Join(secrets, "token")
	write(t, file, "old")
	changes := start(t, t.TempDir(), file)
	write(t, file, "new and longer")
	expect(t, changes, "a secret was rotated")
}

func TestFingerprintDiffersAfterAChangeAndNotAfterOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "a.yaml")
	write(t, file, "one")
	print := func() string {
		t.Helper()
		fp, err := watch.Fingerprint([]string{dir}, nil)
		must(t, err)
		return fp
	}
	before := print()
	write(t, filepath.Join(dir, "headgate.db-wal"), "the store lies in the folder")
	if got := print(); got != before {
		t.Errorf("a file that is no manifest changed the fingerprint from %s to %s", before, got)
	}
	write(t, file, "one and more")
	if got := print(); got == before {
		t.Error("a changed manifest left the fingerprint as it was")
	}
	gone, err := watch.Fingerprint([]string{filepath.Join(dir, "gone")}, nil)
	must(t, err)
	if gone == before {
		t.Error("a folder that is gone has the fingerprint of one that is there")
	}
}
