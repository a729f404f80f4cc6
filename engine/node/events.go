package node

import (
	"fmt"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/source"
)

// Events is which events a node takes: those of one provider, by their names. Node types that look at events describe the props
// `provider` (a String) and `event` (a Strings).
type Events struct {
	// Provider is the provider's name; [event.Internal] stands for the events that Headgate makes itself, [AnyProvider] for all others.
	Provider string
	names    field.Set
}

// AnyProvider is what a node names that takes the events of every provider, those that Headgate makes itself aside.
const AnyProvider = "*"

// CompileEvents reads `provider` and `event`. What does not exist in the folder is reported; the result can be used all the same.
func CompileEvents(p *field.Values, env Env, out *diag.List) Events {
	e := Events{Provider: p.String("provider")}
	names := p.Strings("event")
	if len(names) == 0 {
		names = []string{"*"}
	}
	set, err := field.ParseSet(names)
	if err != nil {
		out.Errorf(diag.BadValue, p.Span("event"), "", "%s: %v", p.Path("event"), err)
	}
	e.names = set
	if e.Provider == "" || e.Provider == event.Internal { // the names of internal events are whatever somebody emits
		return e
	}
	declared, open, ok := declared(e.Provider, env.World)
	if !ok {
		out.Errorf(diag.DanglingReference, p.Span("provider"), diag.DidYouMean(e.Provider, append(slices.Clone(env.World.Providers()), event.Internal)),
			"there is no provider %q", e.Provider)
	}
	if !ok || open {
		return e
	}
	for i, name := range names {
		if one, err := field.ParseSet([]string{name}); err == nil && !slices.ContainsFunc(declared, one.Match) {
			who := fmt.Sprintf("provider %q has no", e.Provider)
			if e.Provider == AnyProvider {
				who = "no provider has an"
			}
			out.Errorf(diag.DanglingReference, eventSpan(p, i), eventHint(name, e.Provider, declared), "%s event %q", who, name)
		}
	}
	return e
}

// declared gives the names of a provider's events, or of all.
func declared(provider string, world World) (names []string, open, ok bool) {
	if provider != AnyProvider {
		return world.Provider(provider)
	}
	for _, one := range world.Providers() {
		own, free, _ := world.Provider(one)
		names, open = append(names, own...), open || free
	}
	return names, open || len(names) == 0, true
}

// From says whether events of a provider may be meant.
func (e Events) From(provider string) bool {
	return e.Provider == provider || e.Provider == AnyProvider && provider != event.Internal
}

// Matches says whether an event of that name is meant; see From for its provider.
func (e Events) Matches(name string) bool { return e.names.Match(name) }

// Only gives the name of the events that are meant where it is one alone, and written whole.
func (e Events) Only() (name string, ok bool) { return e.names.Only() }

// Begins says whether an event is meant whose name begins so.
func (e Events) Begins(prefix string) bool { return e.names.MatchPrefix(prefix) }

// eventSpan gives the place of one of the names under `event`.
func eventSpan(p *field.Values, i int) source.Span {
	if n := p.Node("event"); n != nil && n.Kind == source.List && i < len(n.Items) {
		return n.Items[i].Span
	}
	return p.Span("event")
}

func eventHint(name, provider string, events []string) string {
	if hint := diag.DidYouMean(name, events); hint != "" {
		return hint
	}
	if len(events) == 0 {
		return fmt.Sprintf("declare it under `events:` of provider %q", provider)
	}
	if len(events) > 8 {
		events = append(events[:8:8], "…")
	}
	return "its events are " + strings.Join(events, ", ")
}
