package signature

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/headgate/headgate/engine/source"
)

// DefaultTolerance is how far a timestamp may lie from our clock: the five minutes that most senders sign for.
const DefaultTolerance = 5 * time.Minute

// stamp is a compiled timestamp rule.
type stamp struct {
	from      *Template
	unit      unit
	tolerance time.Duration
	span      source.Span
}

// unit is one way to write a point in time.
type unit struct {
	name string
	doc  string
	// numeric says that in JSON it is a number, where nothing says otherwise.
	numeric bool
	// parse refuses what is not exactly such a text.
	parse  func(text string) (time.Time, error)
	format func(t time.Time) string
}

// units is the whole list.
func units() []unit {
	return []unit{
		{
			"s", "seconds since 1970", true,
			func(text string) (time.Time, error) {
				n, err := digits(text)
				return time.Unix(n, 0), err
			},
			func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) },
		},
		{
			"ms", "milliseconds since 1970", true,
			func(text string) (time.Time, error) {
				n, err := digits(text)
				return time.UnixMilli(n), err
			},
			func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) },
		},
		{
			"rfc3339", "RFC 3339, such as 2026-01-02T15:04:05Z", false,
			func(text string) (time.Time, error) {
				t, err := time.Parse(time.RFC3339, text)
				if err != nil { // some senders leave out the zone, and mean UTC
					t, err = time.Parse("2006-01-02T15:04:05", text)
				}
				return t, err //nolint:wrapcheck // judge says in its own words what is wrong
			},
			func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		},
		{
			"http-date", "an HTTP date, such as Fri, 02 Jan 2026 15:04:05 GMT", false,
			http.ParseTime,
			func(t time.Time) string { return t.UTC().Format(http.TimeFormat) },
		},
	}
}

// Units gives the words of `unit` with what they mean, in the order in which the documentation tells them.
func Units() [][2]string {
	var out [][2]string
	for _, u := range units() {
		out = append(out, [2]string{u.name, u.doc})
	}
	return out
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

// other says which unit a timestamp is written in instead, "" where that cannot be told.
func (s *stamp) other(text string, now time.Time) string {
	for _, u := range units() {
		if at, err := u.parse(text); err == nil && u.name != s.unit.name && now.Sub(at).Abs() < 24*time.Hour {
			return fmt.Sprintf("; it looks like %s (`unit: %s`)", u.doc, u.name)
		}
	}
	return ""
}

// judge says why a timestamp whose signature held refuses the request, or gives nil.
func (s *stamp) judge(text string, now time.Time) *Refusal {
	at, err := s.unit.parse(text)
	if err != nil {
		return &Refusal{Class: InvalidSignature, Detail: "the timestamp is not written as " + s.unit.doc + s.other(text, now)}
	}
	off := now.Sub(at)
	if off <= s.tolerance && off >= -s.tolerance {
		return nil
	}
	if other := s.other(text, now); other != "" {
		return &Refusal{Class: StaleTimestamp, Detail: "the timestamp is not written as " + s.unit.doc + other}
	}
	where := "past"
	if off < 0 {
		where = "future"
	}
	return &Refusal{Class: StaleTimestamp, Detail: fmt.Sprintf("the timestamp lies %d s in the %s, %d s are allowed", int64(off.Abs()/time.Second), where, int64(s.tolerance/time.Second))}
}
