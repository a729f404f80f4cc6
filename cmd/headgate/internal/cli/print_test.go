package cli

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestSpansAreWrittenInTheUnitThatSaysSomething(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0:                              "0ms",
		120 * time.Millisecond:         "120ms",
		59 * time.Second:               "59s",
		90 * time.Second:               "1m30s",
		5 * time.Minute:                "5m",
		45*time.Minute + 5*time.Second: "45m",
		3*time.Hour + 20*time.Minute:   "3h20m",
		30 * time.Hour:                 "30h",
		72 * time.Hour:                 "3d",
	} {
		if got := span(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
	now := time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)
	if got := age(now.Add(5*time.Second), now); got != "in 5s" {
		t.Errorf("a time to come: got %s, want in 5s", got)
	}
	if got := age(time.Time{}, now); got != "never" {
		t.Errorf("no time: got %s, want never", got)
	}
}

func TestTablesAlignWhateverTheColours(t *testing.T) {
	t.Parallel()
	rows := func() [][]cell {
		return [][]cell{{{text: "a", color: "31"}, {text: "bb"}, {}}, {{text: "äöü-long"}, {text: "c", color: "32"}, {text: "note"}}}
	}
	var plain, colored bytes.Buffer
	(&app{}).table(&plain, []string{"ONE", "TWO", "THREE"}, rows())
	(&app{color: true}).table(&colored, []string{"ONE", "TWO", "THREE"}, rows())
	want := "ONE       TWO  THREE\na         bb\näöü-long  c    note\n"
	if plain.String() != want {
		t.Errorf("got\n%s\nwant\n%s", plain.String(), want)
	}
	if got := stripColor(colored.String()); got != want {
		t.Errorf("with colours: got\n%s\nwant\n%s", got, want)
	}
}

func stripColor(s string) string {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(s, "\x1b[")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		_, s, _ = strings.Cut(after, "m")
	}
}

func TestStrangersTextCannotMoveTheCursor(t *testing.T) {
	t.Parallel()
	got := short("push\x1b[2J\r\n\u202eevil\u009b", 40)
	if strings.ContainsAny(got, "\x1b\r\n\u202e\u009b") {
		t.Errorf("got %q", got)
	}
}

func TestTheConsoleLogIsOneLineARecord(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(&console{out: &lockedWriter{w: &out}, level: slog.LevelInfo}).With("component", "ingress").WithGroup("g").With("attempt", 1)
	log.DebugContext(context.WithoutCancel(t.Context()), "hidden")
	log.Info("an event was accepted", "provider", "git hub", "took", 1500*time.Microsecond, "reason", "",
		slog.Group("request", "path", "line\nbreak"))
	line := out.String()
	if strings.Count(line, "\n") != 1 || strings.Contains(line, "hidden") {
		t.Errorf("got %q, want one line", line)
	}
	_, rest, _ := strings.Cut(line, " ")
	want := "INFO  an event was accepted  component=ingress  g.attempt=1  g.provider=\"git hub\"  g.took=1.5ms  g.reason=\"\"  g.request.path=\"line\\nbreak\"\n"
	if rest != want {
		t.Errorf("got  %q\nwant %q", rest, want)
	}
}

func TestOldGoVersionsAreTold(t *testing.T) {
	t.Parallel()
	for have, old := range map[string]bool{
		"go1.26.0": true, "go1.26.8": true, "go1.26.10": true, "go1.26.11": false, "go1.26.12": false,
		"go1.27rc1": true, "go1.27.0": true, "go1.27.3": true, "go1.27.4": false, "go1.28.0": false,
		"devel go1.28-abc": false,
	} {
		if got := oldGo(have) != ""; got != old {
			t.Errorf("%s: got %q, want old: %v", have, oldGo(have), old)
		}
	}
}
