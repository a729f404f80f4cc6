package starlark

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/starlark/guest/interpreter/wire"
	"github.com/headgate/headgate/engine/script/value"
)

// The limits of one evaluation beside those of engine/script/value.
const (
	// maxSteps bounds the interpreter's steps, of which a round of a loop takes some ten. They end runaway loops before the clock does, on
	// all but slow machines, so that what ends is the same everywhere.
	maxSteps = value.MaxSteps
	// maxInput bounds what is handed to the guest: half of its memory would not be enough for more.
	maxInput = 2 << 20
	// maxLogLines and maxLogBytes, of one line, bound what print leaves.
	maxLogLines = 100
	maxLogBytes = 1 << 10
)

func limits() wire.Limits {
	return wire.Limits{Steps: maxSteps, Bytes: value.MaxBytes, Depth: value.MaxDepth, LogLines: maxLogLines, LogBytes: maxLogBytes}
}

// program is compiled code.
type program struct {
	machines *language.Machines
	// code is what the guest runs; exact is the same for inputs whose digits no float64 holds, nil where it makes no difference.
	code, exact []byte
	inputs      []input
	reads       []*language.Chain
	sites       map[where]site
	condition   *value.Site // nil for a value
	python      bool
	manyLines   bool
}

var _ language.Program = (*program)(nil)

// Eval implements language.Program. The first one of a process makes the machine, which takes a second or two without a cache; that does
// not count as time of the code.
func (p *program) Eval(ctx context.Context, env *language.Env) (language.Result, error) {
	result := language.Result{Reads: language.Values(p.reads, env)}
	budget := value.NewBudget(ctx)
	if err := budget.Err(); err != nil {
		return result, err
	}
	message, err := p.message(env)
	if err != nil {
		return result, err
	}
	answer, err := p.run(ctx, message)
	if err != nil {
		return result, err
	}
	r := wire.NewReader(answer)
	for range r.Count() {
		result.Log = append(result.Log, r.Text())
	}
	v, err := p.answer(r)
	if err != nil {
		return result, err
	}
	if p.condition != nil {
		if _, err := p.condition.Bool(0, v); err != nil {
			return result, err
		}
	}
	budget = value.NewBudget(ctx)
	if result.Value, err = budget.Output(v); err != nil {
		return result, err
	}
	return result, nil
}

// run gives the guest's answer; the error is a *value.Error.
func (p *program) run(ctx context.Context, message []byte) ([]byte, error) {
	m, err := machineOf(p.machines)
	if err == nil {
		var answer []byte
		answer, err = m.run(ctx, message)
		if err == nil {
			return answer, nil
		}
	}
	var ours *value.Error
	if errors.As(err, &ours) {
		return nil, ours
	}
	return nil, value.Errorf(value.Expression, "%s", shorten("the code cannot be run: "+err.Error()))
}

// message writes what the guest is told.
func (p *program) message(env *language.Env) ([]byte, error) {
	var inputs encoder
	for _, in := range p.inputs {
		inputs.w.Text(in.name)
		v := in.value(env)
		if t, ok := v.(time.Time); ok {
			v = t.Format(time.RFC3339Nano)
		}
		if inputs.value(v); inputs.w.Len() > maxInput {
			return nil, value.Errorf(value.TooLarge, "the code names values of more than %d bytes: name the members that it needs", maxInput)
		}
	}
	code := p.code
	if inputs.decimals && p.exact != nil {
		code = p.exact
	}
	var w wire.Writer
	w.Request(wire.Request{Limits: limits(), Program: code, Python: p.python, Inputs: len(p.inputs)})
	return append(w.Bytes(), inputs.w.Bytes()...), nil
}

// encoder writes plain values for the guest.
type encoder struct {
	w        wire.Writer
	decimals bool // there are numbers that no float64 holds
}

func (e *encoder) value(v any) {
	if e.w.Len() > maxInput {
		return // nobody will send it
	}
	switch x := v.(type) {
	case bool:
		if x {
			e.w.Tag(wire.True)
		} else {
			e.w.Tag(wire.False)
		}
	case int64:
		e.w.Tag(wire.Int)
		e.w.Number(x)
	case int:
		e.w.Tag(wire.Int)
		e.w.Number(int64(x))
	case float64:
		e.w.Tag(wire.Float)
		e.w.Float(x)
	case json.Number:
		tag := wire.Big
		if strings.ContainsAny(string(x), ".eE") {
			tag, e.decimals = wire.Decimal, true
		}
		e.w.Tag(tag)
		e.w.Text(string(x))
	case string:
		e.w.Tag(wire.String)
		e.w.Text(x)
	case []any:
		e.w.Tag(wire.List)
		e.w.Number(int64(len(x)))
		for _, item := range x {
			e.value(item)
		}
	case map[string]any:
		e.w.Tag(wire.Map)
		e.w.Number(int64(len(x)))
		names := make([]string, 0, len(x))
		for name := range x {
			names = append(names, name)
		}
		slices.Sort(names) // so that loops come to them in the same order each time
		for _, name := range names {
			e.w.Text(name)
			e.value(x[name])
		}
	default:
		e.w.Tag(wire.Null)
	}
}

// answer reads the outcome that follows the log.
func (p *program) answer(r *wire.Reader) (any, error) {
	switch wire.Outcome(r.Byte()) {
	case wire.Done:
		v := readValue(r)
		if r.Err() == nil {
			return v, nil
		}
	case wire.TooLarge:
		return nil, value.Errorf(value.TooLarge, "the expression's result is larger than %d bytes", value.MaxBytes)
	case wire.TooDeep:
		return nil, value.Errorf(value.TooLarge, "the expression's result nests deeper than %d", value.MaxDepth)
	case wire.Failed:
		kind, message := r.Text(), r.Text()
		line, col := int32(r.Number()), int32(r.Number()) //nolint:gosec // places in a text of 8 KiB
		if r.Err() == nil {
			return nil, p.failure(kind, message, line, col)
		}
	}
	return nil, value.Errorf(value.Expression, "the code's answer cannot be read")
}

// readValue makes a plain value of what the guest wrote.
func readValue(r *wire.Reader) any {
	switch r.Tag() {
	case wire.True:
		return true
	case wire.False:
		return false
	case wire.Int:
		return r.Number()
	case wire.Big:
		return payload.Number(r.Text())
	case wire.Float:
		return r.Float()
	case wire.Decimal:
		return json.Number(r.Text())
	case wire.String:
		return r.Text()
	case wire.List:
		out := make([]any, r.Count())
		for i := range out {
			out[i] = readValue(r)
		}
		return out
	case wire.Map:
		n := r.Count()
		out := make(map[string]any, n)
		for range n {
			name := r.Text()
			out[name] = readValue(r)
		}
		return out
	}
	return nil
}
