package snapshot

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/hook"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/signature"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/subscription"
	"github.com/headgate/headgate/hooks"
)

// Options is what Load needs; Types is required.
type Options struct {
	Manifest manifest.Options
	// Types are the node types that pipelines may name.
	Types []node.Type
	// PublicURL is the address under which senders reach the public listener, "" where it is not known.
	PublicURL string
	// MaxBody is the largest body that any provider may accept.
	MaxBody int64
	// Dev is `serve --dev`.
	Dev bool
	// EgressAllow is HEADGATE_EGRESS_ALLOW: plain http to what it lists is no warning.
	EgressAllow []hooks.AllowRule
	// Machines hold the isolated languages of expressions; nil where each load makes its own, which nobody closes.
	Machines *script.Machines
	// Fetcher gets keys that a provider's signature rule has to fetch; nil where nothing can be fetched.
	Fetcher signature.Fetcher
	// Learned gives the secrets that a provider's handshakes brought; nil where none are kept.
	Learned func(provider string) signature.Learned
	// Provider compiles a provider's document in place of provider.Compile, for trials that make secrets up; nil else.
	Provider func(doc *manifest.Document, out *diag.List) *provider.Provider
	// Check looks at the documents that do not run, such as tests, when all others were compiled; nil for none. What it finds counts
	// like all else.
	Check func(bundle *manifest.Bundle, out *diag.List)
	// Now gives LoadedAt; time.Now where nil.
	Now func() time.Time
}

// Snapshot is one compiled, immutable set of manifests.
type Snapshot struct {
	// Digest names the sources; secrets are no part of it.
	Digest   string
	LoadedAt time.Time

	bundle       *manifest.Bundle
	providers    map[string]*provider.Provider
	names        []string // of the live providers, in file order
	destinations map[string]*destination.Destination
	audience     *subscription.Set        // that manifests declare
	sole         *destination.Destination // of the only hook to subscribers; nil where there are none or several
	diagrams     []*pipeline.Diagram
	revisions    map[string]*pipeline.Diagram // by name + "\x00" + revision
	sources      []store.Revision             // of the snapshot and of each pipeline, to be stored before it is published
	warnings     *diag.List
	// responding are the pipelines that may answer the senders of a provider, by its name: every request asks.
	responding map[string][]responder
}

// Load loads and compiles a manifest folder. All findings are in the list; where it has errors the snapshot is nil.
func Load(ctx context.Context, o Options) (*Snapshot, *diag.List) {
	bundle, out := manifest.Load(ctx, o.Manifest)
	return compile(ctx, o, bundle, out)
}

// Compile compiles a bundle that was loaded already, Options.Manifest aside. The list holds what it finds, not what loading found; where
// it has errors the snapshot is nil.
func Compile(ctx context.Context, bundle *manifest.Bundle, o Options) (*Snapshot, *diag.List) {
	return compile(ctx, o, bundle, &diag.List{})
}

func compile(ctx context.Context, o Options, bundle *manifest.Bundle, out *diag.List) (*Snapshot, *diag.List) {
	now := o.Now
	if now == nil {
		now = time.Now
	}
	s := &Snapshot{
		LoadedAt: now().UTC(), bundle: bundle, warnings: out, providers: map[string]*provider.Provider{},
		destinations: map[string]*destination.Destination{}, revisions: map[string]*pipeline.Diagram{},
	}
	w := &world{bundle: bundle, events: map[string]declared{}}
	s.compileProviders(o, w, out)
	compareWithCatalogue(ctx, o, bundle, out)
	s.compileDestinations(o, out)
	s.compilePipelines(o, w, out)
	s.compileSubscriptions(o, out)
	s.collectResponding()
	checkCalls(s.diagrams, bundle, out)
	checkMetrics(s.diagrams, out)
	checkEmits(s.diagrams, out)
	if o.Check != nil {
		o.Check(bundle, out)
	}
	if out.HasErrors() {
		return nil, out
	}
	s.Digest = bundle.Digest() // files read while compiling (schemas, examples) are sources too
	s.collectSources()
	return s, out
}

func (o Options) compileProvider(doc *manifest.Document, out *diag.List) *provider.Provider {
	if o.Provider != nil {
		return o.Provider(doc, out)
	}
	return provider.Compile(doc, out, provider.Options{PublicURL: o.PublicURL, MaxBody: o.MaxBody, Dev: o.Dev, Fetcher: o.Fetcher, Learned: o.Learned})
}

func (s *Snapshot) compileProviders(o Options, w *world, out *diag.List) {
	for _, doc := range s.bundle.Documents(manifest.Provider) {
		w.events[doc.Name] = declared{open: true} // what does not compile must not make its pipelines look wrong too
		w.providers = append(w.providers, doc.Name)
		if doc.Name == event.Internal {
			out.Errorf(diag.BadName, doc.NameSpan, "give it another name", "the name %q is that of Headgate's own events", doc.Name)
			continue
		}
		p := o.compileProvider(doc, out)
		if p == nil {
			continue
		}
		w.events[doc.Name] = declared{names: p.Events(), open: p.AcceptsUnknown()}
		if doc.Enabled {
			s.providers[doc.Name] = p
			s.names = append(s.names, doc.Name)
		}
	}
}

func (s *Snapshot) compileDestinations(o Options, out *diag.List) {
	for _, doc := range s.bundle.Documents(manifest.Destination) {
		d := destination.Compile(doc, script.Scope{}, out, destination.Options{Dev: o.Dev, Allowed: destination.ListedBy(o.EgressAllow)})
		if d != nil && doc.Enabled {
			s.destinations[doc.Name] = d
		}
	}
}

func (s *Snapshot) compilePipelines(o Options, w *world, out *diag.List) {
	shared := script.NewShared()
	for _, doc := range s.bundle.Documents(manifest.Pipeline) {
		d := pipeline.Compile(doc, pipeline.Options{Types: o.Types, World: w, Shared: shared, Machines: o.Machines, Dev: o.Dev, Allowed: destination.ListedBy(o.EgressAllow)}, out)
		if d == nil || !doc.Enabled {
			continue
		}
		d.Revision = revision(s.bundle, d)
		s.diagrams = append(s.diagrams, d)
		s.revisions[d.Name+"\x00"+d.Revision] = d
		for _, n := range d.Nodes() {
			if h, ok := n.Node.(*hook.Node); ok && h.Inline() != nil {
				s.destinations[h.Inline().Key] = h.Inline()
			}
		}
	}
}

// Provider gives a live provider.
func (s *Snapshot) Provider(name string) (*provider.Provider, bool) {
	p, ok := s.providers[name]
	return p, ok
}

// Providers gives the live providers in file order.
func (s *Snapshot) Providers() []*provider.Provider {
	out := make([]*provider.Provider, 0, len(s.names))
	for _, name := range s.names {
		out = append(out, s.providers[name])
	}
	return out
}

// Pipelines gives the enabled pipelines in file order.
func (s *Snapshot) Pipelines() []*pipeline.Diagram { return slices.Clone(s.diagrams) }

// Starting gives the pipelines that an event of that provider and name starts, filters aside.
func (s *Snapshot) Starting(providerName, name string) []*pipeline.Diagram {
	var out []*pipeline.Diagram
	for _, d := range s.diagrams {
		if d.Starts(providerName, name) {
			out = append(out, d)
		}
	}
	return out
}

// Diagram gives a pipeline at the revision that this snapshot holds: one of a document, or "<pipeline>/<path>", of whose runs each is for
// one subscription (see pipeline.Diagram.Sub).
func (s *Snapshot) Diagram(name, revision string) (*pipeline.Diagram, bool) {
	name, path := pipeline.SplitName(name)
	d, ok := s.revisions[name+"\x00"+revision]
	if ok && path != "" {
		return d.Sub(path)
	}
	return d, ok
}

// Responds says whether a run that an event of that provider and name starts may answer the sender, and how long the sender's request
// is to stay open for it at most.
func (s *Snapshot) Responds(providerName, name string) (timeout time.Duration, ok bool) {
	for _, r := range s.responding[providerName] {
		if r.diagram.Starts(providerName, name) {
			timeout, ok = max(timeout, r.timeout), true
		}
	}
	return timeout, ok
}

// Has says whether a pipeline of that name is live, at whatever revision. That of the runs of a hook to subscribers is while the hook's is.
func (s *Snapshot) Has(name string) bool {
	name, _ = pipeline.SplitName(name)
	return slices.ContainsFunc(s.diagrams, func(d *pipeline.Diagram) bool { return d.Name == name })
}

// Destination gives the live destination of a key: its name, or "<pipeline>/<label>". For the gate of a subscription it is what the only hook
// to subscribers says, without an address: its limits bind the gate. Which of several hooks serves a subscription nobody can say.
func (s *Snapshot) Destination(key string) (*destination.Destination, bool) {
	if s.sole != nil && strings.HasPrefix(key, run.SubscriptionGate) {
		return s.sole, true
	}
	d, ok := s.destinations[key]
	return d, ok
}

// Destinations gives the names of the declared destinations in file order, without those that hooks carry themselves.
func (s *Snapshot) Destinations() []string {
	var out []string
	for _, doc := range s.bundle.Documents(manifest.Destination) {
		if doc.Enabled {
			out = append(out, doc.Name)
		}
	}
	return out
}

// Bundle gives what the snapshot was compiled from.
func (s *Snapshot) Bundle() *manifest.Bundle { return s.bundle }

// Warnings are the findings that did not refuse the manifests.
func (s *Snapshot) Warnings() *diag.List { return s.warnings }

// Empty says whether there is nothing in it: a folder that vanished looks like that.
func (s *Snapshot) Empty() bool {
	return len(s.providers) == 0 && len(s.diagrams) == 0 && len(s.destinations) == 0
}

// world answers for the folder's documents while pipelines compile.
type world struct {
	bundle    *manifest.Bundle
	providers []string
	events    map[string]declared
}

type declared struct {
	names []string
	open  bool
}

var _ node.World = (*world)(nil)

func (w *world) Provider(name string) (events []string, open, ok bool) {
	if name == event.Internal {
		return nil, true, true // whatever somebody emits
	}
	d, ok := w.events[name]
	if !ok && !w.bundle.Complete() {
		return nil, true, true // it may stand in a document that could not be read, of which a finding tells
	}
	return d.names, d.open, ok
}

func (w *world) Providers() []string { return w.providers }

func (w *world) Destination(name string) (*manifest.Document, bool) {
	doc := w.bundle.Find(manifest.Destination, name)
	return doc, doc != nil || !w.bundle.Complete()
}

func (w *world) Destinations() []string { return w.bundle.Names(manifest.Destination) }

func (w *world) Pipeline(name string) bool {
	return w.bundle.Find(manifest.Pipeline, name) != nil || !w.bundle.Complete()
}

func (w *world) Pipelines() []string { return w.bundle.Names(manifest.Pipeline) }
