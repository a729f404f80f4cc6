package snapshot_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/code"
	"github.com/headgate/headgate/engine/node/condition"
	"github.com/headgate/headgate/engine/node/hook"
	"github.com/headgate/headgate/engine/node/receive"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const acme = `
kind: provider
name: acme
signature: {algorithm: hmac-sha256, header: X-Signature}
secret: <<env.SECRET>>
event: {header: X-Event}
delivery: {header: X-Delivery}
events: [{name: order}]
`

const flow = `
kind: destination
name: ops
url: https://ops.example.com/in
headers: {Authorization: "Bearer <<env.TOKEN>>"}
---
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme, event: order}}
  - {label: Tell, type: hook, props: {destination: ops}}
`

// folder is a keeper over manifests in memory, which a test changes.
type folder struct {
	t      testing.TB
	files  []*source.File // the keeper's, replaced in place
	env    map[string]string
	store  *memory.Store
	told   *told
	keeper *snapshot.Keeper
	mu     sync.Mutex // of env
}

// told is what an observer heard.
type told struct {
	mu    sync.Mutex
	heard []string
}

func (o *told) Reloaded(ok bool, reason, digest string, at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := "failed " + reason
	if ok {
		text = "ok"
	}
	if ok == (digest == "") || at.IsZero() {
		text += " oddly"
	}
	o.heard = append(o.heard, text)
}

func (o *told) last() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.heard) == 0 {
		return ""
	}
	return o.heard[len(o.heard)-1]
}

func nodeTypes() []node.Type {
	return []node.Type{receive.Type(), condition.Type(), code.Type(), hook.Type()}
}

// open makes a keeper over the provider and one more file; it is not booted.
func open(t testing.TB, text string, change ...func(*snapshot.KeeperOptions)) *folder {
	t.Helper()
	f := &folder{
		t: t, files: []*source.File{source.NewFile("acme.yaml", []byte(acme)), source.NewFile("flow.yaml", []byte(text))},
		env: map[string]string{"SECRET": "first-secret", "TOKEN": "first-token"}, store: memory.New(memory.Options{}), told: &told{},
	}
	if err := f.store.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.keeper = f.another(change...)
	return f
}

// another makes one more keeper over the same folder and store, as the next process would be.
func (f *folder) another(change ...func(*snapshot.KeeperOptions)) *snapshot.Keeper {
	f.t.Helper()
	o := snapshot.KeeperOptions{
		Load: snapshot.Options{Types: nodeTypes(), Manifest: manifest.Options{Files: f.files, Env: func(name string) (string, bool) {
			f.mu.Lock()
			defer f.mu.Unlock()
			v, ok := f.env[name]
			return v, ok
		}}},
		Sources: f.store, Observer: f.told, Logger: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&o)
	}
	k, err := snapshot.NewKeeper(o)
	if err != nil {
		f.t.Fatal(err)
	}
	return k
}

func (f *folder) write(text string) { f.files[1] = source.NewFile("flow.yaml", []byte(text)) }

// empty leaves no document at all.
func (f *folder) empty() {
	for i, file := range f.files {
		f.files[i] = source.NewFile(file.Name, []byte("# nothing\n"))
	}
}

func (f *folder) set(name, value string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.env[name] = value
}

func (f *folder) boot() {
	f.t.Helper()
	if out, err := f.keeper.Boot(f.t.Context(), false); err != nil {
		f.t.Fatalf("%v: %v", err, out.Sorted())
	}
}

// reload must succeed.
func (f *folder) reload() snapshot.Report {
	f.t.Helper()
	report, out, err := f.keeper.Reload(f.t.Context(), false)
	if err != nil {
		f.t.Fatalf("%v: %v", err, out.Sorted())
	}
	return report
}

// revision gives the revision of the pipeline that runs.
func (f *folder) revision(name string) string {
	f.t.Helper()
	for _, d := range f.keeper.Current().Pipelines() {
		if d.Name == name {
			return d.Revision
		}
	}
	f.t.Fatalf("there is no pipeline %q", name)
	return ""
}

// sources watches what is stored.
type sources struct {
	snapshot.Sources
	put func(store.Revision) error
}

func (s sources) PutRevision(ctx context.Context, r store.Revision) error {
	if err := s.put(r); err != nil {
		return err
	}
	return s.Sources.PutRevision(ctx, r)
}
