package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/sqlite"
)

func TestFileSystemsAreJudged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		magic int64
		name  string
		kind  string
	}{
		{0xef53, "ext4", "good"},
		{0x58465342, "xfs", "good"},
		{0x6969, "nfs", "refused"},
		{0xff534d42, "cifs", "refused"},
		{0xfe534d42, "cifs", "refused"},
		{-0x1acb2be, "cifs", "refused"}, // as a signed number of 32 bits
		{0x517b, "smb", "refused"},
		{0x01021997, "9p", "refused"},
		{0x65735546, "fuse", "refused"},
		{0x01021994, "tmpfs", "warning"},
		{0x794c7630, "overlay", "warning"},
		{0x1234, "type 0x1234", "good"},
	} {
		name, refused, warning := sqlite.Judge(c.magic)
		kind := "good"
		switch {
		case refused != "":
			kind = "refused"
		case warning != "":
			kind = "warning"
		}
		if name != c.name || kind != c.kind {
			t.Errorf("%#x is %s and %s, want %s and %s", c.magic, name, kind, c.name, c.kind)
		}
	}
}

// TestAFailedWriteEndsTheStore takes the right to write away from the descriptors of the log, so that the next write fails as it does
// when the disk does.
func TestAFailedWriteEndsTheStore(t *testing.T) {
	t.Parallel()
	s := started(t, sqlite.Options{})
	if a := <-appendLater(t.Context(), s, arrival("good")); a.err != nil {
		t.Fatal(a.err)
	}
	makeReadOnly(t, s.Info().Path+"-wal")
	if a := <-appendLater(t.Context(), s, arrival("bad")); !errors.Is(a.err, store.ErrUnavailable) {
		t.Errorf("got error %v, want %v", a.err, store.ErrUnavailable)
	}
	select {
	case err := <-s.Fatal():
		if err == nil {
			t.Error("the engine was told no reason")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the engine was not told")
	}
	if a := <-appendLater(t.Context(), s, arrival("later")); !errors.Is(a.err, store.ErrUnavailable) {
		t.Errorf("after the failure: got error %v, want %v", a.err, store.ErrUnavailable)
	}
	_ = s.Stop(t.Context()) // it may fail to write its last checkpoint
	again := started(t, sqlite.Options{Path: s.Info().Path})
	if got := count(t, again); got != 1 {
		t.Errorf("%d events after the restart, want the one that was acknowledged", got)
	}
}

func makeReadOnly(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		target, _ := os.Readlink(filepath.Join("/proc/self/fd", e.Name()))
		if err != nil || target != path || fd == int(f.Fd()) {
			continue
		}
		if err := unix.Dup3(int(f.Fd()), fd, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n == 0 {
		t.Fatalf("nobody has %s open", path)
	}
}
