package engine_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/source"
)

func TestNodeTypesAreDescribed(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, typ := range engine.NodeTypes() {
		if seen[typ.Name] {
			t.Errorf("%s is listed twice", typ.Name)
		}
		seen[typ.Name] = true
		if typ.Name == "" || !strings.HasSuffix(typ.Doc, ".") || typ.Build == nil || typ.Props == nil {
			t.Errorf("type %q lacks a sentence, its props or how it is built: %+v", typ.Name, typ)
			continue
		}
		if typ.Entry && typ.Transparent {
			t.Errorf("%s is an entry and hands on what it was given", typ.Name)
		}
		for wrong, right := range typ.Props.Hints {
			if right == "" {
				t.Errorf("%s: the wrong key %s has no hint", typ.Name, wrong)
			}
		}
		describedFields(t, typ.Name, typ.Props.Fields)
	}
}

// describedFields checks that every key has a sentence, and a default that its own type reads.
func describedFields(t *testing.T, at string, fields []field.Field) {
	t.Helper()
	names := map[string]bool{}
	for _, f := range fields {
		path := at + "." + f.Name
		if f.Doc == "" {
			t.Errorf("%s has no doc", path)
		}
		if names[f.Name] {
			t.Errorf("%s is declared twice", path)
		}
		names[f.Name] = true
		if f.Default != "" {
			o := field.Object{Name: "one", Fields: []field.Field{f}}
			docs, problems := source.ParseYAML(source.NewFile("d.yaml", []byte(f.Name+": "+f.Default)))
			var out diag.List
			if len(problems) == 0 {
				o.Decode(docs[0], &out)
			}
			if len(problems) > 0 || out.HasErrors() {
				t.Errorf("%s: its default %q is refused: %v %v", path, f.Default, problems, out.Sorted())
			}
		}
		if f.Object != nil {
			describedFields(t, path, f.Object.Fields)
		}
	}
}

func TestNodeTypesHaveASchemaAndAPage(t *testing.T) {
	t.Parallel()
	for _, typ := range engine.NodeTypes() {
		schema := typ.Props.JSONSchema()
		text, err := json.Marshal(schema)
		if err != nil {
			t.Errorf("the schema of %s: %v", typ.Name, err)
		}
		page := typ.Props.Markdown()
		for _, f := range typ.Props.Fields {
			if !strings.Contains(string(text), `"`+f.Name+`"`) {
				t.Errorf("the schema of %s lacks %s", typ.Name, f.Name)
			}
			if !strings.Contains(page, "`"+f.Name+"`") {
				t.Errorf("the page of %s lacks %s", typ.Name, f.Name)
			}
		}
	}
}

func TestDefaultsOfNodeTypesAreThereWhenNothingIsWritten(t *testing.T) {
	t.Parallel()
	for _, typ := range engine.NodeTypes() {
		docs, _ := source.ParseYAML(source.NewFile("d.yaml", []byte("{}")))
		var out diag.List
		v := typ.Props.Decode(docs[0], &out)
		for _, f := range typ.Props.Fields {
			if v.Has(f.Name) {
				t.Errorf("%s.%s is there although nobody wrote it", typ.Name, f.Name)
			}
			if f.Default == "" {
				continue
			}
			switch f.Type {
			case field.String, field.Enum:
				if got := v.String(f.Name); got != f.Default {
					t.Errorf("%s.%s is %q where nothing is written, want %q", typ.Name, f.Name, got, f.Default)
				}
			case field.Bool:
				if got := v.Bool(f.Name); got != (f.Default == "true") {
					t.Errorf("%s.%s is %t where nothing is written, want %s", typ.Name, f.Name, got, f.Default)
				}
			case field.Duration:
				if v.Duration(f.Name) <= 0 {
					t.Errorf("%s.%s has no duration where nothing is written, want %s", typ.Name, f.Name, f.Default)
				}
			}
		}
	}
}
