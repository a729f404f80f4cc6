package field

import (
	"fmt"
	"strings"
)

// JSONSchema gives the description as a JSON Schema (draft 2020-12), for editors. The caller may change it.
func (o *Object) JSONSchema() map[string]any {
	properties := map[string]any{}
	required := []any{}
	for _, f := range o.Fields {
		properties[f.Name] = f.schema()
		if f.Required {
			required = append(required, f.Name)
		}
	}
	s := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	if o.Doc != "" {
		s["description"] = o.Doc
	}
	return s
}

func (f Field) schema() map[string]any {
	text := map[string]any{"type": []any{"string", "number"}}
	s := map[string]any{}
	switch f.Type {
	case Bool:
		s["type"] = "boolean"
	case Int:
		s = f.numberSchema("integer")
	case Number:
		s = f.numberSchema("number")
	case Duration, Size:
		s["type"] = []any{"string", "number"}
	case Enum:
		values := make([]any, len(f.Enum))
		for i, e := range f.Enum {
			values[i] = e
		}
		s["enum"] = values
	case Expression:
		s["type"] = []any{"string", "number", "boolean"}
	case Strings, Texts:
		s["anyOf"] = []any{text, map[string]any{"type": "array", "items": text}}
	case StringMap, TextMap:
		s["type"] = "object"
		s["additionalProperties"] = map[string]any{"type": []any{"string", "number", "boolean"}}
	case Map:
		s = f.Object.JSONSchema()
	case Objects:
		s = f.listSchema()
	case Any:
		if f.Object != nil {
			s["anyOf"] = []any{f.Object.JSONSchema(), map[string]any{"type": []any{"string", "number", "boolean", "array"}}}
		}
	default:
		s = text
	}
	if f.Doc != "" {
		s["description"] = f.Doc
	}
	if f.Default != "" {
		s["default"] = f.defaultValue()
	}
	if f.Example != "" && !strings.Contains(f.Example, "\n") {
		s["examples"] = []any{f.Example}
	}
	return s
}

func (f Field) numberSchema(kind string) map[string]any {
	s := map[string]any{"type": kind}
	if f.Min != 0 || f.Max != 0 {
		s["minimum"] = f.Min
	}
	if f.Max != 0 {
		s["maximum"] = f.Max
	}
	return s
}

func (f Field) listSchema() map[string]any {
	list := map[string]any{"type": "array", "items": f.Object.JSONSchema()}
	if f.Min != 0 {
		list["minItems"] = f.Min
	}
	if f.Max != 0 {
		list["maxItems"] = f.Max
	}
	if f.Single {
		return map[string]any{"anyOf": []any{f.Object.JSONSchema(), list}}
	}
	return list
}

func (f Field) defaultValue() any {
	var v value
	switch f.Type {
	case Bool:
		return f.Default == "true"
	case Int:
		if v.parse(Int, f.Default) == nil {
			return v.int
		}
	case Number:
		if v.parse(Number, f.Default) == nil {
			return v.number
		}
	}
	return f.Default
}

// Markdown gives the description as a section of the manual: one table, then one for each map inside.
func (o *Object) Markdown() string {
	var b strings.Builder
	o.markdown(&b, "", map[*Object]bool{})
	return b.String()
}

func (o *Object) markdown(b *strings.Builder, path string, seen map[*Object]bool) {
	if seen[o] {
		return
	}
	seen[o] = true
	if path != "" {
		fmt.Fprintf(b, "\n### `%s`\n\n", path)
	}
	if o.Doc != "" {
		b.WriteString(o.Doc + "\n\n")
	}
	b.WriteString("| key | takes | default | meaning |\n|---|---|---|---|\n")
	for _, f := range o.Fields {
		name := "`" + f.Name + "`"
		if f.Required {
			name += " *"
		}
		takes := f.describe()
		if (f.Min != 0 || f.Max != 0) && f.Type != Enum {
			takes += "; " + strings.TrimPrefix(f.boundsText(), "it takes ")
		}
		def := ""
		if f.Default != "" {
			def = "`" + f.Default + "`"
		}
		doc := f.Doc
		if f.Secret {
			doc = strings.TrimSpace(doc + " A reference such as `<<env.NAME>>`.")
		}
		if f.Example != "" && !strings.Contains(f.Example, "\n") {
			doc = strings.TrimSpace(doc + " Example: `" + f.Example + "`")
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", cell(name), cell(takes), cell(def), cell(doc))
	}
	for _, f := range o.Fields {
		if f.Object != nil {
			f.Object.markdown(b, join(path, f.Name), seen)
		}
	}
}

func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ").Replace(s)
}
