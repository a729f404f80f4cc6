// Package format writes manifests in one form: keys in the order of their description, two blanks of indentation, quotes only where YAML
// needs them, comments where they were.
//
// It never changes what a document means: what it wrote is read again and compared with what stood there, value by value and comment by
// comment, and a document that does not come out the same is left as it was ([Left]). It works on the text and on positioned nodes
// (engine/source); it knows nothing of kinds but the descriptions that it is given. All functions are pure and may be called
// concurrently.
package format

import (
	"bytes"
	"strings"

	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/source"
)

// Options say in which order keys stand. What nothing describes keeps its order.
type Options struct {
	// Kinds describe documents by their `kind`.
	Kinds map[string]*field.Object
	// Props describe the `props` of a node by its `type`.
	Props map[string]*field.Object
}

// Result is what came of a file.
type Result struct {
	// Data is the file in the one form; of a document with problems, and of one among Left, as it was.
	Data []byte
	// Left are the documents that could not be written in the one form safely.
	Left []Left
	// Problems are what keeps a document from being read at all.
	Problems []source.Problem
}

// Left is a document that stays as it was.
type Left struct {
	// Span is the place of the reason.
	Span source.Span
	Why  string
}

// width is how long a line with a map or a list in braces may be.
const width = 140

// File writes a file in the one form.
func File(f *source.File, o Options) Result {
	data := f.Data
	if bytes.HasPrefix(data, []byte("\ufeff")) {
		data = data[len("\ufeff"):]
	}
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	var r Result
	var out strings.Builder
	for _, p := range pieces(data) {
		text := p.text
		if !p.empty() {
			switch formatted, left, problems := document(f.Name, p, &o); {
			case len(problems) > 0:
				r.Problems = append(r.Problems, problems...)
			case left != nil:
				r.Left = append(r.Left, *left)
			default:
				text = formatted
			}
		}
		if p.marker != "" {
			out.WriteString(strings.TrimRight(p.marker, " \t") + "\n")
		}
		out.WriteString(text)
	}
	switch {
	case len(r.Problems)+len(r.Left) == 0:
		r.Data = []byte(tidyEnds(out.String()))
	case bytes.Equal(data, f.Data):
		r.Data = []byte(out.String())
	default:
		r.Data = f.Data // line ends are one thing of the whole file
	}
	return r
}

// piece is what stands between two `---`.
type piece struct {
	marker string // the line that it begins with, "" for the first one
	line   int    // the number of its first line, from 0
	text   string
}

// behind is what stands on the line of the `---`, comments aside.
func (p *piece) behind() string {
	rest := strings.TrimSpace(strings.TrimPrefix(p.marker, "---"))
	if strings.HasPrefix(rest, "#") {
		return ""
	}
	return rest
}

// empty says whether a piece holds nothing but comments.
func (p *piece) empty() bool {
	if p.behind() != "" {
		return false
	}
	for line := range strings.Lines(p.text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return false
		}
	}
	return true
}

func pieces(data []byte) []piece {
	all := []piece{{}}
	line := 0
	for text := range strings.Lines(string(data)) {
		if strings.HasPrefix(text, "---") && (len(text) == 3 || strings.ContainsRune(" \t\n", rune(text[3]))) {
			all = append(all, piece{marker: strings.TrimRight(text, "\n"), line: line + 1})
		} else {
			all[len(all)-1].text += text
		}
		line++
	}
	return all
}

// tidyEnds takes away blanks at the ends of lines that hold nothing else, and all but one of the line ends at the end of a file. Lines
// inside of texts are not touched: the documents have been written by then.
func tidyEnds(s string) string {
	s = strings.TrimLeft(s, "\n")
	if s = strings.TrimRight(s, "\n \t"); s == "" {
		return ""
	}
	return s + "\n"
}

// document writes one document. It gives why it is left alone, or what is wrong with it.
func document(name string, p piece, o *Options) (text string, left *Left, problems []source.Problem) {
	// The piece is put at its place in the file, so that findings name the right line.
	f := source.NewFile(name, []byte(strings.Repeat("\n", p.line)+p.text))
	leave := func(span source.Span, why string) (string, *Left, []source.Problem) {
		return "", &Left{Span: span, Why: why}, nil
	}
	docs, problems := source.ParseYAML(f)
	if len(problems) > 0 {
		return "", nil, problems
	}
	first := f.Span(p.line, p.line)
	switch {
	case p.behind() != "":
		return leave(first, "a value stands behind `---`")
	case len(docs) == 0:
		return p.text, nil, nil
	case len(docs) > 1:
		return leave(docs[1].Span, "several documents stand between two `---`")
	case docs[0].Kind != source.Map || docs[0].Flow:
		return leave(docs[0].Span, "the document is not a map in lines")
	}
	doc, why := read(f, docs[0])
	if why != nil {
		return "", why, nil
	}
	doc.shift = p.line
	object := o.Kinds[kindOf(docs[0])]
	w := writer{doc: doc, o: o}
	text = w.document(object)
	if why := doc.same(text, object, o); why != "" {
		return leave(docs[0].Span, why)
	}
	return text, nil, nil
}

func kindOf(root *source.Node) string {
	if k := root.Get("kind"); k != nil {
		return k.Text
	}
	return ""
}
