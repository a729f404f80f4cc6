package cli

import (
	"io/fs"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/editor"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/format"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/subscription"
	"github.com/headgate/headgate/engine/trial"
	"github.com/headgate/headgate/manifests"
)

// kindObjects describe the documents of all kinds.
func kindObjects() map[manifest.Kind]*field.Object {
	return map[manifest.Kind]*field.Object{
		manifest.Provider: provider.Object(), manifest.Pipeline: pipeline.Object(), manifest.Destination: destination.Object(),
		manifest.Subscription: subscription.Object(), manifest.Test: trial.Object(),
	}
}

// formatOptions are what manifests are formatted by.
func formatOptions() format.Options {
	o := format.Options{Kinds: map[string]*field.Object{}, Props: map[string]*field.Object{}}
	for kind, object := range kindObjects() {
		o.Kinds[string(kind)] = object
	}
	for _, t := range engine.NodeTypes() {
		o.Props[t.Name] = t.Props
	}
	return o
}

// catalogueWords are the catalogue's providers with their titles.
func catalogueWords() []editor.Name {
	entries, err := fs.ReadDir(manifests.FS(), ".")
	if err != nil {
		return nil // it is embedded
	}
	var out []editor.Name
	for _, e := range entries {
		data, err := fs.ReadFile(manifests.FS(), e.Name()+"/provider.yaml")
		if err != nil {
			continue
		}
		n := editor.Name{Name: e.Name()}
		docs, _ := source.ParseYAML(source.NewFile(e.Name(), data))
		for _, key := range []string{"title", "description"} {
			if len(docs) > 0 && docs[0].Get(key) != nil {
				n.Doc = docs[0].Get(key).Text
				break
			}
		}
		out = append(out, n)
	}
	return out
}
