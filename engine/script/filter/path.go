package filter

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/language"
)

// path is a place in the payload: pull_request.base.ref, items[0].id, labels["team.name"], labels.*.name.
type path struct {
	text string
	// plain is where the path leads, and with a wildcard where its list is.
	plain place
	// each is what the wildcard takes of every element; nil without one.
	each *place
	// none says that the path leads nowhere, whatever the payload: it is empty, or has two wildcards.
	none bool
}

// place is a path without a wildcard.
type place struct {
	whole string
	keys  []string
}

// absent is what a path finds where nothing is, which is another thing than null.
type absent struct{}

const wildcard = ".*"

// newPath reads a path, and warns of one that leads nowhere.
func newPath(text string, report *language.Report, from, to int) *path {
	p := &path{text: text}
	parts := strings.Split(text, wildcard)
	p.plain = newPlace(parts[0], report, from, to)
	switch {
	case text == "":
		p.none = true
		report.Warnf(diag.ExpressionType, from, to, "", "an empty path finds nothing")
	case len(parts) > 2:
		p.none = true
		report.Warnf(diag.ExpressionType, from, to, "take the list of the inner one apart in a condition of another language", "a path with more than one wildcard finds nothing")
	case len(parts) == 2:
		rest := strings.TrimPrefix(parts[1], ".")
		each := newPlace(rest, report, from, to)
		p.each = &each
		if rest == "" {
			report.Warnf(diag.ExpressionType, from, to, "the elements themselves are in `"+parts[0]+"`", "a wildcard without a name behind it finds an empty list")
		}
	case strings.HasPrefix(text, "*."):
		report.Warnf(diag.ExpressionType, from, to, "", "a wildcard stands behind the name of a list; a list that is the whole payload has no name")
	case strings.HasPrefix(text, "payload."):
		report.Warnf(diag.ExpressionType, from, to, `write "`+strings.TrimPrefix(text, "payload.")+`"; a member that is called payload is ["payload"]`, "a path begins inside the payload already")
	}
	return p
}

// newPlace takes a path apart as lodash does: names between dots and in brackets, with or without quotes.
func newPlace(text string, report *language.Report, from, to int) place {
	p := place{whole: text}
	for rest := text; rest != ""; {
		switch rest[0] {
		case '.':
			if len(rest) == len(text) {
				p.keys = append(p.keys, "")
			}
			if len(rest) == 1 || rest[1] == '.' {
				p.keys = append(p.keys, "")
			}
			rest = rest[1:]
		case '[':
			key, after, ok := bracket(rest[1:])
			if !ok {
				report.Errorf(diag.ExpressionSyntax, from, to, "", "a bracket of the path %s is not closed", strconv.Quote(text))
				return p
			}
			p.keys, rest = append(p.keys, key), after
		default:
			n := strings.IndexAny(rest, ".[")
			if n < 0 {
				n = len(rest)
			}
			p.keys, rest = append(p.keys, rest[:n]), rest[n:]
		}
	}
	return p
}

// bracket reads "name"], 'name'] or name] at the beginning of s.
func bracket(s string) (key, rest string, ok bool) {
	if s == "" || s[0] != '"' && s[0] != '\'' {
		return strings.Cut(s, "]")
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == s[0]:
			rest, ok = strings.CutPrefix(s[i+1:], "]")
			return b.String(), rest, ok
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
}

// find gives what is at a place. A name of the top level that is the whole text, dots and all, goes before a place inside.
func (p place) find(v any) any {
	if p.whole == "" {
		return absent{}
	}
	if m, ok := v.(map[string]any); ok {
		if found, ok := m[p.whole]; ok {
			return found
		}
	}
	for _, key := range p.keys {
		if v = member(v, key); v == (absent{}) {
			return v
		}
	}
	return v
}

// member gives what a value has under a name. Lists and texts have elements and a length, and nothing is inherited.
func member(v any, key string) any {
	switch x := v.(type) {
	case map[string]any:
		if found, ok := x[key]; ok {
			return found
		}
	case []any:
		if key == "length" {
			return int64(len(x))
		}
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(x) && strconv.Itoa(i) == key {
			return x[i]
		}
	case string:
		if key == "length" {
			return units(x)
		}
	}
	return absent{}
}

// units gives the length of a text as JavaScript counts it, in units of UTF-16, which is what filters were written against.
func units(s string) int64 {
	n := int64(0)
	for _, c := range s {
		n += int64(utf16.RuneLen(c))
	}
	return n
}

// list gives the list that a wildcard goes over.
func (p *path) list(payload any) ([]any, bool) {
	if p.none {
		return nil, false
	}
	list, ok := p.plain.find(payload).([]any)
	return list, ok
}

// maxShown is how many elements of a wildcard's list are recorded; a record keeps but its first kilobyte of text.
const maxShown = 256

// shown gives what a path finds, for the record; null where it finds nothing.
func (p *path) shown(payload any) any {
	if p.none {
		return nil
	}
	if p.each == nil {
		if v := p.plain.find(payload); v != (absent{}) {
			return v
		}
		return nil
	}
	list, ok := p.list(payload)
	if !ok {
		return nil
	}
	out := []any{}
	for _, v := range list[:min(len(list), maxShown)] {
		if v = p.each.find(v); v != (absent{}) {
			out = append(out, v)
		}
	}
	return slices.Clip(out)
}
