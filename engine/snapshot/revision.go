package snapshot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node/hook"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/store"
)

// revision is the digest of a pipeline's closure: its own document without its tests, and the destinations that it names.
// What was only moved or commented in a file keeps its revision.
func revision(b *manifest.Bundle, d *pipeline.Diagram) string {
	h := sha256.New()
	for _, doc := range closure(b, d) {
		writeString(h, string(doc.Kind))
		writeString(h, doc.Name)
		writeNode(h, running(doc))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// closure gives the documents that a pipeline is made of, itself first.
func closure(b *manifest.Bundle, d *pipeline.Diagram) []*manifest.Document {
	docs := []*manifest.Document{d.Document}
	var names []string
	for _, n := range d.Nodes() {
		if h, ok := n.Node.(*hook.Node); ok && h.Named() != "" && !slices.Contains(names, h.Named()) {
			names = append(names, h.Named())
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if doc := b.Find(manifest.Destination, name); doc != nil {
			docs = append(docs, doc)
		}
	}
	return docs
}

// running gives what of a document runs: not its tests.
func running(doc *manifest.Document) *source.Node {
	if doc.Kind != manifest.Pipeline || doc.Root.Get("tests") == nil {
		return doc.Root
	}
	root := *doc.Root
	root.Entries = slices.DeleteFunc(slices.Clone(root.Entries), func(e source.Entry) bool { return e.Key.Text == "tests" })
	return &root
}

func writeString(w io.Writer, s string) { fmt.Fprintf(w, "%d:%s", len(s), s) }

// writeNode writes a tree so that different trees never give the same bytes.
func writeNode(w io.Writer, n *source.Node) {
	fmt.Fprintf(w, "(%d", n.Kind)
	switch n.Kind {
	case source.Map:
		for _, e := range n.Entries {
			writeString(w, e.Key.Text)
			writeNode(w, e.Value)
		}
	case source.List:
		for _, item := range n.Items {
			writeNode(w, item)
		}
	default:
		writeString(w, n.Text)
	}
	fmt.Fprint(w, ")")
}

// collectSources gathers what must be in the store before the snapshot is published.
func (s *Snapshot) collectSources() {
	whole := store.Revision{Digest: s.Digest, Kind: store.SnapshotRevision}
	for _, f := range s.bundle.Sources() {
		whole.Files = append(whole.Files, store.RevisionFile{Path: f.Path, Data: f.Data})
	}
	s.sources = append(s.sources, whole)
	for _, d := range s.diagrams {
		rev := store.Revision{Digest: d.Revision, Kind: store.PipelineRevision, Name: d.Name}
		seen := map[string]bool{}
		for _, doc := range closure(s.bundle, d) {
			for _, f := range doc.Sources() {
				if !seen[f.Path] {
					seen[f.Path] = true
					rev.Files = append(rev.Files, store.RevisionFile{Path: f.Path, Data: f.Data})
				}
			}
		}
		s.sources = append(s.sources, rev)
	}
}

// newSources gives the sources that the running snapshot, nil where there is none, has not stored already.
func (s *Snapshot) newSources(running *published) []store.Revision {
	if running == nil {
		return s.sources
	}
	var out []store.Revision
	for _, rev := range s.sources {
		known := rev.Digest == running.Digest
		if rev.Kind == store.PipelineRevision {
			_, known = running.Diagram(rev.Name, rev.Digest)
		}
		if !known {
			out = append(out, rev)
		}
	}
	return out
}

// compileRevision makes a diagram of stored sources. Its references are placeholders: secrets are never stored, and what a run
// sends goes through the live destinations.
func compileRevision(ctx context.Context, o Options, rev store.Revision) (*pipeline.Diagram, error) {
	mo := o.Manifest
	mo.Files, mo.SkipUnknown, mo.NoEnv = []*source.File{}, true, true
	for _, f := range rev.Files {
		mo.Files = append(mo.Files, source.NewFile(f.Path, f.Data))
	}
	bundle, loaded := manifest.Load(ctx, mo)
	doc := bundle.Find(manifest.Pipeline, rev.Name)
	if doc == nil {
		return nil, errors.Join(fmt.Errorf("revision %s does not hold pipeline %q", rev.Digest, rev.Name), loaded.Err())
	}
	// Other documents of the same files may lack what they use: that lies in files which are no part of this revision.
	var found diag.List
	for _, f := range loaded.Sorted() {
		if f.Span.File == doc.File && !f.Span.Start.Before(doc.Root.Span.Start) && f.Span.Start.Before(doc.Root.Span.End) {
			found.Add(f)
		}
	}
	if found.HasErrors() {
		return nil, fmt.Errorf("loading revision %s of pipeline %q: %w", rev.Digest, rev.Name, found.Err())
	}
	d := pipeline.Compile(doc, pipeline.Options{Types: o.Types, World: pastWorld{bundle}, Machines: o.Machines, Dev: o.Dev}, &found)
	if d == nil {
		return nil, fmt.Errorf("compiling revision %s of pipeline %q: %w", rev.Digest, rev.Name, found.Err())
	}
	d.Revision = rev.Digest
	return d, nil
}

// pastWorld answers for a stored revision: its providers are not among its sources, and its events have been let in already.
type pastWorld struct{ bundle *manifest.Bundle }

func (pastWorld) Provider(string) (events []string, open, ok bool) { return nil, true, true }
func (pastWorld) Providers() []string                              { return nil }

func (w pastWorld) Destination(name string) (*manifest.Document, bool) {
	doc := w.bundle.Find(manifest.Destination, name)
	return doc, doc != nil
}

func (w pastWorld) Destinations() []string { return w.bundle.Names(manifest.Destination) }

func (pastWorld) Pipeline(string) bool { return true }
func (pastWorld) Pipelines() []string  { return nil }
