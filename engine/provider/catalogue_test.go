package provider

import (
	"encoding/json"
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/manifests"
)

// catalogueSecret serves every provider: whole as text, and behind its prefix as base64.
const catalogueSecret = "whsec_bm9ib2R5IGd1ZXNzZXMgdGhpcyBzZWNyZXQ="

// catalogued compiles a provider that does nothing but use one of the catalogue.
func catalogued(t *testing.T, name string) *Provider {
	t.Helper()
	bundle, out := manifest.Load(t.Context(), manifest.Options{
		Catalogue: manifests.FS(),
		Env:       func(string) (string, bool) { return catalogueSecret, true },
		Files:     []*source.File{source.NewFile("p.yaml", []byte("kind: provider\nuse: "+name+"\nsecret: <<env.SECRET>>\n"))},
	})
	if bundle == nil {
		t.Fatalf("using %s: %v", name, out.Sorted())
	}
	doc := bundle.Find(manifest.Provider, name)
	if doc == nil {
		t.Fatalf("using %s: the provider is not called so: %v", name, bundle.Names(manifest.Provider))
	}
	p := Compile(doc, out, Options{})
	if p == nil || out.Len() > 0 {
		t.Fatalf("using %s: %v", name, out.Sorted())
	}
	return p
}

func catalogue(t *testing.T) []string {
	t.Helper()
	entries, err := fs.ReadDir(manifests.FS(), ".")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestEveryProviderOfTheCatalogueReceivesItsExamples signs each example, has it received, and refuses it with one byte changed.
func TestEveryProviderOfTheCatalogueReceivesItsExamples(t *testing.T) {
	t.Parallel()
	for _, name := range catalogue(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := catalogued(t, name)
			examples := 0
			for _, eventName := range p.Events() {
				e, _ := p.Event(eventName)
				if e.Description == "" {
					t.Errorf("event %s has no description", eventName)
				}
				if e.HasSchema() != e.HasExample() {
					t.Errorf("event %s: schema %t, example %t", eventName, e.HasSchema(), e.HasExample())
				}
				if !e.HasExample() {
					continue
				}
				examples++
				body, kind, err := p.Example(eventName)
				if err != nil {
					t.Fatal(err)
				}
				r := call(t, p, Message{Event: eventName, Body: body, ContentType: kind})
				d := p.Receive(r)
				if d.Verdict != Accepted || d.Arrivals[0].Event.Name != eventName || d.Arrivals[0].Event.Delivery == "" {
					t.Errorf("event %s: got %s %+v", eventName, d.Verdict, d.Refusal)
				}
				r.Body[len(r.Body)/2] ^= 1
				if d := p.Receive(r); d.Verdict != Refused || d.Refusal.Code != "invalid_signature" {
					t.Errorf("event %s with a bit flipped: got %s %+v, want invalid_signature", eventName, d.Verdict, d.Refusal)
				}
			}
			if examples < 2 {
				t.Errorf("got %d examples, want at least 2", examples)
			}
		})
	}
}

// TestEverySchemaOfTheCatalogueNeedsWhatItRequires takes each required field out of the example in turn.
func TestEverySchemaOfTheCatalogueNeedsWhatItRequires(t *testing.T) {
	t.Parallel()
	for _, name := range catalogue(t) {
		p := catalogued(t, name)
		for _, eventName := range p.Events() {
			e, _ := p.Event(eventName)
			if !e.HasSchema() {
				continue
			}
			data, err := fs.ReadFile(manifests.FS(), path.Join(name, "schemas", eventName+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var schema struct {
				Required             []string `json:"required"`
				AdditionalProperties *bool    `json:"additionalProperties"`
			}
			if err := json.Unmarshal(data, &schema); err != nil {
				t.Fatal(err)
			}
			if len(schema.Required) < 3 || schema.AdditionalProperties != nil {
				t.Errorf("%s %s: requires %v, closed %t; want at least three, and open to new properties", name, eventName, schema.Required, schema.AdditionalProperties != nil)
			}
			for _, field := range schema.Required {
				v, err := payload.Decode(e.example)
				if err != nil {
					t.Fatal(err)
				}
				delete(v.(map[string]any), field)
				if problem := violation(e.schema, v); !strings.Contains(problem, field) {
					t.Errorf("%s %s without %s: got %q, want it refused", name, eventName, field, problem)
				}
			}
		}
	}
}

func TestTheCatalogueHasNoFileThatNothingNames(t *testing.T) {
	t.Parallel()
	for _, name := range catalogue(t) {
		text, err := fs.ReadFile(manifests.FS(), name+"/provider.yaml")
		if err != nil {
			t.Fatal(err)
		}
		for _, folder := range []string{"schemas", "examples"} {
			entries, err := fs.ReadDir(manifests.FS(), name+"/"+folder)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if !strings.Contains(string(text), folder+"/"+e.Name()+"\n") {
					t.Errorf("%s/%s/%s is named by nothing", name, folder, e.Name())
				}
			}
		}
	}
}
