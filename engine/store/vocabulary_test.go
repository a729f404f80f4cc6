package store_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func TestACursorIsReadBack(t *testing.T) {
	t.Parallel()
	for _, place := range []int64{0, 1, 255, 1 << 40, math.MaxInt64} {
		got, err := store.ParseCursor(store.FormatCursor(place))
		if err != nil || got != place {
			t.Errorf("%d came back as %d, %v", place, got, err)
		}
	}
	if got, err := store.ParseCursor(""); got != 0 || err != nil {
		t.Errorf(`"" gave %d, %v, want 0`, got, err)
	}
	for _, bad := range []string{"a", "AAAAAAAAAAA=", "________-_8", "AAAAAAAAAA", "AAAAAAAAAAAA"} {
		if got, err := store.ParseCursor(bad); !errors.Is(err, store.ErrBadCursor) {
			t.Errorf("%q gave %d, %v, want %v", bad, got, err, store.ErrBadCursor)
		}
	}
}

func TestAPageHasItsBounds(t *testing.T) {
	t.Parallel()
	for asked, want := range map[int]int{-1: 50, 0: 50, 1: 1, 1000: 1000, 1001: 1000} {
		if got := store.PageSize(asked); got != want {
			t.Errorf("asked for %d: got %d, want %d", asked, got, want)
		}
	}
}

func TestIDsFollowTheTimeAndNeverFallBack(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 999_999, time.UTC)
	first := event.NewID(now, 0)
	for _, c := range []struct{ last, want event.ID }{
		{0, first}, {first - 1, first}, {first, first + 1}, {first + 1<<30, first + 1<<30 + 1},
	} {
		if got := store.NextID(now, c.last); got != c.want {
			t.Errorf("after %s: got %s, want %s", c.last, got, c.want)
		}
	}
}

func TestEventsAreSeenFromAndUntilAMillisecond(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 5_000_000, time.UTC)
	e := event.Event{ID: event.NewID(at, 7), State: event.Routed}
	for _, c := range []struct {
		q    store.EventQuery
		want bool
	}{
		{store.EventQuery{}, true},
		{store.EventQuery{Since: at}, true},
		{store.EventQuery{Since: at.Add(1)}, false},
		{store.EventQuery{Until: at}, false},
		{store.EventQuery{Until: at.Add(time.Millisecond)}, true},
		{store.EventQuery{Status: store.StatusProcessed}, true},
		{store.EventQuery{Status: "accepted"}, false},
		{store.EventQuery{Provider: "acme"}, false},
	} {
		if got := c.q.Matches(&e); got != c.want {
			t.Errorf("%+v: got %t, want %t", c.q, got, c.want)
		}
	}
}

func TestOnlyAHookHasAnAttempt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		task run.Task
		want bool
	}{
		{run.Task{Kind: run.TaskStep, Path: "Tell", Gate: "slack"}, true},
		{run.Task{Kind: run.TaskStep, Path: "", Gate: "@p"}, false},
		{run.Task{Kind: run.TaskStep, Path: "Tell", Gate: "@p"}, false},
		{run.Task{Kind: run.TaskTimer, Path: "Wait", Gate: "slack"}, false},
		{run.Task{Kind: run.TaskRoute, Gate: run.RouteGate}, false},
	} {
		if got := store.HasAttempt(&c.task); got != c.want {
			t.Errorf("%+v: got %t, want %t", c.task, got, c.want)
		}
	}
}
