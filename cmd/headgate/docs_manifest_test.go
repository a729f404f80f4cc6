package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/trial"
	"github.com/headgate/headgate/manifests"
)

// manifest checks a block of YAML.
func (r *reader) manifest(t *testing.T, at string, b block) {
	t.Helper()
	kind, isFragment := b.words["fragment"]
	_, isOther := b.words["other"]
	switch name := b.name(); {
	case isOther:
		var n yaml.Node
		if err := yaml.Unmarshal([]byte(b.text), &n); err != nil {
			r.report("%s: this is no YAML: %v", at, err)
		}
	case isFragment:
		for piece := range strings.SplitSeq("\n"+b.text, "\n---\n") {
			r.piece(t, at, kind, strings.Trim(piece, "\n")+"\n")
		}
	case name != "":
		r.namedManifest(t, at, name, b.text)
	default:
		dir := t.TempDir()
		writeManifest(t, dir, "manifest.yaml", b.text)
		if said := validate(t, dir); said != "" {
			r.report("%s: the manifest is refused:\n%s", at, said)
		}
	}
}

// namedManifest puts a file where the page says. The folder is checked when all that belongs to it as the page first shows it is
// there, which is so from the start.
func (r *reader) namedManifest(t *testing.T, at, name, text string) {
	t.Helper()
	if r.seen[name] {
		r.put(t, name, text)
	}
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	r.seen[name] = true
	folder, _, inFolder := strings.Cut(filepath.ToSlash(name), "/")
	if !inFolder {
		folder = name
	}
	stubFiles(t, filepath.Dir(filepath.Join(r.dir, name)), text)
	if said := validate(t, filepath.Join(r.dir, folder)); said != "" {
		r.report("%s: the folder %s is refused:\n%s", at, folder, said)
	}
}

// validate loads a folder as `headgate validate --no-env` does and gives its errors; "" for none.
func validate(t *testing.T, dir string) string {
	t.Helper()
	_, list := snapshot.Load(t.Context(), snapshot.Options{
		Manifest:  manifest.Options{Dirs: []string{dir}, Catalogue: manifests.FS(), NoEnv: true},
		Types:     engine.NodeTypes(),
		PublicURL: "https://hooks.example.com",
		MaxBody:   25 << 20,
		Check:     trial.Check,
	})
	if !list.HasErrors() {
		return ""
	}
	var b bytes.Buffer
	if err := diag.WriteText(&b, list.Sorted(), diag.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(b.String(), dir+string(filepath.Separator), "")
}

func writeManifest(t *testing.T, dir, name, text string) {
	t.Helper()
	stubFiles(t, dir, text)
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// stubFiles makes empty ones of the schemas and examples that a manifest names and a page does not show.
func stubFiles(t *testing.T, dir, text string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`\b(?:schema|example): "?(?:schema://)?([\w./-]+\.json)`).FindAllStringSubmatch(text, -1) {
		name := m[1]
		if strings.Contains(m[0], "schema://") {
			name = "schemas/" + name
		}
		file := filepath.Join(dir, filepath.FromSlash(name))
		if _, err := os.Stat(file); err == nil {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("{}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// piece wraps a piece of a manifest in each way that its keys allow; one of them must be accepted.
func (r *reader) piece(t *testing.T, at, kind, text string) {
	t.Helper()
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		r.report("%s: this is no YAML: %v\n%s", at, err, text)
		return
	}
	if len(root.Content) == 0 {
		return // comments alone
	}
	said := ""
	for _, wrap := range wrappings(kind, root.Content[0]) {
		dir := t.TempDir()
		whole := wrap(text, root.Content[0])
		writeManifest(t, dir, "piece.yaml", whole)
		writeManifest(t, dir, "world.yaml", worldOf(t, whole))
		refused := validate(t, dir)
		if refused == "" {
			return
		}
		if said == "" {
			said = refused
		}
	}
	if said == "" {
		said = "its keys do not stand together in any kind or node type; a line --- parts pieces\n" + text
	}
	r.report("%s: the piece is refused:\n%s", at, said)
}

// wrapping makes a whole manifest of a piece.
type wrapping func(text string, n *yaml.Node) string

// wrappings gives the ways in which a piece can be a part of a manifest, the likeliest first.
func wrappings(kind string, n *yaml.Node) []wrapping {
	if n.Kind == yaml.SequenceNode {
		return []wrapping{listWrapping(n)}
	}
	type way struct {
		name string
		of   *field.Object
		wrap wrapping
	}
	ways := []way{
		{"provider", provider.Object(), wrapProvider},
		{"destination", destination.Object(), wrapDestination},
		{"pipeline", pipeline.Object(), wrapPipeline},
	}
	for _, typ := range engine.NodeTypes() {
		ways = append(ways, way{typ.Name, typ.Props, func(text string, n *yaml.Node) string {
			has := func(key string) bool { return slices.Contains(keys(n), key) }
			switch {
			case typ.Name == "receive" && !has("provider"):
				text += "provider: github\n"
			case typ.Name == "hook" && !has("url") && !has("config") && !has("destination"):
				text += "url: https://hooks.example.com/in\n"
			}
			return nodesWith("  - label: Piece\n    type: "+typ.Name+"\n    props:\n"+indent(text, 6), typ.Entry)
		}})
	}
	var out []wrapping
	for _, w := range ways {
		fits := !slices.ContainsFunc(keys(n), func(k string) bool {
			_, known := w.of.Field(k)
			return !known
		})
		if kind == w.name || kind == "" && fits {
			out = append(out, w.wrap)
		}
	}
	return out
}

func keys(n *yaml.Node) []string {
	var out []string
	for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
		out = append(out, n.Content[i].Value)
	}
	return out
}

func indent(text string, blanks int) string {
	pad := strings.Repeat(" ", blanks)
	return pad + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+pad) + "\n"
}

// wrapProvider adds what a provider needs and the piece does not have.
func wrapProvider(text string, n *yaml.Node) string {
	has := func(key string) bool { return slices.Contains(keys(n), key) }
	add := func(key, value string) {
		if !has(key) {
			text += key + ": " + value + "\n"
		}
	}
	signed := has("signature") && !regexp.MustCompile(`(?m)^signature: none\b|algorithm: none`).MatchString(text)
	add("kind", "provider")
	add("name", "piece")
	switch {
	case has("use"):
	case !has("signature") && (has("secret") || has("secrets") || has("timestamp")):
		text += "signature: {algorithm: hmac-sha256, header: X-Signature}\n"
		signed = true
	case !has("signature"):
		text += "signature: none\n"
	}
	if (signed || has("use")) && !has("secret") && !has("secrets") {
		text += "secret: <<env.SECRET>>\n"
	}
	if strings.Contains(text, "{ts}") {
		add("timestamp", "{header: X-Timestamp}")
	}
	if strings.Count(text, "- name:") > 1 && !has("use") {
		add("event", "{header: X-Event}")
	}
	add("delivery", "body")
	return text
}

func wrapDestination(text string, n *yaml.Node) string {
	for _, pair := range [][2]string{{"kind", "destination"}, {"name", "piece"}, {"url", "https://hooks.example.com/in"}} {
		if !slices.Contains(keys(n), pair[0]) {
			text += pair[0] + ": " + pair[1] + "\n"
		}
	}
	return text
}

func wrapPipeline(text string, n *yaml.Node) string {
	switch {
	case slices.Contains(keys(n), "nodes"):
	case slices.Contains(keys(n), "connections"):
		text += nodesOf(n.Content[2*slices.Index(keys(n), "connections")+1])
	default:
		text += nodesWith("", false)
		return text
	}
	for _, pair := range [][2]string{{"kind", "pipeline"}, {"name", "piece"}} {
		if !slices.Contains(keys(n), pair[0]) {
			text += pair[0] + ": " + pair[1] + "\n"
		}
	}
	return text
}

// listWrapping tells lists of nodes, events and connections apart by their first item.
func listWrapping(n *yaml.Node) wrapping {
	first := keys(n.Content[0])
	switch {
	case slices.Contains(first, "label") || slices.Contains(first, "type"):
		return func(text string, _ *yaml.Node) string {
			return nodesWith(indent(text, 2), strings.Contains(text, "type: receive"))
		}
	case slices.Contains(first, "name"):
		return func(text string, n *yaml.Node) string {
			return wrapProvider("event: {header: X-Event}\nevents:\n"+indent(text, 2), &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Value: "event"}, n, {Value: "events"}, n}})
		}
	}
	return func(text string, n *yaml.Node) string {
		return "kind: pipeline\nname: piece\n" + nodesOf(n) + "connections:\n" + indent(text, 2)
	}
}

// nodesWith makes a pipeline of nodes. Where they do not begin with a receive node, those of the usual example come before them, so
// that there is something to speak of.
func nodesWith(nodes string, begins bool) string {
	head := "kind: pipeline\nname: piece\nnodes:\n"
	for _, n := range [][2]string{
		{"Opened", "type: receive, props: {provider: github, event: pull_request}"},
		{"Is big", "type: condition, props: {expression: payload.pull_request.changed_files > 20}"},
		{"Message", "type: code, props: {code: payload.pull_request}"},
	} {
		if !begins && !strings.Contains(nodes, "label: "+n[0]+"\n") {
			head += "  - {label: " + n[0] + ", " + n[1] + "}\n"
		}
	}
	return head + nodes
}

// nodesOf makes the nodes that a list of connections names: one that is left by [true] or [false] is a condition, the first is the
// entry.
func nodesOf(connections *yaml.Node) string {
	var ends []string
	for _, c := range connections.Content {
		if c.Kind == yaml.ScalarNode {
			ends = append(ends, strings.Split(c.Value, "->")...)
			continue
		}
		for i, key := range keys(c) {
			if key == "from" || key == "to" {
				ends = append(ends, c.Content[2*i+1].Value)
			}
		}
	}
	handle := regexp.MustCompile(`\s*\[([^\]]*)\]\s*$`)
	var labels []string
	conditions := map[string]bool{}
	for _, end := range ends {
		label := strings.TrimSpace(handle.ReplaceAllString(end, ""))
		if m := handle.FindStringSubmatch(end); m != nil && (m[1] == "true" || m[1] == "false") {
			conditions[label] = true
		}
		if !slices.Contains(labels, label) {
			labels = append(labels, label)
		}
	}
	out := "nodes:\n"
	for i, label := range labels {
		node := "type: code, props: {code: payload}"
		switch {
		case conditions[label]:
			node = "type: condition, props: {expression: payload.ok}"
		case i == 0:
			node = "type: receive, props: {provider: github}"
		}
		out += fmt.Sprintf("  - {label: %q, %s}\n", label, node)
	}
	return out
}

// worldOf declares the providers and destinations that a manifest names and does not have itself.
func worldOf(t *testing.T, text string) string {
	t.Helper()
	out := ""
	named := func(key string) []string {
		var names []string
		for _, m := range regexp.MustCompile(`\b`+key+`: ([a-z][a-z0-9_.-]*)`).FindAllStringSubmatch(text, -1) {
			if !slices.Contains(names, m[1]) && !strings.Contains(text, "\nname: "+m[1]+"\n") {
				names = append(names, m[1])
			}
		}
		return names
	}
	for _, name := range named("provider") {
		if _, err := fs.Stat(manifests.FS(), name+"/provider.yaml"); err == nil {
			out += "---\nkind: provider\nuse: " + name + "\nsecret: <<env.SECRET>>\n"
		} else {
			out += "---\nkind: provider\nname: " + name + "\nsignature: none\ndelivery: body\n"
		}
	}
	for _, name := range named("destination") {
		out += "---\nkind: destination\nname: " + name + "\nurl: https://hooks.example.com/in\n"
	}
	return out
}
