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

	"github.com/headgate/headgate/engine/event"
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
}

// Observer is told of commits; it must not block.
type Observer interface {
	Commit(events int, took time.Duration)
}

// The store's fixed bounds.
const (
	maxBatch = 512      // pieces of work that share a commit: more would only make the first of them wait
	readers  = 4        // read connections: lists are few, claims read what they hand out
	cacheKiB = 32 << 10 // of the writer; readers have a fourth
	// checkpointPages is how much the log may grow before it is copied into the file. Larger ones cost p99 (60 ms against 9 to 14).
	checkpointPages = 1000
	walLimit        = 64 << 20
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
	started bool
	stopped bool
	lock    *os.File
	w       *writer
	done    chan struct{} // closed when the writer has returned
	closing chan struct{}
	info    atomic.Pointer[store.Info]
	broken  atomic.Bool
	clock   *clock
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
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		o: o, log: log, changed: make(chan struct{}, 1), fatal: make(chan error, 1), work: make(chan *job, maxBatch),
		pool: make(chan *conn, readers), done: make(chan struct{}), closing: make(chan struct{}),
	}
	s.info.Store(&store.Info{Kind: "sqlite", Path: abs})
	return s, nil
}

// Start locks and opens the file, brings its schema up to date and takes back what a dead process held: its leases count as lost, so
// that work goes on at once.
func (s *Store) Start(context.Context) error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.started || s.stopped {
		return errors.New("the store has been started already")
	}
	if err := s.open(); err != nil {
		s.closeAll()
		return err
	}
	s.started = true
	go s.w.run()
	s.signal()
	return nil
}

func (s *Store) open() error {
	if err := os.MkdirAll(filepath.Dir(s.o.Path), 0o750); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	fs, refused, warning, err := fileSystem(s.o.Path)
	if err != nil {
		return err
	}
	if refused != "" {
		return fmt.Errorf("%s lies on %s, which %s", s.o.Path, fs, refused)
	}
	if s.lock, err = lockFile(s.o.Path); err != nil {
		return err
	}
	c, err := open(s.o.Path, false, "busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "temp_store(MEMORY)",
		fmt.Sprintf("cache_size(-%d)", cacheKiB), fmt.Sprintf("wal_autocheckpoint(%d)", checkpointPages),
		fmt.Sprintf("journal_size_limit(%d)", walLimit))
	if err != nil {
		return fmt.Errorf("opening %s: %w", s.o.Path, err)
	}
	s.w = &writer{s: s, c: c, linger: time.NewTimer(time.Hour)}
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
		return fmt.Errorf("reading the state of %s: %w", s.o.Path, err)
	}
	for range readers {
		r, err := open(s.o.Path, true, "busy_timeout(5000)", "query_only(1)", fmt.Sprintf("cache_size(-%d)", cacheKiB/4))
		if err != nil {
			return fmt.Errorf("opening %s for reading: %w", s.o.Path, err)
		}
		s.pool <- r
	}
	s.info.Store(&store.Info{Kind: "sqlite", Path: s.o.Path, FileSystem: fs, Warning: warning, Schema: schema})
	return nil
}

// checkDurability asks SQLite what it really does: a build or a file system may not do what it was told.
func checkDurability(c *conn) error {
	var journal string
	var level int64
	_, err := c.first(func(r row) error { journal = r.text(0); return nil }, "PRAGMA journal_mode")
	if err != nil {
		return fmt.Errorf("asking for the journal: %w", err)
	}
	if _, err = c.first(func(r row) error { level = r.int(0); return nil }, "PRAGMA synchronous"); err != nil {
		return fmt.Errorf("asking for the durability: %w", err)
	}
	if journal != "wal" || level < 2 {
		return fmt.Errorf("the file runs with journal %q and synchronous %d, not with wal and FULL: acknowledged events could be lost", journal, level)
	}
	return nil
}

// Stop finishes the commits under way and closes the file.
func (s *Store) Stop(ctx context.Context) error {
	s.life.Lock()
	defer s.life.Unlock()
	if !s.stopped {
		s.stopped = true
		close(s.closing)
	}
	if !s.started {
		return nil
	}
	select {
	case <-s.done:
	case <-ctx.Done():
		select {
		case <-s.done:
		default:
			return fmt.Errorf("waiting for the last commit: %w", context.Cause(ctx))
		}
	}
	s.started = false
	return s.closeAll()
}

func (s *Store) closeAll() error {
	var errs []error
	for len(s.pool) > 0 {
		errs = append(errs, (<-s.pool).close())
	}
	if s.w != nil && s.w.c != nil {
		errs = append(errs, s.w.c.close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
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

// Fatal receives the error after which nothing can be acknowledged any more. The process must end; its next start recovers.
func (s *Store) Fatal() <-chan error { return s.fatal }

// read lends a connection for reading. What was committed before it began is seen.
func (s *Store) read(ctx context.Context, f func(*conn) error) error {
	select {
	case <-s.closing:
		return fmt.Errorf("the store is closing: %w", store.ErrUnavailable)
	default:
	}
	select {
	case c := <-s.pool:
		defer func() { s.pool <- c }()
		// One transaction, so that several queries see one state.
		if _, _, err := c.exec("BEGIN"); err != nil {
			return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
		err := f(c)
		_, _, _ = c.exec("COMMIT")
		return err
	case <-s.closing:
		return fmt.Errorf("the store is closing: %w", store.ErrUnavailable)
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", store.ErrUnavailable, context.Cause(ctx))
	}
}

// clock is the store's time. It follows the process's monotonic clock from where the file left off, so that a wall clock that is set
// back reopens neither delivery ids nor leases.
type clock struct {
	now  func() time.Time // given by a test; nil else
	base time.Time
	from time.Time

	mu   sync.Mutex
	high time.Time
}

func newClock(now func() time.Time, high time.Time) *clock {
	c := &clock{now: now, high: high}
	c.from = time.Now()
	c.base = c.from.Round(0)
	if high.After(c.base) {
		c.base = high
	}
	return c
}

func (c *clock) time() time.Time {
	t := time.Time{}
	if c.now != nil {
		t = c.now().Round(0)
	} else {
		t = c.base.Add(time.Since(c.from))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.high) {
		c.high = t
	}
	return c.high.UTC()
}

// nano stores a time; the zero time is 0.
func nano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// at reads what nano stored.
func at(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// nextID gives an id above all that were given, at the store's time.
func (w *writer) nextID(now time.Time) event.ID {
	w.lastEvent = max(event.NewID(now, 0), w.lastEvent+1)
	return w.lastEvent
}
