package payload

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Path names one place inside a value: `a.b`, `a[0].b`, `a.0.b` or `a["b.c"]`. It is the one grammar of paths in Headgate. The zero
// Path names the whole value.
//
//	path    = name { "." name | "[" digits "]" | "[" string "]" }
//	name    = one or more characters, none of them white space or . [ ] "
//	string  = a JSON string
//
// A name of digits alone is an index where it meets a list and a name where it meets an object.
type Path struct {
	text  string
	steps []step
}

// step is one part of a Path.
type step struct {
	name  string
	index int // -1 for a name that is no index
}

// maxPathBytes and maxPathSteps are far above what any body needs; they bound what a manifest can make us do a request.
const (
	maxPathBytes = 1024
	maxPathSteps = 64
)

// ParsePath reads a path. The error tells the offset and what was expected.
func ParsePath(s string) (Path, error) {
	if s == "" {
		return Path{}, errPath(s, 0, "a path cannot be empty")
	}
	if len(s) > maxPathBytes {
		return Path{}, fmt.Errorf("a path cannot be longer than %d bytes", maxPathBytes)
	}
	p := Path{text: s}
	for i := 0; i < len(s); {
		var st step
		var err error
		switch {
		case s[i] == '[':
			st, i, err = parseBracket(s, i)
		case i == 0:
			st, i, err = parseName(s, i)
		case s[i] == '.':
			st, i, err = parseName(s, i+1)
		default:
			err = errPath(s, i, "expected . or [")
		}
		if err != nil {
			return Path{}, err
		}
		if p.steps = append(p.steps, st); len(p.steps) > maxPathSteps {
			return Path{}, fmt.Errorf("path %q has more than %d steps", s, maxPathSteps)
		}
	}
	return p, nil
}

func parseName(s string, i int) (step, int, error) {
	end := i
	for end < len(s) && !strings.ContainsRune(".[]\"", rune(s[end])) {
		end++
	}
	name := s[i:end]
	if name == "" {
		return step{}, 0, errPath(s, i, "expected a name")
	}
	if j := strings.IndexFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }); j >= 0 {
		return step{}, 0, errPath(s, i+j, "a name with white space is written in brackets and quotes")
	}
	if name == "$" {
		return step{}, 0, errPath(s, i, "a path starts with a name, without $")
	}
	return step{name: name, index: indexOf(name)}, end, nil
}

func parseBracket(s string, i int) (step, int, error) {
	if i+1 < len(s) && s[i+1] == '"' {
		body := []byte(s)
		end, _, err := scanString(body, i+1)
		if err != nil || end >= len(s) || s[end] != ']' {
			return step{}, 0, errPath(s, i+1, `expected a quoted name and ]`)
		}
		return step{name: string(unescape(nil, body[i+2:end-1])), index: -1}, end + 1, nil
	}
	end := strings.IndexByte(s[i:], ']') + i
	if end <= i {
		return step{}, 0, errPath(s, i, "unclosed [")
	}
	digits := s[i+1 : end]
	index := indexOf(digits)
	if index < 0 {
		return step{}, 0, errPath(s, i+1, `expected a number or a quoted name between [ and ]`)
	}
	return step{name: digits, index: index}, end + 1, nil
}

// indexOf gives the number that a name of digits stands for, or -1.
func indexOf(name string) int {
	if name == "" || len(name) > 9 || name[0] == '0' && len(name) > 1 {
		return -1
	}
	n, err := strconv.ParseUint(name, 10, 31)
	if err != nil {
		return -1
	}
	return int(n)
}

func errPath(s string, offset int, message string) error {
	return fmt.Errorf("path %q, character %d: %s", s, offset+1, message)
}

// String gives the path as it was written.
func (p Path) String() string { return p.text }

// IsZero says whether p is the zero Path.
func (p Path) IsZero() bool { return len(p.steps) == 0 }

// Lookup finds the place in a decoded value and says whether it is there; a null that is there is found.
func (p Path) Lookup(v any) (any, bool) {
	for _, s := range p.steps {
		switch x := v.(type) {
		case map[string]any:
			next, ok := x[s.name]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			if s.index < 0 || s.index >= len(x) {
				return nil, false
			}
			v = x[s.index]
		default:
			return nil, false
		}
	}
	return v, true
}
