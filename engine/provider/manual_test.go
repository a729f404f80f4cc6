package provider

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of keys into docs/provider.md")

// TestTheManualHasEveryKey holds the table of docs/provider.md against the description that manifests are read by;
// `go test ./engine/provider -run Manual -update` writes it.
func TestTheManualHasEveryKey(t *testing.T) {
	t.Parallel()
	const path, begin, end = "../../docs/provider.md", "<!-- generated: provider -->\n", "<!-- /generated -->"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	got, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no part between %q and %q", path, begin, end)
	}
	want := Object().Markdown()
	if got == want {
		return
	}
	if !*update {
		t.Errorf("%s does not have the keys as they are described; run go test ./engine/provider -run Manual -update", path)
		return
	}
	if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o600); err != nil {
		t.Fatal(err)
	}
}
