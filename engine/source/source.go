// Package source knows where things stand in a file: offsets, lines, columns and spans, and the positioned tree that a
// YAML document becomes.
//
// It is the only package besides engine/manifest that knows YAML; everything above it sees a [Node], whose every key and
// value can say file:line:col. It does not resolve references and knows nothing of kinds.
// All values are immutable after they are made and may be shared by goroutines.
package source

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

// File is one file's name and bytes with an index of its lines.
type File struct {
	// Name is the path as findings print it, relative to the place the user named.
	Name  string
	Data  []byte
	lines []int // offset of each line's first byte
}

// NewFile indexes data under name. It keeps data; the caller must not change it afterwards.
func NewFile(name string, data []byte) *File {
	f := &File{Name: name, Data: data, lines: []int{0}}
	for i, b := range data {
		if b == '\n' {
			f.lines = append(f.lines, i+1)
		}
	}
	return f
}

// Line gives the text of line n (from 1) without its line end, or "" where there is no such line.
func (f *File) Line(n int) string {
	if n < 1 || n > len(f.lines) {
		return ""
	}
	start, end := f.lines[n-1], len(f.Data)
	if n < len(f.lines) {
		end = f.lines[n] - 1
	}
	return strings.TrimSuffix(string(f.Data[start:end]), "\r")
}

// Lines is the count of lines.
func (f *File) Lines() int { return len(f.lines) }

// Pos gives the position of a byte offset; offsets outside the file give its nearest end.
func (f *File) Pos(offset int) Pos {
	offset = max(0, min(offset, len(f.Data)))
	line := sort.SearchInts(f.lines, offset+1)
	return Pos{Line: line, Col: utf8.RuneCount(f.Data[f.lines[line-1]:offset]) + 1}
}

// Offset gives the byte offset of a position, held inside its line.
func (f *File) Offset(p Pos) int {
	if p.Line < 1 || p.Line > len(f.lines) {
		return len(f.Data)
	}
	start := f.lines[p.Line-1]
	rest := f.Line(p.Line)
	off := 0
	for col := 1; col < p.Col && off < len(rest); col++ {
		_, size := utf8.DecodeRuneInString(rest[off:])
		off += size
	}
	return start + off
}

// Span gives the span between two byte offsets.
func (f *File) Span(start, end int) Span {
	return Span{File: f, Start: f.Pos(start), End: f.Pos(max(start, end))}
}

// Pos is a place in a file: line and column from 1, the column counted in characters. The zero Pos is unknown.
type Pos struct{ Line, Col int }

// Before says whether p stands before q.
func (p Pos) Before(q Pos) bool { return p.Line < q.Line || p.Line == q.Line && p.Col < q.Col }

// Span is a piece of a file, from Start up to and without End. The zero Span is unknown.
type Span struct {
	File       *File
	Start, End Pos
}

// IsZero says whether the span is unknown.
func (s Span) IsZero() bool { return s.File == nil }

// String gives file:line:col, the form that every finding starts with; "" for the zero Span.
func (s Span) String() string {
	if s.File == nil {
		return ""
	}
	return fmt.Sprintf("%s:%d:%d", s.File.Name, s.Start.Line, s.Start.Col)
}
