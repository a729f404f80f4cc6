package trial

import (
	"errors"
	"fmt"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/payload"
)

// The reasons why a place of an example cannot be edited.
var (
	errNoPlace = errors.New("there is no such place")
	errPlace   = errors.New("the place is there already")
)

// edited gives an example with values put into it, or the edit that cannot be. What is not new must be there, and what is new must not:
// a value beside the one that is meant would leave the event as it was, and the test would prove nothing.
func edited(body []byte, edits []edit) ([]byte, *edit, error) {
	for i := range edits {
		e := &edits[i]
		path, err := payload.ParsePath(e.path)
		if err != nil {
			return body, e, fmt.Errorf("`%s` is no path: %w", e.path, err)
		}
		_, found, err := path.Find(body)
		switch {
		case err != nil:
			return body, e, fmt.Errorf("it is no JSON: %w", err)
		case !found && !e.fresh:
			return body, e, errNoPlace
		case found && e.fresh:
			return body, e, errPlace
		}
		next, err := path.Put(body, e.value)
		if err != nil {
			return body, e, fmt.Errorf("putting a value at `%s`: %w", e.path, err)
		}
		body = next
	}
	return body, nil, nil
}

// checkEdits looks whether the example has what is set in it.
func (f *fitted) checkEdits(st *stimulus, out *diag.List) {
	body, _, err := f.provider.Example(st.send)
	if err != nil || len(st.set) == 0 {
		return
	}
	now, e, err := edited(body, st.set)
	switch {
	case err == nil:
	case errors.Is(err, errNoPlace):
		hint := "a value that is new stands below `add`"
		if near := nearPlace(e.path, now); near != "" {
			hint = near + " " + hint
		}
		out.Errorf(diag.DanglingReference, e.span, hint, "the example of `%s` has no `%s`", st.send, e.path)
	case errors.Is(err, errPlace):
		out.Errorf(diag.BadValue, e.span, "write it below `set`", "the example of `%s` has `%s` already", st.send, e.path)
	default:
		out.Errorf(diag.BadValue, e.span, "", "the example of `%s` cannot be changed: %s", st.send, err)
	}
}

// nearPlace gives the place of a body that may be meant: one that is written nearly the same, or the first whose last name is the same.
func nearPlace(path string, body []byte) string {
	v, err := payload.Decode(body)
	if err != nil {
		return ""
	}
	var all []string
	collectPlaces(v, "", &all)
	if hint := diag.DidYouMean(path, all); hint != "" {
		return hint
	}
	last := path[strings.LastIndexByte(path, '.')+1:]
	for _, p := range all {
		if strings.HasSuffix(p, "."+last) {
			return "did you mean `" + p + "`?"
		}
	}
	return ""
}

// maxPlaces bounds the places among which a near one is looked for.
const maxPlaces = 5000

// collectPlaces lists the places of a value as paths name them.
func collectPlaces(v any, prefix string, out *[]string) {
	add := func(path string, below any) {
		if len(*out) < maxPlaces {
			*out = append(*out, path)
			collectPlaces(below, path, out)
		}
	}
	switch x := v.(type) {
	case map[string]any:
		for _, name := range sortedKeys(x) {
			switch quoted, err := payload.Encode(name); {
			case name == "" || strings.ContainsAny(name, " \t\r\n.[]\""):
				if err == nil {
					add(prefix+"["+string(quoted)+"]", x[name])
				}
			case prefix == "":
				add(name, x[name])
			default:
				add(prefix+"."+name, x[name])
			}
		}
	case []any:
		for i, item := range x {
			add(fmt.Sprintf("%s[%d]", prefix, i), item)
		}
	}
}
