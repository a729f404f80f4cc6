package worker

import (
	"testing"
	"time"

	"github.com/headgate/headgate/engine/destination"
)

func breaker() destination.Breaker {
	return destination.Breaker{Failures: 10, Sample: 20, Ratio: 0.5, Window: time.Minute, Pause: 30 * time.Second, MaxPause: 10 * time.Minute}
}

func TestABreakerOpensAfterSoManyFailuresInARow(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	var f failures
	for i := range 9 {
		if f.note(now, breaker(), true) {
			t.Fatalf("it opens at failure %d, want 10", i+1)
		}
		now = now.Add(time.Hour)
	}
	f.note(now, breaker(), false)
	for i := range 10 {
		if got := f.note(now, breaker(), true); got != (i == 9) {
			t.Errorf("behind a success failure %d opens it: %t", i+1, got)
		}
	}
}

func TestABreakerOpensWhereHalfOfManyFail(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		every time.Duration
		fails func(i int) bool
		want  int // at which attempt it opens, 0 for never
	}{
		"every other one":            {time.Second, func(i int) bool { return i%2 == 1 }, 20},
		"every third one":            {time.Second, func(i int) bool { return i%3 == 0 }, 0},
		"too few in the window":      {5 * time.Second, func(i int) bool { return i%2 == 1 }, 0},
		"seldom, then every one but": {time.Second, func(i int) bool { return i > 40 && i%10 != 0 }, 73},
	} {
		now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
		var f failures
		got := 0
		for i := range 200 {
			now = now.Add(tt.every)
			if f.note(now, breaker(), tt.fails(i)) {
				got = i + 1
				break
			}
		}
		if got != tt.want {
			t.Errorf("%s fails: it opens at attempt %d, want %d", name, got, tt.want)
		}
	}
}

func TestABreakerForgetsWhatIsOlderThanItsWindow(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	var f failures
	for i := range 18 { // nine of which fail
		f.note(now, breaker(), i%2 == 0)
	}
	for range 2 {
		if f.note(now.Add(2*time.Minute), breaker(), true) {
			t.Error("it opens because of attempts that are older than its window")
		}
	}
}

func TestAnOpenBreakerWaitsTwiceAsLongEachTime(t *testing.T) {
	t.Parallel()
	want := []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute, 10 * time.Minute}
	for i, want := range want {
		if got := pauseOf(breaker(), i+1); got != want {
			t.Errorf("opened %d times it waits %v, want %v", i+1, got, want)
		}
	}
	if got := pauseOf(breaker(), 100_000); got != 10*time.Minute {
		t.Errorf("it waits %v at last, want 10m", got)
	}
}
