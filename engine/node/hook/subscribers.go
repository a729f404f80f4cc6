package hook

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/source"
)

// Subscription is the name under which templates of a hook to subscribers see the one that a request is for: {id, name}.
const Subscription = "subscription"

// CodeBadAudience says that a template of `subscribers` gave what is no name.
const CodeBadAudience script.Code = "bad_audience"

const (
	keySubscribers = "subscribers"
	keyEvent       = "event"
	keyUser        = "user"
	keyScope       = "scope"
	keyChannel     = "channel"
	keyURL         = "url"
)

// maxName bounds the name of an event, a user or a scope.
const maxName = 200

func subscribersObject() *field.Object {
	return &field.Object{
		Name: keySubscribers,
		Doc:  "Who is told: the subscriptions that match. Each gets a request of its own, with retries of its own; the run does not wait for them.",
		Fields: []field.Field{
			{Name: keyEvent, Type: field.Template, Default: `"{{ event.name }}"`, Doc: "The name of what is told.", Example: "integration.connected"},
			{
				Name: keyUser, Type: field.Template, Example: "{{ payload.user_id }}",
				Doc: "Whom it is about: only subscriptions with this user, or with `*`, are told. Where the template gives nothing, only those with `*`.",
			},
			{Name: keyScope, Type: field.Template, Doc: "What a subscription must have been granted to be told.", Example: "integration"},
			{Name: keyChannel, Type: field.String, Shown: true, Doc: "A name under which subscriptions may ask for this hook alone, beside `<pipeline>/<label>`.", Example: "partners"},
		},
		Hints: map[string]string{
			"events": "write `event`", "name": "write `event`", "users": "write `user`", "user_id": "write `user`", "scopes": "write `scope`", "topic": "write `event`",
		},
	}
}

// audience is whom a hook to subscribers tells.
type audience struct {
	event, user, scope *script.Template // nil where nothing is said
	channels           []string
}

var _ node.Publisher = (*Node)(nil)

// Publishes implements node.Publisher.
func (n *Node) Publishes() (channels []string, ok bool) {
	if n.audience == nil {
		return nil, false
	}
	return n.audience.channels, true
}

// buildPublisher makes a hook that tells subscribers.
func buildPublisher(p *field.Values, env node.Env, out *diag.List) node.Node {
	wrong := false
	if p.Has(keyDestination) {
		out.Errorf(diag.BadValue, p.KeySpan(keyDestination), "leave it out, and write its keys at the hook",
			"`%s` is written beside `%s`: what a destination holds, its keys among it, is for its own address", keyDestination, keySubscribers)
		wrong = true
	}
	own := merged(p, out)
	if own == nil {
		return nil
	}
	if i := slices.IndexFunc(own.Entries, func(e source.Entry) bool { return e.Key.Text == keyURL }); i >= 0 {
		out.Errorf(diag.BadURL, own.Entries[i].Key.Span, "leave it out", "`%s` is written beside `%s`: each subscription has one of its own", keyURL, keySubscribers)
		wrong = true
		own.Entries = slices.Delete(own.Entries, i, i+1)
	}
	if slices.Contains(env.Scope.Labels, Subscription) {
		out.Errorf(diag.DuplicateName, env.Span, "give the node before it another label", "hook %q sees under the name `%s` the one that a request is for, and there is a node of that label", env.Label, Subscription)
		wrong = true
	}
	n := &Node{key: env.Pipeline + "/" + env.Label, audience: compileAudience(p.Object(keySubscribers), env, out)}
	scope := env.Scope
	scope.Labels = append(slices.Clone(scope.Labels), Subscription)
	n.inline = destination.CompileTemplate(n.key, own, nil, scope, out, destination.Options{Dev: env.Egress.Dev, Allowed: env.Egress.Allowed})
	if wrong || n.inline == nil || n.audience == nil {
		return nil
	}
	n.gate = n.inline.Gate
	return n
}

// compileAudience compiles the map under `subscribers`; nil where it is wrong.
func compileAudience(v *field.Values, env node.Env, out *diag.List) *audience {
	if v == nil {
		return nil
	}
	a, found := &audience{channels: []string{env.Pipeline + "/" + env.Label}}, out.Count(diag.Error)
	compile := func(key string) *script.Template {
		if !v.Has(key) || !v.Good(key) {
			return nil
		}
		t := script.CompileTemplate(script.FromNode(v.Node(key)), env.Scope, out)
		if t == nil {
			return nil
		}
		if text, fixed := t.Static(); fixed {
			if why := wrongName(text); why != "" {
				out.Errorf(diag.BadValue, v.Span(key), "", "`%s` is no name: it %s", v.Path(key), why)
			}
		}
		return t
	}
	a.event, a.user, a.scope = compile(keyEvent), compile(keyUser), compile(keyScope)
	if channel := v.String(keyChannel); channel != "" {
		a.channels = append(a.channels, channel)
	}
	if out.Count(diag.Error) > found {
		return nil
	}
	return a
}

// wrongName says why a text is no name of an event, a user or a scope; "" where it is one.
func wrongName(name string) string {
	switch {
	case name == "":
		return "is empty"
	case len(name) > maxName:
		return fmt.Sprintf("has more than %d bytes", maxName)
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == unicode.ReplacementChar }):
		return "holds blanks or control characters"
	case strings.Contains(name, "*"):
		return "holds a `*`, which stands for many names in a subscription"
	}
	return ""
}

// publish asks for a run for each subscription that matches.
func (a *audience) publish(ctx context.Context, in node.Input) (node.Outcome, error) {
	out := node.Publish{Channels: a.channels}
	name, _ := in.Env.Event["name"].(string)
	if a.event != nil {
		var err error
		if name, err = render(ctx, a.event, in.Env); err != nil {
			return nil, fmt.Errorf("rendering %s: %w", keyEvent, err)
		}
	}
	if why := wrongName(name); why != "" {
		return nil, fmt.Errorf("rendering %s: %w", keyEvent, &script.Error{Code: CodeBadAudience, Message: "it " + why})
	}
	out.Event = name
	for _, one := range []struct {
		key  string
		from *script.Template
		to   **string
	}{{keyUser, a.user, &out.User}, {keyScope, a.scope, &out.Scope}} {
		if one.from == nil {
			continue
		}
		text, err := render(ctx, one.from, in.Env)
		if err == nil && text != "" {
			if why := wrongName(text); why != "" {
				err = &script.Error{Code: CodeBadAudience, Message: "it " + why}
			}
		}
		if err != nil {
			return nil, fmt.Errorf("rendering %s: %w", one.key, err)
		}
		*one.to = &text
	}
	return out, nil
}

// render gives a name as text: what is null is empty, a number is its digits.
func render(ctx context.Context, t *script.Template, env *script.Env) (string, error) {
	v, err := t.Render(ctx, env)
	if err != nil {
		return "", err
	}
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case map[string]any, []any, bool:
		return "", &script.Error{Code: CodeBadAudience, Message: "it is no text"}
	}
	text, err := payload.Encode(v)
	return string(text), err
}
