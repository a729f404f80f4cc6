package wait

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/script/value"
)

// pause waits for a while.
type pause struct{ length time.Duration }

var _ node.HandsOn = (*pause)(nil)

// HandsOn implements node.HandsOn: what came in goes on.
func (*pause) HandsOn() bool { return true }

// Do asks for the wait.
func (n *pause) Do(_ context.Context, in node.Input) (node.Outcome, error) {
	return node.Wait{Until: in.At.Add(n.length)}, nil
}

// until waits for a time: one that is written, or what a template or expression gives.
type until struct {
	at       time.Time
	template *script.Template
	program  script.Program
}

var _ node.HandsOn = (*until)(nil)

// HandsOn implements node.HandsOn: what came in goes on.
func (*until) HandsOn() bool { return true }

func buildUntil(p *field.Values, env node.Env, out *diag.List) node.Node {
	if !p.Good("until") {
		return nil
	}
	n, src := &until{}, script.FromNode(p.Node("until"))
	text := p.String("until")
	switch {
	case slices.ContainsFunc(script.Split(text), func(p script.Piece) bool { return p.Expression }):
		if n.template = script.CompileTemplate(src, env.Scope, out); n.template == nil {
			return nil
		}
	case text[0] >= '0' && text[0] <= '9':
		at, ok := readTime(text)
		if !ok {
			hint := "write it like 2026-01-02T15:04:05Z"
			if _, err := field.ParseDuration(text); err == nil {
				hint = "write `for`"
			}
			out.Errorf(diag.BadValue, p.Span("until"), hint, "`%s` cannot be `%s`: that is no time", p.Path("until"), text)
			return nil
		}
		n.at = at
	default:
		if n.program = script.CompileValue(script.Default, src, env.Scope, out); n.program == nil {
			return nil
		}
	}
	return n
}

// readTime reads RFC 3339, with or without its time and offset; without an offset it is UTC.
func readTime(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, time.DateOnly, time.DateTime, "2006-01-02T15:04:05"} {
		if at, err := time.ParseInLocation(layout, text, time.UTC); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// Do asks for the wait.
func (n *until) Do(ctx context.Context, in node.Input) (node.Outcome, error) {
	at, notes := n.at, node.Notes{}
	if n.template != nil || n.program != nil {
		v, reads, err := n.value(ctx, in.Env)
		notes = reads
		if err != nil {
			return node.Value{Notes: notes}, fmt.Errorf("working out the time: %w", err)
		}
		var why string
		if at, why = timeOf(v); why != "" {
			return node.Value{Notes: notes}, fmt.Errorf("working out the time: %w", &script.Error{Code: CodeBadTime, Message: why})
		}
	}
	if at.Sub(in.At) > maxPause {
		return node.Value{Notes: notes}, fmt.Errorf("working out the time: %w", &script.Error{
			Code: CodeBadTime, Message: "it lies more than " + field.FormatDuration(maxPause) + " ahead",
		})
	}
	return node.Wait{Until: at, Notes: notes}, nil
}

func (n *until) value(ctx context.Context, env *script.Env) (any, node.Notes, error) {
	if n.template != nil {
		v, err := n.template.Render(ctx, env)
		return v, node.Notes{}, err
	}
	res, err := n.program.Eval(ctx, env)
	return res.Value, node.Notes{Reads: res.Reads, Log: res.Log}, err
}

// timeOf gives the time that a value is: text, or the seconds since 1970 as many services send them.
func timeOf(v any) (at time.Time, why string) {
	switch x := v.(type) {
	case string:
		if at, ok := readTime(x); ok {
			return at, ""
		}
		return time.Time{}, "the text is no time such as 2026-01-02T15:04:05Z"
	case int64:
		if x > math.MaxInt32*100 { // beyond the year 8000
			return time.Time{}, "the number is no count of seconds since 1970; divide milliseconds by 1000"
		}
		return time.Unix(max(x, 0), 0).UTC(), ""
	case float64:
		if x < 0 || x > math.MaxInt32*100 {
			return time.Time{}, "the number is no count of seconds since 1970; divide milliseconds by 1000"
		}
		whole, part := math.Modf(x)
		return time.Unix(int64(whole), int64(part*float64(time.Second))).UTC(), ""
	}
	if v == nil {
		return time.Time{}, "it is null, not a time"
	}
	return time.Time{}, fmt.Sprintf("it is a %s, not a time", value.Kind(v))
}
