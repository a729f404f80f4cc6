package destination

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/source"
)

//go:embed presets/*.yaml
var presetFiles embed.FS

// plainType is the type of whoever states none: any value is sent as it is, and every 2xx is a success.
const plainType = "http"

// signingFile holds the forms of signatures; every other file is a type.
const signingFile = "signing.yaml"

// presets are the types of destinations and the forms of signatures: files of YAML that are all read by one loader. A new type is a new
// file.
type presets struct{ files fs.FS }

func embedded() presets {
	files, err := fs.Sub(presetFiles, "presets")
	if err != nil { // the name is the one that is embedded above
		return presets{presetFiles}
	}
	return presets{files}
}

// types names the types: the plain one first, then by name.
func (p presets) types() []string {
	names := []string{plainType}
	entries, _ := fs.ReadDir(p.files, ".")
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".yaml")
		if ok && name != plainType && e.Name() != signingFile {
			names = append(names, name)
		}
	}
	slices.Sort(names[1:])
	return names
}

// forms names the forms of signatures in the order written. Descriptions ask for them often, so their file is looked through, not parsed.
func (p presets) forms() []string {
	data, err := fs.ReadFile(p.files, signingFile)
	if err != nil {
		return nil
	}
	var names []string
	for line := range strings.Lines(string(data)) {
		name, ok := strings.CutSuffix(strings.TrimRight(line, "\r\n"), ":")
		if ok && name != "" && !strings.ContainsAny(name, " \t#") {
			names = append(names, name)
		}
	}
	return names
}

// example names a form for hints.
func (p presets) example() string {
	for _, name := range p.forms() {
		return name
	}
	return ""
}

// Named is a type or a form of signatures, for the documentation.
type Named struct{ Name, Doc string }

// Types gives every type of destinations, the default first.
func Types() []Named {
	p := embedded()
	var out []Named
	for _, name := range p.types() {
		if root, err := p.read(name + ".yaml"); err == nil {
			out = append(out, Named{name, textOf(root.Get(keyDoc))})
		}
	}
	return out
}

// Forms gives every form of signatures that `sign` can name, in the order of their file.
func Forms() []Named {
	root, err := embedded().read(signingFile)
	if err != nil {
		return nil
	}
	var out []Named
	for _, e := range root.Entries {
		out = append(out, Named{e.Key.Text, textOf(e.Value.Get(keyDoc))})
	}
	return out
}

func textOf(n *source.Node) string {
	if n == nil {
		return ""
	}
	return n.Text
}

// form gives what describes a form of signatures; nil where there is none of that name.
func (p presets) form(shared *script.Shared, name string) *source.Node {
	root, err := language.Keep(shared, "destination signing", func() (*source.Node, error) { return p.read(signingFile) })
	if err != nil {
		return nil
	}
	return root.Get(name)
}

func (p presets) read(file string) (*source.Node, error) {
	data, err := fs.ReadFile(p.files, file)
	if err != nil {
		return nil, fmt.Errorf("reading a preset: %w", err)
	}
	docs, problems := source.ParseYAML(source.NewFile(path.Join("presets", file), data))
	switch {
	case len(problems) > 0:
		return nil, fmt.Errorf("reading a preset: %s: %s", problems[0].Span, problems[0].Message)
	case len(docs) != 1 || docs[0].Kind != source.Map:
		return nil, fmt.Errorf("reading a preset: %s is not one map", file)
	}
	return docs[0], nil
}

// preset is one type, compiled.
type preset struct {
	name string
	// address is where requests go whose manifest has no url.
	address string
	// secretURL says that whoever knows the URL may post, so that it must not be written into a manifest.
	secretURL bool
	// member is where the destination's secret stands in the message; "" for nowhere.
	member string
	// headers are sent unless the manifest has them.
	headers []header
	// contentType is that of messages.
	contentType string
	// sign is the form of signatures where the manifest names none.
	sign string
	// message makes what is sent; nil sends any value as it is.
	message *message
	limits  []limit
	success []statuses
	// answers reads what statuses do not say; nil reads nothing.
	answers *answerRule
	wait    *waitRule
	rate    float64
	burst   int
}

// load gives a type. Its error is a fault of the preset's file, all of it.
func (p presets) load(shared *script.Shared, name string) (*preset, error) {
	return language.Keep(shared, "destination type "+name, func() (*preset, error) {
		root, err := p.read(name + ".yaml")
		if err != nil {
			return nil, err
		}
		out := &diag.List{}
		k := compilePreset(name, root, out)
		if out.HasErrors() {
			var lines []error
			for _, f := range out.Sorted() {
				lines = append(lines, errors.New(f.String()))
			}
			return nil, errors.Join(lines...)
		}
		return k, nil
	})
}

// webhook gives the type whose webhooks are at an address, such as chat.example.com/hooks/1, where whoever knows it may post. Only
// files that name the host, or what it ends in, are read.
func (p presets) webhook(shared *script.Shared, host, path string) (owner string, ok bool) {
	for _, name := range p.types() {
		data, err := fs.ReadFile(p.files, name+".yaml")
		if err != nil || !bytes.Contains(data, []byte("known:")) {
			continue
		}
		known, err := language.Keep(shared, "destination addresses "+name, func() ([]string, error) {
			root, err := p.read(name + ".yaml")
			if err != nil {
				return nil, err
			}
			return presetObject().Decode(root, &diag.List{}).Object("url").Strings("known"), nil
		})
		if err == nil && slices.ContainsFunc(known, func(at string) bool { return holdsAddress(at, host, path) }) {
			return name, true
		}
	}
	return "", false
}

// holdsAddress says whether an address begins with another, whose host may begin with *.
func holdsAddress(known, host, path string) bool {
	knownHost, knownPath, _ := strings.Cut(known, "/")
	suffix, wild := strings.CutPrefix(knownHost, "*")
	if wild && !strings.HasSuffix(host, suffix) || !wild && host != knownHost {
		return false
	}
	return strings.HasPrefix(path, "/"+knownPath) && len(path) > len(knownPath)+1
}

// presetObject describes the file of a type.
func presetObject() *field.Object {
	return &field.Object{Name: "preset", Fields: []field.Field{
		{Name: "doc", Type: field.String, Required: true},
		{Name: "url", Type: field.Map, Object: &field.Object{Name: "url", Fields: []field.Field{
			{Name: "default", Type: field.String},
			{Name: "secret", Type: field.Bool},
			{Name: "known", Type: field.Strings},
		}}},
		{Name: "secret", Type: field.String},
		{Name: "headers", Type: field.StringMap},
		{Name: "content_type", Type: field.String, Default: "application/json"},
		{Name: "sign", Type: field.String},
		{Name: "message", Type: field.Map, Object: messageObject()},
		{Name: "limits", Type: field.Objects, Object: limitObject()},
		{Name: "answer", Type: field.Map, Object: answerObject()},
		{Name: "retry_after", Type: field.Map, Object: waitObject()},
		{Name: "rate_limit", Type: field.String},
	}}
}

func compilePreset(name string, root *source.Node, out *diag.List) *preset {
	v := presetObject().Decode(root, out)
	k := &preset{name: name, member: v.String("secret"), contentType: v.String("content_type"), sign: v.String("sign")}
	if u := v.Object("url"); u != nil {
		k.address, k.secretURL = u.String("default"), u.Bool("secret")
	}
	k.headers = compilePresetHeaders(v.Node("headers"), withDelivery(script.Scope{}), out)
	if m := v.Object("message"); m != nil {
		k.message = compileMessage(name, m, out)
	}
	for _, l := range v.Objects("limits") {
		k.limits = append(k.limits, compileLimit(l, out))
	}
	if a := v.Object("answer"); a != nil {
		k.success = compileStatuses(a.Node("success"), a.Strings("success"), out)
		k.answers = compileAnswers(a)
	}
	if w := v.Object("retry_after"); w != nil {
		k.wait = compileWait(w, out)
	}
	if v.Has("rate_limit") {
		var err error
		if k.burst, k.rate, err = parseRate(v.String("rate_limit")); err != nil {
			out.Errorf(diag.BadValue, v.Span("rate_limit"), err.Error(), "`rate_limit` is no rate")
		}
	}
	if k.member != "" && k.message == nil {
		out.Errorf(diag.BadValue, v.Span("secret"), "", "`secret` is a member of messages, and there is no `message`")
	}
	return k
}

// compilePresetHeaders compiles the headers that a preset adds: names to templates.
func compilePresetHeaders(n *source.Node, scope script.Scope, out *diag.List) []header {
	if n == nil || n.Kind != source.Map {
		return nil
	}
	var headers []header
	for _, e := range n.Entries {
		h := header{name: canonical(e.Key.Text), shown: true}
		if h.template = script.CompileTemplate(script.FromNode(e.Value), scope, out); h.template == nil {
			continue
		}
		if fixed, ok := h.template.Static(); ok {
			h.value, h.template = fixed, nil
		}
		headers = append(headers, h)
	}
	return headers
}

// proseList writes names as a manual does: `a`, `b`.
func proseList(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = "`" + n + "`"
	}
	return strings.Join(quoted, ", ")
}

// deliveryName is the name under which templates that are rendered for each attempt see that attempt.
const deliveryName = "delivery"

// withDelivery adds that name to what templates see. A node of the same label stands in front of it.
func withDelivery(scope script.Scope) script.Scope {
	if !slices.Contains(scope.Labels, deliveryName) {
		scope.Labels = append(slices.Clone(scope.Labels), deliveryName)
	}
	return scope
}

// deliveryValue is what templates see under that name.
func deliveryValue(in *Delivery) map[string]any {
	return map[string]any{
		"id": in.ID, "uuid": uuidOf(in.ID), "attempt": int64(in.Attempt), "first_attempt_at": in.First.UTC().Format(time.RFC3339), "timestamp": in.Now.Unix(),
	}
}

// uuidOf makes a UUID of an id, for receivers that want one: it is as stable as the id. It says that it is of version 4 (RFC 9562), which
// such receivers hold it to.
func uuidOf(id string) string {
	sum := sha256.Sum256([]byte(id))
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}
