package destination

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
)

// limit is one of the sizes that a receiver sets to its messages. What is longer it refuses, and with it the whole message; so texts and
// lists are cut, what names something is refused here.
type limit struct {
	// at is a path of names, in which * is every item of a list; "" bounds the whole body.
	at []string
	// total are paths whose texts are counted together, those that are cut first before the others.
	total [][]string
	runes int
	items int
	bytes int
	// refuse says that what is too long cannot be cut.
	refuse bool
}

func limitObject() *field.Object {
	return &field.Object{Name: "limit", Fields: []field.Field{
		{Name: "at", Type: field.String},
		{Name: "total", Type: field.Strings},
		{Name: "runes", Type: field.Int, Min: 1},
		{Name: "items", Type: field.Int, Min: 1},
		{Name: "bytes", Type: field.Size, Min: 1},
		{Name: "refuse", Type: field.Bool},
	}}
}

func compileLimit(v *field.Values, out *diag.List) limit {
	l := limit{runes: int(v.Int("runes")), items: int(v.Int("items")), bytes: int(v.Size("bytes")), refuse: v.Bool("refuse")}
	if at := v.String("at"); at != "" {
		l.at = strings.Split(at, ".")
	}
	for _, path := range v.Strings("total") {
		l.total = append(l.total, strings.Split(path, "."))
	}
	bounds := 0
	for _, n := range []int{l.runes, l.items, l.bytes} {
		if n > 0 {
			bounds++
		}
	}
	whole := l.bytes > 0 && l.at == nil && l.total == nil
	part := l.bytes == 0 && (l.at != nil) != (l.total != nil) && (l.total == nil || l.runes > 0)
	if bounds != 1 || !whole && !part {
		out.Errorf(diag.BadValue, v.Root().Span, "", "a limit is `bytes` alone, or `at` with `runes` or `items`, or `total` with `runes`")
	}
	return l
}

// hold cuts a message to the limits, in a copy where it has to be changed. It tells note of every cut.
func hold(m map[string]any, limits []limit, note func(string)) (map[string]any, error) {
	for _, l := range limits {
		var places []place
		switch {
		case l.bytes > 0:
			continue
		case l.total != nil:
			for _, path := range l.total {
				places = find(m, path, places)
			}
			if over := runesOf(places) - l.runes; over > 0 {
				m = clone(m).(map[string]any)
				if err := cutTogether(m, l, over, note); err != nil {
					return nil, err
				}
			}
			continue
		}
		places = find(m, l.at, nil)
		copied := false
		for _, p := range places {
			if !p.over(l) {
				continue
			}
			if l.refuse {
				return nil, badMessage(fmt.Sprintf("%s is longer than %d characters, which the receiver refuses", p.name, l.runes))
			}
			if !copied {
				m, copied = clone(m).(map[string]any), true
			}
			set(m, p.name, p.cut(l, note))
		}
	}
	return m, nil
}

// holdBytes refuses a body that is larger than the receiver takes.
func holdBytes(body []byte, limits []limit) error {
	for _, l := range limits {
		if l.bytes > 0 && len(body) > l.bytes {
			return badMessage(fmt.Sprintf("the message has %d bytes, the receiver takes %d", len(body), l.bytes))
		}
	}
	return nil
}

// place is a value inside of a message.
type place struct {
	name  string // "embeds.0.title"
	value any
}

// find adds what a path names, in the order of the lists.
func find(v any, path []string, places []place) []place {
	return findBelow(v, path, "", places)
}

func findBelow(v any, path []string, name string, places []place) []place {
	if len(path) == 0 {
		return append(places, place{strings.TrimPrefix(name, "."), v})
	}
	switch x := v.(type) {
	case map[string]any:
		if child, ok := x[path[0]]; ok {
			places = findBelow(child, path[1:], name+"."+path[0], places)
		}
	case []any:
		if path[0] == "*" {
			for i, child := range x {
				places = findBelow(child, path[1:], name+"."+strconv.Itoa(i), places)
			}
		}
	}
	return places
}

func (p place) over(l limit) bool {
	switch x := p.value.(type) {
	case string:
		return l.runes > 0 && len(x) > l.runes && utf8.RuneCountInString(x) > l.runes
	case []any:
		return l.items > 0 && len(x) > l.items
	}
	return false
}

// cut gives the value within the limit.
func (p place) cut(l limit, note func(string)) any {
	switch x := p.value.(type) {
	case string:
		note(fmt.Sprintf("%s was cut from %d to %d characters", p.name, utf8.RuneCountInString(x), l.runes))
		return cutRunes(x, l.runes)
	case []any:
		note(fmt.Sprintf("%s were cut from %d to %d", p.name, len(x), l.items))
		return x[:l.items:l.items]
	}
	return p.value
}

// cutRunes holds a text within a number of characters, the last of which shows that it was cut.
func cutRunes(text string, runes int) string {
	return string([]rune(text)[:runes-1]) + "…"
}

func runesOf(places []place) int {
	n := 0
	for _, p := range places {
		if text, ok := p.value.(string); ok {
			n += utf8.RuneCountInString(text)
		}
	}
	return n
}

// cutTogether takes what is too much off the texts of a total: path by path, and of each the last first.
func cutTogether(m map[string]any, l limit, over int, note func(string)) error {
	before := over + l.runes
	for _, path := range l.total {
		places := find(m, path, nil)
		for i := len(places) - 1; i >= 0 && over > 0; i-- {
			text, ok := places[i].value.(string)
			n := utf8.RuneCountInString(text)
			if !ok || n < 2 {
				continue
			}
			keep := max(n-over, 1)
			set(m, places[i].name, cutRunes(text, keep))
			over -= n - keep
		}
	}
	if over > 0 {
		return badMessage(fmt.Sprintf("the texts of the message have %d characters together, the receiver takes %d", before, l.runes))
	}
	note(fmt.Sprintf("%s and others were cut from %d to %d characters together", strings.Join(l.total[0], "."), before, l.runes))
	return nil
}

// set puts a value at the name of a place.
func set(m map[string]any, name string, value any) {
	path := strings.Split(name, ".")
	var at any = m
	for i, key := range path {
		last := i == len(path)-1
		switch x := at.(type) {
		case map[string]any:
			if last {
				x[key] = value
			}
			at = x[key]
		case []any:
			n, err := strconv.Atoi(key)
			if err != nil || n >= len(x) {
				return
			}
			if last {
				x[n] = value
			}
			at = x[n]
		}
	}
}

// clone copies maps and lists, so that the output of a node is never changed.
func clone(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, child := range x {
			out[k] = clone(child)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, child := range x {
			out[i] = clone(child)
		}
		return out
	}
	return v
}
