// Package editor makes the JSON Schema of a manifest folder, by which an editor completes, explains and checks what is written: the keys
// of every kind from the same descriptions that the manifests are decoded by, and the names from the folder itself: its providers with
// their events, destinations, pipelines and nodes.
//
// A schema is about form. What it lets pass may still be wrong (an expression, a signature's template); what it refuses is always
// refused by `headgate validate` too. Everything here is pure; a Bundle may be one that has errors.
package editor

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/source"
)

// Options are what a schema is made of. All but Catalogue are required.
type Options struct {
	Bundle *manifest.Bundle
	// Kinds describe the documents.
	Kinds map[manifest.Kind]*field.Object
	// Types are the node types.
	Types []node.Type
	// Catalogue are the providers that `use` may name besides those of the folder.
	Catalogue []Name
}

// Name is a name with a sentence about it.
type Name struct{ Name, Doc string }

// Schema gives the schema as a JSON document, indented. The same folder gives the same bytes.
func Schema(o Options) ([]byte, error) {
	m := &maker{o: o, definitions: map[string]any{}}
	m.learn()
	out, err := json.MarshalIndent(m.root(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the schema: %w", err)
	}
	return append(out, '\n'), nil
}

// provider is a provider of the folder.
type provider struct {
	Name
	events []Name
	// open says that there may be events that it does not list.
	open bool
}

// maker makes one schema.
type maker struct {
	o           Options
	definitions map[string]any

	providers            []provider
	destinations, labels []Name
	pipelines, callable  []Name
	internal             []Name
	nodes, cases         *field.Object
}

// learn reads the names from the folder's documents. They are taken as they stand: a folder that is being written is often wrong.
func (m *maker) learn() {
	for _, e := range event.Own() {
		m.internal = append(m.internal, Name{Name: e.Name, Doc: e.Doc + " Its payload is such as " + e.Example + "."})
	}
	known := func(d *manifest.Document, names []Name) bool { return d.Name == "" || has(names, d.Name) }
	for _, d := range m.o.Bundle.Documents(manifest.Provider) {
		if known(d, m.known()) {
			continue
		}
		p := provider{Name: nameOf(d), open: d.Partial}
		if unknown := d.Root.Get("unknown_events"); unknown != nil && unknown.Text == "accept" {
			p.open = true
		}
		p.events = eventsOf(d.Root)
		p.open = p.open || len(p.events) == 0
		m.providers = append(m.providers, p)
	}
	for _, d := range m.o.Bundle.Documents(manifest.Destination) {
		if !known(d, m.destinations) {
			m.destinations = append(m.destinations, nameOf(d))
		}
	}
	for _, d := range m.o.Bundle.Documents(manifest.Pipeline) {
		if known(d, m.pipelines) {
			continue
		}
		m.pipelines = append(m.pipelines, nameOf(d))
		m.walk(d.Root.Get("nodes"), d)
	}
	m.nodes = objectBelow(m.o.Kinds[manifest.Pipeline], "nodes")
	m.cases = objectBelow(m.o.Kinds[manifest.Test], "cases")
}

func nameOf(d *manifest.Document) Name {
	doc := d.Title
	if d.Description != "" {
		doc = d.Description
	}
	return Name{Name: d.Name, Doc: doc}
}

func eventsOf(root *source.Node) []Name {
	list := root.Get("events")
	if list == nil {
		return nil
	}
	var out []Name
	for _, item := range list.Items {
		n := item.Get("name")
		if n == nil || !n.IsScalar() || n.Text == "" || has(out, n.Text) {
			continue
		}
		e := Name{Name: n.Text}
		for _, key := range []string{"title", "description"} {
			if t := item.Get(key); t != nil && t.IsScalar() {
				e.Doc = t.Text
			}
		}
		out = append(out, e)
	}
	return out
}

// walk notes the labels of nodes, those of bodies too, and the events that they emit.
func (m *maker) walk(nodes *source.Node, d *manifest.Document) {
	if nodes == nil {
		return
	}
	for _, n := range nodes.Items {
		label, typ, props := n.Get("label"), n.Get("type"), n.Get("props")
		if label != nil && label.IsScalar() && label.Text != "" && !has(m.labels, label.Text) {
			m.labels = append(m.labels, Name{Name: label.Text, Doc: "A node of " + d.Name + "."})
		}
		if typ != nil && typ.Text == "start" && !has(m.callable, d.Name) {
			m.callable = append(m.callable, nameOf(d))
		}
		if typ != nil && typ.Text == "emit" {
			if e := props.Get("event"); e != nil && e.Kind == source.String && !has(m.internal, e.Text) {
				m.internal = append(m.internal, Name{Name: e.Text, Doc: "Emitted by " + d.Name + "."})
			}
		}
		m.walk(props.Get("nodes"), d)
	}
}

func has(list []Name, name string) bool {
	return slices.ContainsFunc(list, func(n Name) bool { return n.Name == name })
}

func objectBelow(o *field.Object, key string) *field.Object {
	if o == nil {
		return nil
	}
	f, _ := o.Field(key)
	return f.Object
}

// known lists the providers that a node may name: the folder's, and that of emitted events.
func (m *maker) known() []Name {
	var out []Name
	for _, p := range m.providers {
		out = append(out, p.Name)
	}
	return append(
		out, Name{Name: event.Internal, Doc: "Events that Headgate itself and `emit` nodes make."},
		Name{Name: node.AnyProvider, Doc: "The events of every provider, those that Headgate makes itself aside."},
	)
}
