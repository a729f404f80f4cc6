package telemetry_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/telemetry"
)

// account is a store that says what it is told to.
type account struct {
	due    store.Due
	ledger store.Ledger
	info   store.Info
	usage  store.Usage
	gates  []store.GateView
	jobs   []store.Job
	err    error
}

func (a *account) Due(context.Context) (store.Due, error)       { return a.due, a.err }
func (a *account) Ledger(context.Context) (store.Ledger, error) { return a.ledger, a.err }
func (a *account) Info() store.Info                             { return a.info }
func (a *account) Usage(context.Context) (store.Usage, error)   { return a.usage, a.err }
func (a *account) Gates(context.Context) ([]store.GateView, error) {
	return a.gates, a.err
}

func (a *account) JobCounts(context.Context) (map[store.JobState]int, error) {
	counts := map[store.JobState]int{}
	for i := range a.jobs {
		counts[a.jobs[i].State]++
	}
	return counts, a.err
}

func newMetrics(t testing.TB, a *account) *telemetry.Metrics {
	t.Helper()
	m, err := telemetry.New(telemetry.Options{Store: a, Version: "v1.2.3", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func scrape(t testing.TB, m *telemetry.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("scrape: status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// wantLines checks that the scrape holds each of the lines; a leading ! means that it must not.
func wantLines(t *testing.T, got string, lines ...string) {
	t.Helper()
	have := map[string]bool{}
	for line := range strings.Lines(got) {
		have[strings.TrimSuffix(line, "\n")] = true
	}
	for _, line := range lines {
		unwanted, not := strings.CutPrefix(line, "!")
		if have[unwanted] == not {
			t.Errorf("line %q: in the scrape %t, want %t; the scrape has\n%s", unwanted, !not != have[line], !not, headgate(got))
		}
	}
}

// headgate gives the lines of our own metrics without their help.
func headgate(scrape string) string {
	var b strings.Builder
	for line := range strings.Lines(scrape) {
		if strings.HasPrefix(line, "headgate_") && !strings.Contains(line, "_bucket{") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func TestEveryObservationIsSeenInAScrape(t *testing.T) {
	t.Parallel()
	m := newMetrics(t, &account{
		due:  store.Due{Oldest: 90 * time.Second},
		info: store.Info{Warning: "the file lies on tmpfs"},
		ledger: store.Ledger{Runs: map[string]store.RunTerms{
			"a": {Open: 1, Completed: 2, Filtered: 3, Limited: 4, Parked: 5, Dropped: 6},
			"b": {Open: 10, Completed: 20},
		}},
	})
	m.Request("acme", "processed", 3*time.Millisecond)
	m.Request("acme", "processed", 3*time.Millisecond)
	m.Request("acme", "invalid_signature", time.Millisecond)
	m.Request("", "provider_not_found", time.Millisecond)
	m.Routed("acme", 2*time.Millisecond)
	m.RunEnded("orders", "done", "completed")
	m.RunEnded("orders", "parked", "")
	m.Attempt("ops", "ok", 40*time.Millisecond)
	m.Attempt("ops", "temporary", 30*time.Second)
	m.Commit(17, 4*time.Millisecond)
	m.Reloaded(true, "", "sha256:abc", time.UnixMilli(1_800_000_000_500))

	wantLines(
		t, scrape(t, m),
		`headgate_requests_total{answer="processed",provider="acme"} 2`,
		`headgate_requests_total{answer="invalid_signature",provider="acme"} 1`,
		`headgate_requests_total{answer="provider_not_found",provider=""} 1`,
		`headgate_request_duration_seconds_count 4`,
		`headgate_request_duration_seconds_bucket{le="0.0025"} 2`,
		`headgate_routed_total{provider="acme"} 1`,
		`headgate_route_duration_seconds_count 1`,
		`headgate_runs_total{outcome="completed",pipeline="orders",state="done"} 1`,
		`headgate_runs_total{outcome="",pipeline="orders",state="parked"} 1`,
		`headgate_attempts_total{class="ok",destination="ops"} 1`,
		`headgate_attempts_total{class="temporary",destination="ops"} 1`,
		`headgate_attempt_duration_seconds_count 2`,
		`headgate_commit_duration_seconds_count 1`,
		`headgate_commit_events_sum 17`,
		`headgate_manifest_last_reload_success 1`,
		`headgate_manifest_last_reload_success_timestamp_seconds 1.8000000005e+09`,
		`headgate_manifest_reload_total{reason="",result="ok"} 1`,
		`headgate_manifest_revision_info{digest="sha256:abc"} 1`,
		`headgate_manifest_held 0`,
		`headgate_oldest_due_seconds 90`,
		`headgate_runs{state="open"} 11`,
		`headgate_runs{state="completed"} 22`,
		`headgate_runs{state="filtered"} 3`,
		`headgate_runs{state="limited"} 4`,
		`headgate_runs{state="parked"} 5`,
		`headgate_runs{state="dropped"} 6`,
		`headgate_store_durability_warning 1`,
	)
	if got := scrape(t, m); !strings.Contains(got, `headgate_build_info{goversion="go1.`) || !strings.Contains(got, `version="v1.2.3"} 1`) {
		t.Errorf("no build_info in\n%s", headgate(got))
	}
}

func TestAFailedReloadKeepsTheDigestAndTheTimeOfTheLastSuccess(t *testing.T) {
	t.Parallel()
	m := newMetrics(t, &account{})
	m.Reloaded(true, "", "one", time.Unix(1000, 0))
	m.Reloaded(true, "", "two", time.Unix(2000, 0))
	m.Reloaded(false, "findings", "", time.Unix(3000, 0))
	wantLines(
		t, scrape(t, m),
		`headgate_manifest_last_reload_success 0`,
		`headgate_manifest_last_reload_success_timestamp_seconds 2000`,
		`headgate_manifest_revision_info{digest="two"} 1`,
		`!headgate_manifest_revision_info{digest="one"} 1`,
		`headgate_manifest_reload_total{reason="",result="ok"} 2`,
		`headgate_manifest_reload_total{reason="findings",result="failed"} 1`,
		`headgate_manifest_held 0`,
	)
	m.Reloaded(false, "held", "", time.Unix(4000, 0))
	wantLines(t, scrape(t, m), `headgate_manifest_held 1`)
	m.Reloaded(true, "", "two", time.Unix(5000, 0))
	wantLines(t, scrape(t, m), `headgate_manifest_held 0`, `headgate_manifest_last_reload_success 1`)
}

func TestAStuckStoreHidesOnlyItsOwnMetrics(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	m, err := telemetry.New(telemetry.Options{
		Store:  &account{err: errors.New("disk I/O error")},
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	m.Request("acme", "store_unavailable", time.Second)
	got := scrape(t, m)
	wantLines(t, got, `headgate_requests_total{answer="store_unavailable",provider="acme"} 1`, `headgate_store_durability_warning 0`)
	if strings.Contains(got, "headgate_runs{") || strings.Contains(got, "headgate_oldest_due_seconds ") {
		t.Errorf("a store that fails still has figures:\n%s", headgate(got))
	}
	if !strings.Contains(log.String(), "disk I/O error") {
		t.Errorf("the log does not say why: %s", log.String())
	}
}

func TestLabelsThatStrangersChooseAreBounded(t *testing.T) {
	t.Parallel()
	m := newMetrics(t, &account{})
	for i := range 1500 {
		m.Request(fmt.Sprintf("p%04d", i), "processed", 0)
	}
	got := scrape(t, m)
	if n := strings.Count(got, "\nheadgate_requests_total{"); n != 1001 {
		t.Errorf("1500 providers made %d series, want 1000 and one for the others", n)
	}
	wantLines(
		t, got,
		`headgate_requests_total{answer="processed",provider="p0000"} 1`,
		`headgate_requests_total{answer="processed",provider="other"} 500`,
	)
	m.Request("p0000", "duplicate", 0)
	m.Request("p1499", "duplicate", 0)
	wantLines(
		t, scrape(t, m),
		`headgate_requests_total{answer="duplicate",provider="p0000"} 1`,
		`headgate_requests_total{answer="duplicate",provider="other"} 1`,
	)
}

func TestTwoEnginesDoNotMixTheirMetrics(t *testing.T) {
	t.Parallel()
	one, two := newMetrics(t, &account{}), newMetrics(t, &account{})
	one.Request("acme", "processed", 0)
	wantLines(t, scrape(t, two), `!headgate_requests_total{answer="processed",provider="acme"} 1`)
}

func TestCountingFromManyGoroutinesLosesNothing(t *testing.T) {
	t.Parallel()
	m := newMetrics(t, &account{})
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 200 {
				m.Request(fmt.Sprint("p", i%20), "processed", time.Millisecond)
				m.Attempt("ops", "ok", time.Millisecond)
				m.Reloaded(true, "", fmt.Sprint(g, i%3), time.Unix(1, 0))
			}
		})
	}
	all.Go(func() {
		for range 5 {
			scrape(t, m)
		}
	})
	all.Wait()
	got := scrape(t, m)
	wantLines(t, got, `headgate_attempts_total{class="ok",destination="ops"} 1600`)
	for i := range 20 {
		wantLines(t, got, fmt.Sprintf(`headgate_requests_total{answer="processed",provider="p%d"} 80`, i))
	}
	if n := strings.Count(got, "\nheadgate_manifest_revision_info{"); n != 1 {
		t.Errorf("%d running digests, want 1", n)
	}
}

func TestCountingAKnownRequestAllocatesNothing(t *testing.T) {
	// Not parallel: AllocsPerRun counts the allocations of all goroutines.
	m := newMetrics(t, &account{})
	m.Request("acme", "processed", time.Millisecond)
	m.RunEnded("orders", "done", "completed")
	got := testing.AllocsPerRun(100, func() {
		m.Request("acme", "processed", time.Millisecond)
		m.RunEnded("orders", "done", "completed")
	})
	if got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	rows := []struct {
		options telemetry.Options
		want    string
	}{
		{telemetry.Options{Logger: slog.New(slog.DiscardHandler)}, "Store"},
		{telemetry.Options{Store: &account{}}, "Logger"},
	}
	for _, r := range rows {
		if _, err := telemetry.New(r.options); err == nil || !strings.Contains(err.Error(), r.want) {
			t.Errorf("got %v, want an error that names %s", err, r.want)
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	m := newMetrics(b, &account{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Request("acme", "processed", time.Millisecond)
		}
	})
}
