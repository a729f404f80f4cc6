package cli

import (
	"context"
	"fmt"
	"go/version"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build tells what this binary is.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	// Modified says that the tree had changes which are in no commit.
	Modified bool   `json:"modified,omitempty"`
	Built    string `json:"built,omitempty"` // the commit's time
	Go       string `json:"go"`
	Platform string `json:"platform"`
	// Warning says why this binary should be built again; "" for none.
	Warning string `json:"warning,omitempty"`
}

func (a *app) build() build {
	b := build{
		Version: a.Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Warning: oldGo(runtime.Version()),
	}
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = s.Value
			case "vcs.time":
				b.Built = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
		if b.Version == "" && info.Main.Version != "(devel)" {
			b.Version = info.Main.Version
		}
	}
	if b.Version == "" {
		b.Version = "dev"
	}
	return b
}

// oldGo gives a sentence where the standard library of that Go has a known fault in our path: below 1.26.11 and 1.27.4 a header
// race around a bounded body may end the process (CVE-2026-97054).
func oldGo(have string) string {
	fixed := "go1.26.11"
	if version.Compare(have, "go1.27") >= 0 {
		fixed = "go1.27.4"
	}
	if !version.IsValid(have) || version.Compare(have, fixed) >= 0 {
		return ""
	}
	return fmt.Sprintf("built with %s, whose HTTP server has a fault that a sender can use (CVE-2026-97054); build with %s or later", have, fixed)
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  headgate version\n  headgate version --json",
		Args:    cobra.NoArgs,
		RunE: does(func(context.Context, []string) error {
			b := a.build()
			if a.json {
				return a.printJSON(b)
			}
			fmt.Fprintf(a.Stdout, "headgate %s", b.Version)
			if b.Commit != "" {
				fmt.Fprintf(a.Stdout, " (commit %.12s%s)", b.Commit, map[bool]string{true: ", modified"}[b.Modified])
			}
			fmt.Fprintf(a.Stdout, " %s %s\n", b.Go, b.Platform)
			if b.Warning != "" {
				a.warn("%s", b.Warning)
			}
			return nil
		}),
	}
}
