package sqlite

import (
	"fmt"
	"sync"
)

// A checkpoint copies the log (the -wal file) into the database file and syncs it; only when all of it is copied does the log begin anew.
// A checkpoint in the writer's way costs every sender the time of two syncs. So one goroutine copies beside the writer, as soon as
// there is a little to copy, and when it has almost caught up the writer itself copies the rest between two transactions.
const (
	copyAfterBytes = 4 << 20 // of log since the last copy: the smaller, the shorter each; the larger, the more pages are copied once only
	// restartAfterBytes of log the writer copies the rest, so that the log begins anew.
	restartAfterBytes = 16 << 20
	// logKeptBytes is what the log file is cut to when it begins anew after a time in which readers kept it from doing so.
	logKeptBytes = 64 << 20
	// rowBytes stands for what a row costs in the log beside its body, in the writer's guess of how much it has written.
	rowBytes = 512
)

type checkpoints struct {
	s    *Store
	c    *conn
	kick chan struct{}
	full chan int // the log's bytes after a copy
	done sync.WaitGroup
	busy bool // a copy is under way; the writer's
}

func startCheckpoints(s *Store) (*checkpoints, error) {
	c, err := open(s.o.Path, false, "synchronous(FULL)", "checkpoint_fullfsync(1)", "wal_autocheckpoint(0)", fmt.Sprintf("journal_size_limit(%d)", logKeptBytes))
	if err != nil {
		return nil, fmt.Errorf("opening it for checkpoints: %w", err)
	}
	p := &checkpoints{s: s, c: c, kick: make(chan struct{}, 1), full: make(chan int, 1)}
	p.done.Go(func() {
		for range p.kick {
			p.full <- p.copy(p.c)
		}
	})
	return p, nil
}

// copy copies what can be copied without waiting for anybody, and gives the size of the log.
func (p *checkpoints) copy(c *conn) int {
	pages := int64(0)
	if _, err := c.first(func(r row) error { pages = r.int(1); return nil }, "PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
		if final(err) {
			p.s.fail(fmt.Errorf("checkpointing the store: %w", err))
		} else {
			p.s.log.Warn("the log could not be copied into the file", "error", err)
		}
	}
	return int(pages) * pageBytes
}

// between is called by the writer between two transactions.
func (p *checkpoints) between(w *writer) {
	select {
	case log := <-p.full:
		p.busy = false
		if log >= restartAfterBytes {
			p.copy(w.c)
		}
	default:
	}
	if !p.busy && w.written >= copyAfterBytes {
		w.written, p.busy = 0, true
		p.kick <- struct{}{}
	}
}

// stop waits for the copy under way. The writer must have returned.
func (p *checkpoints) stop() {
	close(p.kick)
	p.done.Wait()
	if err := p.c.close(); err != nil {
		p.s.log.Warn("closing the checkpoint connection", "error", err)
	}
}
