package engine_test

import (
	"strings"
	"testing"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/source"
)

// TestNamesHoldNoReferences looks at every text that a pipeline or a node takes: what is a reference is a secret, and what a run records,
// a page shows or a metric is called is not. Requests alone may hold one, in what a destination keeps as secret.Text.
func TestNamesHoldNoReferences(t *testing.T) {
	t.Parallel()
	requests := map[string]bool{}
	for _, key := range []string{
		"url", "headers", "secret", "secrets", "auth.bearer", "auth.basic.username", "auth.basic.password", "auth.header.value", "auth.oauth2.token_url",
		"auth.oauth2.client_id", "auth.oauth2.client_secret", "tls.cert", "tls.key", "tls.ca",
	} {
		requests["hook."+key], requests["hook.config."+key] = true, true
	}
	var walk func(at string, fields []field.Field)
	walk = func(at string, fields []field.Field) {
		for _, f := range fields {
			path := at + "." + f.Name
			switch f.Type {
			case field.Map, field.Objects:
				walk(path, f.Object.Fields)
			case field.Any:
				if f.Object != nil {
					walk(path, f.Object.Fields)
				}
			case field.String, field.Strings, field.StringMap, field.Text, field.Texts, field.TextMap:
				if f.Shown == requests[path] {
					t.Errorf("%s: that it is shown is %t, and that it may hold references %t", path, f.Shown, requests[path])
				}
			}
		}
	}
	for _, typ := range engine.NodeTypes() {
		walk(typ.Name, typ.Props.Fields)
	}
	walk("pipeline", pipeline.Object().Fields)
}

// TestFindingsShowNoReferencesValue puts a reference into every key of every node and pipeline, whatever it takes.
func TestFindingsShowNoReferencesValue(t *testing.T) {
	t.Parallel()
	const canary = "canary-of-a-secret"
	value, problems := secret.NewResolver(secret.ResolverOptions{Env: func(string) (string, bool) { return canary, true }}).Resolve("<<env.CANARY>>", "")
	if len(problems) > 0 || !value.HasRef() {
		t.Fatal(problems)
	}
	var try func(name string, o *field.Object)
	try = func(name string, o *field.Object) {
		for _, f := range o.Fields {
			if f.Object != nil {
				try(name+"."+f.Name, f.Object)
			}
			n := source.NewString("<<env.CANARY>>", source.Span{})
			n.Value = &value
			for _, form := range []*source.Node{n, source.NewList(n.Span, n), source.NewMap(n.Span, source.NewEntry("key", n.Span, n))} {
				var out diag.List
				o.Decode(source.NewMap(n.Span, source.NewEntry(f.Name, n.Span, form)), &out)
				for _, found := range out.Sorted() {
					if strings.Contains(found.String()+found.Hint, canary) {
						t.Errorf("%s.%s: the finding tells the secret: %s", name, f.Name, found.String())
					}
				}
				if f.Shown && !out.HasErrors() {
					t.Errorf("%s.%s is shown and takes a reference", name, f.Name)
				}
			}
		}
	}
	for _, typ := range engine.NodeTypes() {
		try(typ.Name, typ.Props)
	}
	try("pipeline", pipeline.Object())
}
