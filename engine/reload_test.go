package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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
	e := startEngine(t, dir, map[string]string{"LOAD_SECRET": "load-secret"})

	ctx, stop := context.WithCancel(t.Context())
	var sent, failed atomic.Int64
	var wg sync.WaitGroup
	var firstFailure atomic.Value
	began := time.Now()
	for worker := range 8 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := post(e.PublicAddr(), "load", "load-secret", fmt.Sprintf("w%d-%d", worker, i), []byte(`{"n":1}`)); err != nil {
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
		deadline := time.Now().Add(15 * time.Second)
		for e.Snapshot().Digest == before {
			if time.Now().After(deadline) {
				t.Fatalf("a save by %q was not loaded within 15 s", style)
			}
			<-time.After(5 * time.Millisecond)
		}
		seen()
	}
	for n := byFile + 1; n <= total; n++ {
		if err := styles["rename over"](dir, revisionOf(n)); err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post("http://"+e.AdminAddr()+"/api/v1/reload", "application/json", nil)
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
	for _, r := range allRuns(t, e.AdminAddr()) {
		if !revisions[r.Revision] {
			t.Errorf("run %s ran under revision %s, which was never published", r.ID, r.Revision)
		}
	}
}

// allRuns reads every run from the API, page by page.
func allRuns(t *testing.T, admin string) []run.Run {
	t.Helper()
	var out []run.Run
	cursor := ""
	for {
		resp, err := http.Get("http://" + admin + "/api/v1/runs?limit=1000&cursor=" + cursor)
		if err != nil {
			t.Fatal(err)
		}
		var page struct {
			Runs []run.Run `json:"runs"`
			Next string    `json:"next"`
		}
		err = json.NewDecoder(resp.Body).Decode(&page)
		_ = resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, page.Runs...)
		if page.Next == "" {
			return out
		}
		cursor = page.Next
	}
}

// post sends one signed delivery; what is not a 200 is an error.
func post(addr, provider, secret, delivery string, body []byte) error {
	req, err := http.NewRequest(http.MethodPost, "http://"+addr+"/webhooks/"+provider, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Event", "thing")
	req.Header.Set("X-Delivery", delivery)
	req.Header.Set("X-Signature", "sha256="+sign(secret, body))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	answer, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s: %s", resp.Status, answer)
	}
	return nil
}
