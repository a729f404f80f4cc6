package destination

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/hooks"
)

// statuses are a range of HTTP statuses, both ends included.
type statuses struct{ from, to int }

func (s statuses) holds(status int) bool { return status >= s.from && status <= s.to }

// compileStatuses reads 202, 2xx and 200-204.
func compileStatuses(n *source.Node, texts []string, out *diag.List) []statuses {
	var all []statuses
	for _, text := range texts {
		low, high, isRange := strings.Cut(text, "-")
		if class, ok := strings.CutSuffix(text, "xx"); ok {
			low, high, isRange = class+"00", class+"99", true
		}
		if !isRange {
			high = low
		}
		from, errFrom := strconv.Atoi(low)
		to, errTo := strconv.Atoi(high)
		if errFrom != nil || errTo != nil || from < 200 || to > 599 || from > to {
			out.Errorf(diag.BadValue, n.Span, "write 202, 2xx or 200-204", "`%s` is no status", text)
			continue
		}
		all = append(all, statuses{from, to})
	}
	return all
}

// answerRule reads answers of successful statuses.
type answerRule struct {
	// texts are those that stand for success, in any case; an empty answer and JSON do, too. Other texts come from something else on the
	// way. None takes any text.
	texts []string
	// member of a JSON answer says whether the message was taken: it is a failure where it is false.
	member string
	// reason is the member that says why not, and temporary are those of its values that may pass.
	reason    string
	temporary []string
}

func answerObject() *field.Object {
	return &field.Object{Name: "answer", Fields: []field.Field{
		{Name: "success", Type: field.Strings},
		{Name: "texts", Type: field.Strings},
		{Name: "member", Type: field.String},
		{Name: "reason", Type: field.String},
		{Name: "temporary", Type: field.Strings},
	}}
}

func compileAnswers(v *field.Values) *answerRule {
	r := &answerRule{texts: v.Strings("texts"), member: v.String("member"), reason: v.String("reason"), temporary: v.Strings("temporary")}
	if r.member == "" && len(r.texts) == 0 {
		return nil
	}
	return r
}

// waitRule reads how long to wait out of a JSON answer, which may say it more exactly than the Retry-After header.
type waitRule struct {
	member string
	unit   time.Duration
	on     []statuses
}

func waitObject() *field.Object {
	return &field.Object{Name: "retry_after", Fields: []field.Field{
		{Name: "member", Type: field.String, Required: true},
		{Name: "unit", Type: field.Enum, Enum: []string{"s", "ms"}, Default: "s"},
		{Name: "status", Type: field.Strings, Default: "429"},
	}}
}

func compileWait(v *field.Values, out *diag.List) *waitRule {
	w := &waitRule{member: v.String("member"), unit: time.Second, on: compileStatuses(v.Node("status"), v.Strings("status"), out)}
	if v.String("unit") == "ms" {
		w.unit = time.Millisecond
	}
	return w
}

// read looks into an answer for what its status does not say to hooks.
func (k *preset) read(v *Verdict, status int, a answer) {
	holds := func(s statuses) bool { return s.holds(status) }
	ok := hooks.Classify(status) == hooks.OK
	if len(k.success) > 0 {
		taken := slices.ContainsFunc(k.success, holds)
		switch {
		case taken && !ok:
			v.Outcome, v.Code, v.RetryAfter, v.Gone, v.result = run.AttemptOK, "", 0, false, hooks.Outcome{}
		case !taken && ok:
			v.fail(run.AttemptUnknown, CodeUnexpectedAnswer)
			return
		}
		ok = taken
	}
	if ok && k.answers != nil && v.Outcome == run.AttemptOK {
		k.answers.read(v, a)
	}
	if k.wait != nil && slices.ContainsFunc(k.wait.on, holds) {
		v.RetryAfter = max(v.RetryAfter, k.wait.read(a))
	}
}

func (r *answerRule) read(v *Verdict, a answer) {
	m, isMap := a.value.(map[string]any)
	if !isMap {
		text := strings.TrimSpace(a.text)
		isText := text != "" && a.value == any(a.text)
		if isText && len(r.texts) > 0 && !slices.ContainsFunc(r.texts, func(t string) bool { return strings.EqualFold(t, text) }) {
			v.fail(run.AttemptUnknown, CodeUnexpectedAnswer)
		}
		return
	}
	if taken, has := m[r.member].(bool); !has || taken {
		return
	}
	outcome := run.AttemptPermanent
	if reason, ok := m[r.reason].(string); ok && slices.Contains(r.temporary, reason) {
		outcome = run.AttemptTemporary
	}
	v.fail(outcome, CodeRefusedMessage)
}

// read gives how long the answer asks to wait; 0 where it does not.
func (w *waitRule) read(a answer) time.Duration {
	m, ok := a.value.(map[string]any)
	if !ok {
		return 0
	}
	var n float64
	switch x := m[w.member].(type) {
	case int64:
		n = float64(x)
	case float64:
		n = x
	case json.Number:
		n, _ = x.Float64() // digits that no float holds exactly
	}
	if !(n > 0) {
		return 0
	}
	if n >= float64(hooks.MaxRetryAfter)/float64(w.unit) || math.IsInf(n, 0) {
		return hooks.MaxRetryAfter
	}
	return time.Duration(n * float64(w.unit))
}
