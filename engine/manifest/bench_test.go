package manifest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/headgate/headgate/engine/manifest"
)

func BenchmarkLoad(b *testing.B) {
	for _, count := range []int{100, 1000} {
		b.Run(fmt.Sprintf("manifests=%d", count), func(b *testing.B) {
			dir := b.TempDir()
			for i := range count {
				text := fmt.Sprintf(benchPipeline, i)
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("p%04d.yaml", i)), []byte(text), 0o600); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				bundle, out := manifest.Load(b.Context(), manifest.Options{Dirs: []string{dir}})
				if out.HasErrors() || len(bundle.Documents(manifest.Pipeline)) != count {
					b.Fatalf("got %d pipelines, %v", len(bundle.Documents(manifest.Pipeline)), out.Err())
				}
			}
		})
	}
}

const benchPipeline = `kind: pipeline
name: big-pull-requests-%d
description: Tells the team about pull requests that are larger than a person wants to review
labels: {team: platform}
nodes:
  - label: Opened
    type: receive
    props:
      provider: github
      event: pull_request
      filter: payload.action == "opened"
  - label: Is big
    type: condition
    props:
      expression: payload.pull_request.changed_files > 20
  - label: Message
    type: code
    props:
      language: expr
      code: |
        {"text": "Big PR: " + payload.pull_request.html_url}
  - label: Tell Slack
    type: hook
    props:
      destination: ops-slack
      body: "{{ Message }}"
connections:
  - Opened -> Is big
  - "Is big[true] -> Message -> Tell Slack"
`
