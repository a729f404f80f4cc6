package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/run"
)

// reloads is how often TestReloadsUnderLoadLoseNothing reloads; `make bench` sets HEADGATE_TEST_RELOADS=1000.
func reloads(t *testing.T) int {
	t.Helper()
	text := os.Getenv("HEADGATE_TEST_RELOADS")
	if text == "" {
		return 60
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("HEADGATE_TEST_RELOADS=%q: %v", text, err)
	}
	return n
}

// revisionOf is a manifest folder whose every n is another digest and another revision of its pipeline.
func revisionOf(n int) string {
	return fmt.Sprintf(`
kind: provider
name: load
signature: {algorithm: hmac-sha256, header: X-Signature, prefix: "sha256="}
secret: <<env.LOAD_SECRET>>
event: {header: X-Event}
delivery: {header: X-Delivery}
events: [{name: thing}]
---
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: load, event: thing}}
  - {label: Revision, type: code, props: {code: '{"n": %d}'}}
`, n)
}

// saves are the ways in which a manifest file is replaced.
func saves() map[string]func(dir, text string) error {
	return map[string]func(dir, text string) error{
		"in place": func(dir, text string) error {
			return os.WriteFile(filepath.Join(dir, "gate.yaml"), []byte(text), 0o644)
		},
		"rename over": func(dir, text string) error {
			tmp := filepath.Join(dir, ".gate.yaml.tmp")
			return errors.Join(os.WriteFile(tmp, []byte(text), 0o644), os.Rename(tmp, filepath.Join(dir, "gate.yaml")))
		},
		"vim": func(dir, text string) error {
			file := filepath.Join(dir, "gate.yaml")
			return errors.Join(os.Rename(file, file+"~"), os.WriteFile(file, []byte(text), 0o644), os.Remove(file+"~"))
		},
		"git checkout": func(dir, text string) error {
			file := filepath.Join(dir, "gate.yaml")
			return errors.Join(os.Remove(file), os.WriteFile(file, []byte(text), 0o644))
		},
	}
}

func TestReloadsUnderLoadLoseNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "gate.yaml"), []byte(revisionOf(0)), 0o644); err != nil {
		t.Fatal(err)
	}
	e := startEngine(t, dir, loadEnv())
	client := caller(t)

	ctx, stop := context.WithCancel(t.Context())
	var sent, failed atomic.Int64
	var wg sync.WaitGroup
	var firstFailure atomic.Value
	began := time.Now()
	for worker := range 8 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if _, err := post(client, e.PublicAddr(), fmt.Sprintf("w%d-%d", worker, i)); err != nil {
					failed.Add(1)
					firstFailure.CompareAndSwap(nil, err.Error())
				}
				sent.Add(1)
			}
		})
	}

	total := reloads(t)
	digests := map[string]bool{e.Snapshot().Digest: true}
	revisions := map[string]bool{e.Snapshot().Pipelines()[0].Revision: true}
	seen := func() {
		s := e.Snapshot()
		digests[s.Digest] = true
		revisions[s.Pipelines()[0].Revision] = true
	}
	styles := saves()
	names := []string{"in place", "rename over", "vim", "git checkout"}
	byFile := max(len(names), total/20)
	for n := 1; n <= byFile; n++ {
		before, style := e.Snapshot().Digest, names[n%len(names)]
		if err := styles[style](dir, revisionOf(n)); err != nil {
			t.Fatal(err)
		}
		soon(t, fmt.Sprintf("a save by %q is loaded", style), func() bool { return e.Snapshot().Digest != before })
		seen()
	}
	for n := byFile + 1; n <= total; n++ {
		if err := styles["rename over"](dir, revisionOf(n)); err != nil {
			t.Fatal(err)
		}
		resp, err := client.Post("http://"+e.AdminAddr()+"/api/v1/reload", "application/json", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("reload %d answered %s: %s", n, resp.Status, answer)
		}
		seen()
	}
	stop()
	wg.Wait()
	rate := float64(sent.Load()) / time.Since(began).Seconds()
	t.Logf("%d reloads, %d digests, %d requests (%.0f/s), %d failed", total, len(digests), sent.Load(), rate, failed.Load())
	if failed.Load() > 0 {
		t.Errorf("%d of %d requests failed, the first: %v", failed.Load(), sent.Load(), firstFailure.Load())
	}
	if len(digests) != total+1 {
		t.Errorf("%d digests were published, want %d", len(digests), total+1)
	}
	for _, r := range allRuns(t, client, e.AdminAddr()) {
		if !revisions[r.Revision] {
			t.Errorf("run %s ran under revision %s, which was never published", r.ID, r.Revision)
		}
	}
}

// allRuns reads every run from the API, page by page.
func allRuns(t testing.TB, c *http.Client, admin string) []run.Run {
	t.Helper()
	var out []run.Run
	cursor := ""
	for {
		var page struct {
			Runs []run.Run `json:"runs"`
			Next string    `json:"next"`
		}
		if status := get(t, c, admin+"/api/v1/runs?limit=1000&cursor="+cursor, &page); status != http.StatusOK {
			t.Fatalf("listing runs answered %d", status)
		}
		out = append(out, page.Runs...)
		if page.Next == "" {
			return out
		}
		cursor = page.Next
	}
}

// BenchmarkReload1000 reloads a folder of 1,000 manifests, one of which has changed, into a SQLite store.
func BenchmarkReload1000(b *testing.B) {
	dir := b.TempDir()
	for name, text := range folderOf(1000) {
		writeFile(b, filepath.Join(dir, name), []byte(text))
	}
	env := map[string]string{}
	for i := range 334 {
		env[fmt.Sprintf("SHOP_%d_SECRET", i)], env[fmt.Sprintf("FLOOR_%d_TOKEN", i)] = "s3cret-enough", "s3cret-enough"
	}
	begun := time.Now()
	e := startEngine(b, dir, env, func(o *engine.Options) { o.NoWatch, o.Logger = true, slog.New(slog.DiscardHandler) })
	started := time.Since(begun)
	changed := filepath.Join(dir, "pipelines/f000.yaml")
	n := 0
	for b.Loop() {
		n++
		writeFile(b, changed, fmt.Appendf(nil, generatedPipeline+"# %d\n", 0, n))
		report, list, err := e.Reload(b.Context(), false)
		if err != nil || !report.Changed {
			b.Fatalf("reload %d: %+v, %v, %v", n, report, err, list.Sorted())
		}
	}
	b.ReportMetric(float64(started.Milliseconds()), "ms/start")
}
