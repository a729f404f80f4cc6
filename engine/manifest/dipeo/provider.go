package dipeo

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/source"
)

// Provider rewrites a provider manifest. What cannot be said natively is found, and refused in the result, so that the rest is still
// looked at. The second result is always true: no such document is of a form that cannot be read. A provider that declares nothing about webhooks becomes a disabled one: DiPeO only calls it.
func Provider(root *source.Node, out *diag.List) (*source.Node, bool) {
	r := rewriter{out: out, schemas: "schemas"}
	if dir := root.Get("schemas_directory"); dir != nil && dir.Kind == source.String {
		r.schemas = dir.Text
	}
	native := r.head(root, "provider")
	hooks := false
	for _, e := range root.Entries {
		switch e.Key.Text {
		case "auth", "operations", "retry_policy", "default_timeout", "default_headers", "hooks_module", "schemas_directory", "$schema":
		case "rate_limit":
			// DiPeO's own one bounds calls to the service.
			if e.Value.Get("rate") != nil {
				native.Entries = append(native.Entries, e)
			}
		case "version":
			native.Entries = append(native.Entries, source.Entry{Key: e.Key, Value: asString(e.Value)})
		case "webhook_events":
			hooks = true
			native.Entries = append(native.Entries, rename(e, "events", r.events(e.Value)))
		case "metadata":
			if config := e.Value.Get("webhook_config"); config != nil {
				hooks = true
				native.Entries = append(native.Entries, r.config(e.Value, config)...)
			}
		default:
			native.Entries = append(native.Entries, e)
		}
	}
	if !hooks && root.Get("signature") == nil && root.Get("enabled") == nil {
		span := native.Span
		native.Entries = append(native.Entries,
			source.NewEntry("signature", span, source.NewString("none", span)),
			source.NewEntry("enabled", span, &source.Node{Kind: source.Bool, Text: "false", Span: span}))
	}
	return r.references(native), true
}

// rewriter carries what is found on the way.
type rewriter struct {
	out     *diag.List
	schemas string
	labels  []string
	waits   []string // labels of hooks that became waits for an event
}

// refused gives a value of which a finding speaks; whoever decodes it leaves it alone.
func refused(n *source.Node) *source.Node {
	c := *n
	c.Refused = true
	return &c
}

// head begins the native document with its kind, which findings place at the document's first key.
func (r *rewriter) head(root *source.Node, kind string) *source.Node {
	span := root.Span
	if len(root.Entries) > 0 {
		span = root.Entries[0].Key.Span
	}
	native := source.NewMap(root.Span, source.NewEntry("kind", span, source.NewString(kind, span)))
	native.Entries = slices.Grow(native.Entries, len(root.Entries))
	return native
}

// rename gives an entry another key at the same place.
func rename(e source.Entry, key string, value *source.Node) source.Entry {
	return source.NewEntry(key, e.Key.Span, value)
}

// asString makes text of a scalar: `version: 1.0` is no number.
func asString(n *source.Node) *source.Node {
	if n.IsScalar() && n.Kind != source.Null {
		c := *n
		c.Kind = source.String
		return &c
	}
	return n
}

// with gives a scalar another text at the same place; columns inside of it are those of its beginning.
func with(n *source.Node, text string) *source.Node {
	if n.Text == text {
		return n
	}
	return source.NewString(text, n.Span)
}

func (r *rewriter) events(list *source.Node) *source.Node {
	if list.Kind != source.List {
		return list
	}
	native := source.NewList(list.Span)
	for _, item := range list.Items {
		if item.Kind != source.Map {
			native.Items = append(native.Items, item)
			continue
		}
		event := source.NewMap(item.Span)
		for _, e := range item.Entries {
			switch e.Key.Text {
			case "payload_schema":
				if s := r.schema(e.Value); s != nil {
					event.Entries = append(event.Entries, rename(e, "schema", s))
				}
			case "example_payload":
				event.Entries = append(event.Entries, rename(e, "example", e.Value))
			default:
				event.Entries = append(event.Entries, e)
			}
		}
		native.Items = append(native.Items, event)
	}
	return native
}

// schema rewrites a payload_schema: schema://FILE, JSON as text, or what is native already. nil is a schema that is empty.
func (r *rewriter) schema(n *source.Node) *source.Node {
	if n.Kind != source.String {
		return n
	}
	if file, ok := strings.CutPrefix(n.Text, "schema://"); ok {
		return with(n, path.Join(r.schemas, file))
	}
	text := strings.TrimSpace(n.Text)
	if text == "" {
		return nil
	}
	if !strings.HasPrefix(text, "{") {
		return n
	}
	inline, offset, err := jsonNode(n)
	if err != nil {
		at := n.TextPos(offset)
		r.out.Errorf(diag.DiPeOValue, source.Span{File: n.Span.File, Start: at, End: source.Pos{Line: at.Line, Col: at.Col + 1}}, "",
			"the schema is no JSON: %v", err)
		return refused(n)
	}
	return inline
}

// config rewrites metadata.webhook_config into a signature and a secret.
func (r *rewriter) config(metadata, config *source.Node) []source.Entry {
	place := metadata.KeySpan("webhook_config")
	if config.Kind != source.Map {
		r.out.Errorf(diag.WrongType, config.Span, "", "`metadata.webhook_config` takes a map, not %s", config.Kind.WithArticle())
		return []source.Entry{source.NewEntry("signature", place, refused(config))}
	}
	signature := source.NewMap(config.Span)
	entries := []source.Entry{source.NewEntry("signature", place, signature)}
	algorithm := source.NewEntry("algorithm", place, source.NewString("hmac-sha256", place))
	for _, e := range config.Entries {
		switch e.Key.Text {
		case "signature_header":
			signature.Entries = append(signature.Entries, rename(e, "header", e.Value))
		case "signature_algorithm":
			algorithm = rename(e, "algorithm", r.algorithm(e.Value))
		case "secret":
			entries = append(entries, e)
		default:
			name, _ := diag.Nearest(e.Key.Text, []string{"signature_header", "signature_algorithm", "secret"})
			switch name {
			case "signature_header":
				signature.Entries = append(signature.Entries, rename(e, "header", refused(e.Value)))
			case "signature_algorithm":
				algorithm = rename(e, "algorithm", refused(e.Value))
			case "secret":
				entries = append(entries, rename(e, "secret", refused(e.Value)))
			}
			hint := ""
			if name != "" {
				hint = "did you mean `" + name + "`?"
			}
			r.out.Errorf(diag.UnknownKey, e.Key.Span, hint, "unknown key `%s` in `metadata.webhook_config`", e.Key.Text)
		}
	}
	signature.Entries = append(signature.Entries, algorithm,
		source.NewEntry("strip_to", place, source.NewString("=", place)))
	return entries
}

// algorithm rewrites the names of DiPeO, in which a plain hash means HMAC.
func (r *rewriter) algorithm(n *source.Node) *source.Node {
	if !n.IsScalar() {
		return n
	}
	name := strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(n.Text))
	name = strings.TrimPrefix(name, "hmac")
	switch name {
	case "sha1", "sha256", "sha512":
		return with(n, "hmac-"+name)
	}
	known := []string{"hmac_sha256", "hmac_sha512", "hmac_sha1"}
	hint := diag.DidYouMean(n.Text, known)
	if hint == "" {
		hint = fmt.Sprintf("known are %s; a document of `kind: provider` has more", strings.Join(known, ", "))
	}
	r.out.Errorf(diag.DiPeOValue, n.Span, hint, "there is no signature_algorithm `%s`", n.Text)
	return refused(n)
}

// references rewrites {{env.X}} into <<env.X>> in every string. Both are of one length, so columns stay true.
func (r *rewriter) references(n *source.Node) *source.Node {
	switch n.Kind {
	case source.Map:
		for i, e := range n.Entries {
			n.Entries[i].Value = r.references(e.Value)
		}
	case source.List:
		for i, item := range n.Items {
			n.Items[i] = r.references(item)
		}
	case source.String:
		if text := envReferences(n.Text); text != n.Text {
			c := *n
			c.Text = text
			return &c
		}
	}
	return n
}

// envReferences writes {{env.X}} and {{ env.X }} as <<env.X>>; `\{{` stays as it is.
func envReferences(s string) string {
	if !strings.Contains(s, "{{") {
		return s
	}
	var b strings.Builder
	for {
		open := strings.Index(s, "{{")
		if open < 0 {
			break
		}
		length := strings.Index(s[open:], "}}")
		if length < 0 {
			break
		}
		inner := strings.TrimSpace(s[open+2 : open+length])
		if open > 0 && s[open-1] == '\\' || !strings.HasPrefix(inner, "env.") || strings.ContainsAny(inner[4:], " \t\n()|+") {
			b.WriteString(s[:open+2])
			s = s[open+2:]
			continue
		}
		b.WriteString(s[:open] + "<<" + inner + ">>")
		s = s[open+length+2:]
	}
	return b.String() + s
}
