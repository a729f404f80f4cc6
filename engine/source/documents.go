package source

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// checkBytes refuses what is no text before the YAML parser sees it, because that parser cannot say where such bytes are.
func checkBytes(f *File) (Problem, bool) {
	if len(f.Data) > MaxFileBytes {
		return Problem{
			Span: f.Span(0, 0), Code: CodeLimit,
			Message: fmt.Sprintf("the file has %d bytes; at most %d are read", len(f.Data), MaxFileBytes),
		}, true
	}
	for i := 0; i < len(f.Data); {
		r, size := utf8.DecodeRune(f.Data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return Problem{Span: f.Span(i, i+1), Code: CodeSyntax, Message: "the file is not UTF-8 text"}, true
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0x7f, r > 0x7f && r < 0xa0 && r != 0x85,
			r == 0xfffe, r == 0xffff:
			return Problem{
				Span: f.Span(i, i+size), Code: CodeSyntax,
				Message: fmt.Sprintf("the control character U+%04X cannot stand in YAML", r),
				Hint:    fmt.Sprintf(`write it as "\u%04X" in double quotes`, r),
			}, true
		}
		i += size
	}
	return Problem{}, false
}

// chunk is a piece of a file that holds whole documents.
type chunk struct {
	start, end int // byte offsets in the file
}

// data gives the chunk's bytes for the parser, which knows YAML 1.1 only and refuses `%YAML 1.2`, although it reads such documents as
// they are meant: the directive says 1.1 in them.
func (c chunk) data(f *File) []byte {
	data := f.Data[c.start:c.end]
	for at := 0; at < len(data); {
		line, rest, _ := bytes.Cut(data[at:], []byte("\n"))
		version, ok := bytes.CutPrefix(line, []byte("%YAML 1."))
		if ok && len(version) > 0 && version[0] >= '0' && version[0] <= '9' && len(bytes.TrimSpace(version[1:])) == 0 {
			data = bytes.Clone(data)
			data[at+len("%YAML 1.")] = '1'
			return data
		}
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' && line[0] != '%' {
			break
		}
		at = len(data) - len(rest)
	}
	return data
}

// splitDocuments cuts a file before every line that begins with "---" and behind every "...". YAML ends a document there whatever
// came before, an unclosed quote included, so a mistake in one document cannot reach into the next. Pieces that hold nothing are
// left out.
func splitDocuments(f *File) []chunk {
	start := 0
	if bytes.HasPrefix(f.Data, []byte("\ufeff")) {
		start = len("\ufeff")
	}
	var chunks []chunk
	empty := true // since start, but for comments and directives
	cut := func(end int) {
		if !empty {
			chunks = append(chunks, chunk{start, end})
		}
		start, empty = end, true
	}
	directives, marked := false, false // since start: directives were written, the "---" was
	for n, off := range f.lines {
		line := bytes.TrimSpace(f.Data[off:f.lineEnd(n)])
		switch {
		case isMarker(f.Data[off:], "---"):
			if !empty || !directives {
				cut(off)
			}
			directives, marked = false, true
			empty = len(line) == len("---")
		case isMarker(f.Data[off:], "..."):
			cut(f.lineEnd(n))
			directives, marked = false, false
		case len(line) == 0, line[0] == '#', empty && bytes.Equal(line, []byte("\ufeff")):
		case f.Data[off] == '%' && empty && !marked:
			directives = true
		default:
			empty = false
		}
	}
	cut(len(f.Data))
	return chunks
}

// lineEnd gives the offset behind line index n, its line end included.
func (f *File) lineEnd(n int) int {
	if n+1 < len(f.lines) {
		return f.lines[n+1]
	}
	return len(f.Data)
}

func isMarker(b []byte, marker string) bool {
	return bytes.HasPrefix(b, []byte(marker)) && (len(b) == 3 || strings.IndexByte(" \t\r\n", b[3]) >= 0)
}
