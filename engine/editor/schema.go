package editor

import (
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node"
)

// dialect is the draft that editors know best.
const dialect = "http://json-schema.org/draft-07/schema#"

type object = map[string]any

// root is the schema of a document: what it may hold depends on its kind.
func (m *maker) root() object {
	var all []any
	kinds, docs := []any{}, []any{}
	for _, k := range manifest.Kinds() {
		o := m.o.Kinds[k]
		if o == nil {
			continue
		}
		kinds, docs = append(kinds, string(k)), append(docs, o.Doc)
		m.definitions[string(k)] = m.kind(k, o, false)
		then := ref(string(k))
		if k == manifest.Provider {
			m.definitions["provider-with-use"] = m.kind(k, o, true)
			then = object{"if": object{"required": []any{"use"}}, "then": ref("provider-with-use"), "else": then}
		}
		all = append(all, object{"if": is("kind", string(k)), "then": then})
	}
	// Documents without a kind are rewritten ones of another program: their own spelling is not described here.
	all = append(all, object{"if": object{"required": []any{"kind"}}, "else": object{"anyOf": []any{
		required("nodes"), required("webhook_events"), required("name", "base_url"),
		object{"properties": object{"metadata": required("webhook_config")}, "required": []any{"metadata"}},
	}}})
	for _, t := range m.o.Types {
		m.definitions["props-"+t.Name] = m.propsOf(t)
	}
	m.definitions["node"] = m.node()
	m.definitions["connections"] = m.connections()
	if m.cases != nil {
		m.definitions["case"] = m.describe(m.cases, "", false)
	}
	return object{
		"$schema": dialect, "title": "Headgate manifests",
		"type": "object", "properties": object{"kind": object{"enum": kinds, "enumDescriptions": docs, "description": "What the document declares."}},
		"allOf": all, "definitions": m.definitions,
	}
}

func ref(name string) object { return object{"$ref": "#/definitions/" + name} }

// is holds for maps with that value under a key.
func is(key, value string) object {
	return object{"properties": object{key: object{"const": value}}, "required": []any{key}}
}

func required(keys ...string) object {
	list := make([]any, len(keys))
	for i, k := range keys {
		list[i] = k
	}
	return object{"type": "object", "required": list}
}

func (m *maker) kind(k manifest.Kind, o *field.Object, uses bool) object {
	s := m.describe(o, "", uses)
	if k != manifest.Provider {
		return s
	}
	names := slices.Clone(m.o.Catalogue)
	for _, p := range m.providers {
		if !has(names, p.Name.Name) {
			names = append(names, p.Name)
		}
	}
	use := oneOf(names, true)
	use["description"] = "Starts from this provider of the catalogue, or of this folder: maps merge by key, lists replace."
	properties := s["properties"].(object)
	properties["use"] = use
	if signature, ok := properties["signature"].(object); ok { // the one word that it takes
		if forms, ok := signature["anyOf"].([]any); ok && len(forms) > 1 {
			forms[1] = object{"enum": []any{"none"}, "description": "The provider signs nothing: whoever knows the address can send."}
		}
	}
	return s
}

// describe makes the schema of a description; nodeType is the type whose props it describes, "" for others.
func (m *maker) describe(o *field.Object, nodeType string, lax bool) object {
	return o.JSONSchemaWith(field.SchemaOptions{Lax: lax, Instead: func(in *field.Object, f field.Field) map[string]any {
		return m.instead(in, f, o, nodeType)
	}})
}

// instead gives the schema of a field whose values are names of this folder, or whose form its description does not tell.
func (m *maker) instead(in *field.Object, f field.Field, top *field.Object, nodeType string) object {
	switch {
	case f.Name == "nodes" && (in == m.o.Kinds[manifest.Pipeline] || nodeType != "" && in == top):
		return object{"type": "array", "minItems": 1, "items": ref("node")}
	case f.Name == "connections" && (in == m.o.Kinds[manifest.Pipeline] || nodeType != "" && in == top):
		return ref("connections")
	case f.Name == "tests" && f.Type == field.Any && m.cases != nil && top != m.cases:
		return object{"type": "array", "items": ref("case")}
	case f.Name == "cases" && in == m.o.Kinds[manifest.Test]:
		return object{"type": "array", "minItems": 1, "items": ref("case")}
	case f.Name == "with" && f.Type == field.Any && f.Object != nil:
		// What one provider is given, or by name what several are given.
		s := f.Object.JSONSchema()
		s["additionalProperties"] = f.Object.JSONSchema()
		return s
	case in != top:
		return nil
	case nodeType == "start" && f.Type == field.Any && (f.Name == "input" || f.Name == "data"):
		return startSchema(f.Name)
	case f.Name == "vars" && f.Type == field.Any && in == m.o.Kinds[manifest.Pipeline]:
		return object{"type": "object"}
	case nodeType == "" && in == m.o.Kinds[manifest.Test]:
		switch f.Name {
		case "provider":
			return oneOf(m.known()[:len(m.providers)], !m.complete()) // neither internal nor *
		case "pipeline":
			return oneOf(m.pipelines, !m.complete())
		}
	case nodeType == "":
	case f.Name == "provider" && f.Type == field.String:
		return oneOf(m.known(), !m.complete() || len(m.providers) == 0)
	case f.Name == "event" && f.Type == field.Strings && hasField(in, "provider"):
		return object{} // by provider: see propsOf
	case f.Name == "destination" && f.Type == field.String:
		return oneOf(m.destinations, !m.complete())
	case f.Name == "pipeline" && f.Type == field.String:
		return oneOf(m.callable, !m.complete())
	}
	return nil
}

// startSchema is the form of what a start node declares: inputs by name, or constants.
func startSchema(key string) object {
	if key == "data" {
		return object{"type": "object"}
	}
	return object{"type": "object", "additionalProperties": object{
		"type": []any{"object", "null"}, "additionalProperties": false, "properties": object{
			"required":    object{"type": "boolean", "description": "Whether a run without it fails."},
			"default":     object{"description": "What it is where a run does not give it."},
			"description": object{"type": []any{"string", "number"}, "description": "What it is for."},
		},
	}}
}

func hasField(o *field.Object, name string) bool {
	_, ok := o.Field(name)
	return ok
}

// complete says whether all documents could be read, so that a name that is not there is wrong.
func (m *maker) complete() bool { return m.o.Bundle.Complete() }

// oneOf lists names. With open, any other text is taken too.
func oneOf(names []Name, open bool) object {
	values, docs := make([]any, len(names)), make([]any, len(names))
	for i, n := range names {
		values[i], docs[i] = n.Name, n.Doc
	}
	list := object{"enum": values, "enumDescriptions": docs}
	switch {
	case len(names) == 0: // an empty list would be no schema
		return object{"type": []any{"string", "number"}}
	case open:
		return object{"anyOf": []any{list, object{"type": []any{"string", "number"}}}}
	}
	return list
}

// propsOf is the schema of the props of a node type. Where they name a provider, its events follow from it.
func (m *maker) propsOf(t node.Type) object {
	s := m.describe(t.Props, t.Name, false)
	s["title"] = t.Name
	f, ok := t.Props.Field("event")
	if !ok || f.Type != field.Strings || !hasField(t.Props, "provider") {
		return s
	}
	var all []any
	for _, p := range m.providers {
		name := "events-" + p.Name.Name
		m.definitions[name] = m.events(p.events, p.open, f.Doc)
		all = append(all, object{"if": is("provider", p.Name.Name), "then": object{"properties": object{"event": ref(name)}}})
	}
	m.definitions["events-internal"] = m.events(m.internal, true, f.Doc)
	all = append(all, object{"if": is("provider", event.Internal), "then": object{"properties": object{"event": ref("events-internal")}}})
	s["allOf"] = all
	return s
}

// events takes a name, a pattern, or a list of them.
func (m *maker) events(names []Name, open bool, doc string) object {
	one := object{"anyOf": []any{
		oneOf(names, open), object{"type": "string", "pattern": `\*$`, "description": "Every event whose name begins so."},
	}}
	return object{"anyOf": []any{one, object{"type": "array", "items": one}}, "description": doc}
}

// node is the schema of a node: what its props may hold follows from its type.
func (m *maker) node() object {
	s := m.describe(m.nodes, "", false)
	var types []Name
	var all []any
	for _, t := range m.o.Types {
		types = append(types, Name{Name: t.Name, Doc: t.Doc})
		then := object{"properties": object{"props": ref("props-" + t.Name)}}
		if slices.ContainsFunc(t.Props.Fields, func(f field.Field) bool { return f.Required }) {
			then["required"] = []any{"props"}
		}
		if t.NoTimeout != "" {
			then["properties"].(object)["timeout"] = false
		}
		all = append(all, object{"if": is("type", t.Name), "then": then})
	}
	properties := s["properties"].(object)
	typ := oneOf(types, false)
	typ["description"] = "What the node does."
	properties["type"], properties["props"] = typ, object{"description": "The type's own keys."}
	properties["label"] = object{"type": []any{"string", "number"}, "minLength": 1, "not": object{"pattern": `->|[\[\]]`}, "description": fieldDoc(m.nodes, "label")}
	s["allOf"] = all
	return s
}

func fieldDoc(o *field.Object, name string) string {
	f, _ := o.Field(name)
	return f.Doc
}

// maxChoices is how many labels a choice of an editor offers: more than anybody reads through.
const maxChoices = 200

// connections are arrows or maps. Labels belong to one pipeline each, which a schema cannot tell: all of the folder are offered, and any
// other is taken.
func (m *maker) connections() object {
	arrow := object{"type": "string", "pattern": "->", "description": "An arrow: `A -> B`, `A[true] -> B -> C`."}
	if choice := m.choice(); choice != "" {
		arrow["defaultSnippets"] = []any{object{
			"label": "A -> B", "description": "A connection between two nodes.", "body": "${1|" + choice + "|} -> ${2|" + choice + "|}",
		}}
	}
	end := oneOf(m.labels, true)
	return object{
		"type": "array",
		"items": object{"anyOf": []any{arrow, object{
			"type": "object", "additionalProperties": false, "required": []any{"from", "to"}, "title": "connection", "description": "A connection as a map.",
			"properties": object{
				"from": described(end, "The node that it leaves, with its handle: `A[true]`."), "to": described(end, "The node that it leads to."),
				"label": object{"type": []any{"string", "number"}, "description": "A name under which the next node sees the output."},
			},
		}}},
		"description": "Arrows (`A -> B`, `A[true] -> B`) or maps. Default: the nodes chain in the order written.",
	}
}

func described(s object, doc string) object {
	out := object{"description": doc}
	for k, v := range s {
		out[k] = v
	}
	return out
}

// choice lists the labels as a snippet offers them.
func (m *maker) choice() string {
	var parts []string
	for _, n := range m.labels[:min(len(m.labels), maxChoices)] {
		parts = append(parts, strings.NewReplacer(`\`, `\\`, ",", `\,`, "|", `\|`, "}", `\}`, "$", `\$`).Replace(n.Name))
	}
	return strings.Join(parts, ",")
}
