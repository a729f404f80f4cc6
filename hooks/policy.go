package hooks

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// MaxAttempts bounds what a Policy may be asked for.
const MaxAttempts = 100

// Policy is a schedule of attempts: a pure value that says, after n attempts, whether there is another and when. It measures no
// time and keeps no count. For narrows it to what an outcome deserves. The zero Policy makes one attempt.
type Policy struct {
	delays []time.Duration // delays[i] stands between attempts i+1 and i+2
	short  []time.Duration // the same, for answers that will probably stay what they are
	jitter float64
}

// shortAttempts are made where the receiver answers 3xx or a 4xx that names no passing state: a receiver in the middle of a
// deployment answers 404 for some minutes, so never trying again would lose what trying for three days would only delay.
const shortAttempts = 4

// DefaultPolicy is the example of Standard Webhooks: ten attempts over 75 h 35 m 5 s, each delay times 0.8 to 1.2; after other
// 4xx and 3xx answers ShortPolicy's four.
func DefaultPolicy() Policy {
	return Policy{
		delays: []time.Duration{
			5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
		},
		short:  ShortPolicy().delays,
		jitter: 0.2,
	}
}

// ShortPolicy is four attempts over 35 m 5 s: 0, 5 s, 5 m, 30 m.
func ShortPolicy() Policy {
	delays := []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute}
	return Policy{delays: delays, short: delays, jitter: 0.2}
}

// ListPolicy makes a Policy of the delay before each attempt, each times 1-jitter to 1+jitter. The first must be 0, for the first
// attempt is made at once.
func ListPolicy(delays []time.Duration, jitter float64) (Policy, error) {
	switch {
	case !(jitter >= 0 && jitter <= 1):
		return Policy{}, errors.New("jitter is from 0 to 1")
	case len(delays) == 0:
		return Policy{}, errors.New("a list of delays needs at least its first, 0s")
	case delays[0] != 0:
		return Policy{}, errors.New("the first delay stands for the first attempt and is 0s")
	case len(delays) > MaxAttempts:
		return Policy{}, fmt.Errorf("%d attempts are more than %d", len(delays), MaxAttempts)
	case slices.Min(delays) < 0:
		return Policy{}, errors.New("a delay is negative")
	}
	return newPolicy(slices.Clone(delays[1:]), jitter), nil
}

// Exponential describes a schedule whose delays grow: Initial, Initial x Factor, Initial x Factor^2, … up to Max, each times
// 1-Jitter to 1+Jitter.
type Exponential struct {
	// MaxAttempts counts the first; from 1 to MaxAttempts.
	MaxAttempts int
	Initial     time.Duration
	Max         time.Duration
	// Factor is 1 or more.
	Factor float64
	// Jitter is from 0 to 1.
	Jitter float64
}

// ExponentialPolicy makes a Policy. Its error names the field that is wrong.
func ExponentialPolicy(e Exponential) (Policy, error) {
	switch {
	case e.MaxAttempts < 1 || e.MaxAttempts > MaxAttempts:
		return Policy{}, fmt.Errorf("max_attempts is from 1 to %d", MaxAttempts)
	case e.Initial <= 0:
		return Policy{}, errors.New("initial is more than 0")
	case e.Max < e.Initial:
		return Policy{}, errors.New("max is at least initial")
	case !(e.Factor >= 1) || math.IsInf(e.Factor, 0):
		return Policy{}, errors.New("factor is 1 or more")
	case !(e.Jitter >= 0 && e.Jitter <= 1):
		return Policy{}, errors.New("jitter is from 0 to 1")
	}
	var delays []time.Duration
	for i := range e.MaxAttempts - 1 {
		d := float64(e.Initial) * math.Pow(e.Factor, float64(i))
		if d >= float64(e.Max) { // also where the power is beyond all numbers
			d = float64(e.Max)
		}
		delays = append(delays, time.Duration(d))
	}
	return newPolicy(delays, e.Jitter), nil
}

// newPolicy makes a Policy of somebody's own delays: answers that will probably stay what they are end it after shortAttempts.
func newPolicy(delays []time.Duration, jitter float64) Policy {
	return Policy{delays: delays, short: delays[:min(len(delays), shortAttempts-1)], jitter: jitter}
}

// Outcome is what a Policy has to know of an attempt.
type Outcome struct {
	Class Class
	// Status is the answer's, where one was read.
	Status int
}

// OutcomeOf gives the Outcome of what Deliver returned as error. An error that is no *Error counts as temporary.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return Outcome{}
	}
	var e *Error
	if !errors.As(err, &e) {
		return Outcome{Class: Temporary}
	}
	return Outcome{Class: e.Class, Status: e.Status}
}

// For gives the schedule that an attempt's outcome deserves: all of it after what may pass, its short form after 3xx and 4xx
// that will probably stay what they are, and no further attempt after a success, 410 Gone, and what cannot heal by waiting.
func (p Policy) For(o Outcome) Policy {
	switch {
	case o.Class == Temporary || o.Class == Unknown:
		return p
	case o.Class == Permanent && o.Status >= 300 && o.Status < 500 && o.Status != 410:
		return Policy{delays: p.short, short: p.short, jitter: p.jitter}
	}
	return Policy{}
}

// Next says, after n attempts, whether there is another and how long after the latest. The delay is varied by seed and n alone, so
// the same call gives the same answer; it is never shorter than retryAfter, of which at most MaxRetryAfter counts. Before the
// first attempt (n is 0) it answers 0 and true.
func (p Policy) Next(n int, retryAfter time.Duration, seed uint64) (delay time.Duration, again bool) {
	if n <= 0 {
		return 0, true
	}
	if n > len(p.delays) {
		return 0, false
	}
	delay = p.delays[n-1]
	delay += time.Duration(float64(delay) * p.jitter * (2*unit(seed, n) - 1)).Round(time.Millisecond)
	return max(delay, min(retryAfter, MaxRetryAfter), 0), true
}

// Attempts is the greatest number of attempts.
func (p Policy) Attempts() int { return len(p.delays) + 1 }

// Delays gives the delays between attempts, before they are varied.
func (p Policy) Delays() []time.Duration { return slices.Clone(p.delays) }

// Total is the time from the first to the last attempt, before delays are varied.
func (p Policy) Total() time.Duration {
	var total time.Duration
	for _, d := range p.delays {
		total += d
	}
	return total
}

// unit gives a number from 0 up to 1 that depends on seed and n only (the mixing function of splitmix64).
func unit(seed uint64, n int) float64 {
	x := seed + uint64(n)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return float64((x^x>>31)>>11) / (1 << 53)
}
