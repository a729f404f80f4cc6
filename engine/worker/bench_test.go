package worker_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/sqlite"
	"github.com/headgate/headgate/engine/worker"
	"github.com/headgate/headgate/hooks"
)

// prompt answers at once.
type prompt struct{}

func (prompt) Deliver(context.Context, hooks.Request) (hooks.Attempt, error) {
	return hooks.Attempt{Status: 200, Wrote: true}, nil
}

// onDisk is a started worker over a store on disk, which before fills.
func onDisk(b *testing.B, manifests string, before ...func(*sqlite.Store)) *sqlite.Store {
	b.Helper()
	st, err := sqlite.New(sqlite.Options{Path: filepath.Join(b.TempDir(), "store.db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	if err := st.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	for _, f := range before {
		f(st)
	}
	files := []*source.File{source.NewFile("providers.yaml", []byte(providers)), source.NewFile("flow.yaml", []byte(manifests))}
	g := &gate{files: files}
	keeper, err := snapshot.NewKeeper(snapshot.KeeperOptions{
		Load: snapshot.Options{Types: allTypes(), Dev: true, Manifest: g.manifest()}, Sources: st, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	if out, err := keeper.Boot(b.Context(), false); err != nil {
		b.Fatalf("%v: %v", err, out.Sorted())
	}
	w, err := worker.New(worker.Options{Queue: st, World: keeper, Deliverer: prompt{}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	if err := w.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		ctx := context.WithoutCancel(b.Context())
		if err := w.Stop(ctx); err != nil {
			b.Error(err)
		}
		if err := st.Stop(ctx); err != nil {
			b.Error(err)
		}
	})
	return st
}

func arrivals(n int, body string) []store.Arrival {
	out := make([]store.Arrival, n)
	for i := range out {
		out[i] = store.Arrival{Route: true, Event: event.Event{
			Request: "req", Provider: "acme", Name: "order.created", ContentType: "application/json", Body: []byte(body), Source: event.Live,
		}}
	}
	return out
}

// ended waits until so many runs of the pipeline flow are through.
func ended(b *testing.B, st *sqlite.Store, n int64) {
	b.Helper()
	for {
		ledger, err := st.Ledger(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		terms := ledger.Runs["flow"]
		if terms.Completed >= n {
			return
		}
		if terms.Parked > 0 {
			page, err := st.Runs(b.Context(), store.RunQuery{State: run.Parked, Limit: 1})
			b.Fatalf("%d runs are parked, one because %+v, %v", terms.Parked, page.Runs, err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// BenchmarkManyHooksInOneRun is a foreach of a thousand hooks, twenty at a time.
func BenchmarkManyHooksInOneRun(b *testing.B) {
	st := onDisk(b, `
kind: destination
name: ops
url: http://127.0.0.1:9000/ops
concurrency: 20
---
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - label: Each
    type: foreach
    props: {items: payload.items, max: 1000, parallel: 20, nodes: [{label: Tell, type: hook, props: {destination: ops}}]}
`)
	body := `{"items": [` + strings.TrimSuffix(strings.Repeat("1,", 1000), ",") + `]}`
	done := int64(0)
	for b.Loop() {
		if _, err := st.Append(b.Context(), arrivals(1, body)); err != nil {
			b.Fatal(err)
		}
		done++
		ended(b, st, done)
	}
}

// BenchmarkTimersThatEndTogether is two thousand runs of one pipeline whose waits are over at once.
func BenchmarkTimersThatEndTogether(b *testing.B) {
	st := onDisk(b, `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme}}
  - {label: Pause, type: wait, props: {until: "{{ payload.at }}"}}
  - {label: Got, type: code, props: {code: 'payload.at'}}
`)
	const n = 2000
	done := int64(0)
	var took time.Duration
	for b.Loop() {
		at := time.Now().Add(6 * time.Second)
		if _, err := st.Append(b.Context(), arrivals(n, fmt.Sprintf(`{"at": %q}`, at.Format(time.RFC3339Nano)))); err != nil {
			b.Fatal(err)
		}
		done += n
		ended(b, st, done)
		took += time.Since(at)
	}
	b.ReportMetric(took.Seconds()/float64(b.N), "s-behind")
}
