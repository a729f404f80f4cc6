package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/source"
)

// schemaBase is put in front of the paths of schema files, so that a $ref to another file is found beside the manifest.
const schemaBase = "manifest:///"

// compileSchema compiles an event's schema: a file, schema://FILE (which stands in dir), JSON text, or the schema itself as YAML.
func compileSchema(doc *manifest.Document, n *source.Node, dir string, out *diag.List) *jsonschema.Schema {
	s := schemaSource{doc: doc, node: n, dir: dir}
	if err := s.read(); err != nil {
		span, message := textError(n, s.file, err)
		out.Errorf(diag.BadSchema, span, "", "the schema: %s", message)
		return nil
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.RegisterFormat(&jsonschema.Format{Name: "uri-template", Validate: checkURITemplate})
	c.UseLoader(&s)
	if err := c.AddResource(s.url, s.value); err != nil {
		out.Errorf(diag.BadSchema, n.Span, "", "the schema: %s", err)
		return nil
	}
	compiled, err := c.Compile(s.url)
	if err != nil {
		span, message := s.explain(err)
		out.Errorf(diag.BadSchema, span, "", "the schema: %s", message)
		return nil
	}
	return compiled
}

// schemaSource is where one schema comes from. It is also the loader of what the schema refers to.
type schemaSource struct {
	doc   *manifest.Document
	node  *source.Node
	dir   string
	url   string
	file  *source.File // nil for a schema that stands in the manifest
	value any
	// others are the files that it refers to, by their addresses.
	others map[string]*schemaSource
}

var _ jsonschema.URLLoader = (*schemaSource)(nil)

func (s *schemaSource) read() error {
	if !s.node.IsScalar() {
		s.url, s.value = schemaBase+"inline.json", field.Plain(s.node)
		return nil
	}
	t := s.node.Text
	if strings.HasPrefix(strings.TrimSpace(t), "{") {
		s.url = schemaBase + "inline.json"
		return s.decode([]byte(t))
	}
	name := t
	if after, ok := strings.CutPrefix(t, "schema://"); ok {
		name = path.Join(s.dir, after)
	}
	data, err := s.doc.ReadFileAt(s.node, name)
	if err != nil {
		return err
	}
	s.url = schemaBase + (&url.URL{Path: path.Clean(name)}).EscapedPath()
	s.file = besideFile(s.node, name, data)
	return s.decode(data)
}

func (s *schemaSource) decode(data []byte) (err error) {
	if err := payload.Check(data, payload.Limits{}); err != nil {
		return err
	}
	s.value, err = jsonschema.UnmarshalJSON(bytes.NewReader(data))
	return err
}

// Load reads a schema that another one refers to: a file beside the manifest. Nothing is ever fetched.
func (s *schemaSource) Load(address string) (any, error) {
	name, ok := strings.CutPrefix(address, schemaBase)
	if !ok {
		return nil, errors.New("schemas are not fetched; put a copy beside the manifest and refer to its file")
	}
	name, err := url.PathUnescape(name)
	if err != nil {
		return nil, err
	}
	data, err := s.doc.ReadFileAt(s.node, name)
	if err != nil {
		return nil, err
	}
	other := &schemaSource{node: s.node, url: address, file: besideFile(s.node, name, data)}
	if s.others == nil {
		s.others = map[string]*schemaSource{}
	}
	s.others[address] = other
	if err := other.decode(data); err != nil {
		return nil, err
	}
	return other.value, nil
}

// besideFile makes a source file of what a path in a manifest names, for findings.
func besideFile(n *source.Node, name string, data []byte) *source.File {
	return source.NewFile(path.Join(path.Dir(n.Span.File.Name), name), data)
}

// textError places what is wrong with JSON: in its file, or where there is none in the text that stands in the manifest. The message
// then names no byte. Other errors are about the manifest's value.
func textError(n *source.Node, file *source.File, err error) (source.Span, string) {
	var at *payload.Error
	switch {
	case !errors.As(err, &at):
		return n.Span, err.Error()
	case file != nil:
		return source.Span{File: file, Start: file.Pos(at.Offset), End: file.Pos(at.Offset + 1)}, at.Message
	default:
		return source.Span{File: n.Span.File, Start: n.TextPos(at.Offset), End: n.TextPos(at.Offset + 1)}, at.Message
	}
}

// explain finds the place in the schema that a compiler error speaks of.
func (s *schemaSource) explain(err error) (source.Span, string) {
	var invalid *jsonschema.SchemaValidationError
	var loading *jsonschema.LoadURLError
	var v *jsonschema.ValidationError
	switch {
	case errors.As(err, &invalid) && errors.As(invalid.Err, &v):
		if in := s.at(invalid.URL); in != nil {
			leaf := leafOf(v)
			return in.locate(leaf.InstanceLocation), leafText(leaf)
		}
	case errors.As(err, &loading):
		if in := s.at(loading.URL); in != nil && in != s {
			return textError(s.node, in.file, loading.Err)
		}
		if strings.HasPrefix(loading.URL, schemaBase) {
			return s.node.Span, loading.Err.Error() // which names the file
		}
		return s.node.Span, fmt.Sprintf("`%s` cannot be loaded: %s", loading.URL, loading.Err)
	}
	first, _, _ := strings.Cut(strings.ReplaceAll(err.Error(), schemaBase, ""), "\n")
	return s.node.Span, first
}

// at gives the schema of an address, nil where it is none of ours.
func (s *schemaSource) at(address string) *schemaSource {
	address, _, _ = strings.Cut(address, "#")
	if address == s.url {
		return s
	}
	return s.others[address]
}

// leafText says what is wrong; of the value as a whole it needs no path.
func leafText(leaf *jsonschema.ValidationError) string {
	return strings.TrimPrefix(leaf.Error(), "at '': ")
}

// locate gives the place of a value inside of the schema.
func (s *schemaSource) locate(tokens []string) source.Span {
	if s.file == nil {
		n := s.node
		for _, t := range tokens {
			next := n.Get(t)
			if i, err := strconv.Atoi(t); err == nil && n.Kind == source.List && i < len(n.Items) {
				next = n.Items[i]
			}
			if next == nil {
				break
			}
			n = next
		}
		return n.Span
	}
	text := ""
	for _, t := range tokens {
		quoted, err := json.Marshal(t)
		if err != nil {
			return s.node.Span
		}
		if _, err := strconv.Atoi(t); err == nil {
			quoted = []byte(t)
		}
		text += "[" + string(quoted) + "]"
	}
	from := 0
	if text != "" {
		p, err := payload.ParsePath(text)
		if err != nil {
			return s.node.Span
		}
		raw, ok, err := p.Find(s.file.Data)
		if err != nil || !ok {
			return s.node.Span
		}
		from = offsetOf(s.file.Data, raw)
	}
	return source.Span{File: s.file, Start: s.file.Pos(from), End: s.file.Pos(from + 1)}
}

// offsetOf gives where part, a piece of whole, begins in it.
func offsetOf(whole, part []byte) int {
	for i := range whole {
		if len(part) > 0 && &whole[i] == &part[0] {
			return i
		}
	}
	return 0
}

// leafOf gives the first cause that has no cause of its own: what a person has to change.
func leafOf(v *jsonschema.ValidationError) *jsonschema.ValidationError {
	for len(v.Causes) > 0 {
		v = v.Causes[0]
	}
	return v
}

// violation says in one line why a schema refuses a value, "" where it accepts it.
func violation(s *jsonschema.Schema, v any) string {
	err := s.Validate(v)
	var invalid *jsonschema.ValidationError
	if errors.As(err, &invalid) {
		return leafText(leafOf(invalid))
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// checkURITemplate is RFC 6570: expressions in braces, each an optional operator and names with modifiers. The schema library's own
// check refuses `members{/member}`, which every payload of a large code host has.
func checkURITemplate(v any) error {
	s, ok := v.(string)
	if !ok {
		return nil
	}
	for s != "" {
		open := strings.IndexAny(s, "{}")
		if open < 0 {
			return nil
		}
		if s[open] == '}' {
			return errors.New("a } without its {")
		}
		end := strings.IndexByte(s[open:], '}')
		if end < 0 {
			return errors.New("a { without its }")
		}
		if err := checkExpression(s[open+1 : open+end]); err != nil {
			return err
		}
		s = s[open+end+1:]
	}
	return nil
}

func checkExpression(e string) error {
	if e != "" && strings.IndexByte("+#./;?&", e[0]) >= 0 {
		e = e[1:]
	}
	for _, name := range strings.Split(e, ",") {
		name = strings.TrimSuffix(name, "*")
		if before, length, ok := strings.Cut(name, ":"); ok {
			if n, err := strconv.Atoi(length); err != nil || n < 1 || n > 9999 {
				return fmt.Errorf("%q is no length", length)
			}
			name = before
		}
		if name == "" || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.%") != "" {
			return fmt.Errorf("%q is no name of a variable", name)
		}
	}
	return nil
}
