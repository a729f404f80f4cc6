package admin_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/headgate/headgate/engine/store"
)

// backupable is a reader with a file.
type backupable struct {
	*records
	path string
	do   func(ctx context.Context, to string) error
}

func (b *backupable) Backup(ctx context.Context, to string) error { return b.do(ctx, to) }

func (b *backupable) Info() store.Info { return store.Info{Kind: "sqlite", Path: b.path} }

func TestABackupIsSentWholeAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	w, dir := newWorld(t), t.TempDir()
	begun, goOn := make(chan struct{}), make(chan struct{})
	w.Reader = &backupable{records: w.records, path: filepath.Join(dir, "headgate.db"), do: func(_ context.Context, to string) error {
		close(begun)
		<-goOn
		return os.WriteFile(to, []byte("a whole store"), 0o600)
	}}
	first := make(chan answerOf)
	go func() { first <- w.ask(t, http.MethodPost, "/api/v1/backup", "") }()
	<-begun
	w.ask(t, http.MethodPost, "/api/v1/backup", "").check(t, http.StatusConflict, "backup_running")
	close(goOn)
	got := <-first
	if got.Code != http.StatusOK || got.Body.String() != "a whole store" || got.Header().Get("Content-Length") != "13" {
		t.Errorf("got %d %q %v", got.Code, got.Body, got.Header())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v, want nothing", left, err)
	}
	page, err := w.records.Audit(t.Context(), store.AuditQuery{Action: "store.backup"})
	if err != nil || len(page.Entries) != 1 {
		t.Errorf("audit entries %+v, %v, want one", page.Entries, err)
	}
	w.ask(t, http.MethodGet, "/api/v1/backup", "").check(t, http.StatusMethodNotAllowed, "method_not_allowed")
}

func TestABackupThatFailsIsNoFile(t *testing.T) {
	t.Parallel()
	w, dir := newWorld(t), t.TempDir()
	w.ask(t, http.MethodPost, "/api/v1/backup", "").check(t, http.StatusConflict, "no_file")

	w = newWorld(t)
	w.Reader = &backupable{records: w.records, path: filepath.Join(dir, "headgate.db"), do: func(_ context.Context, to string) error {
		return errors.Join(os.WriteFile(to, []byte("half a st"), 0o600), errors.New("disk full"))
	}}
	w.ask(t, http.MethodPost, "/api/v1/backup", "").check(t, http.StatusInternalServerError, "internal")
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v, want nothing", left, err)
	}
}
