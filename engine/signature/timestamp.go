package signature

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// DefaultTolerance is how far a timestamp may lie from our clock: the five minutes that most senders sign for.
const DefaultTolerance = 5 * time.Minute

// stamp is a compiled timestamp rule.
type stamp struct {
	from      *Template
	unit      unit
	tolerance time.Duration
}

// unit is one way to write a point in time.
type unit struct {
	name string
	doc  string
	// parse refuses what is not exactly such a text.
	parse  func(text string) (time.Time, error)
	format func(t time.Time) string
}

// units is the whole list.
func units() []unit {
	return []unit{
		{
			"s", "seconds since 1970",
			func(text string) (time.Time, error) {
				n, err := digits(text)
				return time.Unix(n, 0), err
			},
			func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) },
		},
		{
			"ms", "milliseconds since 1970",
			func(text string) (time.Time, error) {
				n, err := digits(text)
				return time.UnixMilli(n), err
			},
			func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) },
		},
		{
			"rfc3339", "RFC 3339, such as 2026-01-02T15:04:05Z",
			func(text string) (time.Time, error) { return time.Parse(time.RFC3339, text) },
			func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		},
	}
}

// digits reads a plain count: no sign, no fraction, and not so large that the time it stands for would wrap around.
func digits(text string) (int64, error) {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, strconv.ErrSyntax
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil && n > math.MaxInt64/1_000_000 {
		return 0, strconv.ErrRange
	}
	return n, err
}

// judge says why a timestamp whose signature held refuses the request, or gives nil.
func (s *stamp) judge(text string, now time.Time) *Refusal {
	at, err := s.unit.parse(text)
	if err != nil {
		return &Refusal{Class: InvalidSignature, Detail: "the timestamp is not written as " + s.unit.doc}
	}
	off := now.Sub(at)
	if off > s.tolerance || off < -s.tolerance {
		return &Refusal{Class: StaleTimestamp, Detail: fmt.Sprintf("the timestamp is %s off, %s are allowed", off.Abs().Round(time.Second), s.tolerance)}
	}
	return nil
}
