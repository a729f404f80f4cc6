package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/engine/store"
)

// Options is what New needs; Path is required.
type Options struct {
	// Path is the database's file; its directory is made where it is missing.
	Path string
	// Now gives the time in tests; the process's monotonic clock where nil.
	Now func() time.Time
	// Logger receives what an operator should know; nil drops it.
	Logger *slog.Logger
	// Observer is told of every commit; may be nil.
	Observer Observer
	// BeforeCommit is called by the writer before each commit; tests use it as a slow disk. May be nil.
	BeforeCommit func()
	// MaxPages limits the file, so that tests can fill the disk; 0 for no limit.
	MaxPages int

	keysInMemory, keyStep int           // moveAt and moveStep where 0
	committed             func(*writer) // what a test looks at after each commit; may be nil
}

// Observer is told of commits; it must not block.
type Observer interface {
	Commit(events int, took time.Duration)
}

// The store's fixed bounds.
const (
	maxBatch      = 512     // pieces of work that share a commit: more would only make the first of them wait
	maxBatchBytes = 4 << 20 // of bodies and steps that share a commit, for the same reason
	readers       = 4       // read connections: lists are few, claims read what they hand out
	cacheKiB      = 32 << 10
	readCacheKiB  = 8 << 10
	// pageBytes fit a small webhook whole; larger pages cost small rows more than they save large bodies.
	pageBytes = 8 << 10
)

// Store is a store.Store in a SQLite file.
type Store struct {
	o       Options
	log     *slog.Logger
	changed chan struct{}
	fatal   chan error
	work    chan *job
	pool    chan *conn

	life    sync.Mutex
	running bool
	stopped bool
	lock    *os.File
	w       *writer
	opened  int           // connections of the pool
	started chan struct{} // closed when the store is ready
	closing chan struct{} // closed when it takes no more work
	done    chan struct{} // closed when the writer has returned

	names       *names
	claims      *claims
	waits       *waits
	heads       *heads
	clock       *clock
	checkpoints *checkpoints
	pruning     pruning
	info        atomic.Pointer[store.Info]
	broken      atomic.Bool
}

var _ store.Store = (*Store)(nil)

// New makes a store; the file is opened by Start.
func New(o Options) (*Store, error) {
	if o.Path == "" {
		return nil, errors.New("sqlite: Path is missing")
	}
	abs, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: Path: %w", err)
	}
	o.Path = abs
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		o: o, log: o.Logger.With("component", "store"), changed: make(chan struct{}, 1), fatal: make(chan error, 1),
		work: make(chan *job, maxBatch), pool: make(chan *conn, readers),
		started: make(chan struct{}), closing: make(chan struct{}), done: make(chan struct{}),
		names: newNames(), claims: newClaims(), waits: newWaits(), heads: newHeads(),
	}
	s.info.Store(&store.Info{Kind: "sqlite", Path: abs})
	return s, nil
}

// Start locks and opens the file, brings its schema up to date and takes back what a dead process held: its claims count as lost, so
// that work goes on at once. A store is started once. The error wraps ErrLocked, ErrFileSystem or ErrNewerSchema where that is why.
func (s *Store) Start(ctx context.Context) error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.running || s.stopped {
		return errors.New("the store has been started already")
	}
	if err := s.open(); err != nil {
		return errors.Join(fmt.Errorf("opening %s: %w", s.o.Path, err), s.closeAll(ctx))
	}
	s.running = true
	go s.w.run()
	close(s.started)
	s.signal()
	return nil
}

func (s *Store) open() error {
	if err := os.MkdirAll(filepath.Dir(s.o.Path), 0o750); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	fs, warning, err := fileSystem(filepath.Dir(s.o.Path))
	if err != nil {
		return err
	}
	if s.lock, err = lockFile(s.o.Path); err != nil {
		return err
	}
	if err := private(s.o.Path); err != nil {
		return err
	}
	c, err := open(s.o.Path, false, "busy_timeout(5000)", fmt.Sprintf("page_size(%d)", pageBytes), "journal_mode(WAL)", "synchronous(FULL)", "fullfsync(1)", "checkpoint_fullfsync(1)",
		"temp_store(MEMORY)", fmt.Sprintf("cache_size(-%d)", cacheKiB), "wal_autocheckpoint(0)", fmt.Sprintf("journal_size_limit(%d)", logKeptBytes))
	if err != nil {
		return err
	}
	s.w = &writer{s: s, c: c, names: s.names, claims: s.claims, waits: s.waits}
	if err := checkDurability(c); err != nil {
		return err
	}
	schema, err := migrate(c)
	if err != nil {
		return err
	}
	if s.o.MaxPages > 0 {
		if _, _, err := c.exec(fmt.Sprintf("PRAGMA max_page_count = %d", s.o.MaxPages)); err != nil {
			return fmt.Errorf("limiting the file: %w", err)
		}
	}
	if err := s.w.load(); err != nil {
		return fmt.Errorf("reading its state: %w", err)
	}
	for range readers {
		r, err := open(s.o.Path, true, "busy_timeout(5000)", "query_only(1)", fmt.Sprintf("cache_size(-%d)", readCacheKiB))
		if err != nil {
			return fmt.Errorf("opening it for reading: %w", err)
		}
		s.pool <- r
		s.opened++
	}
	if s.checkpoints, err = startCheckpoints(s); err != nil {
		return err
	}
	s.info.Store(&store.Info{Kind: "sqlite", Path: s.o.Path, FileSystem: fs, Warning: warning, Schema: schema})
	return nil
}

// private makes the file, readable by its owner only, where there is none: bodies hold what senders meant for us alone.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("making the file: %w", err)
	}
	return f.Close()
}

// checkDurability asks SQLite what it really does: a build or a file system may not do what it was told.
func checkDurability(c *conn) error {
	journal := ""
	if _, err := c.first(func(r row) error { journal = r.text(0); return nil }, "PRAGMA journal_mode"); err != nil {
		return fmt.Errorf("asking for the journal: %w", err)
	}
	level, err := c.one("PRAGMA synchronous")
	if err != nil {
		return fmt.Errorf("asking for the durability: %w", err)
	}
	if journal != "wal" || level < 2 {
		return fmt.Errorf("it runs with journal %q and synchronous %d, not with wal and FULL: acknowledged events could be lost", journal, level)
	}
	return nil
}

// Stop finishes the commits under way and closes the file. When ctx ends first it gives the reason, and may be called again.
func (s *Store) Stop(ctx context.Context) error {
	s.life.Lock()
	defer s.life.Unlock()
	if !s.stopped {
		s.stopped = true
		close(s.closing)
	}
	if !s.running {
		return nil
	}
	select {
	case <-s.done:
	case <-ctx.Done():
		return fmt.Errorf("waiting for the last commit: %w", context.Cause(ctx))
	}
	if err := s.closeAll(ctx); err != nil {
		return err
	}
	s.running = false
	return nil
}

// closeAll closes what is open, the lock last.
func (s *Store) closeAll(ctx context.Context) error {
	if s.checkpoints != nil {
		s.checkpoints.stop()
		s.checkpoints = nil
	}
	var errs []error
	for ; s.opened > 0; s.opened-- {
		select {
		case c := <-s.pool:
			errs = append(errs, c.close())
		case <-ctx.Done():
			return errors.Join(append(errs, fmt.Errorf("waiting for the last reader: %w", context.Cause(ctx)))...)
		}
	}
	if s.w != nil && s.w.c != nil {
		errs = append(errs, s.w.c.close())
		s.w.c = nil
	}
	if s.lock != nil {
		errs = append(errs, unlock(s.lock))
		s.lock = nil
	}
	return errors.Join(errs...)
}

// Changed gives the channel that receives when there may be new due work.
func (s *Store) Changed() <-chan struct{} { return s.changed }

func (s *Store) signal() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Info says what durability this file really has.
func (s *Store) Info() store.Info { return *s.info.Load() }

// Fatal receives the error after which nothing can be acknowledged any more: the disk has failed to write, to sync or to read back. The
// process must end; its next start recovers.
func (s *Store) Fatal() <-chan error { return s.fatal }

// fail ends the store: from now on every write is refused.
func (s *Store) fail(err error) {
	if s.broken.Swap(true) {
		return
	}
	s.log.Error("the store has failed; nothing is acknowledged any more", "error", err)
	s.fatal <- err
}

// read lends a connection for reading, in one transaction. What was committed before it began is seen.
func (s *Store) read(ctx context.Context, f func(*view) error) error {
	return s.lend(ctx, nil, f)
}

// readLong is read for what may look at many rows: it ends with ctx.
func (s *Store) readLong(ctx context.Context, f func(*view) error) error {
	return s.lend(ctx, ctx, f)
}

func (s *Store) lend(ctx, interrupt context.Context, f func(*view) error) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	select {
	case c := <-s.pool:
		c.ctx = interrupt
		defer func() { c.ctx = nil; s.pool <- c }()
		if _, _, err := c.exec("BEGIN"); err != nil {
			return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
		err := f(&view{c: c, names: s.names})
		_, _, _ = c.exec("COMMIT") // it wrote nothing
		return err
	case <-s.closing:
		return errClosing
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", store.ErrUnavailable, context.Cause(ctx))
	}
}
