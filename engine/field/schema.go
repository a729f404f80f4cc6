package field

import (
	"fmt"
	"strings"
)

// SchemaOptions say how a description becomes a JSON Schema.
type SchemaOptions struct {
	// Lax requires nothing and lets null take away what is there: for a document whose other half stands elsewhere. What stands in
	// lists is whole all the same.
	Lax bool
	// Instead may give the schema of a field in the place of the one that its description makes; nil leaves that. The field's
	// description and default are added to a map that has none.
	Instead func(in *Object, f Field) map[string]any
}

// JSONSchema gives the description as a JSON Schema that both draft-07 and draft 2020-12 understand, for editors. It is about form: it
// takes whatever [Object.Decode] takes, and refuses unknown keys, missing ones and wrong types. The caller may change it.
func (o *Object) JSONSchema() map[string]any { return o.JSONSchemaWith(SchemaOptions{}) }

// JSONSchemaWith is JSONSchema with options.
func (o *Object) JSONSchemaWith(opts SchemaOptions) map[string]any {
	properties := map[string]any{}
	required := []any{}
	for _, f := range o.Fields {
		properties[f.Name] = f.schemaIn(o, opts)
		if opts.Lax {
			orNull(properties[f.Name].(map[string]any))
		}
		if f.Required && !opts.Lax {
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

// schemaIn gives the schema of a field of an object.
func (f Field) schemaIn(o *Object, opts SchemaOptions) map[string]any {
	var s map[string]any
	if opts.Instead != nil {
		s = opts.Instead(o, f)
	}
	if s == nil {
		s = f.schema(opts)
	}
	if _, has := s["description"]; !has && f.Doc != "" {
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

// reference matches text that holds a reference, in whose place a value of any type may come.
const reference = "<<(env|file)\\."

// The forms of durations and sizes, as ParseDuration and ParseSize take them.
const (
	durationForm = `^([0-9]*\.?[0-9]+|[0-9]+d|([0-9]+d)?([0-9]*\.?[0-9]+(ns|us|µs|μs|ms|s|m|h))+)$`
	sizeForm     = `^[0-9]+(\.[0-9]+)?( *(B|KiB|MiB|GiB))?$`
)

func (f Field) schema(opts SchemaOptions) map[string]any {
	text := map[string]any{"type": []any{"string", "number"}}
	s := map[string]any{}
	switch f.Type {
	case Bool:
		return f.orReference(map[string]any{"type": "boolean"})
	case Int:
		return f.orReference(f.numberSchema("integer"))
	case Number:
		return f.orReference(f.numberSchema("number"))
	case Duration:
		return map[string]any{"type": []any{"string", "number"}, "pattern": durationForm + "|" + reference, "minimum": 0}
	case Size:
		return map[string]any{"type": []any{"string", "number"}, "pattern": sizeForm + "|" + reference, "minimum": 0}
	case Enum:
		return f.orReference(map[string]any{"enum": anyOf(f.Enum)})
	case Expression:
		return map[string]any{"type": []any{"string", "number", "boolean"}}
	case Strings, Texts:
		list := map[string]any{"type": "array", "items": text}
		f.countSchema(list)
		s["anyOf"] = []any{text, list}
	case StringMap, TextMap:
		s["type"] = "object"
		s["additionalProperties"] = map[string]any{"type": []any{"string", "number", "boolean"}}
	case Map:
		s = f.Object.JSONSchemaWith(opts)
	case Objects:
		s = f.listSchema(opts)
	case Any:
		if f.Object != nil {
			one := f.Object.JSONSchemaWith(opts)
			whole := opts
			whole.Lax = false
			items := map[string]any{"if": map[string]any{"type": "object"}, "then": f.Object.JSONSchemaWith(whole)}
			s["anyOf"] = []any{
				one, map[string]any{"type": []any{"string", "number", "boolean", "null"}}, map[string]any{"type": "array", "items": items},
			}
		}
	default:
		s = text
		if f.Required {
			s["minLength"] = 1
		}
	}
	return s
}

// orReference lets a reference stand in the place of a value.
func (f Field) orReference(s map[string]any) map[string]any {
	if f.Shown {
		return s
	}
	return map[string]any{"anyOf": []any{s, map[string]any{"type": "string", "pattern": reference}}}
}

// orNull lets a schema take null as well.
func orNull(s map[string]any) {
	if t, ok := s["type"].(string); ok {
		s["type"] = []any{t, "null"}
	} else if list, ok := s["type"].([]any); ok {
		s["type"] = append(list, "null")
	} else if list, ok := s["anyOf"].([]any); ok {
		s["anyOf"] = append(list, map[string]any{"type": "null"})
	} else if list, ok := s["enum"].([]any); ok {
		s["enum"] = append(list, nil)
	}
}

func anyOf(values []string) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

func (f Field) countSchema(list map[string]any) {
	if f.Min != 0 {
		list["minItems"] = f.Min
	}
	if f.Max != 0 {
		list["maxItems"] = f.Max
	}
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

func (f Field) listSchema(opts SchemaOptions) map[string]any {
	whole := opts
	whole.Lax = false
	list := map[string]any{"type": "array", "items": f.Object.JSONSchemaWith(whole)}
	f.countSchema(list)
	if f.Single {
		return map[string]any{"anyOf": []any{f.Object.JSONSchemaWith(opts), list}}
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
