package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/sqlite"
)

// TestABackupOfABusyStoreHasAllThatWasAcknowledged backs a store up while others write to it, restores the copy elsewhere and goes on with that.
func TestABackupOfABusyStoreHasAllThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	s := started(t, sqlite.Options{})
	ids := life(t, s, 40, func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, i*1000) })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	var acknowledged []event.ID
	var writing sync.WaitGroup
	first := make(chan struct{})
	for w := range 3 {
		writing.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				got, err := s.Append(t.Context(), []store.Arrival{{
					Event: event.Event{Provider: "acme", Delivery: fmt.Sprint(w, "/", n), Body: fmt.Append(nil, w, n), State: event.Ignored}, Window: time.Hour,
				}})
				if err != nil {
					t.Errorf("Append: %v", err)
					return
				}
				mu.Lock()
				if acknowledged = append(acknowledged, got[0].ID); len(acknowledged) == 100 {
					close(first)
				}
				mu.Unlock()
			}
		})
	}
	<-first
	mu.Lock()
	before := append(ids, acknowledged...)
	mu.Unlock()
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := s.Backup(t.Context(), copied); err != nil {
		t.Fatalf("Backup: %v", err)
	}
	cancel()
	writing.Wait()
	verified(t, copied)
	if err := s.Backup(t.Context(), copied); !errors.Is(err, sqlite.ErrExists) {
		t.Errorf("over a file that is there: %v, want %v", err, sqlite.ErrExists)
	}

	to := filepath.Join(t.TempDir(), "new", "headgate.db")
	done, err := sqlite.Restore(t.Context(), sqlite.RestoreOptions{From: copied, To: to})
	if err != nil || done.Contents.Events < int64(len(before)) {
		t.Fatalf("Restore gave %+v, %v", done, err)
	}
	if _, err := sqlite.Restore(t.Context(), sqlite.RestoreOptions{From: copied, To: to}); !errors.Is(err, sqlite.ErrExists) {
		t.Errorf("over a store: %v, want %v", err, sqlite.ErrExists)
	}
	again := started(t, sqlite.Options{Path: to})
	for _, id := range before {
		want, err := s.Body(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := again.Body(t.Context(), id); err != nil || !bytes.Equal(got, want) {
			t.Errorf("event %s has %d bytes, %v, want %d", id, len(got), err, len(want))
		}
	}
	// A delivery id is still known, and work goes on.
	got, err := again.Append(t.Context(), []store.Arrival{{Event: event.Event{Provider: "acme", Delivery: "d0"}, Window: time.Hour}})
	if err != nil || !got[0].Duplicate || got[0].ID != ids[0] {
		t.Errorf("a delivery of before gave %+v, %v, want a duplicate of %s", got, err, ids[0])
	}
	claimed, err := again.Claim(t.Context(), store.Claim{Gate: "g", Lane: run.LaneLive, Max: 100, Lease: time.Minute})
	if err != nil || len(claimed) != 8 {
		t.Errorf("%d open runs go on, %v, want 8", len(claimed), err)
	}
	if _, err := sqlite.Restore(t.Context(), sqlite.RestoreOptions{From: copied, To: to, Replace: true}); !errors.Is(err, store.ErrLocked) {
		t.Errorf("under a gateway: %v, want %v", err, store.ErrLocked)
	}
	stop(t, again)
	moved, err := sqlite.Restore(t.Context(), sqlite.RestoreOptions{From: copied, To: to, Replace: true})
	if err != nil || moved.Aside == "" {
		t.Fatalf("Restore gave %+v, %v", moved, err)
	}
	verified(t, moved.Aside)
	verified(t, to)
}

func TestABackupIsWholeOrNotThere(t *testing.T) {
	t.Parallel()
	s := started(t, sqlite.Options{})
	life(t, s, 20, func(int) []byte { return make([]byte, 100_000) })
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Backup(ctx, filepath.Join(dir, "a")); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	if err := s.Backup(t.Context(), filepath.Join(dir, "missing", "a")); err == nil {
		t.Error("a backup into a folder that is not there succeeded")
	}
	path := s.Info().Path
	if err := sqlite.Copy(t.Context(), path, filepath.Join(dir, "b")); !errors.Is(err, store.ErrLocked) {
		t.Errorf("a copy of a store that is open: %v, want %v", err, store.ErrLocked)
	}
	stop(t, s)
	if err := sqlite.Copy(t.Context(), path, filepath.Join(dir, "c")); err != nil {
		t.Errorf("Copy: %v", err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "c"))
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		size int64
		data []byte
		want error
	}{
		"cut short":  {int64(len(data)), data[:len(data)-1], io.ErrUnexpectedEOF},
		"a page cut": {int64(len(data) - 8192), data[:len(data)-8192], sqlite.ErrNoStore},
		"no store":   {6, []byte("hello\n"), sqlite.ErrNoStore},
		"empty":      {0, nil, sqlite.ErrNoStore},
	} {
		if err := sqlite.Receive(t.Context(), bytes.NewReader(c.data), c.size, filepath.Join(dir, "d")); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
	if err := sqlite.Receive(t.Context(), bytes.NewReader(data), int64(len(data)), filepath.Join(dir, "e")); err != nil {
		t.Errorf("Receive: %v", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 || left[0].Name() != "c" || left[1].Name() != "e" {
		t.Errorf("left are %v, %v, want c and e", left, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "e")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
}

func TestALookAtAStoreNeedsNoLock(t *testing.T) {
	t.Parallel()
	s := started(t, sqlite.Options{})
	life(t, s, 1, func(int) []byte { return nil })
	path := s.Info().Path
	g, err := sqlite.Look(t.Context(), path)
	if err != nil || !g.Locked || g.Schema != g.Newest || time.Since(g.Clock).Abs() > time.Minute {
		t.Errorf("while it is open: %+v, %v", g, err)
	}
	stop(t, s)
	if g, err = sqlite.Look(t.Context(), path); err != nil || g.Locked {
		t.Errorf("when it is closed: %+v, %v", g, err)
	}
	if _, err := sqlite.Look(t.Context(), path+"x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("where there is none: %v", err)
	}
}
