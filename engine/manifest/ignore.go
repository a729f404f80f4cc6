package manifest

import (
	"path"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/source"
)

// ignoreFile at the top of a folder names what is passed over.
const ignoreFile = ".headgateignore"

// ignorePattern is one line of it: a glob for a name at any depth, or with a slash in it, for a path from the folder.
type ignorePattern struct {
	glob     string
	anchored bool
	dirOnly  bool
}

// parseIgnore reads the lines of an ignore file: one glob each, `#` for comments, `dir/` for folders alone.
func parseIgnore(f *source.File, out *diag.List) []ignorePattern {
	var patterns []ignorePattern
	for n := 1; n <= f.Lines(); n++ {
		line := strings.TrimSpace(f.Line(n))
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		span := source.Span{File: f, Start: source.Pos{Line: n, Col: 1}, End: source.Pos{Line: n, Col: len([]rune(f.Line(n))) + 1}}
		if strings.HasPrefix(line, "!") {
			out.Errorf(diag.IgnoreFile, span, "name what is to be passed over, one glob a line", "`%s`: patterns that take something back are not known", line)
			continue
		}
		p := ignorePattern{glob: line}
		p.glob, p.dirOnly = strings.CutSuffix(p.glob, "/")
		p.anchored = strings.Contains(p.glob, "/")
		p.glob = strings.TrimPrefix(p.glob, "/")
		p.glob = strings.TrimPrefix(p.glob, "**/")
		if strings.HasPrefix(line, "**/") && !strings.Contains(p.glob, "/") {
			p.anchored = false
		}
		if _, err := path.Match(p.glob, ""); err != nil || p.glob == "" {
			out.Errorf(diag.IgnoreFile, span, "", "`%s` is no pattern", line)
			continue
		}
		patterns = append(patterns, p)
	}
	return patterns
}

// ignored says whether a path of the folder is to be passed over. Folders are asked about first, so that what is in them never is.
func ignored(patterns []ignorePattern, name string, isDir bool) bool {
	for _, p := range patterns {
		if p.dirOnly && !isDir {
			continue
		}
		subject := name
		if !p.anchored {
			subject = path.Base(name)
		}
		if ok, _ := path.Match(p.glob, subject); ok {
			return true
		}
		if before, ok := strings.CutSuffix(p.glob, "/**"); ok && (subject == before || strings.HasPrefix(subject, before+"/")) {
			return true
		}
	}
	return false
}
