package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
)

// The table stands between these lines.
const (
	tableBegin = "<!-- generated: crosscheck -->\n"
	tableEnd   = "<!-- /generated -->\n"
)

// directions says which way the check went.
func (r result) directions() string {
	var out []string
	if r.signs {
		out = append(out, "SDK signs, Headgate accepts")
	}
	if r.verifies {
		out = append(out, "Headgate signs, SDK accepts")
	}
	return strings.Join(out, "; ")
}

// writeTable puts the table of all results into the page.
func writeTable(page string, results []result) error {
	slices.SortFunc(results, func(a, b result) int { return strings.Compare(a.Provider, b.Provider) })
	var b bytes.Buffer
	b.WriteString("| provider | SDK | version | SDK signs, Headgate accepts | Headgate signs, SDK accepts | one byte changed is refused |\n|---|---|---|---|---|---|\n")
	mark := map[bool]string{true: "yes", false: "–"}
	for _, r := range results {
		flipped := "yes"
		if r.Weak != "" {
			flipped = "yes (" + r.flipped() + "; " + r.Weak + ")"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.Provider, r.SDK, r.Version, mark[r.signs], mark[r.verifies], flipped)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		return fmt.Errorf("reading the page: %w", err)
	}
	before, rest, ok := strings.Cut(string(text), tableBegin)
	_, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no lines %q and %q for the table", page, strings.TrimSpace(tableBegin), strings.TrimSpace(tableEnd))
	}
	if err := os.WriteFile(page, []byte(before+tableBegin+"\n"+b.String()+"\n"+tableEnd+after), 0o644); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}

// flipped names what was changed.
func (c sdkCase) flipped() string {
	_, name, ok := strings.Cut(c.Flip, ":")
	if !ok {
		return "body"
	}
	return name
}
