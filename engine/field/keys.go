package field

import (
	"maps"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/source"
)

// unknownKeys reports the keys that the description does not have, and gives the fields that they seem to mean.
func (d *decoder) unknownKeys(o *Object, path string, n *source.Node) map[string]bool {
	var meant map[string]bool
	for _, e := range n.Entries {
		if _, ok := o.Field(e.Key.Text); ok {
			continue
		}
		hint, field := o.hint(e.Key.Text)
		if field != "" {
			if meant == nil {
				meant = map[string]bool{}
			}
			meant[field] = true
		}
		d.out.Errorf(diag.UnknownKey, e.Key.Span, hint, "unknown key `%s`%s", e.Key.Text, in(path))
	}
	return meant
}

// hint says what to write instead of a key that does not exist, and which field that is, where it is one.
func (o *Object) hint(key string) (hint, field string) {
	hint = o.Hints[key]
	if hint == "" {
		name, ok := diag.Nearest(key, append(o.Names(), slices.Sorted(maps.Keys(o.Hints))...))
		if !ok {
			return "", ""
		}
		if _, ok := o.Field(name); ok {
			return "did you mean `" + name + "`?", name
		}
		hint = o.Hints[name]
	}
	if instead, ok := strings.CutPrefix(hint, "write `"); ok {
		name := instead[:strings.IndexFunc(instead+" ", func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') })]
		if _, ok := o.Field(name); ok {
			return hint, name
		}
	}
	return hint, ""
}
