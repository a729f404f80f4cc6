package doctor_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/doctor"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/sqlite"
)

func line(r *doctor.Report, check string) doctor.Line {
	i := slices.IndexFunc(r.Lines, func(l doctor.Line) bool { return l.Check == check })
	if i < 0 {
		return doctor.Line{}
	}
	return r.Lines[i]
}

func noEnv(string) (string, bool) { return "", false }

func TestAFolderIsExaminedAndLeftAsItWas(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	path := filepath.Join(dir, "headgate.db")
	r := doctor.Examine(t.Context(), doctor.Options{Path: path, LookupEnv: noEnv})
	if r.Worst() == doctor.Fail || line(r, "trial store").Status != doctor.OK || !strings.Contains(line(r, "folder").Message, "not there yet") {
		t.Errorf("of a folder that is not there: %+v", r.Lines)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the folder was made")
	}
	s, err := sqlite.New(sqlite.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), []store.Arrival{{Event: event.Event{State: event.Ignored}}}); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	r = doctor.Examine(t.Context(), doctor.Options{Path: path, LookupEnv: noEnv})
	if l := line(r, "lock"); l.Message != "a gateway has the store open" || line(r, "clock").Status != doctor.OK {
		t.Errorf("beside a gateway: %+v", r.Lines)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l := line(r, "fsync"); !strings.Contains(l.Message, "p99") {
		t.Errorf("fsync: %+v", l)
	}
	r = doctor.Examine(t.Context(), doctor.Options{Path: path, LookupEnv: noEnv, Now: func() time.Time { return time.Now().Add(-time.Hour) }})
	if l := line(r, "clock"); l.Status != doctor.Warn || !strings.Contains(l.Message, "set back") {
		t.Errorf("with a clock that was set back: %+v", l)
	}
	after, err := os.ReadDir(dir)
	if err != nil || len(after) > len(before) {
		t.Errorf("left are %v, %v, were %v", after, err, before)
	}
}

func TestWhatIsDangerousIsSaid(t *testing.T) {
	t.Parallel()
	env := func(name string) (string, bool) { return "/usr/lib/libeatmydata.so", name == "LD_PRELOAD" }
	r := doctor.Examine(t.Context(), doctor.Options{LookupEnv: env})
	if r.Worst() != doctor.Fail || line(r, "LD_PRELOAD").Status != doctor.Fail || line(r, "store").Status != doctor.Fail {
		t.Errorf("a store in memory and eatmydata: %+v", r.Lines)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "headgate.db")
	if err := os.WriteFile(path, []byte("this is no database, and never was one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, ".backup-1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // that is what is to be found
		t.Fatal(err)
	}
	r = doctor.Examine(t.Context(), doctor.Options{Path: path, LookupEnv: noEnv})
	if line(r, "store").Status != doctor.Fail || line(r, "folder").Status != doctor.Warn || line(r, "leftovers").Status != doctor.Warn {
		t.Errorf("a broken file, an open folder and leftovers: %+v", r.Lines)
	}
	r = doctor.Examine(t.Context(), doctor.Options{Path: filepath.Join(path, "headgate.db"), LookupEnv: noEnv})
	if line(r, "folder").Status != doctor.Fail {
		t.Errorf("a file in the place of the folder: %+v", r.Lines)
	}
}
