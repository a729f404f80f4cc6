package field_test

import (
	"testing"
	"time"

	"github.com/headgate/headgate/engine/field"
)

func TestDurationsAreRead(t *testing.T) {
	t.Parallel()
	rows := []struct {
		text string
		want time.Duration
		ok   bool
	}{
		{"1h5m", 65 * time.Minute, true},
		{"90", 90 * time.Second, true},
		{"1.5", 1500 * time.Millisecond, true},
		{"3d", 72 * time.Hour, true},
		{"1d12h", 36 * time.Hour, true},
		{"0", 0, true},
		{"250ms", 250 * time.Millisecond, true},
		{"1.5h", 90 * time.Minute, true},
		{".5s", 500 * time.Millisecond, true},
		{"", 0, false},
		{"-5s", 0, false},
		{"5 m", 0, false},
		{"d", 0, false},
		{"1dd", 0, false},
		{"Inf", 0, false},
		{"nan", 0, false},
		{"1e300", 0, false},
		{"9999999d", 0, false},
		{"106751d24h", 0, false},
		{"+5", 0, false},
		{"+5s", 0, false},
		{"1d-5h", 0, false},
		{"five", 0, false},
	}
	for _, r := range rows {
		got, err := field.ParseDuration(r.text)
		if got != r.want || (err == nil) != r.ok {
			t.Errorf("%q: got %v, %v, want %v, ok %t", r.text, got, err, r.want, r.ok)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", 5 * time.Minute: "5m", 65 * time.Minute: "1h5m", 72 * time.Hour: "3d", 36 * time.Hour: "36h", 90 * time.Second: "1m30s", time.Hour: "1h",
		20 * time.Minute: "20m", 10 * time.Hour: "10h",
	} {
		got := field.FormatDuration(d)
		if got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
		if back, err := field.ParseDuration(got); err != nil || back != d {
			t.Errorf("%q read back: got %v, %v, want %v", got, back, err, d)
		}
	}
}

func TestSizesAreRead(t *testing.T) {
	t.Parallel()
	rows := []struct {
		text string
		want int64
		ok   bool
	}{
		{"64KiB", 64 << 10, true},
		{"5MiB", 5 << 20, true},
		{"1GiB", 1 << 30, true},
		{"100", 100, true},
		{"100B", 100, true},
		{"1.5KiB", 1536, true},
		{"5 MiB", 5 << 20, true},
		{"", 0, false},
		{"5MB", 0, false},
		{"5k", 0, false},
		{"-5", 0, false},
		{"KiB", 0, false},
		{"1.5", 0, false},
		{"99999999999GiB", 0, false},
		{"9e99KiB", 0, false},
	}
	for _, r := range rows {
		got, err := field.ParseSize(r.text)
		if got != r.want || (err == nil) != r.ok {
			t.Errorf("%q: got %d, %v, want %d, ok %t", r.text, got, err, r.want, r.ok)
		}
	}
	for n, want := range map[int64]string{0: "0", 100: "100", 1024: "1KiB", 5 << 20: "5MiB", 1 << 30: "1GiB", 1025: "1025"} {
		if got := field.FormatSize(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

func TestSetsMatchWordsAndPrefixes(t *testing.T) {
	t.Parallel()
	rows := []struct {
		patterns []string
		name     string
		want     bool
	}{
		{[]string{"push", "issue*"}, "push", true},
		{[]string{"push", "issue*"}, "issues.opened", true},
		{[]string{"push", "issue*"}, "pushed", false},
		{[]string{"*"}, "anything", true},
		{nil, "push", false},
	}
	for _, r := range rows {
		s, err := field.ParseSet(r.patterns)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Match(r.name); got != r.want {
			t.Errorf("%v, %q: got %t, want %t", r.patterns, r.name, got, r.want)
		}
	}
	for _, bad := range [][]string{{""}, {"a*b"}, {"**"}} {
		if _, err := field.ParseSet(bad); err == nil {
			t.Errorf("%v: got no error", bad)
		}
	}
	s, err := field.ParseSet(nil)
	if err != nil || !s.IsZero() || len(s.Exact()) != 0 {
		t.Errorf("no patterns: got %v, %v, want the empty set", s, err)
	}
}
