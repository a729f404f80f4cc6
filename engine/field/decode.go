package field

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/source"
)

// Decode reads a node by the description. What is wrong with it goes to out, all of it: unknown keys with the nearest name,
// missing ones, wrong types, bounds. The result is never nil; a field that is wrong has its default.
func (o *Object) Decode(n *source.Node, out *diag.List) *Values { return o.DecodeAt("", n, out) }

// DecodeAt is Decode for a map inside of another, whose path ("signature", "events[2]") messages name.
func (o *Object) DecodeAt(path string, n *source.Node, out *diag.List) *Values {
	d := decoder{out: out}
	return d.object(o, path, n)
}

type decoder struct{ out *diag.List }

func (d *decoder) object(o *Object, path string, n *source.Node) *Values {
	v := &Values{object: o, root: n, path: path, values: make(map[string]*value, len(o.Fields))}
	isMap := n != nil && n.Kind == source.Map
	if n != nil && !isMap {
		d.wrongType(path, n, "a map", "")
	}
	var meant map[string]bool
	if isMap {
		meant = d.unknownKeys(o, path, n)
	}
	for _, f := range o.Fields {
		var child *source.Node
		if isMap {
			child = n.Get(f.Name)
		}
		val := &value{node: child}
		if child != nil {
			found := d.out.Len()
			if child.Refused || !d.field(f, join(path, f.Name), child, val) {
				val.bad = child.Refused || d.out.Len() > found
				child = nil
			}
		} else if meant[f.Name] {
			val.bad = true
		} else if f.Required && isMap {
			d.out.Errorf(diag.MissingKey, spanOfHead(n), missingHint(f), "the key `%s` is missing%s", f.Name, in(path))
		}
		if child == nil {
			d.setDefault(f, val)
		}
		v.values[f.Name] = val
	}
	return v
}

func in(path string) string {
	if path == "" {
		return ""
	}
	return " in `" + path + "`"
}

func missingHint(f Field) string {
	if f.Example == "" || strings.Contains(f.Example, "\n") {
		return ""
	}
	return fmt.Sprintf("for example `%s: %s`", f.Name, f.Example)
}

// field decodes one value; false means that it is wrong, and has been said to be.
func (d *decoder) field(f Field, path string, n *source.Node, v *value) bool {
	if f.Type == Any {
		return true
	}
	if n.Kind == source.Null {
		return d.null(f, path, n)
	}
	switch f.Type {
	case Bool, Int, Number, Duration, Size:
		return d.number(f, path, n, v)
	case Enum:
		return d.enum(f, path, n, v)
	case Strings, Texts:
		return d.list(f, path, n, v)
	case StringMap, TextMap:
		return d.stringMap(f, path, n, v)
	case Map:
		if n.Kind != source.Map {
			d.wrongType(path, n, f.describe(), f.Example)
			return false
		}
		v.object = d.object(f.Object, path, n)
		return true
	case Objects:
		return d.objects(f, path, n, v)
	default:
		return d.text(f, path, n, v)
	}
}

// null speaks of a key without a value, which is often one whose value YAML took for a comment.
func (d *decoder) null(f Field, path string, n *source.Node) bool {
	if comment, span := n.Comment(); n.Text == "" && len(comment) > 1 && comment[1] != ' ' {
		d.out.Errorf(diag.YAMLComment, span, quoteHint(comment), "`%s` is empty: YAML takes `%s` for a comment", path, comment)
		return false
	}
	d.out.Errorf(diag.WrongType, n.Span, "leave the key out where it is not needed", "`%s` has no value; it takes %s", path, f.describe())
	return false
}

func quoteHint(s string) string {
	if strings.Contains(s, `"`) || strings.Contains(s, `\`) {
		return "quote it: '" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return `quote it: "` + s + `"`
}

func (d *decoder) wrongType(path string, n *source.Node, want, example string) {
	hint := ""
	if example != "" && !strings.Contains(example, "\n") {
		hint = "write it like " + example
	}
	if path == "" {
		path = "the document"
	} else {
		path = "`" + path + "`"
	}
	d.out.Errorf(diag.WrongType, n.Span, hint, "%s takes %s, not %s", path, want, n.Kind.WithArticle())
}

// scalar gives a scalar's text with its references resolved; false where n is none.
func (d *decoder) scalar(f Field, path string, n *source.Node) (secret.Text, bool) {
	switch {
	case !n.IsScalar() || n.Kind == source.Null:
		d.wrongType(path, n, f.describe(), f.Example)
		return secret.Text{}, false
	case n.Value != nil:
		return *n.Value, true
	default:
		return secret.Literal(n.Text), true
	}
}

func (d *decoder) enum(f Field, path string, n *source.Node, v *value) bool {
	t, ok := d.scalar(f, path, n)
	if !ok {
		return false
	}
	if isPlaceholder(t) {
		return false
	}
	s := t.Reveal()
	for _, e := range f.Enum {
		if s == e {
			v.str, v.text = s, secret.Literal(s)
			return true
		}
	}
	hint := diag.DidYouMean(s, f.Enum)
	if hint == "" || t.HasRef() {
		hint = "it takes " + f.describe()
	}
	d.out.Errorf(diag.BadValue, n.Span, hint, "`%s` cannot be `%s`", path, t)
	return false
}

// isPlaceholder says whether a text stands in for a value that is not known while files are only checked.
func isPlaceholder(t secret.Text) bool {
	for _, p := range t.Parts() {
		if p.Placeholder {
			return true
		}
	}
	return false
}

// number decodes Bool, Int, Number, Duration and Size.
func (d *decoder) number(f Field, path string, n *source.Node, v *value) bool {
	t, ok := d.scalar(f, path, n)
	if !ok || d.hides(f, path, n, t) || isPlaceholder(t) {
		return false
	}
	quoted := n.Kind == source.String && !t.HasRef()
	fits := map[Type]bool{
		Bool: n.Kind == source.Bool, Int: n.Kind == source.Int, Number: n.Kind == source.Int || n.Kind == source.Float,
		Duration: n.Kind != source.Bool, Size: n.Kind != source.Bool,
	}[f.Type]
	if !fits && (quoted || n.Kind != source.String) {
		hint := ""
		if probe := (&value{}); quoted && n.Style != source.Plain && probe.parse(f.Type, n.Text) == nil {
			hint = "write it without quotes"
		}
		d.out.Errorf(diag.WrongType, n.Span, hint, "`%s` takes %s, not %s", path, f.describe(), n.Kind.WithArticle())
		return false
	}
	if err := v.parse(f.Type, t.Reveal()); err != nil {
		d.out.Errorf(diag.BadValue, n.Span, err.Error(), "`%s` cannot be `%s`", path, t)
		return false
	}
	return f.Type == Bool || d.bounds(f, path, n, v.int, v.number)
}

// parse reads a scalar's text. The error says what to write.
func (v *value) parse(t Type, s string) (err error) {
	switch t {
	case Bool:
		switch strings.ToLower(s) {
		case "true":
			v.int = 1
		case "false":
		default:
			return fmt.Errorf("write true or false")
		}
	case Int:
		if v.int, err = strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 0, 64); err != nil {
			return fmt.Errorf("write an integer")
		}
	case Number:
		if v.number, err = strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64); err != nil || math.IsNaN(v.number) || math.IsInf(v.number, 0) {
			return fmt.Errorf("write a number")
		}
	case Duration:
		d, err := ParseDuration(s)
		if err != nil {
			return err
		}
		v.int = int64(d)
	case Size:
		v.int, err = ParseSize(s)
		return err
	}
	return nil
}

func (d *decoder) bounds(f Field, path string, n *source.Node, i int64, x float64) bool {
	if f.Min == 0 && f.Max == 0 {
		return true
	}
	low, high := i < f.Min, f.Max != 0 && i > f.Max
	if f.Type == Number {
		low, high = x < float64(f.Min), f.Max != 0 && x > float64(f.Max)
	}
	if !low && !high {
		return true
	}
	what := n.Text
	if !n.IsScalar() {
		what = strconv.FormatInt(i, 10) + " entries"
	}
	d.out.Errorf(diag.BadValue, n.Span, f.boundsText(), "`%s` cannot be `%s`", path, what)
	return false
}

// boundsText says what the bounds are: "it takes 1s to 60s".
func (f Field) boundsText() string {
	show := func(n int64) string {
		switch f.Type {
		case Duration:
			return FormatDuration(time.Duration(n))
		case Size:
			return FormatSize(n)
		default:
			return strconv.FormatInt(n, 10)
		}
	}
	unit := ""
	switch f.Type {
	case Strings, Texts, StringMap, TextMap, Objects:
		unit = " entries"
	}
	if f.Max == 0 {
		return "it takes at least " + show(f.Min) + unit
	}
	return "it takes " + show(f.Min) + " to " + show(f.Max) + unit
}

// list decodes Strings and Texts: one string, or a list of them.
func (d *decoder) list(f Field, path string, n *source.Node, v *value) bool {
	items := []*source.Node{n}
	switch n.Kind {
	case source.List:
		items = n.Items
	case source.Map:
		d.wrongType(path, n, f.describe(), f.Example)
		return false
	}
	good := true
	for i, item := range items {
		at := path
		if n.Kind == source.List {
			at = fmt.Sprintf("%s[%d]", path, i)
		}
		one := Field{Name: f.Name, Type: Text, Secret: f.Secret, Shown: f.Shown, Required: true}
		var val value
		if item.Kind == source.Null {
			good = d.null(one, at, item) && good
			continue
		}
		if !d.text(one, at, item, &val) {
			good = false
			continue
		}
		v.strs = append(v.strs, val.str)
		v.texts = append(v.texts, val.text)
	}
	return good && d.bounds(f, path, n, int64(len(items)), 0)
}

// stringMap decodes StringMap and TextMap.
func (d *decoder) stringMap(f Field, path string, n *source.Node, v *value) bool {
	if n.Kind != source.Map {
		d.wrongType(path, n, f.describe(), f.Example)
		return false
	}
	good := true
	v.smap, v.tmap = make(map[string]string, len(n.Entries)), make(map[string]secret.Text, len(n.Entries))
	for _, e := range n.Entries {
		at := join(path, e.Key.Text)
		one := Field{Name: e.Key.Text, Type: Text, Secret: f.Secret, Shown: f.Shown}
		var val value
		if e.Value.Kind == source.Null {
			good = d.null(one, at, e.Value) && good
			continue
		}
		if e.Value.Kind == source.Bool { // a header or a label may well be `true`
			val.str, val.text = e.Value.Text, secret.Literal(e.Value.Text)
		} else if !d.text(one, at, e.Value, &val) {
			good = false
			continue
		}
		v.smap[e.Key.Text], v.tmap[e.Key.Text] = val.str, val.text
	}
	return good && d.bounds(f, path, n, int64(len(n.Entries)), 0)
}

func (d *decoder) objects(f Field, path string, n *source.Node, v *value) bool {
	if n.Kind == source.Map && f.Single {
		v.list = append(v.list, d.object(f.Object, path, n))
		return true
	}
	if n.Kind != source.List {
		d.wrongType(path, n, f.describe(), f.Example)
		return false
	}
	for i, item := range n.Items {
		at := fmt.Sprintf("%s[%d]", path, i)
		if item.Kind != source.Map {
			d.wrongType(at, item, "a map", "")
			continue
		}
		v.list = append(v.list, d.object(f.Object, at, item))
	}
	return d.bounds(f, path, n, int64(len(n.Items)), 0)
}

// setDefault gives an absent or wrong field its default.
func (d *decoder) setDefault(f Field, v *value) {
	*v = value{node: v.node, bad: v.bad, object: v.object, list: v.list}
	if f.Default == "" {
		return
	}
	switch f.Type {
	case Bool, Int, Number, Duration, Size:
		if err := v.parse(f.Type, f.Default); err != nil {
			panic(fmt.Sprintf("field: the default of %q: %v", f.Name, err))
		}
	case Strings, Texts:
		v.strs, v.texts = []string{f.Default}, []secret.Text{secret.Literal(f.Default)}
	default:
		v.str, v.text = f.Default, secret.Literal(f.Default)
	}
}
