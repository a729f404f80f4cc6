package subscription_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/subscription"
)

func ids(members []*subscription.Subscription) string {
	out := make([]string, len(members))
	for i, m := range members {
		out[i] = m.ID
	}
	return strings.Join(out, " ")
}

func ptr(s string) *string { return &s }

func TestTheAudienceIsWhoAsksForTheEventTheUserTheScopeAndTheHook(t *testing.T) {
	t.Parallel()
	set := subscription.NewSet(
		&subscription.Subscription{ID: "all", Events: []string{"*"}},
		&subscription.Subscription{ID: "agents", Events: []string{"agent:*"}},
		&subscription.Subscription{ID: "orders", Events: []string{"order.*", "order.created"}},
		&subscription.Subscription{ID: "exact", Events: []string{"agent:complete", "swarm:start"}},
		&subscription.Subscription{ID: "ann", Events: []string{"agent:*"}, Users: []string{"ann", "bob", "ann"}, Scopes: []string{"profile", "integration"}},
		&subscription.Subscription{ID: "everyone", Events: []string{"*"}, Users: []string{"zoe", "*"}, Scopes: []string{"profile"}},
		&subscription.Subscription{ID: "partners", Events: []string{"agent:*", "agent:complete"}, Channel: "partners"},
		&subscription.Subscription{ID: "one-hook", Events: []string{"*"}, Channel: "flow/Tell"},
		&subscription.Subscription{ID: "off", Events: []string{"*"}, Users: []string{"*"}, Disabled: true},
	)
	tell := []string{"flow/Tell"}
	rows := []struct {
		name  string
		query subscription.Query
		want  string
	}{
		{"an event that several ask for", subscription.Query{Event: "agent:complete", Channels: tell}, "agents all ann everyone exact one-hook"},
		{"a prefix", subscription.Query{Event: "agent:start", Channels: tell}, "agents all ann everyone one-hook"},
		{"a prefix that ends in a dot", subscription.Query{Event: "order.created"}, "all everyone orders"},
		{"the prefix itself is no name of it", subscription.Query{Event: "agent"}, "all everyone"},
		{"the prefix with nothing behind it is", subscription.Query{Event: "agent:"}, "agents all ann everyone"},
		{"a name in another case is another one", subscription.Query{Event: "Agent:complete"}, "all everyone"},
		{"no name", subscription.Query{}, "all everyone"},
		{"a user", subscription.Query{Event: "agent:complete", User: ptr("ann")}, "ann everyone"},
		{"another user", subscription.Query{Event: "agent:complete", User: ptr("cid")}, "everyone"},
		{"nobody", subscription.Query{Event: "agent:complete", User: ptr("")}, "everyone"},
		{"a user who is called as all are written", subscription.Query{Event: "agent:complete", User: ptr("*")}, "everyone"},
		{"a scope", subscription.Query{Event: "agent:complete", Scope: ptr("profile")}, "ann everyone"},
		{"a user and a scope", subscription.Query{Event: "agent:complete", User: ptr("bob"), Scope: ptr("integration")}, "ann"},
		{"an empty scope is nobody's", subscription.Query{Event: "agent:complete", Scope: ptr("")}, ""},
		{"a scope that nobody has", subscription.Query{Event: "agent:complete", Scope: ptr("prof")}, ""},
		{"a channel", subscription.Query{Event: "agent:complete", Channels: []string{"flow/Other", "partners"}}, "agents all ann everyone exact partners"},
		{"a pattern is no event", subscription.Query{Event: "agent:*"}, "agents all ann everyone"},
	}
	for _, r := range rows {
		if got := ids(set.Match(r.query)); got != r.want {
			t.Errorf("%s: told are %q, want %q", r.name, got, r.want)
		}
		for _, m := range set.All() {
			if got, want := m.Meant(r.query), slices.Contains(strings.Fields(r.want), m.ID); got != want {
				t.Errorf("%s: %s is meant: %t, want %t", r.name, m.ID, got, want)
			}
		}
	}
	if m, ok := set.Find("off"); !ok || !m.Disabled {
		t.Error("a disabled subscription is not found by its id")
	}
	if _, ok := set.Find("offf"); ok {
		t.Error("a subscription is found that is not there")
	}
}

func TestPatternsOfEvents(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", subscription.MaxItemBytes)
	rows := []struct {
		list []string
		want string // "" for none
	}{
		{[]string{"a"}, ""},
		{[]string{"*", "agent:*", "order.*", "a.b.c", long}, ""},
		{nil, "no event"},
		{[]string{long + "x"}, "longer than"},
		{[]string{"a*b"}, "not at its end"},
		{[]string{"**"}, "not at its end"},
		{[]string{"*a"}, "not at its end"},
		{[]string{"a b"}, "blanks"},
		{[]string{"a\x00"}, "cannot be shown"},
		{[]string{"a\xff"}, "cannot be shown"},
		{slices.Repeat([]string{"a"}, subscription.MaxItems+1), "1000 are allowed"},
	}
	for _, r := range rows {
		got := ""
		if err := subscription.CheckEvents(r.list); err != nil {
			got = err.Error()
		}
		if (got == "") != (r.want == "") || !strings.Contains(got, r.want) {
			t.Errorf("%.60q is found to be %q, want %q", r.list, got, r.want)
		}
	}
}

func TestListsMayStandInOneText(t *testing.T) {
	t.Parallel()
	rows := []struct {
		texts []string
		want  string
	}{
		{[]string{"agent:complete,agent:error, swarm:complete"}, "agent:complete|agent:error|swarm:complete"},
		{[]string{"a", "b,a", " , c ,"}, "a|b|c"},
		{[]string{""}, ""},
		{nil, ""},
	}
	for _, r := range rows {
		if got := strings.Join(subscription.List(r.texts...), "|"); got != r.want {
			t.Errorf("%q is the list %q, want %q", r.texts, got, r.want)
		}
	}
}

func FuzzMatchFindsWhomEachSubscriptionByItselfFinds(f *testing.F) {
	f.Add("agent:*,order.created", "ann,*", "profile", "partners", "agent:complete", "ann", "profile", uint8(7))
	f.Add("*", "", "", "", "", "", "", uint8(0))
	f.Add("a*,aa*,aaa", "b", "s", "flow/Tell", "aaa", "b", "s", uint8(3))
	f.Fuzz(func(t *testing.T, events, users, scopes, channel, event, user, scope string, bits uint8) {
		var members []*subscription.Subscription
		patterns := subscription.List(events)
		for i, p := range patterns {
			members = append(members, &subscription.Subscription{
				ID: fmt.Sprintf("s%03d", i), Events: []string{p, "x:*"}, Users: subscription.List(users), Scopes: subscription.List(scopes), Disabled: i%7 == 6,
			})
		}
		members = append(members, &subscription.Subscription{ID: "all", Events: patterns, Users: subscription.List(users), Scopes: subscription.List(scopes), Channel: channel})
		q := subscription.Query{Event: event}
		if bits&1 != 0 {
			q.User = &user
		}
		if bits&2 != 0 {
			q.Scope = &scope
		}
		if bits&4 != 0 {
			q.Channels = []string{"flow/Tell", "partners"}
		}
		var want []*subscription.Subscription
		set := subscription.NewSet(members...)
		for _, m := range set.All() {
			if m.Meant(q) {
				want = append(want, m)
			}
		}
		if got := set.Match(q); ids(got) != ids(want) {
			t.Errorf("told are %q, want %q", ids(got), ids(want))
		}
	})
}

// crowd is ten thousand subscriptions: as many to each of ten events, each for a user of its own.
func crowd() *subscription.Set {
	var members []*subscription.Subscription
	for i := range 10_000 {
		members = append(members, &subscription.Subscription{
			ID: fmt.Sprintf("sub_%05d", i), Events: []string{fmt.Sprintf("event.%d", i%10), fmt.Sprintf("other:%d:*", i%100)},
			Users: []string{fmt.Sprintf("user_%d", i)}, Scopes: []string{"integration"},
		})
	}
	return subscription.NewSet(members...)
}

func TestOneOfTenThousandIsFound(t *testing.T) {
	t.Parallel()
	set := crowd()
	if got := ids(set.Match(subscription.Query{Event: "event.3", User: ptr("user_123"), Scope: ptr("integration")})); got != "sub_00123" {
		t.Errorf("told are %q, want sub_00123", got)
	}
	if got := len(set.Match(subscription.Query{Event: "event.3"})); got != 1000 {
		t.Errorf("%d are told, want 1000", got)
	}
	if got := set.Match(subscription.Query{Event: "event.10"}); got != nil {
		t.Errorf("told are %q, want nobody", ids(got))
	}
}

func BenchmarkMatchOneUserOfTenThousand(b *testing.B) {
	set, q := crowd(), subscription.Query{Event: "event.3", User: ptr("user_123"), Scope: ptr("integration")}
	set.Match(q)
	for b.Loop() {
		set.Match(q)
	}
}

func BenchmarkMatchNobodyOfTenThousand(b *testing.B) {
	set, q := crowd(), subscription.Query{Event: "none"}
	set.Match(q)
	for b.Loop() {
		set.Match(q)
	}
}

func BenchmarkMatchAThousandOfTenThousand(b *testing.B) {
	set, q := crowd(), subscription.Query{Event: "event.3"}
	set.Match(q)
	for b.Loop() {
		set.Match(q)
	}
}
