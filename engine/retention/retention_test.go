package retention_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/retention"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/memory"
)

// slow is a store whose Prune takes a while, and notes when it was called.
type slow struct {
	left  int
	takes time.Duration
	calls []time.Time
	err   error
	usage store.Usage
}

func (s *slow) Prune(_ context.Context, _ store.Policy, limit int) (store.Pruned, error) {
	s.calls = append(s.calls, time.Now())
	<-time.After(s.takes)
	n := min(limit, s.left)
	s.left -= n
	return store.Pruned{Events: n, More: s.left > 0}, s.err
}

func (s *slow) Usage(context.Context) (store.Usage, error) { return s.usage, nil }

// sum adds up what it is told.
type sum struct {
	mu sync.Mutex
	n  int
}

func (s *sum) Pruned(n store.Pruned) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n += n.Events
}

// running starts a service; it gives what stops it.
func running(t *testing.T, o retention.Options) func() {
	t.Helper()
	s, err := retention.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := s.Stop(t.Context()); err != nil {
			t.Errorf("Stop: %v", err)
		}
	}
}

func TestEveryStepIsFollowedByAPauseAsLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st, told, began := &slow{left: 350, takes: 20 * time.Millisecond}, &sum{}, time.Now()
		stop := running(t, retention.Options{Store: st, Logger: slog.New(slog.DiscardHandler), Observer: told})
		<-time.After(2*time.Minute + time.Second)
		stop()
		var got []time.Duration
		for _, c := range st.calls {
			got = append(got, c.Sub(began))
		}
		ms := time.Millisecond
		want := []time.Duration{time.Minute, time.Minute + 40*ms, time.Minute + 80*ms, time.Minute + 120*ms, 2*time.Minute + 140*ms}
		if len(got) != len(want) {
			t.Fatalf("pruned at %v, want %v", got, want)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("step %d at %s, want %s", i, got[i], want[i])
			}
		}
		if told.n != 350 {
			t.Errorf("told of %d events, want 350", told.n)
		}
	})
}

func TestWhatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		st := &slow{left: 1000, err: errors.New("disk full")}
		stop := running(t, retention.Options{Store: st, Every: time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		<-time.After(3500 * time.Millisecond)
		stop()
		if len(st.calls) != 3 {
			t.Errorf("%d calls, want one a second", len(st.calls))
		}
		if !strings.Contains(log.String(), "disk full") {
			t.Errorf("logged %s", log.String())
		}
	})
}

func TestALimitThatCannotBeKeptIsToldOnceAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		st := &slow{usage: store.Usage{Events: 11}}
		stop := running(t, retention.Options{Store: st, Policy: store.Policy{MaxEvents: 10}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		<-time.After(90 * time.Minute)
		stop()
		if got := strings.Count(log.String(), "none of it may be deleted"); got != 2 {
			t.Errorf("told %d times in an hour and a half, want 2: %s", got, log.String())
		}
	})
}

func TestAStopEndsTheWaitBetweenSteps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &slow{left: 1 << 30, takes: time.Hour}
		stop := running(t, retention.Options{Store: st, Every: time.Second, Logger: slog.New(slog.DiscardHandler)})
		<-time.After(90 * time.Minute) // in the first pause
		from := time.Now()
		stop()
		if took := time.Since(from); took != 0 || len(st.calls) != 1 {
			t.Errorf("stopping took %s after %d calls, want nothing after 1", took, len(st.calls))
		}
	})
}

func TestOldEventsGoFromARealStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memory.New(memory.Options{})
		if err := st.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 250 {
			if _, err := st.Append(t.Context(), []store.Arrival{{Event: event.Event{State: event.Ignored}}}); err != nil {
				t.Fatal(err)
			}
		}
		stop := running(t, retention.Options{Store: st, Policy: store.Policy{Events: time.Hour}, Logger: slog.New(slog.DiscardHandler)})
		for _, c := range []struct {
			after time.Duration
			want  int64
		}{{59 * time.Minute, 250}, {3 * time.Minute, 0}} {
			<-time.After(c.after)
			if u, err := st.Usage(t.Context()); err != nil || u.Events != c.want {
				t.Errorf("%d events are left, %v, want %d", u.Events, err, c.want)
			}
		}
		stop()
	})
}

func TestMissingOptionsAreNamed(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]retention.Options{
		"Options.Store": {Logger: slog.New(slog.DiscardHandler)}, "Options.Logger": {Store: &slow{}},
	} {
		if _, err := retention.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want one that names %s", err, want)
		}
	}
}
