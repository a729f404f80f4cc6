// Package manifest turns folders of YAML into a [Bundle]: documents of known kinds with unique names, written in the native
// spelling, what they `use` merged in and their references resolved.
//
// It knows kinds and the keys that every kind has, and nothing else of what stands in a document: engine/provider,
// engine/destination and engine/pipeline compile those. DiPeO's documents are rewritten by engine/manifest/dipeo on the way.
// All that is wrong goes into one diag.List. A Bundle does not change after Load, what ReadFile remembers aside; it may be used
// concurrently.
package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"sort"

	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/source"
)

// Kind is what a document declares.
type Kind string

// The kinds of a document.
const (
	Provider     Kind = "provider"
	Pipeline     Kind = "pipeline"
	Destination  Kind = "destination"
	Subscription Kind = "subscription"
	Test         Kind = "test"
)

// Kinds lists the kinds.
func Kinds() []Kind { return []Kind{Provider, Pipeline, Destination, Subscription, Test} }

// CataloguePrefix begins the names of catalogue files among sources and in findings.
const CataloguePrefix = "@catalogue/"

// Options says what Load reads. Dirs or Files is required.
type Options struct {
	// Dirs are the manifest folders, or single files. With Files they are not read, but still bound what <<file…>> may read.
	Dirs []string
	// Files are sources in memory, as Bundle.Sources gives them, to be loaded instead of Dirs. Names that end in .yaml or .yml are
	// manifests, all others are files that manifests may name.
	Files []*source.File
	// Catalogue holds <name>/provider.yaml and the files beside them; nil for none.
	Catalogue fs.FS
	// Env looks up environment variables; nil means that none is set.
	Env func(name string) (value string, set bool)
	// EnvAllow are globs of the variables that manifests may read; none allows all.
	EnvAllow []string
	// SecretDirs are folders that <<file…>> may read besides Dirs; nil means /run/secrets.
	SecretDirs []string
	// NoEnv puts placeholders in the place of references, for checking without secrets.
	NoEnv bool
	// SkipUnknown passes over documents of no known kind.
	SkipUnknown bool
	// Dev is `serve --dev`: the default secret "dev-secret" is no warning.
	Dev bool
}

// Bundle is what Load made of the sources.
type Bundle struct {
	documents []*Document
	byName    map[Kind]map[string]*Document
	manifests []*manifestFile
	resolver  *secret.Resolver
	complete  bool
}

// Documents gives the documents of a kind in file order, disabled ones included.
func (b *Bundle) Documents(kind Kind) []*Document {
	var out []*Document
	for _, d := range b.documents {
		if d.Kind == kind {
			out = append(out, d)
		}
	}
	return out
}

// Find gives a document by its name, or nil.
func (b *Bundle) Find(kind Kind, name string) *Document { return b.byName[kind][name] }

// Names gives the names of a kind in file order.
func (b *Bundle) Names(kind Kind) []string {
	var out []string
	for _, d := range b.documents {
		if d.Kind == kind {
			out = append(out, d.Name)
		}
	}
	return out
}

// Beside gives the documents of a kind that stand in the same folder as d, in file order, d itself left out.
func (b *Bundle) Beside(d *Document, kind Kind) []*Document {
	var out []*Document
	for _, other := range b.documents {
		if other != d && other.Kind == kind && other.home.tree == d.home.tree && path.Dir(other.home.name) == path.Dir(d.home.name) {
			out = append(out, other)
		}
	}
	return out
}

// Files gives the manifest files in the order of loading, those of the catalogue that are used after them.
func (b *Bundle) Files() []*source.File {
	out := make([]*source.File, len(b.manifests))
	for i, m := range b.manifests {
		out[i] = m.file
	}
	return out
}

// Complete says whether every document could be read and rewritten. Where it is false, a name that nothing declares may stand in a
// document that is broken, and its absence is no finding of its own.
func (b *Bundle) Complete() bool { return b.complete }

// RevSource is a source as it is stored: Path names it for Options.Files.
type RevSource struct {
	Path string
	Data []byte
}

// Sources gives the manifest files, the catalogue files that are used, and all files that ReadFile has read so far, by path.
func (b *Bundle) Sources() []RevSource {
	all := map[string][]byte{}
	for _, m := range b.manifests {
		m.sources(all)
	}
	return sortedSources(all)
}

// Digest sums up the Sources: ask after compiling, when the files that manifests name have been read. Secrets are no part of it.
func (b *Bundle) Digest() string {
	h := sha256.New()
	for _, s := range b.Sources() {
		fmt.Fprintf(h, "%d:%s%d:", len(s.Path), s.Path, len(s.Data))
		h.Write(s.Data)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// SecretFiles gives the absolute paths of the files that references read, to be watched.
func (b *Bundle) SecretFiles() []string { return b.resolver.Files() }

// Secrets gives all values that references resolved to, for a secret.Scrubber.
func (b *Bundle) Secrets() []secret.Value { return b.resolver.Values() }

// SecretsHash gives a keyed hash of all values that references resolved to.
func (b *Bundle) SecretsHash(key []byte) string { return b.resolver.Hash(key) }

// Document is one document of a known kind.
type Document struct {
	Kind Kind
	Name string
	// NameSpan is the place of the name, or where it has none of its own, the document's first key.
	NameSpan source.Span
	// Root is the map, in the native spelling, with `use` merged and Node.Value set on every string.
	Root *source.Node
	File *source.File
	// Index counts the documents of a file from 0.
	Index int
	// Dir is the folder of the file, as findings print it.
	Dir string
	// DiPeO says that the document was rewritten from DiPeO's spelling.
	DiPeO bool
	// Enabled is false for documents that say `enabled: false`: they are checked, not run.
	Enabled bool
	// Partial says that what the document uses could not be merged, which a finding tells: what it lacks may be there.
	Partial                  bool
	Title, Description, Docs string
	Labels                   map[string]string

	home  *manifestFile
	used  []*Document                    // what `use` merged, the nearest first
	files map[*source.File]*manifestFile // the homes of all nodes under Root
}

// ReadFile reads a file that the document names, beside its manifest. It is ReadFileAt for the document itself.
func (d *Document) ReadFile(rel string) ([]byte, error) { return d.home.read(rel) }

// ReadFileAt reads a file that the value n names: beside the manifest in which n stands, which `use` may have brought in. What
// it read once it gives again, whatever happens to the file: a snapshot sees one state. `schema://F` is schemas/F. The path stays
// inside the manifest folder. The caller must not change the bytes.
func (d *Document) ReadFileAt(n *source.Node, rel string) ([]byte, error) {
	if n != nil {
		if m := d.files[n.Span.File]; m != nil {
			return m.read(rel)
		}
	}
	return d.home.read(rel)
}

// Sources gives what the document is made of: its file, the files that it names and were read so far, and the same of all that it
// uses; by path.
func (d *Document) Sources() []RevSource {
	all := map[string][]byte{}
	d.home.sources(all)
	for _, m := range d.files {
		m.sources(all)
	}
	return sortedSources(all)
}

// With gives a provider's document with the keys of another map put over its own, as `use` does it: maps merge by key, all else
// replaces. Both stay as they are. Files that keys of d name are still found; the strings of over need a Value where they hold
// references.
func (d *Document) With(over *source.Node) *Document {
	c := *d
	c.files, c.Root = maps.Clone(d.files), mergeOver(d.Root, over)
	return &c
}

func sortedSources(all map[string][]byte) []RevSource {
	out := make([]RevSource, 0, len(all))
	for p, data := range all {
		out = append(out, RevSource{Path: p, Data: data})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Path < out[j].Path })
	return out
}

// CommonFields describes the keys that every kind has; the object of each kind begins with them.
func CommonFields() []field.Field {
	kinds := make([]string, 0, len(Kinds()))
	for _, k := range Kinds() {
		kinds = append(kinds, string(k))
	}
	return []field.Field{
		{Name: "kind", Type: field.Enum, Enum: kinds, Doc: "What the document declares."},
		{Name: "name", Type: field.String, Shown: true, Doc: "The name, unique among all documents of the kind: lower-case letters, digits, `-`, `_`, `.`. " +
			"Without it the document has the name of its file, a provider.yaml or tests.yaml that of its folder."},
		{Name: "title", Type: field.String, Shown: true, Doc: "A name for people."},
		{Name: "description", Type: field.String, Shown: true, Doc: "What it is for, in a sentence."},
		{Name: "docs", Type: field.String, Shown: true, Doc: "A link to more."},
		{Name: "labels", Type: field.StringMap, Shown: true, Doc: "Free pairs such as `team: payments`, carried into records."},
		{Name: "enabled", Type: field.Bool, Default: "true", Doc: "`false` keeps the document out of what runs; it is still checked."},
	}
}
