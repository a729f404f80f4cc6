package format

import (
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/source"
)

// same reads what was written and says what is not as it was; "" where all is.
func (d *doc) same(text string, object *field.Object, o *Options) string {
	f := source.NewFile(d.file.Name, []byte(text))
	docs, problems := source.ParseYAML(f)
	if len(problems) > 0 || len(docs) != 1 {
		return "it would not be read any more"
	}
	if !equal(d.root, docs[0], object, o) {
		return "a value would not be what it was"
	}
	again, why := read(f, docs[0])
	if why != nil {
		return "it would not be written the same way twice"
	}
	was, is := slices.Sorted(slices.Values(d.comments)), slices.Sorted(slices.Values(again.comments))
	if strings.Join(was, "\n") != strings.Join(is, "\n") {
		return "a comment would be lost"
	}
	return ""
}

// equal compares values; the keys of b stand in the order of a's description.
func equal(a, b *source.Node, object *field.Object, o *Options) bool {
	if a.Kind != b.Kind || a.Text != b.Text || len(a.Entries) != len(b.Entries) || len(a.Items) != len(b.Items) {
		return false
	}
	for i, e := range ordered(a, object) {
		if e.Key.Text != b.Entries[i].Key.Text || !equal(e.Value, b.Entries[i].Value, below(o, object, a, e.Key.Text), o) {
			return false
		}
	}
	for i := range a.Items {
		if !equal(a.Items[i], b.Items[i], object, o) {
			return false
		}
	}
	return true
}
