package job

import (
	"bytes"
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// Verdict says how a replayed run went beside the first one.
type Verdict string

// The verdicts.
const (
	Same    Verdict = "same"
	Differs Verdict = "differs"
	Pending Verdict = "pending" // it is not made or not over yet
	Added   Verdict = "added"   // the pipeline had no run of the event before
	Without Verdict = "without" // the replay started no run of the pipeline
)

// Outcome is what a pipeline made of an event the first time, beside what it made of it when it was replayed.
type Outcome struct {
	Event    event.ID `json:"event"`
	Pipeline string   `json:"pipeline"`
	Verdict  Verdict  `json:"verdict"`
	// First is the run of the event itself, Replayed that of the replay; null where there is none.
	First    *Brief `json:"first"`
	Replayed *Brief `json:"replayed"`
	// Differences are at most MaxDifferences, in the order of the diagram; More says that there were others.
	Differences []Difference `json:"differences,omitempty"`
	More        bool         `json:"more,omitempty"`
}

// Brief is a run in short.
type Brief struct {
	Run      run.ID      `json:"run"`
	Revision string      `json:"revision"`
	State    run.State   `json:"state"`
	Outcome  run.Outcome `json:"outcome,omitempty"`
	Reason   string      `json:"reason,omitempty"`
}

// Difference is one thing that went another way. First and Replayed are short texts, "" where there was nothing.
type Difference struct {
	// Path is the step's; "" for the run as a whole.
	Path string `json:"path,omitempty"`
	// What is "outcome" (of the run), "state", "branch", "failure", "status" or "output".
	What     string `json:"what"`
	First    string `json:"first"`
	Replayed string `json:"replayed"`
}

const (
	// MaxDifferences of a run are told: beyond them it is another run altogether.
	MaxDifferences = 20
	// maxValueBytes of a value are shown.
	maxValueBytes = 200
)

// Compare holds a replayed run against the first one of the same event and pipeline, both ended. Steps are held against each other by
// their paths: how they ended, which branch they took, why they failed and what they gave; of a hook, whose answer may hold times and ids
// of its receiver, only the status. order compares paths by their places; where it is nil they are in the order of the alphabet.
func Compare(first, replayed store.RunRecord, order func(a, b string) int) (differences []Difference, more bool) {
	add := func(path, what, a, b string) {
		if a != b {
			differences = append(differences, Difference{Path: path, What: what, First: brief(a), Replayed: brief(b)})
		}
	}
	add("", "outcome", howEnded(&first.Run), howEnded(&replayed.Run))
	was, is := byPath(first.Steps), byPath(replayed.Steps)
	var paths []string
	for path := range was {
		paths = append(paths, path)
	}
	for path := range is {
		if was[path] == nil {
			paths = append(paths, path)
		}
	}
	if order == nil {
		order = cmp.Compare[string]
	}
	slices.SortFunc(paths, func(a, b string) int { return cmp.Or(order(a, b), cmp.Compare(a, b)) })
	for _, path := range paths {
		a, b := was[path], is[path]
		if a == nil || b == nil {
			add(path, "state", stateOf(a), stateOf(b))
			continue
		}
		add(path, "state", string(a.State), string(b.State))
		add(path, "branch", a.Branch, b.Branch)
		add(path, "failure", codeOf(a), codeOf(b))
		if a.Type == hookType && b.Type == hookType {
			add(path, "status", statusOf(a), statusOf(b))
		} else if !alike(a.Output, b.Output) {
			add(path, "output", string(a.Output), string(b.Output))
		}
	}
	if len(differences) > MaxDifferences {
		return differences[:MaxDifferences], true
	}
	return differences, false
}

// hookType is the node type whose output is what somebody else answered.
const hookType = "hook"

func byPath(steps []run.Step) map[string]*run.Step {
	out := make(map[string]*run.Step, len(steps))
	for i := range steps {
		out[steps[i].Path] = &steps[i]
	}
	return out
}

// howEnded says how a run ended: state, outcome and reason.
func howEnded(r *run.Run) string {
	return strings.Join(slices.DeleteFunc([]string{string(r.State), string(r.Outcome), r.Reason}, func(s string) bool { return s == "" }), " ")
}

func stateOf(s *run.Step) string {
	if s == nil {
		return ""
	}
	return string(s.State)
}

func codeOf(s *run.Step) string {
	if s.Failure == nil {
		return ""
	}
	return s.Failure.Code
}

// statusOf gives the status of a hook's answer as text.
func statusOf(s *run.Step) string {
	var out struct {
		Status json.RawMessage `json:"status"`
	}
	if json.Unmarshal(s.Output, &out) != nil {
		return ""
	}
	return string(out.Status)
}

// alike says whether two JSON values are the same, however they are written.
func alike(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	read := func(raw json.RawMessage) (v any, ok bool) {
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		return v, dec.Decode(&v) == nil
	}
	x, ok := read(a)
	y, too := read(b)
	return ok && too && reflect.DeepEqual(x, y)
}

// brief cuts a value.
func brief(text string) string {
	if len(text) <= maxValueBytes {
		return text
	}
	cut := maxValueBytes
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
