package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/drawing"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/run"
)

// What of a value is shown on a line of its own.
const (
	readWidth   = 100
	outputWidth = 100
	answerWidth = 80
)

// printRun shows a run so that the question "why?" is answered: what each condition read, what each attempt got, what is next.
func (a *app) printRun(d admin.RunDetail, now time.Time) {
	r := d.Run.Run
	state := runState(r)
	fmt.Fprintf(a.Stdout, "%s  %s  %s", a.paint("1", r.ID.String()), visible(r.Pipeline), a.paint(state.color, state.text))
	if r.Reason != "" {
		fmt.Fprintf(a.Stdout, ": %s", visible(r.Reason))
	}
	fmt.Fprintln(a.Stdout)
	if r.Message != "" {
		a.field("why", "%s", visible(r.Message))
	}
	if d.Event != nil {
		a.field("event", "%s  %s %s, received %s", d.Event.ID, visible(d.Event.Provider), visible(nameOf(*d.Event)), age(d.Event.Received, now))
	} else {
		a.field("event", "%s", r.Event)
	}
	begun := fmt.Sprintf("%s (%s)", r.Created.UTC().Format(time.RFC3339), age(r.Created, now))
	if !r.Finished.IsZero() {
		begun += ", ended after " + span(r.Finished.Sub(r.Created))
	}
	a.field("begun", "%s", begun)
	if r.Cause.Kind != run.Live && r.Cause.Kind != "" {
		a.field("cause", "%s", strings.TrimSpace(string(r.Cause.Kind)+" "+visible(r.Cause.Ref)))
	}
	if r.Round > 0 {
		a.field("round", "%d: it was retried by hand", r.Round)
	}
	a.field("revision", "%.12s", r.Revision)
	fmt.Fprintln(a.Stdout)
	a.printPlaces(d, now)
	if r.State == run.Parked {
		a.talk("%s headgate runs retry %s", a.talkPaint("36", "try again:"), r.ID)
	}
}

// moment is from where times are told: a run in simulated time counts from when it began, every other one back from now.
type moment struct{ now, began time.Time }

// when tells a time.
func (m moment) when(t time.Time) string {
	if m.began.IsZero() {
		return age(t, m.now)
	}
	if d := t.Sub(m.began); d >= time.Millisecond {
		return "after " + field.FormatDuration(d.Round(time.Millisecond))
	}
	return "at once"
}

// printPlaces prints what each node of the run did, or waits for.
func (a *app) printPlaces(d admin.RunDetail, now time.Time) { a.printPlacesAt(d, moment{now: now}) }

func (a *app) printPlacesAt(d admin.RunDetail, at moment) {
	all := places(d)
	names, kinds := 0, 0
	for _, p := range all {
		names, kinds = max(names, utf8.RuneCountInString(p.name())), max(kinds, len(p.kind()))
	}
	for _, p := range all {
		a.printPlace(p, names, kinds, at)
	}
	if len(d.Steps) == 0 && len(d.Attempts) == 0 && len(d.Tasks) == 0 {
		fmt.Fprintln(a.Stdout, "  nothing has been done yet")
	}
}

// place is one node of the run: its step where that has ended, its attempts, and the task in which it waits.
type place struct {
	path     string
	step     *admin.Step
	attempts []admin.Attempt
	task     *run.Task
	wait     *admin.Wait // of the task; nil where nothing more is known of it
}

// places gives the finished steps in the order that the run is told in, which is the diagram's, then what is still open.
func places(d admin.RunDetail) []place {
	var out []place
	at := map[string]int{}
	find := func(path string) *place {
		i, ok := at[path]
		if !ok {
			i = len(out)
			at[path] = i
			out = append(out, place{path: path})
		}
		return &out[i]
	}
	for i, s := range d.Steps {
		find(s.Path).step = &d.Steps[i]
	}
	for _, at := range d.Attempts {
		p := find(at.Path)
		p.attempts = append(p.attempts, at)
	}
	for i, t := range d.Tasks {
		p := find(t.Path)
		if p.task = &d.Tasks[i]; len(d.Waits) == len(d.Tasks) {
			p.wait = &d.Waits[i]
		}
	}
	for _, p := range out {
		slices.SortFunc(p.attempts, func(x, y admin.Attempt) int {
			if x.Round != y.Round {
				return x.Round - y.Round
			}
			return x.N - y.N
		})
	}
	return out
}

// name is what the diagram calls the place.
func (p place) name() string {
	if p.path == "" {
		return "(next)" // the run is to be folded again
	}
	return visible(p.path)
}

// kind is the node's type, as far as the record tells it.
func (p place) kind() string {
	switch {
	case p.step != nil:
		return p.step.Type
	case len(p.attempts) > 0:
		return "hook"
	case p.wait != nil:
		return map[string]string{"event": "wait", "items": "batch", "run": "call"}[p.wait.For]
	}
	return ""
}

// printPlace prints one place; names and kinds are the widths of their columns.
func (a *app) printPlace(p place, names, kinds int, from moment) {
	word, color, mark := "waiting", "33", "…"
	if p.step != nil {
		word, color, mark = stepWord(p.step.Step)
	}
	pad := strings.Repeat(" ", names-utf8.RuneCountInString(p.name()))
	fmt.Fprintf(a.Stdout, "  %s %s%s  %s  %s", a.paint(color, mark), a.paint("1", p.name()), pad,
		a.paint("2", fmt.Sprintf("%-*s", kinds, p.kind())), a.paint(color, word))
	if p.step != nil && p.step.TookMS > 0 && len(p.attempts) == 0 {
		fmt.Fprintf(a.Stdout, "  %s", a.paint("2", took(p.step.TookMS)))
	}
	if p.task != nil && p.step == nil {
		fmt.Fprintf(a.Stdout, ": %s", p.waitsFor(from.now))
	}
	fmt.Fprintln(a.Stdout)
	if p.step != nil {
		a.printStep(p.step)
	}
	for _, at := range p.attempts {
		a.printAttempt(at, from)
	}
}

// stepWord tells how a step ended, in the words of the diagram where it branched.
func stepWord(s run.Step) (word, color, mark string) {
	switch s.State {
	case run.StepFailed:
		if s.Branch != "" {
			return "failed, went on by [" + s.Branch + "]", "31", "✗"
		}
		return "failed", "31", "✗"
	case run.StepSkipped:
		return drawing.Skipped.Word(), "2", "·"
	case run.StepFiltered:
		return "filtered: the event is not for this pipeline", "2", "∅"
	}
	if s.Branch != "" {
		return "-> [" + s.Branch + "]", "32", "✓"
	}
	return string(s.State), "32", "✓"
}

func (a *app) printStep(s *admin.Step) {
	for _, r := range s.Reads {
		value := r.Value
		switch {
		case r.Hidden:
			value = a.paint("2", "hidden")
		case r.Cut:
			value += "…"
		}
		fmt.Fprintf(a.Stdout, "      %s = %s\n", visible(r.Operand), short(value, readWidth))
	}
	if s.Failure != nil {
		fmt.Fprintf(a.Stdout, "      %s: %s\n", a.paint("31", s.Failure.Code), visible(s.Failure.Message))
	}
	if len(s.Output) > 0 && string(s.Output) != "null" {
		fmt.Fprintf(a.Stdout, "      %s %s\n", a.paint("2", "output"), short(compact(s.Output), outputWidth))
	}
	for _, line := range s.Log {
		fmt.Fprintf(a.Stdout, "      %s %s\n", a.paint("2", "log"), visible(line))
	}
}

func (a *app) printAttempt(at admin.Attempt, from moment) {
	color := "31"
	switch at.Outcome {
	case run.AttemptOK:
		color = "32"
	case run.AttemptTemporary, run.AttemptUnknown:
		color = "33"
	}
	result := string(at.Outcome)
	if at.Status != 0 {
		result = fmt.Sprint(at.Status)
	}
	if at.Code != "" && at.Code != fmt.Sprintf("http_%d", at.Status) {
		result += " " + at.Code
	}
	which := fmt.Sprintf("attempt %d", at.N)
	if at.Round > 0 {
		which = fmt.Sprintf("round %d, attempt %d", at.Round, at.N)
	}
	fmt.Fprintf(a.Stdout, "      %s  %s  %s, took %s  %s", which, a.paint(color, result), from.when(at.Started), took(at.TookMS),
		a.paint("2", visible(at.Line)))
	if at.RetryAfterS > 0 {
		fmt.Fprintf(a.Stdout, "  asked to wait %s", span(time.Duration(at.RetryAfterS*float64(time.Second))))
	}
	fmt.Fprintln(a.Stdout)
	if text := strings.TrimSpace(at.Answer); text != "" {
		fmt.Fprintf(a.Stdout, "        %s %s\n", a.paint("2", "answered"), short(text, answerWidth))
	}
}

// waitsFor says what a place waits for, in as much detail as is known.
func (p place) waitsFor(now time.Time) string {
	w := p.wait
	if w == nil {
		return dueIn(*p.task, now)
	}
	until := ""
	if w.Until != nil {
		until = fmt.Sprintf(", until %s (%s)", w.Until.UTC().Format(time.RFC3339), age(*w.Until, now))
	}
	switch {
	case w.For == "event" && w.Provider != "":
		text := "for " + visible(w.Provider+" "+strings.Join(w.Events, ", "))
		if w.Correlation != nil {
			text += " that matches " + short(strconv.Quote(*w.Correlation), readWidth)
		} else if w.CorrelationHidden {
			text += " that matches a hidden value"
		}
		return text + until
	case w.For == "items":
		return itemsText(w) + until
	case w.For == "run" && w.Run != nil:
		return "for run " + w.Run.String() + " of " + visible(w.Pipeline) + until
	case w.For == "time" && w.Until != nil:
		return strings.TrimPrefix(until, ", ")
	case w.For == "turn":
		return turnText(w)
	}
	return dueIn(*p.task, now)
}

// itemsText says which items a batch waits for.
func itemsText(w *admin.Wait) string {
	text := "for more items"
	if w.Key != nil && *w.Key != "" {
		text += " of the batch " + short(strconv.Quote(*w.Key), readWidth)
	}
	if w.Count > 0 {
		text += fmt.Sprintf(", up to %d", w.Count)
	}
	return text
}

// turnText says whose turn comes before a run's.
func turnText(w *admin.Wait) string {
	text := "for its turn"
	if w.OrderBy != "" {
		text += ": runs with order_by " + short(w.OrderBy, readWidth) + " go one at a time"
		if w.Run != nil {
			text += ", and " + w.Run.String() + " is before it"
		}
	} else if w.Run != nil {
		text += ": " + w.Run.String() + " is before it"
	}
	if w.Concurrency > 0 && w.Run == nil {
		sep := ": "
		if w.OrderBy != "" {
			sep = "; "
		}
		text += fmt.Sprintf("%sat most %s may be open at once", sep, count(w.Concurrency, "run"))
	}
	if len(w.Lanes) > 0 && w.Run == nil {
		text += "; it goes in the lanes " + short(strings.Join(w.Lanes, ", "), readWidth)
	}
	return text
}

// unending is a wait that only something else ends.
const unending = 10 * 365 * 24 * time.Hour

// dueIn says when a waiting task is done next, or what it waits for.
func dueIn(t run.Task, now time.Time) string {
	wait := t.Due.Sub(now)
	until := func(what string) string {
		if wait > 0 && wait < unending {
			return what + ", at most " + span(wait)
		}
		return what
	}
	switch {
	case t.Held:
		return "it has not its turn yet, under the limits of its pipeline"
	case t.Kind == run.TaskChild:
		return until("for the run that it called")
	case t.Kind == run.TaskWait:
		return until("for an event")
	case wait > unending:
		return "for more items"
	case t.N > 0 && wait > 0:
		return fmt.Sprintf("attempt %d is due in %s", t.N+1, span(wait))
	case t.N > 0:
		return fmt.Sprintf("attempt %d is due now", t.N+1)
	case wait > 0:
		return "due in " + span(wait)
	default:
		return "due now"
	}
}
