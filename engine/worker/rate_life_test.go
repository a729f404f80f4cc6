package worker_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/worker"
)

// with gives oneHook with another key of its destination.
func with(key string) string { return strings.Replace(oneHook, "url: http", key+"\nurl: http", 1) }

func TestARateIsKeptWithoutSpinning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := &counted{}
		g := live(t, with("rate_limit: {rate: 10/s, burst: 5}"), nil, counting(asked))
		g.start()
		begun := time.Now()
		for range 105 {
			g.event(`{}`)
		}
		synctest.Wait()
		if n := len(g.got("/ops")); n != 5 {
			t.Errorf("at once %d requests are made, want the burst of 5", n)
		}
		<-time.After(5 * time.Second)
		synctest.Wait()
		if n := len(g.got("/ops")); n < 54 || n > 56 {
			t.Errorf("after 5s there are %d requests, want 55", n)
		}
		dues := asked.dues.Load()
		<-time.After(4 * time.Second)
		synctest.Wait()
		if n := asked.dues.Load() - dues; n > 4*10*6 {
			t.Errorf("for 40 requests the store was asked %d times what is due", n)
		}
		<-time.After(2 * time.Second)
		synctest.Wait()
		if n := len(g.got("/ops")); n != 105 {
			t.Errorf("after %v there are %d requests, want all 105", time.Since(begun), n)
		}
		g.stop(time.Minute)
	})
}

func TestARateBindsASteppedWorkerToo(t *testing.T) {
	t.Parallel()
	g := open(t, with("rate_limit: 2/s"), nil)
	for range 7 {
		g.event(`{}`)
	}
	begun := g.clock.time()
	g.finish()
	if took := g.clock.time().Sub(begun); len(g.got("/ops")) != 7 || took < 2400*time.Millisecond || took > 2600*time.Millisecond {
		t.Errorf("%d requests were made in %v, want 7 in 2.5s", len(g.got("/ops")), took)
	}
}

func TestAReceiverThatAsksForTimeIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status int
		header string
		want   time.Duration // until the next request of any run; 0 for at once
	}{
		"429":            {429, "60", time.Minute},
		"503":            {503, "90", 90 * time.Second},
		"429, for long":  {429, "3600", 10 * time.Minute},
		"500":            {500, "60", 0},
		"429, no header": {429, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := true
			g := open(t, with("concurrency: 1"), func(w http.ResponseWriter, _ *http.Request) {
				if first && tt.header != "" {
					w.Header().Set("Retry-After", tt.header)
				}
				if first {
					w.WriteHeader(tt.status)
				}
				first = false
			})
			g.event(`{}`)
			second := g.event(`{}`)
			begun := g.clock.time()
			next := g.turn()
			if tt.want == 0 {
				g.wants(second, run.Done, "completed")
				return
			}
			if n := len(g.got("/ops")); n != 1 || next != tt.want {
				t.Fatalf("%d requests were made, the next one is due in %v; want 1 and %v", n, next, tt.want)
			}
			for g.run(second).Run.State == run.Open {
				g.clock.advance(g.turn())
			}
			if waited := g.run(second).Attempts[0].Started.Sub(begun); waited != tt.want {
				t.Errorf("another run's attempt was made after %v, want %v", waited, tt.want)
			}
			g.finish()
		})
	}
}

func TestAManifestHoldsADestinationBack(t *testing.T) {
	t.Parallel()
	g := open(t, with("hold: true"), nil)
	id := g.event(`{}`)
	if next := g.turn(); next >= 0 || len(g.got("/ops")) != 0 || g.run(id).Tasks[0].N != 0 {
		t.Errorf("held back, %d requests were made; the next look is in %v", len(g.got("/ops")), next)
	}
	g.clock.advance(24 * time.Hour)
	g.turn()
	g.reload(oneHook)
	g.turn()
	g.wants(id, run.Done, "completed")
}

func TestAPausedGateWaitsUntilItIsResumedOrItsTimeIsUp(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ops", "@flow"} {
		g := open(t, oneHook, nil)
		first := g.event(`{}`)
		pause := store.Gate{Name: name, State: store.GatePaused, Until: g.clock.time().Add(2 * time.Hour)}
		if err := g.store.SetGate(t.Context(), pause, store.By{Who: "ann"}); err != nil {
			t.Fatal(err)
		}
		next := g.turn()
		if name == "@flow" { // its events are routed, and its hooks are the destination's
			g.wants(first, run.Done, "completed")
			continue
		}
		if next != 2*time.Hour || len(g.got("/ops")) != 0 {
			t.Errorf("paused, %d requests were made; the next look is in %v, want 2h", len(g.got("/ops")), next)
		}
		g.clock.advance(next)
		g.turn()
		g.wants(first, run.Done, "completed")
	}
}

func TestWhatIsTooOldIsParkedWithoutAnAttempt(t *testing.T) {
	t.Parallel()
	g, ops := toOps(t, strings.Replace(fragile, "concurrency: 1", "concurrency: 1\nmax_age: 1h", 1), 503)
	for range 3 {
		g.event(`{}`)
	}
	g.turn()
	id := g.event(`{}`) // behind an open breaker
	g.turn()
	attempts := len(g.got("/ops"))
	pause := g.gateOf("ops")
	pause.State = store.GatePaused
	if err := g.store.SetGate(t.Context(), pause, store.By{}); err != nil {
		t.Fatal(err)
	}
	g.clock.advance(time.Hour + time.Second)
	pause = g.gateOf("ops")
	pause.State = store.GateOpen
	if err := g.store.SetGate(t.Context(), pause, store.By{}); err != nil {
		t.Fatal(err)
	}
	g.turn()
	rec := g.wants(id, run.Parked, worker.CodeTooOld)
	if len(rec.Attempts) != 0 || len(g.got("/ops")) != attempts || rec.Run.Destination != "ops" {
		t.Errorf("%d attempts were made, for %q", len(rec.Attempts), rec.Run.Destination)
	}
	// Who retries it means it.
	ops.status.Store(200)
	g.retry(id, "r")
	g.finish()
	g.wants(id, run.Done, "completed")
}
