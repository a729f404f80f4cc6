// Package secret holds values that must never be seen: a [Value] prints as ••• wherever it goes, and a [Text] is a manifest
// string whose <<references>> have become such values.
//
// Only Reveal gives the content, so a search for Reveal finds every place where a secret leaves its type.
// Resolver turns references into values; Scrubber takes known values out of text that comes from elsewhere.
package secret

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
)

// Mask is what a secret prints as.
const Mask = "•••"

// Value is one secret. The zero Value is empty. Its String, Format, JSON, text and slog forms are Mask. Values are not to be compared
// with ==.
//
// The content stands behind a pointer because package fmt prints an unexported field of some struct without asking its methods:
// it then prints an address.
type Value struct{ text *string }

// New makes a Value of text.
func New(text string) Value {
	if text == "" {
		return Value{}
	}
	return Value{text: &text}
}

// Reveal gives the content. Its result must not reach a log, an error, the store or an answer.
func (v Value) Reveal() string {
	if v.text == nil {
		return ""
	}
	return *v.text
}

// IsZero says whether the secret is empty; an empty secret verifies nothing.
func (v Value) IsZero() bool { return v.text == nil }

// String gives Mask.
func (Value) String() string { return Mask }

// GoString gives Mask.
func (Value) GoString() string { return Mask }

// Format prints Mask for every verb.
func (Value) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(Mask)) }

// MarshalJSON gives Mask as a JSON string.
func (Value) MarshalJSON() ([]byte, error) { return []byte(`"` + Mask + `"`), nil }

// MarshalText gives Mask.
func (Value) MarshalText() ([]byte, error) { return []byte(Mask), nil }

// LogValue gives Mask.
func (Value) LogValue() slog.Value { return slog.StringValue(Mask) }

// Text is a string of a manifest: literal pieces and resolved references. A reference is an opaque part, never parsed again:
// a secret that contains "{{" or "<<" is just text. The zero Text is empty.
type Text struct{ parts []Part }

// Part is one piece of a Text: either Literal, or a reference with its Value.
type Part struct {
	Literal string
	// Ref is the reference as the manifest writes it ("<<env.X>>"), "" for a literal.
	Ref   string
	Value Value
	// Default says that the manifest itself gives a default for the reference, so that its value may be known to everybody.
	Default bool
	// Placeholder says that the value is not the real one: the manifests are only checked, or the reference is broken.
	Placeholder bool
}

// NewText joins parts.
func NewText(parts ...Part) Text { return Text{parts: parts} }

// Literal makes a Text of plain text.
func Literal(s string) Text { return Text{parts: []Part{{Literal: s}}} }

// Parts gives the pieces; the caller must not change them.
func (t Text) Parts() []Part { return t.parts }

// HasRef says whether any part is a reference.
func (t Text) HasRef() bool {
	for _, p := range t.parts {
		if p.Ref != "" {
			return true
		}
	}
	return false
}

// Reveal gives the text with every reference's content in place.
func (t Text) Reveal() string {
	var b strings.Builder
	for _, p := range t.parts {
		if p.Ref != "" {
			b.WriteString(p.Value.Reveal())
		} else {
			b.WriteString(p.Literal)
		}
	}
	return b.String()
}

// String gives the text as the manifest writes it: references by name, never their content.
func (t Text) String() string {
	var b strings.Builder
	for _, p := range t.parts {
		if p.Ref != "" {
			b.WriteString(p.Ref)
		} else {
			b.WriteString(p.Literal)
		}
	}
	return b.String()
}

// MarshalJSON gives the text as the manifest writes it.
func (t Text) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }

// LogValue gives the text as the manifest writes it.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }
