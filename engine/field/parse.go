package field

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// ParseDuration reads `1h5m`, `3d`, `1d12h`, or a bare number of seconds (`90`, `1.5`). Negative ones are refused.
func ParseDuration(s string) (time.Duration, error) {
	errForm := errors.New("write a duration such as 30s, 1h5m or 3d; a bare number is seconds")
	if s == "" || strings.TrimSpace(s) != s {
		return 0, errForm
	}
	if strings.HasPrefix(s, "-") {
		return 0, errors.New("a duration cannot be negative")
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		if math.IsNaN(f) || f > float64(math.MaxInt64)/float64(time.Second) {
			return 0, errors.New("the duration is too long")
		}
		if !isDigit(s[0]) && s[0] != '.' {
			return 0, errForm
		}
		return time.Duration(math.Round(f * float64(time.Second))), nil
	}
	var days time.Duration
	if before, after, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseInt(before, 10, 64)
		if err != nil || !isDigit(before[0]) {
			return 0, errForm
		}
		if n > int64(math.MaxInt64/day) {
			return 0, errors.New("the duration is too long")
		}
		days = time.Duration(n) * day
		if after == "" {
			return days, nil
		}
		s = after
	}
	d, err := time.ParseDuration(s)
	if err != nil || !isDigit(s[0]) && s[0] != '.' {
		return 0, errForm
	}
	if d > math.MaxInt64-days {
		return 0, errors.New("the duration is too long")
	}
	return days + d, nil
}

// FormatDuration writes a duration as manifests do: `5m`, `1h30m`, `3d`.
func FormatDuration(d time.Duration) string {
	if d >= day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// sizeUnit is a unit of sizes and its count of bytes.
type sizeUnit struct {
	name  string
	bytes int64
}

func sizeUnits() []sizeUnit {
	return []sizeUnit{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}
}

// ParseSize reads `64KiB`, `5MiB`, `1GiB`, `100B`, or a bare number of bytes.
func ParseSize(s string) (int64, error) {
	errForm := errors.New("write a size such as 64KiB or 5MiB; a bare number is bytes")
	number, unit := s, int64(1)
	for _, u := range sizeUnits() {
		if before, ok := strings.CutSuffix(s, u.name); ok {
			number, unit = strings.TrimSpace(before), u.bytes
			break
		}
	}
	if number == "" || !isDigit(number[0]) {
		return 0, errForm
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil {
		if n > math.MaxInt64/unit {
			return 0, errors.New("the size is too large")
		}
		return n * unit, nil
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || unit == 1 {
		lower := strings.ToLower(s)
		for _, u := range []string{"k", "m", "g"} {
			if strings.HasSuffix(lower, u) || strings.HasSuffix(lower, u+"b") {
				return 0, fmt.Errorf("write %siB: sizes are powers of 1024", strings.ToUpper(u))
			}
		}
		return 0, errForm
	}
	if f *= float64(unit); f > math.MaxInt64 {
		return 0, errors.New("the size is too large")
	}
	return int64(math.Round(f)), nil
}

// FormatSize writes a size as manifests do: `64KiB`.
func FormatSize(n int64) string {
	for _, u := range sizeUnits() {
		if n >= u.bytes && n%u.bytes == 0 && u.bytes > 1 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// Set is a set of strings in which `*` means all and `prefix*` all that begin so. The zero Set is empty. It is immutable.
type Set struct {
	all      bool
	exact    map[string]bool
	prefixes []string
}

// ParseSet makes a Set of patterns; a `*` may only stand at the end of one.
func ParseSet(patterns []string) (Set, error) {
	s := Set{exact: make(map[string]bool, len(patterns))}
	for _, p := range patterns {
		prefix, wild := strings.CutSuffix(p, "*")
		switch {
		case p == "":
			return Set{}, errors.New("an empty string is no pattern")
		case strings.Contains(prefix, "*"):
			return Set{}, fmt.Errorf("`%s`: a `*` may only stand at the end", p)
		case p == "*":
			s.all = true
		case wild:
			s.prefixes = append(s.prefixes, prefix)
		default:
			s.exact[p] = true
		}
	}
	return s, nil
}

// Match says whether the set holds name.
func (s Set) Match(name string) bool {
	if s.all || s.exact[name] {
		return true
	}
	for _, p := range s.prefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// MatchPrefix says whether the set holds a name that begins so.
func (s Set) MatchPrefix(prefix string) bool {
	if s.all {
		return true
	}
	for name := range s.exact {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	for _, p := range s.prefixes {
		if strings.HasPrefix(p, prefix) || strings.HasPrefix(prefix, p) {
			return true
		}
	}
	return false
}

// IsZero says whether the set holds nothing.
func (s Set) IsZero() bool { return !s.all && len(s.exact) == 0 && len(s.prefixes) == 0 }

// Only gives the only member of a set without patterns; false for any other set.
func (s Set) Only() (name string, ok bool) {
	if s.all || len(s.prefixes) > 0 || len(s.exact) != 1 {
		return "", false
	}
	return s.Exact()[0], true
}

// Exact gives the members that are written out, in no order; patterns are not among them.
func (s Set) Exact() []string {
	out := make([]string, 0, len(s.exact))
	for name := range s.exact {
		out = append(out, name)
	}
	return out
}
