package snapshot

import (
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/subscription"
)

// publisher is a hook to subscribers.
type publisher struct {
	key      string // of its destination
	channels []string
}

// compileSubscriptions compiles the declared subscriptions, and looks whether each of them is told of anything.
func (s *Snapshot) compileSubscriptions(o Options, out *diag.List) {
	var all []*subscription.Subscription
	publishers := s.publishers()
	if len(publishers) == 1 {
		s.sole = s.destinations[publishers[0].key]
	}
	known := out.Count(diag.Error) // with errors not every pipeline is there
	for _, doc := range s.bundle.Documents(manifest.Subscription) {
		one := subscription.Compile(doc, node.Egress{Dev: o.Dev, Allowed: destination.ListedBy(o.EgressAllow)}, out)
		if one == nil {
			continue
		}
		all = append(all, one)
		if known == 0 && !one.Disabled {
			s.checkAudience(doc, one, publishers, out)
		}
	}
	s.audience = subscription.NewSet(all...)
}

// publishers gives the hooks to subscribers of the live pipelines.
func (s *Snapshot) publishers() []publisher {
	var out []publisher
	for _, d := range s.diagrams {
		for _, n := range d.Nodes() {
			p, is := n.Node.(node.Publisher)
			if !is {
				continue
			}
			if channels, publishes := p.Publishes(); publishes {
				out = append(out, publisher{key: pipeline.SubName(d.Name, n.Path), channels: channels})
			}
		}
	}
	return out
}

// checkAudience looks at a subscription beside the hooks that may serve it.
func (s *Snapshot) checkAudience(doc *manifest.Document, one *subscription.Subscription, publishers []publisher, out *diag.List) {
	serving := slices.DeleteFunc(slices.Clone(publishers), func(p publisher) bool {
		return one.Channel != "" && !slices.Contains(p.channels, one.Channel)
	})
	switch {
	case len(serving) == 0 && len(publishers) == 0:
		out.Warnf(diag.DanglingReference, doc.NameSpan, "let a hook have `subscribers:`", "subscription %q hears of nothing: no hook of a live pipeline has `subscribers`", doc.Name)
	case len(serving) == 0:
		var names []string
		for _, p := range publishers {
			names = append(names, p.channels...)
		}
		out.Errorf(diag.DanglingReference, valueSpan(doc, "channel"), diag.DidYouMean(one.Channel, names), "no hook has the channel %q", one.Channel)
	}
	if one.MadeUp() {
		return
	}
	target, err := one.Target(time.Time{})
	if err != nil {
		return // of registered ones only
	}
	for _, p := range serving {
		template, ok := s.destinations[p.key]
		if !ok {
			continue
		}
		if _, err := template.WithTarget(target); err != nil {
			rule, span := diag.BadHeader, valueSpan(doc, "headers")
			if strings.Contains(err.Error(), "secret") {
				rule, span = diag.BadSignature, valueSpan(doc, "secret", "secrets")
			}
			out.Errorf(rule, span, "", "subscription %q cannot be served by %q: %v", doc.Name, p.key, err)
			return
		}
	}
}

// valueSpan is the place of the first of some keys that a document has, or that of its name.
func valueSpan(doc *manifest.Document, keys ...string) source.Span {
	for _, key := range keys {
		if n := doc.Root.Get(key); n != nil {
			return n.Span
		}
	}
	return doc.NameSpan
}

// Subscriptions gives the declared subscriptions, disabled ones too.
func (s *Snapshot) Subscriptions() *subscription.Set { return s.audience }
