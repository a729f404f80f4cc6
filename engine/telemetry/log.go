package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
)

// The forms of a log.
const (
	FormatText = "text" // key=value, for people
	FormatJSON = "json" // a JSON object a line, for machines
)

// NewLogger makes the process's logger. Level is "debug", "info", "warn" or "error"; format is FormatText or FormatJSON; empty ones
// mean "info" and JSON. The error names the value that is none of these. Times are in UTC, durations are written like "1.5s".
// Line breaks inside values are escaped, so that a value cannot forge a line. The logger writes one line with one call of Write.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	lowest := slog.LevelInfo
	switch strings.ToLower(level) {
	case "debug":
		lowest = slog.LevelDebug
	case "", "info":
	case "warn":
		lowest = slog.LevelWarn
	case "error":
		lowest = slog.LevelError
	default:
		return nil, fmt.Errorf("log level %q is none of debug, info, warn, error", level)
	}
	options := &slog.HandlerOptions{Level: lowest, ReplaceAttr: plain}
	switch strings.ToLower(format) {
	case "", FormatJSON:
		return slog.New(slog.NewJSONHandler(w, options)), nil
	case FormatText:
		return slog.New(slog.NewTextHandler(w, options)), nil
	default:
		return nil, fmt.Errorf("log format %q is neither %s nor %s", format, FormatText, FormatJSON)
	}
}

// plain gives both forms the same spelling of times and durations.
func plain(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindTime:
		a.Value = slog.StringValue(a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z07:00"))
	case slog.KindDuration:
		d := a.Value.Duration()
		if d >= time.Millisecond || d <= -time.Millisecond {
			d = d.Round(time.Microsecond)
		}
		a.Value = slog.StringValue(d.String())
	}
	return a
}
