package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/telemetry"
)

// logger makes the process's logger on stderr.
func (a *app) logger(s *settings) (*slog.Logger, error) {
	format := string(s.LogFormat)
	if format == logAuto {
		format = logJSON
		if s.Dev || terminal(a.Stderr) {
			format = logConsole
		}
	}
	if format != logConsole {
		return telemetry.NewLogger(a.Stderr, string(s.LogLevel), format)
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.LogLevel)); err != nil {
		return nil, err
	}
	return slog.New(&console{out: &lockedWriter{w: a.Stderr}, level: level, color: a.talkColor}), nil
}

// lockedWriter writes one line at a time.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// Write hands on p while nobody else does.
func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// console is a log for the eyes of the person at the terminal: time of day, level, message, then what it is about.
type console struct {
	out   *lockedWriter
	level slog.Level
	color bool
	attrs string // of WithAttrs, printed
	group string
}

var _ slog.Handler = (*console)(nil)

// Enabled says whether a level is printed.
func (c *console) Enabled(_ context.Context, l slog.Level) bool { return l >= c.level }

// Handle prints a record.
func (c *console) Handle(_ context.Context, r slog.Record) error {
	var b bytes.Buffer
	b.WriteString(paint(c.color, "2", r.Time.Local().Format("15:04:05.000")) + " ")
	b.WriteString(paint(c.color, levelColor(r.Level), fmt.Sprintf("%-5s", r.Level)) + " ")
	b.WriteString(visible(r.Message))
	b.WriteString(c.attrs)
	r.Attrs(func(at slog.Attr) bool {
		c.write(&b, c.group, at)
		return true
	})
	b.WriteByte('\n')
	_, err := c.out.Write(b.Bytes())
	return err
}

// WithAttrs gives a handler that prints the attributes with every record.
func (c *console) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := *c
	var b bytes.Buffer
	for _, at := range attrs {
		c.write(&b, c.group, at)
	}
	out.attrs += b.String()
	return &out
}

// WithGroup gives a handler that begins the keys to come with a name.
func (c *console) WithGroup(name string) slog.Handler {
	out := *c
	out.group += name + "."
	return &out
}

func (c *console) write(b *bytes.Buffer, group string, at slog.Attr) {
	v := at.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if at.Key != "" {
			group += at.Key + "."
		}
		for _, inner := range v.Group() {
			c.write(b, group, inner)
		}
		return
	}
	if at.Key == "" {
		return
	}
	text := v.String()
	switch v.Kind() {
	case slog.KindTime:
		text = v.Time().UTC().Format(time.RFC3339)
	case slog.KindDuration:
		text = v.Duration().Round(time.Microsecond).String()
	}
	if text == "" || strings.ContainsAny(text, " =\"") || visible(text) != text {
		text = strconv.Quote(text)
	}
	b.WriteString("  " + paint(c.color, "36", group+at.Key+"=") + text)
}

func levelColor(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "31;1"
	case l >= slog.LevelWarn:
		return "33"
	case l >= slog.LevelInfo:
		return "32"
	default:
		return "2"
	}
}

// visible replaces what would move a terminal's cursor or hide text: what is printed comes from strangers too.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r < ' ', r >= 0x7f && r < 0xa0, r == 0x2028, r == 0x2029, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return '\ufffd'
		}
		return r
	}, text)
}
