package hook_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/script"
)

func text(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

func TestAHookToSubscribersPublishes(t *testing.T) {
	t.Parallel()
	env := &script.Env{
		Event:   map[string]any{"name": "order.created"},
		Payload: map[string]any{"user": "ann", "number": int64(7), "nothing": nil, "kind": "order.paid"},
	}
	rows := []struct{ name, props, event, user, scope, channels string }{
		{"all that is said by default", "subscribers: {}", "order.created", "-", "-", "flow/Tell"},
		{"an event of its own", "subscribers: {event: user.greeted}", "user.greeted", "-", "-", "flow/Tell"},
		{"templates", "subscribers: {event: '{{ payload.kind }}', user: '{{ payload.user }}', scope: integration, channel: partners}", "order.paid", "ann", "integration", "flow/Tell partners"},
		{"a number is its digits", "subscribers: {user: '{{ payload.number }}'}", "order.created", "7", "-", "flow/Tell"},
		{"a user who is not there is nobody", "subscribers: {user: '{{ payload.nothing }}'}", "order.created", "", "-", "flow/Tell"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			n, found := build(t, r.props)
			if n == nil || len(found) > 0 {
				t.Fatalf("%s: %v", r.props, found)
			}
			outcome, err := n.Do(t.Context(), node.Input{Env: env})
			if err != nil {
				t.Fatal(err)
			}
			p, ok := outcome.(node.Publish)
			if !ok {
				t.Fatalf("the outcome is a %T, want a publication", outcome)
			}
			if p.Event != r.event || text(p.User) != r.user || text(p.Scope) != r.scope || strings.Join(p.Channels, " ") != r.channels {
				t.Errorf("publishes %s for user %s with scope %s by %v, want %s, %s, %s, %s", p.Event, text(p.User), text(p.Scope), p.Channels, r.event, r.user, r.scope, r.channels)
			}
			channels, publishes := n.Publishes()
			if key, gate := n.Delivers(); !publishes || !slices.Equal(channels, p.Channels) || key+gate != "" {
				t.Errorf("it publishes: %t by %v, and delivers to %q by %q", publishes, channels, key, gate)
			}
		})
	}
}

func TestInTheRunOfASubscriptionTheHookDelivers(t *testing.T) {
	t.Parallel()
	n, found := build(t, "subscribers: {}\nbody: {text: '{{ payload.n }}', to: '{{ subscription.id }}'}")
	if n == nil {
		t.Fatal(found)
	}
	env := &script.Env{Payload: map[string]any{"n": int64(7)}, Outputs: map[string]any{"subscription": map[string]any{"id": "sub_1"}}}
	outcome, err := n.Do(t.Context(), node.Input{Env: env, Subscription: "sub_1"})
	d, ok := outcome.(node.Deliver)
	if err != nil || !ok || d.Destination != "flow/Tell" || d.Gate != "subscription/sub_1" || d.Subscription != "sub_1" || !d.HasBody {
		t.Fatalf("the outcome is %+v: %v, want a delivery by the subscription's gate", outcome, err)
	}
	if body, _ := d.Body.(map[string]any); body["to"] != "sub_1" || body["text"] != int64(7) {
		t.Errorf("the body is %v", d.Body)
	}
	if n, _ := build(t, "destination: ops"); n != nil {
		if _, publishes := n.Publishes(); publishes {
			t.Error("a hook to a destination publishes")
		}
	}
}

func TestWhatIsNoNameIsTheHooksFailure(t *testing.T) {
	t.Parallel()
	for _, props := range []string{
		"subscribers: {event: '{{ payload.blank }}'}", "subscribers: {event: '{{ payload.nothing }}'}", "subscribers: {event: '{{ payload.list }}'}",
		"subscribers: {user: '{{ payload.list }}'}", "subscribers: {user: '{{ payload.blank }}'}", "subscribers: {scope: '{{ payload.star }}'}",
		"subscribers: {user: '{{ payload.missing.deep }}'}",
	} {
		n, found := build(t, props)
		if n == nil {
			t.Fatalf("%s: %v", props, found)
		}
		env := &script.Env{Event: map[string]any{"name": "order.created"}, Payload: map[string]any{"blank": "a b", "nothing": nil, "list": []any{"x"}, "star": "a*"}}
		if outcome, err := n.Do(t.Context(), node.Input{Env: env}); err == nil && !strings.Contains(props, "missing") {
			t.Errorf("%s gives %+v, want an error", props, outcome)
		}
	}
}

func TestAHookToSubscribersIsRefusedWhereItIsWrong(t *testing.T) {
	t.Parallel()
	rows := []struct{ props, want string }{
		{"subscribers: {}\nurl: https://a.example.com", "each subscription has one of its own"},
		{"subscribers: {}\nconfig: {url: 'https://a.example.com'}", "each subscription has one of its own"},
		{"subscribers: {}\ndestination: ops", "write its keys at the hook"},
		{"subscribers: {event: 'a b'}", "is no name"},
		{"subscribers: {event: 'a*'}", "is no name"},
		{"subscribers: {scope: ''}", "is empty"},
		{"subscribers: {users: x}", "write `user`"},
		{"subscribers: 7", "takes a map"},
		{"subscribers: {user: '{{ Mesage }}'}", "unknown name Mesage"},
		{"subscribers: {}\nbody: '{{ subscriptoin.id }}'", "unknown name subscriptoin"},
		{"subscribers: {user: '{{ subscription.id }}'}", "unknown name subscription"},
		{"subscribers: {}\nmethod: TELL", "bad-value"},
	}
	for _, r := range rows {
		_, found := build(t, r.props)
		if !strings.Contains(strings.Join(found, "\n"), r.want) {
			t.Errorf("%s gives %q, want a finding with %q", r.props, found, r.want)
		}
	}
}
