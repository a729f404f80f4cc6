// Package field describes a field of a manifest once: its type, default, bounds and documentation. From that one description
// come the decoding with positions ([Object.Decode]), the editor's schema ([Object.JSONSchema]) and the page of the manual
// ([Object.Markdown]).
//
// It decodes shape and bounds only; what a value means is compiled by the package that describes it. Descriptions are built
// by functions and not changed afterwards; everything here may be used concurrently, a diag.List excepted.
package field

import (
	"github.com/headgate/headgate/engine/source"
)

// Type is what a field takes.
type Type uint8

// The types. A scalar that a <<reference>> stands for is taken by every one of them but Expression and Template.
const (
	// String is plain text; a number is taken as it is written.
	String Type = iota + 1
	Bool
	Int
	Number
	// Duration is `1h5m`, `3d`, or a bare number of seconds.
	Duration
	// Size is `64KiB`, or a bare number of bytes.
	Size
	// Enum is one of Field.Enum.
	Enum
	// Text is a string that keeps its <<references>> apart, so that it can be printed without their content.
	Text
	// Strings is a string or a list of strings.
	Strings
	// Texts is a Text or a list of them.
	Texts
	// StringMap is a map of strings.
	StringMap
	// TextMap is a map of Texts.
	TextMap
	// Map is a map that Field.Object describes.
	Map
	// Objects is a list of such maps.
	Objects
	// Any is kept as the node it is, for a field that takes several forms. Field.Object may describe its map form.
	Any
	// Expression is the text of a condition or a filter; no references.
	Expression
	// Template is text with {{ expressions }}; no references.
	Template
)

// Field describes one key of a map.
type Field struct {
	Name string
	Type Type
	// Doc is one or two sentences for the manual and the editor.
	Doc string
	// Required fields must be there and, where they are text, must not be empty.
	Required bool
	// Default is what an absent field means, written as in a manifest; "" is the zero value.
	Default string
	// Enum lists the values of an Enum.
	Enum []string
	// Min and Max bound an Int plainly, a Duration in nanoseconds, a Size in bytes, and lists and maps by their count. Where both
	// are 0 there is no bound; where only Max is 0, there is no upper one.
	Min, Max int64
	// Object describes a Map, the items of Objects, and may describe the map form of an Any.
	Object *Object
	// Single lets Objects be one map instead of a list of one.
	Single bool
	// Secret makes a literal Text, Texts or TextMap an error, a default a warning, and emptiness an error.
	Secret bool
	// Shown says that the value is stored, shown or sent as it is: it cannot hold references, whose content is secret.
	Shown bool
	// Example is a value for the manual, as in a manifest.
	Example string
}

// Object describes a map: its fields in the order of the manual.
type Object struct {
	// Name says what the map is, for messages about its top level ("a provider") and the manual.
	Name   string
	Doc    string
	Fields []Field
	// Hints tells for keys that do not exist here, but that people write, what to write instead.
	Hints map[string]string
}

// Field gives the description of a key.
func (o *Object) Field(name string) (Field, bool) {
	for _, f := range o.Fields {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}

// Names gives the keys in the order of the description.
func (o *Object) Names() []string {
	names := make([]string, len(o.Fields))
	for i, f := range o.Fields {
		names[i] = f.Name
	}
	return names
}

// describe says in words what a field takes: "a string", "one of `a`, `b`".
func (f Field) describe() string {
	switch f.Type {
	case Bool:
		return "true or false"
	case Int:
		return "an integer"
	case Number:
		return "a number"
	case Duration:
		return "a duration such as 30s or 1h5m"
	case Size:
		return "a size such as 64KiB"
	case Enum:
		return "one of " + quoteAll(f.Enum)
	case Strings, Texts:
		return "a string or a list of strings"
	case StringMap, TextMap:
		return "a map of strings"
	case Map:
		return "a map"
	case Objects:
		if f.Single {
			return "a map or a list of maps"
		}
		return "a list of maps"
	case Expression:
		return "an expression"
	case Template:
		return "text"
	case Any:
		return "a value"
	default:
		return "a string"
	}
}

func quoteAll(names []string) string {
	s := ""
	for i, n := range names {
		if i > 0 {
			s += ", "
		}
		s += "`" + n + "`"
	}
	return s
}

// spanOfHead is the place to name when something is missing in a map: its first key, which stands beside its beginning.
func spanOfHead(n *source.Node) source.Span {
	if n != nil && n.Kind == source.Map && !n.Flow && len(n.Entries) > 0 {
		return n.Entries[0].Key.Span
	}
	if n == nil {
		return source.Span{}
	}
	return n.Span
}
