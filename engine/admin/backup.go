package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/store"
)

// Backuper is a Reader that can write a copy of itself to a file while it works; one that is not cannot be backed up.
type Backuper interface {
	Backup(ctx context.Context, path string) error
	Info() store.Info
}

const (
	actionBackup = "store.backup"
	// backupPrefix begins the name of the folder, beside the store's file, that a copy lies in while it is made.
	backupPrefix = ".backup-"
	// sendTimeout bounds the sending of one piece of a copy: whoever takes none for so long has gone.
	sendTimeout   = time.Minute
	sendAtOnce    = 1 << 20
	backupMedia   = "application/vnd.sqlite3"
	backupTimeout = 6 * time.Hour // to make the copy: a terabyte on a slow disk
)

func (a *api) backupRoutes() []route {
	return []route{{
		method: http.MethodPost, path: "/api/v1/backup", handle: a.backup,
		summary: "A copy of the store as it is now, checked, as the bytes of a SQLite file. It is made beside the store first, which takes as much disk again, " +
			"and is sent when it is whole. The copy holds every body that is kept. The key that seals secrets is not in it. 409 while another copy is made, or " +
			"where the store is in memory.",
	}}
}

// backup makes a copy beside the store, and sends it.
func (a *api) backup(w http.ResponseWriter, r *http.Request) error {
	if err := readQuery(r).err(); err != nil {
		return err
	}
	b, ok := a.reader.(Backuper)
	if !ok {
		return refuse(http.StatusConflict, "no_file", "the store is in memory: there is nothing to back up")
	}
	if !a.backingUp.CompareAndSwap(false, true) {
		return refuse(http.StatusConflict, "backup_running", "another backup is being made")
	}
	defer a.backingUp.Store(false)
	// The copy takes as long as it takes; the client may wait for it in silence.
	control := http.NewResponseController(w)
	if err := control.SetWriteDeadline(time.Now().Add(backupTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("allowing for time to make a backup: %w", err)
	}
	from := time.Now()
	f, size, err := copyBeside(r.Context(), b)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	a.note(r, actionBackup, filepath.Base(b.Info().Path), map[string]int64{"bytes": size})
	a.log.InfoContext(r.Context(), "the store was backed up", "bytes", size, "took", time.Since(from))
	h := w.Header()
	h.Set("Content-Type", backupMedia)
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	for err == nil { // Content-Length tells a client that got less
		if err = control.SetWriteDeadline(time.Now().Add(sendTimeout)); errors.Is(err, http.ErrNotSupported) {
			err = nil
		}
		if err == nil {
			_, err = io.CopyN(w, f, sendAtOnce)
		}
	}
	if !errors.Is(err, io.EOF) {
		a.log.WarnContext(r.Context(), "a backup was not taken to its end", "error", err)
	}
	return nil
}

// copyBeside writes a copy of the store into a folder beside it and opens it. The copy has no name any more then: it is gone when it is closed, however the
// process ends.
func copyBeside(ctx context.Context, b Backuper) (_ *os.File, size int64, err error) {
	dir, err := os.MkdirTemp(filepath.Dir(b.Info().Path), backupPrefix)
	if err != nil {
		return nil, 0, fmt.Errorf("making room for a backup: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "copy.db")
	if err := b.Backup(ctx, path); err != nil {
		return nil, 0, fmt.Errorf("backing up the store: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("opening a backup: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("opening a backup: %w", err), f.Close())
	}
	return f, info.Size(), nil
}

// Retention shows what is deleted when: durations as settings write them, "" and 0 for never.
type Retention struct {
	Events     string `json:"events,omitempty"`
	Parked     string `json:"parked,omitempty"`
	Runs       string `json:"runs,omitempty"`
	Attempts   string `json:"attempts,omitempty"`
	Bodies     string `json:"bodies,omitempty"`
	Rejections string `json:"rejections,omitempty"`
	MaxEvents  int64  `json:"max_events,omitempty"`
	MaxBytes   int64  `json:"max_bytes,omitempty"`
}

// ShowRetention gives a policy as it is shown.
func ShowRetention(p store.Policy) Retention {
	show := func(d time.Duration) string {
		if d <= 0 {
			return ""
		}
		return field.FormatDuration(d)
	}
	rejections := p.Rejections
	if rejections == 0 {
		rejections = p.Events
	}
	return Retention{
		Events: show(p.Events), Parked: show(p.Parked), Runs: show(p.Runs), Attempts: show(p.Attempts), Bodies: show(p.Bodies),
		Rejections: show(rejections), MaxEvents: p.MaxEvents, MaxBytes: p.MaxBytes,
	}
}
