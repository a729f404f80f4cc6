package field

import (
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/source"
)

// Values is a map that was decoded by its description. Absent fields have their defaults. Asking for a name that the
// description does not have, or for another type than it says, panics: that is a mistake in the program, not in a manifest.
type Values struct {
	object *Object
	root   *source.Node
	path   string
	values map[string]*value
}

type value struct {
	node   *source.Node // nil where the manifest does not have the field
	bad    bool         // a finding speaks of it
	str    string
	number float64
	int    int64 // also durations and sizes; 1 is true
	strs   []string
	text   secret.Text
	texts  []secret.Text
	smap   map[string]string
	tmap   map[string]secret.Text
	object *Values
	list   []*Values
}

// Has says whether the manifest has the field.
func (v *Values) Has(name string) bool { return v.get(name).node != nil }

// Good says that no finding speaks of the field: neither of its value, nor of a key that seems to be a misspelling of its name. What
// is not good has its default, and who goes on with it should not complain about it again.
func (v *Values) Good(name string) bool { return !v.get(name).bad }

// Node gives the field's node, or nil where the manifest does not have it.
func (v *Values) Node(name string) *source.Node { return v.get(name).node }

// String gives a String, Enum, Expression or Template.
func (v *Values) String(name string) string {
	return v.get(name, String, Enum, Expression, Template).str
}

// Bool gives a Bool.
func (v *Values) Bool(name string) bool { return v.get(name, Bool).int == 1 }

// Int gives an Int.
func (v *Values) Int(name string) int64 { return v.get(name, Int).int }

// Number gives a Number.
func (v *Values) Number(name string) float64 { return v.get(name, Number).number }

// Duration gives a Duration.
func (v *Values) Duration(name string) time.Duration { return time.Duration(v.get(name, Duration).int) }

// Size gives a Size in bytes.
func (v *Values) Size(name string) int64 { return v.get(name, Size).int }

// Text gives a Text; of a String, Expression or Template it is the literal.
func (v *Values) Text(name string) secret.Text {
	return v.get(name, Text, String, Expression, Template).text
}

// Strings gives the strings of a Strings, nil where there are none.
func (v *Values) Strings(name string) []string { return v.get(name, Strings).strs }

// Texts gives the Texts of a Texts, nil where there are none.
func (v *Values) Texts(name string) []secret.Text { return v.get(name, Texts).texts }

// StringMap gives a StringMap, nil where it is absent. Node has its order.
func (v *Values) StringMap(name string) map[string]string { return v.get(name, StringMap).smap }

// TextMap gives a TextMap, nil where it is absent. Node has its order.
func (v *Values) TextMap(name string) map[string]secret.Text { return v.get(name, TextMap).tmap }

// Object gives a Map, nil where it is absent or no map.
func (v *Values) Object(name string) *Values { return v.get(name, Map).object }

// Objects gives the items of Objects that are maps.
func (v *Values) Objects(name string) []*Values { return v.get(name, Objects).list }

// Span gives the place of the field's value, or where it is absent the beginning of the map.
func (v *Values) Span(name string) source.Span {
	if n := v.get(name).node; n != nil {
		return n.Span
	}
	return spanOfHead(v.root)
}

// KeySpan gives the place of the field's key, or where it is absent the beginning of the map.
func (v *Values) KeySpan(name string) source.Span {
	if v.get(name).node != nil {
		return v.root.KeySpan(name)
	}
	return spanOfHead(v.root)
}

// Path names a field as messages do: "signature.header".
func (v *Values) Path(name string) string { return join(v.path, name) }

// Root gives the map's node.
func (v *Values) Root() *source.Node { return v.root }

func (v *Values) get(name string, types ...Type) *value {
	f, ok := v.object.Field(name)
	if !ok {
		panic(fmt.Sprintf("field: %s has no field %q", v.object.Name, name))
	}
	for i, t := range types {
		if f.Type == t {
			break
		}
		if i == len(types)-1 {
			panic(fmt.Sprintf("field: %s: the field %q is of another type", v.object.Name, name))
		}
	}
	return v.values[name]
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
