package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/sqlite"
)

// verified fails the test where a store's file has findings of some checks; nil means all.
func verified(t *testing.T, path string, checks ...string) sqlite.Verification {
	t.Helper()
	v, err := sqlite.Verify(context.WithoutCancel(t.Context()), sqlite.VerifyOptions{Path: path})
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	for _, f := range v.Findings {
		if checks == nil || slices.Contains(checks, f.Check) {
			t.Errorf("finding %+v", f)
		}
	}
	return v
}

// life gives a store some events, of which each has a run that is done, parked or open, as a gateway would.
func life(t *testing.T, s *sqlite.Store, events int, body func(i int) []byte) []event.ID {
	t.Helper()
	for _, r := range []store.Revision{
		{Digest: "snapshot", Kind: store.SnapshotRevision, Files: []store.RevisionFile{{Path: "a.yaml", Data: []byte("a")}}},
		{Digest: "rev", Kind: store.PipelineRevision, Name: "p", Files: []store.RevisionFile{{Path: "a.yaml", Data: []byte("a")}}},
	} {
		if err := s.PutRevision(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	var ids []event.ID
	for i := range events {
		got, err := s.Append(t.Context(), []store.Arrival{{
			Event: event.Event{Provider: "acme", Name: "order", Delivery: fmt.Sprint("d", i), Routes: "snapshot", Body: body(i), Source: event.Live},
			Route: true, Window: time.Hour,
		}})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, got[0].ID)
		claimed, err := s.Claim(t.Context(), store.Claim{Gate: run.RouteGate, Lane: run.LaneLive, Max: 1, Lease: time.Minute})
		if err != nil || len(claimed) != 1 {
			t.Fatal(claimed, err)
		}
		if i%5 == 4 {
			continue // claimed, as when a process dies
		}
		id := run.NewID(claimed[0].Event.ID, "p", run.Cause{Kind: run.Live})
		settled(t, s, store.Settlement{Held: claimed[0].Held(), Routed: true, NewRuns: []store.NewRun{{
			Run:   run.Run{ID: id, Pipeline: "p", Revision: "rev", Cause: run.Cause{Kind: run.Live}, Version: 1},
			Tasks: []store.NewTask{{Kind: run.TaskStep, Path: "A", Gate: "g", Lane: run.LaneLive}},
		}}})
		if i%5 == 3 {
			continue // open
		}
		claimed, err = s.Claim(t.Context(), store.Claim{Gate: "g", Lane: run.LaneLive, Max: 1, Lease: time.Minute})
		if err != nil || len(claimed) != 1 {
			t.Fatal(claimed, err)
		}
		d := &store.RunDelta{ID: claimed[0].Run.ID, Version: 1, State: run.Done, Outcome: run.Completed, Attempts: []run.Attempt{{Path: "A", N: 1, Outcome: run.AttemptOK}}}
		if i%5 == 2 {
			d.State, d.Outcome, d.Reason, d.Attempts[0].Outcome = run.Parked, "", "retries_spent", run.AttemptPermanent
		}
		settled(t, s, store.Settlement{Held: claimed[0].Held(), Run: d})
		if i%5 == 2 && i%2 == 0 {
			if err := s.Drop(t.Context(), store.DropAsk{Request: "r", Run: d.ID, By: store.By{Who: "somebody"}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return ids
}

func settled(t *testing.T, s *sqlite.Store, st store.Settlement) {
	t.Helper()
	errs, err := s.Settle(t.Context(), []store.Settlement{st})
	if err := errors.Join(append(errs, err)...); err != nil {
		t.Fatal(err)
	}
}

func TestASoundStoreIsFoundSound(t *testing.T) {
	t.Parallel()
	s := started(t, sqlite.Options{})
	life(t, s, 50, func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, i*300) })
	path := s.Info().Path
	if _, err := sqlite.Verify(t.Context(), sqlite.VerifyOptions{Path: path}); !errors.Is(err, store.ErrLocked) {
		t.Errorf("while the store is open: %v, want %v", err, store.ErrLocked)
	}
	stop(t, s)
	v := verified(t, path)
	if v.Bodies != 50 || v.Contents.Events != 50 || v.Contents.Runs != 40 || v.Attempts != 30 || v.Audit == 0 || len(v.Notes) == 0 {
		t.Errorf("verified %+v", v)
	}
}

// TestEveryFlippedBitOfABodyIsFound turns one bit in each of a hundred bodies, of all sizes, in the bytes of the file: in the pages of the
// table as well as in those that only bodies have.
func TestEveryFlippedBitOfABodyIsFound(t *testing.T) {
	t.Parallel()
	const flips = 100
	rng := rand.New(rand.NewPCG(7, 7))
	s := started(t, sqlite.Options{})
	bodies := map[event.ID][]byte{}
	all := make([][]byte, 130)
	for i := range all {
		all[i] = make([]byte, 64+rng.IntN(100)*rng.IntN(700))
		for j := range all[i] {
			all[i][j] = byte(rng.Uint32())
		}
	}
	for i, id := range life(t, s, len(all), func(i int) []byte { return all[i] }) {
		bodies[id] = all[i]
	}
	path := s.Info().Path
	stop(t, s)
	verified(t, path)

	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flipped, deep := map[string]bool{}, 0
	for id, body := range bodies {
		if len(flipped) == flips {
			break
		}
		for !flipped[id.String()] {
			from, offset, bit := rng.IntN(len(body)-31), rng.IntN(32), rng.IntN(8)
			piece := body[from : from+32] // unless a page's end cuts it in two
			// A page may still hold a copy in the part of it that is free: the bit is turned in that too.
			for at := bytes.Index(data, piece); at >= 0; at = bytes.Index(data, piece) {
				data[at+offset] ^= 1 << bit
				flipped[id.String()] = true
			}
			if flipped[id.String()] && from > 8192 {
				deep++
			}
		}
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := sqlite.Verify(t.Context(), sqlite.VerifyOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range v.Findings {
		if f.Check != "I8" || !flipped[f.Subject] {
			t.Errorf("finding %+v, which nobody planted", f)
		}
		found[f.Subject] = true
	}
	if len(found) != flips || v.Found != flips || v.Bodies != int64(len(all)) || deep == 0 {
		t.Errorf("%d of %d flipped bits found in %d bodies, %d of them in pages of their own", len(found), flips, v.Bodies, deep)
	}
	t.Logf("%d of %d found, %d of them in pages of their own", len(found), flips, deep)

	// The store that meets one says so, and hands none out.
	s = started(t, sqlite.Options{Path: path})
	for id := range bodies {
		if _, err := s.Body(t.Context(), id); flipped[id.String()] != errors.Is(err, store.ErrCorrupt) {
			t.Errorf("body %s, flipped %t: %v", id, flipped[id.String()], err)
		}
	}
}

// TestEveryInvariantIsChecked breaks one thing after the other.
func TestEveryInvariantIsChecked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ check, sql, want string }{
		{"I1", "UPDATE ledger SET n = n + 1 WHERE term = 'requests.processed'", "do not add up"},
		{"I1", "UPDATE ledger SET n = n + 1 WHERE term IN ('requests.recorded', 'requests.processed')", "the ledger says"},
		{"I1", "UPDATE ledger SET n = n + 1 WHERE term = 'bodies.bytes'", "the bodies had"},
		{"I1", "UPDATE ledger SET n = n + 1 WHERE term = 'made'", "do not add up"},
		{"I1", "UPDATE runs SET outcome = 2 WHERE state = 1", "are filtered"},
		{"I2", `UPDATE additions SET doc = CAST('{"attempts":[{"path":"A","round":0,"n":1,"outcome":"ok"},{"path":"A","round":0,"n":2,"outcome":"ok"}]}' AS BLOB)`, "succeeded 2 times"},
		{"I3", `UPDATE additions SET doc = CAST('{"attempts":[{"path":"A","round":0,"n":2,"outcome":"ok"}]}' AS BLOB)`, "with the number 2"},
		{"I4", "DELETE FROM tasks WHERE run = 0", "has yet to be routed"},
		{"I4", "DELETE FROM tasks WHERE run > 0", "no task works on it"},
		{"I4", "DELETE FROM bodies WHERE event = (SELECT max(event) FROM bodies)", "the event has no body"},
		{"I4", "DELETE FROM events WHERE id = (SELECT max(id) FROM events)", "a body without an event"},
		{"I4", "DELETE FROM runs WHERE state = 0", "a run that is not open"},
		{"I4", "DELETE FROM parked", "the list of parked runs lacks it"},
		{"I4", "INSERT INTO parked SELECT id, 1, 0, '' FROM runs WHERE state = 0", "which is not parked"},
		{"I4", "INSERT INTO replays VALUES (12345, 'job')", "the list of replays"},
		{"I5", "INSERT INTO meta VALUES ('keys', 1 << 62) ON CONFLICT DO UPDATE SET value = excluded.value", "not known any more"},
		{"I5", "INSERT INTO keys SELECT 99999, 1, 2, id, 0, 0, 0, expires FROM events LIMIT 1", "which has another"},
		{"I5", "INSERT INTO keys VALUES (99999, 1, 2, 1 << 62, 0, 0, 0, 1 << 62)", "never stored"},
		{"I6", "UPDATE tasks SET stage = 2", "and has none"},
		{"I6", "UPDATE tasks SET stage = 3", "does not wait for"},
		{"I6", "UPDATE tasks SET stage = 2, ord = 5", "and there is none"},
		{"I6", "INSERT INTO holds (key, max, held, wanted) VALUES ('k', 1, 1, 1)", "it counts 1 and 1"},
		{"I7", "UPDATE tasks SET stage = 1, claimed = 0", "since when"},
		{"I8", "UPDATE bodies SET body = substr(body, 2) WHERE event = (SELECT min(event) FROM bodies)", "had 5 when"},
		{"I8", "UPDATE bodies SET body = CAST('12345' AS BLOB) WHERE event = (SELECT min(event) FROM bodies)", "CRC32C"},
		{"I9", "DELETE FROM revisions WHERE kind = 'pipeline'", "is not stored"},
		{"I9", "UPDATE uses SET n = n + 1", "it counts"},
		{"I9", "UPDATE sources SET data = CAST('b' AS BLOB)", "does not match its SHA-256"},
		{"I9", "DELETE FROM sources", "is not there"},
		{"audit", "UPDATE audit SET doc = replace(CAST(doc AS TEXT), 'somebody', 'nobody') WHERE id = (SELECT min(id) FROM audit)", "was altered"},
		{"audit", "DELETE FROM audit WHERE id = (SELECT min(id) FROM audit)", "is missing"},
	} {
		t.Run(c.check+" "+c.want, func(t *testing.T) {
			t.Parallel()
			s := started(t, sqlite.Options{})
			life(t, s, 25, func(int) []byte { return []byte("hello") })
			if err := s.Exec(t.Context(), c.sql); err != nil {
				t.Fatal(err)
			}
			path := s.Info().Path
			stop(t, s)
			v, err := sqlite.Verify(t.Context(), sqlite.VerifyOptions{Path: path})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(v.Findings, func(f sqlite.Finding) bool { return f.Check == c.check && strings.Contains(f.Message, c.want) }) {
				t.Errorf("findings %+v, want one of %s with %q", v.Findings, c.check, c.want)
			}
		})
	}
}

// TestADamagedFileIsLookedAtToItsEnd turns bits anywhere in the file: Verify must come to an end and say something, or the bit was in space that
// nothing uses.
func TestADamagedFileIsLookedAtToItsEnd(t *testing.T) {
	t.Parallel()
	s := started(t, sqlite.Options{})
	life(t, s, 30, func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 900*i) })
	path := s.Info().Path
	stop(t, s)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 3))
	found := 0
	for i := range 60 {
		data := slices.Clone(sound)
		data[rng.IntN(len(data))] ^= 1 << rng.IntN(8)
		if i%10 == 9 {
			data = data[:rng.IntN(len(data))]
		}
		damaged := filepath.Join(t.TempDir(), fmt.Sprint(i))
		if err := os.WriteFile(damaged, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if v, err := sqlite.Verify(t.Context(), sqlite.VerifyOptions{Path: damaged}); err != nil || v.Found > 0 {
			found++
		}
	}
	if found < 25 { // the others hit space that nothing uses, or a text that has no checksum
		t.Errorf("%d of 60 damaged files were found out", found)
	}
}
