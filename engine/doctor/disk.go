package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/headgate/headgate/engine/field"
)

// What the disk is held against.
const (
	syncs = 100
	// honest is less than any disk takes to make a block durable: it is a memory bus away at best. (Capacitor-backed NVMe takes 15 to 30 µs.)
	honest = 8 * time.Microsecond
	// tooSlow for one sync: a sender waits for at least one, and some give up after a second.
	tooSlow = 100 * time.Millisecond
	// littleSpace is less than a log at its largest and a day of a small gateway.
	littleSpace = 1 << 30
	// noSpace is less than what a start and its log may need.
	noSpace    = 64 << 20
	fewInodes  = 1000
	fewOpen    = 4096 // files: a connection of a sender and of a hook each, and the store's
	blockBytes = 4 << 10
)

// fsync times the disk: a block is written and synced, over and over, as the log of a quiet gateway is.
func (r *Report) fsync(dir string, memory bool) {
	took, err := timeSyncs(filepath.Join(dir, "sync"))
	if err != nil {
		r.Add(Fail, "fsync", err.Error(), "the disk does not take what is written to it")
		return
	}
	slices.Sort(took)
	p50, p99 := took[len(took)/2], took[len(took)*99/100]
	text := fmt.Sprintf("p50 %s, p99 %s of %d", p50.Round(time.Microsecond), p99.Round(time.Microsecond), len(took))
	switch {
	case memory:
		r.Add(OK, "fsync", text+"; the file system is in memory", "")
	case p50 < honest:
		r.Add(Warn, "fsync", text+": no disk is that fast; something on the way only says that it has written", "look at the volume, the hypervisor and the mount options")
	case p99 > tooSlow:
		r.Add(Warn, "fsync", text+": senders wait for it", "a faster disk, or one that others do not share")
	default:
		r.Add(OK, "fsync", text, "")
	}
}

func timeSyncs(path string) (took []time.Duration, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("timing the disk: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	block := make([]byte, blockBytes)
	for range syncs {
		if _, err := f.Write(block); err != nil {
			return nil, fmt.Errorf("timing the disk: %w", err)
		}
		from := time.Now()
		if err := f.Sync(); err != nil {
			return nil, fmt.Errorf("timing the disk: %w", err)
		}
		took = append(took, time.Since(from))
	}
	return took, nil
}

// space looks at what is left of the disk.
func (r *Report) space(dir, path string) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		r.Add(Warn, "space", fmt.Sprintf("asking for it: %v", err), "")
		return
	}
	free := int64(min(st.Bavail*uint64(st.Bsize), 1<<62))
	size := int64(0)
	for _, suffix := range []string{"", "-wal"} {
		if info, err := os.Stat(path + suffix); err == nil {
			size += info.Size()
		}
	}
	text := fmt.Sprintf("%s free", roughly(free))
	if size > 0 {
		text += fmt.Sprintf(", the store has %s", roughly(size))
	}
	switch {
	case free < noSpace:
		r.Add(Fail, "space", text+": the store soon takes no more events", "make room, or set HEADGATE_MAX_STORE")
	case free < littleSpace:
		r.Add(Warn, "space", text, "make room, or set HEADGATE_MAX_STORE")
	case free < size:
		r.Add(Warn, "space", text+": a backup of a running gateway is made beside it and does not fit", "make room before a backup")
	default:
		r.Add(OK, "space", text, "")
	}
	if st.Files > 0 && st.Ffree < fewInodes {
		r.Add(Warn, "inodes", fmt.Sprintf("%d free", st.Ffree), "remove files")
	}
}

// roughly writes a size for people.
func roughly(n int64) string {
	for _, unit := range []int64{1 << 40, 1 << 30, 1 << 20, 1 << 10} {
		if n >= 10*unit {
			return field.FormatSize(n / unit * unit)
		}
	}
	return field.FormatSize(n)
}

// limits looks at what this process may have open.
func (r *Report) limits() {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		r.Add(Warn, "open files", fmt.Sprintf("asking for the limit: %v", err), "")
		return
	}
	if lim.Max < fewOpen { // Go raises the soft limit to the hard one
		r.Add(Warn, "open files", fmt.Sprintf("%d at most: each connection is one", lim.Max), "ulimit -n 65536, or LimitNOFILE= of the unit")
		return
	}
	r.Add(OK, "open files", fmt.Sprintf("%d at most", lim.Max), "")
}
