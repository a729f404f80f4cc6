package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/sqlite"
)

// childEnv names the file that the child of the crash test works on.
const childEnv = "HEADGATE_STORE_CRASH_TEST"

// TestAKilledProcessLosesNothingThatItAcknowledged kills a process that stores, claims and settles as fast as it can, again and again over
// the same file.
func TestAKilledProcessLosesNothingThatItAcknowledged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "headgate.db")
	acknowledged := map[event.ID]string{}
	settled := map[event.ID]bool{}
	for round := range crashes {
		killChild(t, path, 300+200*round, acknowledged, settled)
		checkAfterCrash(t, path, acknowledged, settled)
	}
	if len(settled) == 0 || len(settled) == len(acknowledged) {
		t.Errorf("%d of %d events were settled: the test wants some and not all", len(settled), len(acknowledged))
	}
}

func killChild(t *testing.T, path string, after int, acknowledged map[event.ID]string, settled map[event.ID]bool) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		what, rest, _ := strings.Cut(lines.Text(), " ")
		text, body, _ := strings.Cut(rest, " ")
		id, err := event.ParseID(text)
		if err != nil {
			t.Fatalf("the child says %q", lines.Text())
		}
		if what == "settled" {
			settled[id] = true
		} else {
			acknowledged[id] = body
		}
		if n == after {
			if err := open(t, sqlite.Options{Path: path}).Start(t.Context()); !errors.Is(err, store.ErrLocked) {
				t.Errorf("opening the file of another process: got error %v, want %v", err, store.ErrLocked)
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
}

func checkAfterCrash(t *testing.T, path string, acknowledged map[event.ID]string, settled map[event.ID]bool) {
	t.Helper()
	s := open(t, sqlite.Options{Path: path})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer stop(t, s)
	var again []store.Arrival
	var ids []event.ID
	for id, want := range acknowledged {
		body, err := s.Body(t.Context(), id)
		if err != nil || string(body) != want {
			t.Errorf("event %s has the body %q, %v, want %q", id, body, err, want)
		}
		a := arrival(want)
		a.Event.Delivery, a.Window = want, time.Hour
		again, ids = append(again, a), append(ids, id)
	}
	receipts, err := s.Append(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range receipts {
		if !r.Duplicate || r.ID != ids[i] {
			t.Errorf("delivery %s came again: %+v, want a duplicate of %s", again[i].Event.Delivery, r, ids[i])
		}
	}
	l, err := s.Ledger(t.Context())
	if err != nil || !l.Requests.Balanced() {
		t.Errorf("ledger %+v, %v", l, err)
	}
	if got := count(t, s); got != l.Requests.Processed {
		t.Errorf("%d events in the file, %d in the ledger", got, l.Requests.Processed)
	}
	claimed, err := s.Claim(t.Context(), store.Claim{Gate: run.RouteGate, Lane: run.LaneLive, Max: 1 << 20, Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	waiting := map[event.ID]bool{}
	var held []store.Held
	for _, c := range claimed {
		waiting[c.Event.ID] = true
		held = append(held, c.Held())
	}
	for id := range settled {
		if waiting[id] {
			t.Errorf("event %s was settled and waits again", id)
		}
	}
	if int64(len(claimed)) != count(t, s)-routedEvents(t, s) {
		t.Errorf("%d tasks for %d events of which %d are routed", len(claimed), count(t, s), routedEvents(t, s))
	}
	if err := s.Release(t.Context(), held); err != nil {
		t.Error(err)
	}
}

func routedEvents(t *testing.T, s *sqlite.Store) int64 {
	t.Helper()
	n, err := s.One(t.Context(), "SELECT count(*) FROM events WHERE state = 1")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// child stores events from eight senders, and routes them, until it is killed. It prints what it was told is done.
func child(path string) {
	ctx := context.Background()
	s, err := sqlite.New(sqlite.Options{Path: path})
	if err == nil {
		err = s.Start(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return
	}
	say := make(chan string)
	for sender := range 8 {
		go func() {
			for i := 0; ; i++ {
				body := fmt.Sprintf("%d-%d-%d", os.Getpid(), sender, i)
				a := arrival(body)
				a.Event.Delivery, a.Window = body, time.Hour
				r, err := s.Append(ctx, []store.Arrival{a})
				if err != nil {
					fmt.Fprintln(os.Stderr, "child:", err)
					return
				}
				say <- fmt.Sprintf("acknowledged %s %s", r[0].ID, body)
			}
		}()
	}
	go func() {
		for {
			claimed, err := s.Claim(ctx, store.Claim{Gate: run.RouteGate, Lane: run.LaneLive, Max: 5, Lease: time.Minute})
			if err != nil {
				fmt.Fprintln(os.Stderr, "child:", err)
				return
			}
			for _, c := range claimed {
				errs, err := s.Settle(ctx, []store.Settlement{{Held: c.Held(), Routed: true}})
				if err == nil && errs[0] == nil {
					say <- fmt.Sprintf("settled %s", c.Event.ID)
				}
			}
		}
	}()
	for line := range say {
		fmt.Fprintln(os.Stdout, line)
	}
}
