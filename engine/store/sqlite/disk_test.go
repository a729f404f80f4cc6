package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/sqlite"
)

func arrival(body string) store.Arrival {
	return store.Arrival{Event: event.Event{Provider: "acme", Name: "order", Body: []byte(body)}, Route: true}
}

// disk holds up commits, as a slow disk does.
type disk struct {
	mu   sync.Mutex
	next *commit
}

type commit struct{ begun, end chan struct{} }

// hold makes the next commit wait until its end is closed.
func (d *disk) hold() *commit {
	c := &commit{make(chan struct{}), make(chan struct{})}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next = c
	return c
}

func (d *disk) beforeCommit() {
	d.mu.Lock()
	c := d.next
	d.next = nil
	d.mu.Unlock()
	if c != nil {
		close(c.begun)
		<-c.end
	}
}

type answer struct {
	receipts []store.Receipt
	err      error
}

func appendLater(ctx context.Context, s *sqlite.Store, a store.Arrival) <-chan answer {
	c := make(chan answer, 1)
	go func() {
		r, err := s.Append(ctx, []store.Arrival{a})
		c <- answer{r, err}
	}()
	return c
}

func count(t *testing.T, s *sqlite.Store) int64 {
	t.Helper()
	n, err := s.One(t.Context(), "SELECT count(*) FROM events")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNobodyIsAnsweredBeforeTheCommit(t *testing.T) {
	t.Parallel()
	var d disk
	s := started(t, sqlite.Options{BeforeCommit: d.beforeCommit})
	c := d.hold()
	first := appendLater(t.Context(), s, arrival("first"))
	<-c.begun
	second := appendLater(t.Context(), s, arrival("second"))
	select {
	case a := <-first:
		t.Errorf("answered before the commit: %+v", a)
	case a := <-second:
		t.Errorf("answered before the commit: %+v", a)
	case <-time.After(50 * time.Millisecond):
	}
	if got := count(t, s); got != 0 {
		t.Errorf("%d events are seen before the commit, want 0", got)
	}
	close(c.end)
	for _, ch := range []<-chan answer{first, second} {
		if a := <-ch; a.err != nil {
			t.Errorf("after the commit: %v", a.err)
		}
	}
	if got := count(t, s); got != 2 {
		t.Errorf("%d events, want 2", got)
	}
}

func TestWhoStopsWaitingIsToldSoAndTheEventMayStillBeStored(t *testing.T) {
	t.Parallel()
	var d disk
	s := started(t, sqlite.Options{BeforeCommit: d.beforeCommit})
	c := d.hold()
	why := errors.New("four seconds are over")
	ctx, cancel := context.WithCancelCause(t.Context())
	waiting := appendLater(ctx, s, arrival("slow"))
	<-c.begun
	cancel(why)
	if a := <-waiting; !errors.Is(a.err, store.ErrUnavailable) || !errors.Is(a.err, why) {
		t.Errorf("got error %v, want %v because of %v", a.err, store.ErrUnavailable, why)
	}
	close(c.end)
	if a := <-appendLater(t.Context(), s, arrival("next")); a.err != nil {
		t.Errorf("the next one: %v", a.err)
	}
	if got := count(t, s); got != 2 {
		t.Errorf("%d events, want 2: the commit went on", got)
	}
}

func TestStoppingWaitsForTheCommitUnderWay(t *testing.T) {
	t.Parallel()
	var d disk
	s := started(t, sqlite.Options{BeforeCommit: d.beforeCommit})
	c := d.hold()
	waiting := appendLater(t.Context(), s, arrival("last"))
	<-c.begun
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Stop(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("stopping without patience: got error %v, want %v", err, context.Canceled)
	}
	if a := <-appendLater(t.Context(), s, arrival("too late")); !errors.Is(a.err, store.ErrUnavailable) {
		t.Errorf("after Stop: got error %v, want %v", a.err, store.ErrUnavailable)
	}
	close(c.end)
	stop(t, s)
	if a := <-waiting; a.err != nil {
		t.Errorf("the commit under way: %v", a.err)
	}
	if got := count(t, started(t, sqlite.Options{Path: s.Info().Path})); got != 1 {
		t.Errorf("%d events, want 1", got)
	}
}

// TestOneThatFailsDoesNotSpoilItsBatch has two good events and a bad statement wait for one commit.
func TestOneThatFailsDoesNotSpoilItsBatch(t *testing.T) {
	t.Parallel()
	var d disk
	s := started(t, sqlite.Options{BeforeCommit: d.beforeCommit})
	c := d.hold()
	first := appendLater(t.Context(), s, arrival("first"))
	<-c.begun
	keyed := arrival("second")
	keyed.Event.Delivery, keyed.Window = "d", time.Hour
	second := appendLater(t.Context(), s, keyed)
	bad := make(chan error, 1)
	go func() { bad <- s.Exec(t.Context(), "INSERT INTO events (id) VALUES (1)") }()
	third := appendLater(t.Context(), s, keyed)
	close(c.end)
	duplicates := 0
	for _, ch := range []<-chan answer{first, second, third} {
		a := <-ch
		if a.err != nil {
			t.Fatalf("a good one: %v", a.err)
		}
		if a.receipts[0].Duplicate {
			duplicates++
		}
	}
	if err := <-bad; !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("the bad one: got error %v, want %v", err, store.ErrUnavailable)
	}
	if got := count(t, s); got != 2 || duplicates != 1 {
		t.Errorf("%d events and %d duplicates, want 2 and 1", got, duplicates)
	}
	l, err := s.Ledger(t.Context())
	if err != nil || l.Requests.Recorded != 3 || !l.Requests.Balanced() {
		t.Errorf("ledger %+v, %v, want 3 recorded", l.Requests, err)
	}
}

// TestAFullDiskRefusesAndTakesAgain fills the file up to its limit.
func TestAFullDiskRefusesAndTakesAgain(t *testing.T) {
	t.Parallel()
	var now clock
	s := started(t, sqlite.Options{MaxPages: 100, Now: now.time})
	var stored []event.ID
	full := func() {
		t.Helper()
		for i := 0; ; i++ {
			a := arrival(strings.Repeat("x", 20_000))
			a.Event.Delivery, a.Window = fmt.Sprint("d", len(stored)), time.Hour
			r, err := s.Append(t.Context(), []store.Arrival{a, arrival("small")})
			if err != nil {
				if !errors.Is(err, store.ErrUnavailable) {
					t.Fatalf("got error %v, want %v", err, store.ErrUnavailable)
				}
				return
			}
			if i > 100 {
				t.Fatal("the disk does not get full")
			}
			stored = append(stored, r[0].ID, r[1].ID)
		}
	}
	full()
	if len(stored) == 0 {
		t.Fatal("nothing was stored")
	}
	if got := count(t, s); got != int64(len(stored)) {
		t.Errorf("%d events in the file, %d were acknowledged", got, len(stored))
	}
	select {
	case err := <-s.Fatal():
		t.Fatalf("a full disk ended the store: %v", err)
	default:
	}
	// What needs no more space goes on, also while the disk is full.
	claimed, err := s.Claim(t.Context(), store.Claim{Gate: run.RouteGate, Lane: run.LaneLive, Max: 1000, Lease: time.Minute})
	if err != nil || len(claimed) != len(stored) {
		t.Fatalf("%d tasks claimed, %v, want %d", len(claimed), err, len(stored))
	}
	var settlements []store.Settlement
	for _, c := range claimed {
		settlements = append(settlements, store.Settlement{Held: c.Held(), Routed: true})
	}
	if errs, err := s.Settle(t.Context(), settlements); err != nil || errors.Join(errs...) != nil {
		t.Fatalf("settling: %v, %v", errs, err)
	}
	// Space comes back: the same store takes events again, and knows the delivery ids that it has acknowledged and no other.
	now.add(time.Minute)
	if p, err := s.Prune(t.Context(), store.Policy{Events: time.Second}, 1000); err != nil || p.Events != len(stored) {
		t.Fatalf("pruned %+v, %v, want %d events", p, err, len(stored))
	}
	last := fmt.Sprint("d", len(stored))
	known := arrival("")
	known.Event.Delivery, known.Window = "d0", time.Hour
	refused := arrival("")
	refused.Event.Delivery, refused.Window = last, time.Hour
	r, err := s.Append(t.Context(), []store.Arrival{known, refused})
	if err != nil || !r[0].Duplicate || r[1].Duplicate {
		t.Errorf("receipts %+v, %v, want a duplicate of the one stored and a fresh event of the one refused", r, err)
	}
	before := len(stored)
	full()
	if len(stored) == before {
		t.Error("nothing was stored when there was space again")
	}
}

// clock is time that only the test moves.
type clock struct {
	mu    sync.Mutex
	moved time.Duration
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(c.moved)
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moved += d
}

// TestTheLogBeginsAnew stores much more than the log may hold.
func TestTheLogBeginsAnew(t *testing.T) {
	t.Parallel()
	s := started(t, sqlite.Options{})
	body := strings.Repeat("x", 1<<20)
	largest, last, shrank := 0, 0, 0
	for range 300 {
		if a := <-appendLater(t.Context(), s, arrival(body)); a.err != nil {
			t.Fatal(a.err)
		}
		n, err := s.LogBytes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n < last {
			shrank++
		}
		largest, last = max(largest, n), n
		if shrank == 2 {
			break
		}
	}
	if shrank == 0 || largest > 64<<20 {
		t.Errorf("the log began anew %d times and held up to %d bytes, want 1 or more and at most 64 MiB", shrank, largest)
	}
}
