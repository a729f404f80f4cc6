package manifest

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/source"
)

// catalogueFile is the manifest of a catalogue provider, in the folder of its name.
const catalogueFile = "provider.yaml"

// uses merges what providers `use`.
func (l *loader) uses() {
	u := user{loader: l, catalogue: map[string]*Document{}, done: map[*Document]bool{}, named: map[*Document]string{}}
	for _, d := range l.bundle.documents {
		if n := d.Root.Get("use"); n != nil && n.IsScalar() {
			u.named[d] = n.Text
		}
	}
	for _, d := range l.bundle.documents {
		if d.Kind == Provider {
			u.merge(d, nil)
		}
	}
}

type user struct {
	*loader
	catalogue map[string]*Document
	done      map[*Document]bool
	named     map[*Document]string // what each document uses, as written
}

// merge puts what d uses beneath d. above are the documents whose merging led here, the first one first.
func (u *user) merge(d *Document, above []*Document) {
	n := d.Root.Get("use")
	if n == nil || u.done[d] {
		return
	}
	if n.Kind != source.String {
		u.done[d] = true
		u.out.Errorf(diag.WrongType, n.Span, "", "`use` takes the name of a provider, not %s", n.Kind.WithArticle())
		d.Root, d.Partial = without(d.Root, "use"), true
		return
	}
	if slices.Contains(above, d) {
		u.cycle(d, n, above)
		return
	}
	base := u.find(d, n)
	if base != nil {
		u.merge(base, append(above, d))
	}
	if u.done[d] { // a circle was found and reported
		return
	}
	u.done[d] = true
	over := without(d.Root, "use")
	if base == nil {
		d.Root, d.Partial = over, true
		u.bundle.complete = false
		return
	}
	d.Partial = base.Partial
	d.Root = mergeProvider(base.Root, over)
	if len(d.Root.Entries) > 0 && d.Root.Get("kind") == nil {
		d.Root.Entries = slices.Insert(d.Root.Entries, 0, source.NewEntry("kind", n.Span, source.NewString(string(Provider), n.Span)))
	}
	d.used = append([]*Document{base}, base.used...)
	for f, m := range base.files {
		d.files[f] = m
	}
	u.inherit(d, base)
}

// inherit takes over the texts of the used document that d does not have itself.
func (u *user) inherit(d, base *Document) {
	for _, pair := range []struct {
		own  *string
		used string
	}{{&d.Title, base.Title}, {&d.Description, base.Description}, {&d.Docs, base.Docs}} {
		if *pair.own == "" {
			*pair.own = pair.used
		}
	}
	for k, v := range base.Labels {
		if _, has := d.Labels[k]; !has {
			if d.Labels == nil {
				d.Labels = map[string]string{}
			}
			d.Labels[k] = v
		}
	}
}

func (u *user) cycle(d *Document, n *source.Node, above []*Document) {
	start := slices.Index(above, d)
	names := make([]string, 0, len(above)-start+1)
	for _, a := range above[start:] {
		names = append(names, a.Name)
		u.done[a] = true
		a.Root, a.Partial = without(a.Root, "use"), true
	}
	names = append(names, d.Name)
	u.bundle.complete = false
	u.out.Errorf(diag.UseCycle, n.Span, "", "providers use each other in a circle: %s", strings.Join(names, " -> "))
}

// find gives the provider that `use` names: another of the folders before one of the catalogue, so that a newer catalogue
// changes nothing that a folder has itself. A folder's provider that is the catalogue's one of the same name with its own
// settings is passed over: two providers that `use: github` have nothing of each other. The catalogue builds on itself alone.
func (u *user) find(d *Document, n *source.Node) *Document {
	name := n.Text
	own := u.bundle.Find(Provider, name)
	if own != nil && own != d && u.named[own] != name && !d.home.catalogue {
		return own
	}
	if found := u.fromCatalogue(name); found != nil {
		return found
	}
	if own == d && d.Root.Get("name") != nil {
		u.out.Errorf(diag.UseCycle, n.Span, "", "the provider `%s` uses itself", name)
		return nil
	}
	if own != nil && own != d {
		return own // of which the finding is: it wanted the catalogue's provider of this name
	}
	candidates := append(slices.Clone(u.bundle.Names(Provider)), u.catalogueNames()...)
	candidates = slices.DeleteFunc(candidates, func(c string) bool { return c == d.Name })
	hint := diag.DidYouMean(name, candidates)
	if hint == "" && len(u.catalogueNames()) > 0 {
		hint = "`headgate catalog` lists what comes with Headgate"
	}
	u.out.Errorf(diag.UnknownUse, n.Span, hint, "there is no provider `%s` to use", name)
	return nil
}

func (u *user) catalogueNames() []string {
	var names []string
	if u.o.Catalogue != nil {
		entries, err := fs.ReadDir(u.o.Catalogue, ".")
		if err == nil {
			for _, e := range entries {
				if e.IsDir() {
					names = append(names, e.Name())
				}
			}
		}
	}
	return names
}

// fromCatalogue loads a provider of the catalogue, from the stored sources where they have it; nil where there is none.
func (u *user) fromCatalogue(name string) *Document {
	if d, known := u.catalogue[name]; known {
		return d
	}
	u.catalogue[name] = nil
	if nameProblem(name) != "" {
		return nil
	}
	m := u.catalogueManifest(name)
	if m == nil {
		return nil
	}
	docs, problems := source.ParseYAML(m.file)
	u.problems(problems)
	for i, root := range docs {
		d := u.document(m, root, i)
		if d != nil && d.Kind == Provider && u.catalogue[name] == nil {
			u.catalogue[name] = d
			u.bundle.manifests = append(u.bundle.manifests, m)
		}
	}
	return u.catalogue[name]
}

func (u *user) catalogueManifest(name string) *manifestFile {
	inside := path.Join(name, catalogueFile)
	for _, f := range u.o.Files {
		if f.Name == CataloguePrefix+inside {
			return &manifestFile{file: f, tree: memoryTree(u.o.Files), name: f.Name, catalogue: true}
		}
	}
	if u.o.Catalogue == nil {
		return nil
	}
	t := fsTree(u.o.Catalogue)
	data, err := t.open(inside)
	if err != nil {
		if !errors.Is(err, errMissing) {
			u.out.Errorf(diag.Unreadable, fileSpan(CataloguePrefix+inside), "", "the file cannot be read: %v", err)
		}
		return nil
	}
	return &manifestFile{file: source.NewFile(CataloguePrefix+inside, data), tree: t, name: inside, catalogue: true}
}

// mergeProvider puts over on top of base: maps merge by key, everything else replaces. What names or switches the used document
// itself, and its tests, is not handed on.
func mergeProvider(base, over *source.Node) *source.Node {
	for _, key := range []string{"name", "enabled", "tests", "use"} {
		base = without(base, key)
	}
	return mergeOver(base, over)
}

// mergeOver is mergeMaps with one thing more: the two spellings of the operator's secrets stand for each other.
func mergeOver(base, over *source.Node) *source.Node {
	if over.Get("secret") != nil || over.Get("secrets") != nil {
		base = without(without(base, "secret"), "secrets")
	}
	return mergeMaps(base, over)
}

// mergeMaps keeps the keys of base in their order, then come those that only over has. A key that over sets to null is dropped.
// Both stay as they are; values keep the positions of their own files.
func mergeMaps(base, over *source.Node) *source.Node {
	merged := source.NewMap(over.Span)
	merged.Entries = make([]source.Entry, 0, len(base.Entries)+len(over.Entries))
	taken := make(map[string]bool, len(over.Entries))
	values := make(map[string]source.Entry, len(over.Entries))
	for _, e := range over.Entries {
		values[e.Key.Text] = e
	}
	for _, e := range base.Entries {
		o, has := values[e.Key.Text]
		taken[e.Key.Text] = true
		switch {
		case !has:
			merged.Entries = append(merged.Entries, e)
		case o.Value.Kind == source.Null:
		case o.Value.Kind == source.Map && e.Value.Kind == source.Map:
			merged.Entries = append(merged.Entries, source.Entry{Key: o.Key, Value: mergeMaps(e.Value, o.Value)})
		default:
			merged.Entries = append(merged.Entries, o)
		}
	}
	for _, e := range over.Entries {
		if !taken[e.Key.Text] {
			merged.Entries = append(merged.Entries, e)
		}
	}
	return merged
}

// without gives the map without a key; the map itself stays as it is.
func without(n *source.Node, key string) *source.Node {
	if n.Get(key) == nil {
		return n
	}
	c := *n
	c.Entries = slices.DeleteFunc(slices.Clone(n.Entries), func(e source.Entry) bool { return e.Key.Text == key })
	return &c
}
