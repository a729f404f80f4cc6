// Package commit tells which commit a manifest folder stands at, from files alone: no program is run.
package commit

import (
	"os"
	"path/filepath"
	"strings"
)

// Of tells which commit is running: what the revision file holds (its first line, at most 80 bytes), else the git HEAD of the repository
// that the folder lies in; "" where neither is known. The revision file's name may be "".
func Of(revisionFile, dir string) string {
	if revisionFile != "" {
		b, err := os.ReadFile(revisionFile)
		if err != nil {
			return ""
		}
		line := firstLine(b)
		return line[:min(len(line), 80)] // whatever the file is, status stays readable
	}
	return gitHead(dir)
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(line)
}

// gitHead reads the commit of the repository that dir lies in from its files; no program is run.
func gitHead(dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real // git-sync hands out a link to its worktree
	}
	for {
		git := filepath.Join(dir, ".git")
		if info, err := os.Stat(git); err == nil {
			if !info.IsDir() { // a worktree, as git-sync makes them: "gitdir: PATH"
				b, err := os.ReadFile(git)
				if err != nil {
					return ""
				}
				git = strings.TrimSpace(strings.TrimPrefix(firstLine(b), "gitdir:"))
				if !filepath.IsAbs(git) {
					git = filepath.Join(dir, git)
				}
			}
			return headOf(git)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

func headOf(git string) string {
	b, err := os.ReadFile(filepath.Join(git, "HEAD"))
	if err != nil {
		return ""
	}
	ref, isRef := strings.CutPrefix(firstLine(b), "ref: ")
	if !isRef {
		return firstLine(b)
	}
	common := git
	if b, err := os.ReadFile(filepath.Join(git, "commondir")); err == nil {
		common = filepath.Join(git, firstLine(b))
	}
	if b, err := os.ReadFile(filepath.Join(common, filepath.FromSlash(ref))); err == nil {
		return firstLine(b)
	}
	packed, err := os.ReadFile(filepath.Join(common, "packed-refs"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(packed)) {
		if sha, name, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name == ref {
			return sha
		}
	}
	return ""
}
