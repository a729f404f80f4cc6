package hooks

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// schedule gives all delays of a policy for one kind of failure.
func schedule(p Policy, o Outcome, seed uint64) []time.Duration {
	var delays []time.Duration
	for n := 1; ; n++ {
		d, again := p.For(o).Next(n, 0, seed)
		if !again {
			return delays
		}
		delays = append(delays, d)
	}
}

func TestDefaultScheduleIsThatOfStandardWebhooks(t *testing.T) {
	t.Parallel()
	p := DefaultPolicy()
	want := []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
	if got := p.Delays(); !slices.Equal(got, want) {
		t.Errorf("got delays %v, want %v", got, want)
	}
	if got, want := p.Total(), 75*time.Hour+35*time.Minute+5*time.Second; got != want {
		t.Errorf("got %v in all, want %v", got, want)
	}
	if p.Attempts() != 10 {
		t.Errorf("got %d attempts, want 10", p.Attempts())
	}
	at := time.Duration(0)
	t.Logf("attempt  1 at %v", at)
	for i, d := range p.Delays() {
		at += d
		t.Logf("attempt %2d at %v, %v after the one before", i+2, at, d)
	}

	for _, class := range []Class{Temporary, Unknown} {
		for seed := range uint64(500) {
			delays := schedule(p, Outcome{Class: class, Status: 503}, seed)
			if len(delays) != 9 {
				t.Fatalf("class %v, seed %d: got %d delays, want 9", class, seed, len(delays))
			}
			for i, d := range delays {
				if low, high := want[i]*8/10, want[i]*12/10; d < low || d > high {
					t.Fatalf("seed %d, delay %d: got %v, want %v to %v", seed, i+1, d, low, high)
				}
			}
		}
	}
}

func TestDelaysAreExactForASeedAndDifferBetweenSeeds(t *testing.T) {
	t.Parallel()
	p := DefaultPolicy()
	if a, b := schedule(p, Outcome{Class: Temporary}, 7), schedule(p, Outcome{Class: Temporary}, 7); !slices.Equal(a, b) {
		t.Errorf("one seed gave %v and %v", a, b)
	}
	if got, want := schedule(p, Outcome{Class: Temporary}, 1)[:3], "[5.133s 5m29.494s 35m39.122s]"; fmt.Sprint(got) != want {
		t.Errorf("seed 1: got %v, want %s: schedules of waiting tasks have changed", got, want)
	}
	var sum time.Duration
	seen := make(map[time.Duration]bool)
	const seeds = 2000
	for seed := range uint64(seeds) {
		d, _ := p.Next(2, 0, seed)
		sum += d
		seen[d] = true
	}
	if len(seen) < seeds*9/10 {
		t.Errorf("got %d different delays from %d seeds", len(seen), seeds)
	}
	if mean := sum / seeds; mean < 295*time.Second || mean > 305*time.Second {
		t.Errorf("got %v as mean, want about 5m", mean)
	}
}

func TestAnswersThatStayAreTriedFourTimes(t *testing.T) {
	t.Parallel()
	for _, status := range []int{300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 405, 409, 418, 422, 451} {
		delays := schedule(DefaultPolicy(), Outcome{Class: Classify(status), Status: status}, 3)
		if len(delays) != 3 {
			t.Errorf("status %d: got %d delays, want 3", status, len(delays))
		}
	}
	if got, want := ShortPolicy().Total(), 35*time.Minute+5*time.Second; got != want {
		t.Errorf("short: got %v in all, want %v", got, want)
	}
	if got := schedule(ShortPolicy(), Outcome{Class: Temporary, Status: 500}, 1); len(got) != 3 {
		t.Errorf("short: got %v, want 3 delays", got)
	}
}

func TestWhatCannotHealIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	for _, o := range []Outcome{
		{Class: Permanent, Status: 410},
		{Class: Permanent},              // a URL that cannot be sent, an address that may not be reached
		{Class: Permanent, Status: 200}, // a receiver that says no in the body of a 200
		{Class: OK, Status: 200},
	} {
		if d, again := DefaultPolicy().For(o).Next(1, time.Hour, 1); again {
			t.Errorf("%+v: got another attempt after %v, want none", o, d)
		}
	}
}

func TestRetryAfterDelaysButNeverHastens(t *testing.T) {
	t.Parallel()
	p := DefaultPolicy()
	for _, c := range []struct {
		n    int
		wait time.Duration
		want time.Duration // 0: the schedule's own
	}{
		{1, time.Minute, time.Minute},
		{1, time.Second, 0},
		{4, time.Minute, 0},
		{1, 23 * time.Hour, 23 * time.Hour},
		{1, 100 * time.Hour, 24 * time.Hour},
		{1, -time.Hour, 0},
	} {
		plain, _ := p.Next(c.n, 0, 9)
		want := c.want
		if want == 0 {
			want = plain
		}
		if got, again := p.Next(c.n, c.wait, 9); got != want || !again {
			t.Errorf("after attempt %d with Retry-After %v: got %v, %v, want %v", c.n, c.wait, got, again, want)
		}
	}
	if got, again := p.For(Outcome{Class: Permanent, Status: 404}).Next(1, time.Hour, 1); got != time.Hour || !again {
		t.Errorf("404 with Retry-After 1h: got %v, %v, want 1h", got, again)
	}
}

func TestTheFirstAttemptIsMadeAtOnce(t *testing.T) {
	t.Parallel()
	if d, again := DefaultPolicy().Next(0, 0, 1); d != 0 || !again {
		t.Errorf("got %v, %v, want 0, true", d, again)
	}
	if d, again := (Policy{}).Next(1, 0, 1); again {
		t.Errorf("the zero policy: got another attempt after %v, want none", d)
	}
}

func TestExponentialSchedules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		e    Exponential
		want string
	}{
		{Exponential{MaxAttempts: 1, Initial: time.Second, Max: time.Hour, Factor: 2}, "[]"},
		{Exponential{MaxAttempts: 5, Initial: time.Second, Max: time.Hour, Factor: 2}, "[1s 2s 4s 8s]"},
		{Exponential{MaxAttempts: 5, Initial: time.Second, Max: 3 * time.Second, Factor: 2}, "[1s 2s 3s 3s]"},
		{Exponential{MaxAttempts: 4, Initial: time.Minute, Max: time.Minute, Factor: 1}, "[1m0s 1m0s 1m0s]"},
		{Exponential{MaxAttempts: 4, Initial: time.Second, Max: time.Hour, Factor: 1.5}, "[1s 1.5s 2.25s]"},
	} {
		p, err := ExponentialPolicy(c.e)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(schedule(p, Outcome{Class: Temporary}, 1)); got != c.want {
			t.Errorf("%+v: got %s, want %s", c.e, got, c.want)
		}
		if p.Attempts() != c.e.MaxAttempts {
			t.Errorf("%+v: got %d attempts", c.e, p.Attempts())
		}
	}
	p, err := ExponentialPolicy(Exponential{MaxAttempts: MaxAttempts, Initial: time.Hour, Max: 24 * time.Hour, Factor: 1e300, Jitter: 1})
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range schedule(p, Outcome{Class: Temporary}, 5) {
		if d < 0 || d > 48*time.Hour {
			t.Errorf("delay %d: got %v, want 0 to 48h", i+1, d)
		}
	}
	if got := schedule(p, Outcome{Class: Permanent, Status: 404}, 5); len(got) != 3 {
		t.Errorf("404 under an own schedule: got %d delays, want 3", len(got))
	}
}

func TestListedSchedules(t *testing.T) {
	t.Parallel()
	p, err := ListPolicy([]time.Duration{0, 5 * time.Second, 5 * time.Minute}, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(p.Delays(), p.Attempts(), p.Total()); got != "[5s 5m0s] 3 5m5s" {
		t.Errorf("got %s", got)
	}
	if got := schedule(p, Outcome{Class: Permanent, Status: 404}, 1); len(got) != 2 {
		t.Errorf("404: got %v, want 2 delays", got)
	}
}

func TestSchedulesThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	good := Exponential{MaxAttempts: 3, Initial: time.Second, Max: time.Minute, Factor: 2, Jitter: 0.2}
	for want, change := range map[string]func(*Exponential){
		"max_attempts": func(e *Exponential) { e.MaxAttempts = 0 },
		"to 100":       func(e *Exponential) { e.MaxAttempts = 101 },
		"initial":      func(e *Exponential) { e.Initial = 0 },
		"max is":       func(e *Exponential) { e.Max = time.Millisecond },
		"factor":       func(e *Exponential) { e.Factor = 0.5 },
		"jitter":       func(e *Exponential) { e.Jitter = 1.5 },
	} {
		e := good
		change(&e)
		if _, err := ExponentialPolicy(e); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want an error with %q", e, err, want)
		}
	}
	for want, list := range map[string][]time.Duration{
		"at least its first": nil,
		"is 0s":              {time.Second},
		"negative":           {0, -time.Second},
		"more than 100":      make([]time.Duration, 101),
	} {
		if _, err := ListPolicy(list, 0.2); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want an error with %q", list, err, want)
		}
	}
	for _, jitter := range []float64{-0.1, 1.1, math.NaN()} {
		if _, err := ListPolicy([]time.Duration{0}, jitter); err == nil || !strings.Contains(err.Error(), "jitter") {
			t.Errorf("jitter %v: got %v, want an error", jitter, err)
		}
	}
}

func TestOutcomeOfAnError(t *testing.T) {
	t.Parallel()
	if got := OutcomeOf(nil); got != (Outcome{}) {
		t.Errorf("nil: got %+v", got)
	}
	if got := OutcomeOf(errors.New("what is this")); got != (Outcome{Class: Temporary}) {
		t.Errorf("unknown error: got %+v, want temporary", got)
	}
	err := fmt.Errorf("step: %w", answered(Temporary, 503, time.Minute))
	if got, want := OutcomeOf(err), (Outcome{Class: Temporary, Status: 503}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
