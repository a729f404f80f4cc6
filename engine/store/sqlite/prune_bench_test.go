package sqlite_test

import (
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/sqlite"
)

// fill writes n events that are 40 days old, each with a body and a run in a state (1 done, 2 parked), as fast as SQLite can.
func fill(b *testing.B, s *sqlite.Store, n, state, bodyBytes int) {
	b.Helper()
	old := time.Now().Add(-40 * 24 * time.Hour)
	first, at := int64(event.NewID(old, 0)), old.UnixNano()
	outcome, term := 1, "completed"
	if state == 2 {
		outcome, term = 0, "parked"
	}
	numbers := fmt.Sprintf("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) ", n)
	for _, sql := range []string{
		"INSERT OR IGNORE INTO names (id, name) VALUES (900, 'p'), (901, '')",
		numbers + fmt.Sprintf("INSERT INTO events (id, provider, name, state, received, duplicates, routes, size, crc) SELECT %d + i, 900, 900, 1, %d, 0, 901, %d, %d FROM n", first, at, bodyBytes,
			crc32.Checksum(make([]byte, bodyBytes), crc32.MakeTable(crc32.Castagnoli))),
		numbers + fmt.Sprintf("INSERT INTO bodies (event, info, body) SELECT %d + i, CAST('{}' AS BLOB), zeroblob(%d) FROM n", first, bodyBytes),
		numbers + fmt.Sprintf(`INSERT INTO runs (id, event, key, pipeline, revision, state, outcome, version, round, now, created, finished, additions, reason, message, info)
			SELECT i, %d + i, 7, 900, 901, %d, %d, 1, 0, %d, %d, %d, 1, '', '', CAST('{}' AS BLOB) FROM n`, first, state, outcome, at, at, at),
		numbers + `INSERT INTO additions (id, doc) SELECT i * 16777216, CAST('{"steps":[],"attempts":[{"path":"A","n":1,"outcome":"ok"}]}' AS BLOB) FROM n`,
		fmt.Sprintf(`INSERT INTO ledger (term, pipeline, n) VALUES ('requests.recorded', '', %d), ('requests.processed', '', %d), ('bodies.bytes', '', %d), ('made', 'p', %d), ('%s', 'p', %d)
			ON CONFLICT DO UPDATE SET n = n + excluded.n`, n, n, n*bodyBytes, n, term, n),
		fmt.Sprintf("INSERT INTO uses (digest, n) VALUES (901, %d) ON CONFLICT DO UPDATE SET n = n + excluded.n", 2*n),
	} {
		if err := s.Exec(b.Context(), sql); err != nil {
			b.Fatal(err)
		}
	}
}

func stoppable(b *testing.B) *sqlite.Store {
	b.Helper()
	s := open(b, sqlite.Options{Path: filepath.Join(b.TempDir(), "headgate.db")})
	if err := s.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	return s
}

// again stops a store and opens it anew, so that what was written before is out of the way.
func again(b *testing.B, s *sqlite.Store) *sqlite.Store {
	b.Helper()
	if err := s.Stop(b.Context()); err != nil {
		b.Fatal(err)
	}
	syscall.Sync()
	s = open(b, sqlite.Options{Path: s.Info().Path})
	if err := s.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	return s
}

// quantile gives a quantile of durations, and sorts them.
func quantile(all []time.Duration, q float64) time.Duration {
	slices.Sort(all)
	return all[min(int(q*float64(len(all))), len(all)-1)]
}

// BenchmarkPruneOfWhatMustStay calls Prune over and over with a million parked runs that may not go.
func BenchmarkPruneOfWhatMustStay(b *testing.B) {
	s := stoppable(b)
	fill(b, s, 1_000_000, 2, 200)
	policy := store.Policy{Events: 30 * 24 * time.Hour, Parked: 90 * 24 * time.Hour, MaxEvents: 10_000_000}
	for _, p := range []struct {
		name   string
		policy store.Policy
	}{
		{"age", policy},
		{"too many", store.Policy{Events: 30 * 24 * time.Hour, Parked: 90 * 24 * time.Hour, MaxEvents: 1000}},
		{"all", store.Policy{
			Events: 30 * 24 * time.Hour, Parked: 90 * 24 * time.Hour, Runs: time.Hour, Attempts: time.Hour, Bodies: time.Hour, MaxEvents: 10_000_000,
		}},
	} {
		b.Run(p.name, func(b *testing.B) {
			first := time.Now()
			calls := 0
			for more := true; more; calls++ {
				n, err := s.Prune(b.Context(), p.policy, 100)
				if err != nil {
					b.Fatal(err)
				}
				more = n.More
			}
			b.Logf("the first look took %d calls, %s together", calls, time.Since(first).Round(time.Millisecond))
			var took []time.Duration
			for b.Loop() {
				from := time.Now()
				if n, err := s.Prune(b.Context(), p.policy, 100); err != nil || n != (store.Pruned{}) {
					b.Fatal(n, err)
				}
				took = append(took, time.Since(from))
			}
			b.ReportMetric(float64(quantile(took, 0.5).Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(quantile(took, 0.99).Microseconds())/1000, "p99-ms")
		})
	}
	if err := s.Stop(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkAcceptWhilePruning appends with 64 senders, at a tenth of what the store takes, for some seconds without and then with a Prune that never
// ends beside them, and reports how long they waited.
func BenchmarkAcceptWhilePruning(b *testing.B) {
	for range b.N {
		s := stoppable(b)
		fill(b, s, 400_000, 1, 2000)
		s = again(b, s)
		accept(b, s, time.Second)
		quiet := accept(b, s, 8*time.Second)
		pruning, stopped := make(chan struct{}), make(chan struct{})
		var pruned atomic.Int64
		var calls []time.Duration
		go func() {
			defer close(stopped)
			for {
				select {
				case <-pruning:
					return
				default:
				}
				from := time.Now()
				n, err := s.Prune(b.Context(), store.Policy{Events: 30 * 24 * time.Hour}, 100)
				if err != nil {
					b.Error(err)
					return
				}
				pruned.Add(int64(n.Events))
				calls = append(calls, time.Since(from))
				<-time.After(max(time.Since(from), 5*time.Millisecond))
			}
		}()
		from := time.Now()
		busy := accept(b, s, 8*time.Second)
		rate := float64(pruned.Load()) / time.Since(from).Seconds()
		close(pruning)
		<-stopped
		for _, r := range []struct {
			name string
			took []time.Duration
		}{{"quiet", quiet}, {"pruning", busy}} {
			b.ReportMetric(float64(quantile(r.took, 0.5).Microseconds())/1000, r.name+"-p50-ms")
			b.ReportMetric(float64(quantile(r.took, 0.99).Microseconds())/1000, r.name+"-p99-ms")
			b.ReportMetric(float64(quantile(r.took, 0.999).Microseconds())/1000, r.name+"-p99.9-ms")
			b.ReportMetric(float64(len(r.took))/8, r.name+"-accepts/s")
		}
		b.ReportMetric(float64(quantile(calls, 0.5).Microseconds())/1000, "call-p50-ms")
		b.ReportMetric(float64(quantile(calls, 0.99).Microseconds())/1000, "call-p99-ms")
		b.ReportMetric(rate, "pruned/s")
		if err := s.Stop(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// accept appends events of 2 KB from 64 senders, each of which sends one every 40 ms.
func accept(b *testing.B, s *sqlite.Store, during time.Duration) (took []time.Duration) {
	b.Helper()
	var mu sync.Mutex
	var senders sync.WaitGroup
	end := time.After(during)
	done := make(chan struct{})
	for i := range 64 {
		senders.Go(func() {
			tick := time.NewTicker(40 * time.Millisecond)
			defer tick.Stop()
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				case <-tick.C:
				}
				from := time.Now()
				if _, err := s.Append(b.Context(), []store.Arrival{{
					Event: event.Event{Provider: "acme", Name: "order", Delivery: fmt.Sprint(i, "-", n, from.UnixNano()), Body: make([]byte, 2000), State: event.Ignored}, Window: time.Hour,
				}}); err != nil {
					b.Error(err)
					return
				}
				mu.Lock()
				took = append(took, time.Since(from))
				mu.Unlock()
			}
		})
	}
	<-end
	close(done)
	senders.Wait()
	return took
}

// verifyEvents is how many are verified.
const verifyEvents = 1_000_000

// BenchmarkVerify verifies a million events.
func BenchmarkVerify(b *testing.B) {
	s := stoppable(b)
	fill(b, s, verifyEvents, 1, 1000)
	if err := s.Stop(b.Context()); err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(s.Info().Path)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		v, err := sqlite.Verify(b.Context(), sqlite.VerifyOptions{Path: s.Info().Path, Max: 3})
		if err != nil {
			b.Fatal(err)
		}
		b.Logf("%d bodies, %d attempts, %d MB, %d findings, in %s", v.Bodies, v.Attempts, info.Size()>>20, v.Found, v.Took.Round(time.Millisecond))
	}
}
