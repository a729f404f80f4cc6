package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheGeneratedPartsOfPagesAreCurrent writes the generated parts of all pages anew, in copies, and holds them against the pages.
func TestTheGeneratedPartsOfPagesAreCurrent(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("got pages %v, %v", pages, err)
	}
	a := &app{Process: Process{LookupEnv: func(string) (string, bool) { return "", false }}}
	written := map[string]bool{}
	for _, page := range pages {
		have, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		// Each part that the program can write is emptied first, so that a part which it does not write is seen.
		emptied := string(have)
		for name := range a.sections() {
			before, rest, ok := strings.Cut(emptied, "<!-- generated: "+name+" -->\n")
			_, after, ended := strings.Cut(rest, "<!-- /generated -->")
			if ok && ended {
				emptied, written[name] = before+"<!-- generated: "+name+" -->\n<!-- /generated -->"+after, true
			}
		}
		file := filepath.Join(t.TempDir(), filepath.Base(page))
		if err := os.WriteFile(file, []byte(emptied), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := a.writeSections(t.Context(), []string{file}); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != string(have) {
			t.Errorf("docs/%s is not what the program says of itself (%v); run go generate ./cmd/headgate/...", filepath.Base(page), err)
		}
	}
	for name := range a.sections() {
		if !written[name] {
			t.Errorf("no page has the part %q", name)
		}
	}
}
