package trial_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/trial"
)

// acme signs body and time, names events and deliveries in headers, and has a handshake.
const acme = `kind: provider
signature: {algorithm: hmac-sha256, header: X-Acme-Signature, prefix: "sha256=", signed: "{ts}.{body}"}
timestamp: {header: X-Acme-Timestamp, unit: s, tolerance: 5m}
event: {header: X-Acme-Event}
delivery: {header: X-Acme-Delivery}
ignore: [ping]
events:
  - name: order.created
    example: {id: ord_1, total: 12.5, items: [{sku: a}, {sku: b}]}
  - name: order.deleted
`

// load makes a bundle of files in memory, by name and text in turns.
func load(t *testing.T, files ...string) (*manifest.Bundle, *diag.List) {
	t.Helper()
	o := manifest.Options{NoEnv: true}
	for i := 0; i < len(files); i += 2 {
		o.Files = append(o.Files, source.NewFile(files[i], []byte(files[i+1])))
	}
	return manifest.Load(t.Context(), o)
}

// run runs the cases, which are the lines below `cases:`, beside a provider.
func run(t *testing.T, provider, tests string) trial.Report {
	t.Helper()
	report, list := try(t, provider, tests)
	for _, f := range list.Sorted() {
		t.Errorf("finding: %s", f)
	}
	return report
}

// try is run for tests that have findings.
func try(t *testing.T, provider, tests string) (trial.Report, *diag.List) {
	t.Helper()
	bundle, list := load(t, "gate/acme/provider.yaml", provider, "gate/acme/tests.yaml", "kind: test\n"+tests)
	report, found := trial.Run(t.Context(), trial.Options{Bundle: bundle})
	list.Merge(found)
	return report, list
}

// passes runs cases that must all pass.
func passes(t *testing.T, provider, tests string) {
	t.Helper()
	report := run(t, provider, tests)
	if len(report.Results) == 0 {
		t.Error("no case was run")
	}
	for _, r := range report.Results {
		for _, f := range r.Failures {
			t.Errorf("%s: %s: got %s, want %s (%s)", r.Name, f.What, f.Got, f.Want, r.Diagnosis)
		}
	}
}

// failures writes the failures of a report as lines.
func failures(r trial.Report) []string {
	var out []string
	for _, c := range r.Results {
		for _, f := range c.Failures {
			out = append(out, fmt.Sprintf("%s: %s: got %s, want %s", f.Span, f.What, f.Got, f.Want))
		}
	}
	return out
}

// same fails where lines are others.
func same(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
