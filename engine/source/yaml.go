package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// ParseYAML reads the documents of a YAML file. Documents that hold nothing are left out.
//
// A broken document costs only itself: it is reported and the others are still read. A document with lesser problems (a key
// written twice, a tag) is reported and given as far as it could be understood, so that one look shows all that is wrong.
// ParseYAML is a pure function; it may be called concurrently.
func ParseYAML(f *File) (docs []*Node, problems []Problem) {
	if p, bad := checkBytes(f); bad {
		return nil, []Problem{p}
	}
	for _, c := range splitDocuments(f) {
		p := &yamlParser{file: f, chunk: c}
		d, err := p.parse()
		docs = append(docs, d...)
		problems = append(problems, p.problems...)
		if err != nil {
			problems = append(problems, explainSyntax(f, c, err))
		}
	}
	return docs, problems
}

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

// maxProblems are reported for one document; who has more than that starts at the top anyway.
const maxProblems = 100

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

// yamlParser turns one chunk into positioned nodes.
type yamlParser struct {
	file     *File
	chunk    chunk
	lines    []int // offset in the file of each line as YAML counts them
	problems []Problem

	// The last results of offset and pos: nodes are met in the order of the file, so that a line is walked once and not once a
	// node; a file may be one line of a mebibyte.
	lastLine, lastCol, lastOffset int
	lastPos                       Pos
	lastPosOffset                 int

	made    map[*yaml.Node]*Node // nodes with anchors, as made so far; nil while one is being made
	sizes   map[*Node]int        // how many nodes an anchored node stands for
	aliases int
	spread  int // nodes that aliases stand for
	full    bool
}

func (p *yamlParser) parse() (docs []*Node, err error) {
	p.indexLines()
	dec := yaml.NewDecoder(bytes.NewReader(p.file.Data[p.chunk.start:p.chunk.end]))
	for {
		var y yaml.Node
		if err := dec.Decode(&y); err != nil {
			if errors.Is(err, io.EOF) {
				return docs, nil
			}
			return docs, err
		}
		p.made, p.sizes = map[*yaml.Node]*Node{}, map[*Node]int{}
		p.aliases, p.spread, p.full = 0, 0, false
		for _, c := range y.Content {
			if n, _ := p.node(c, 0); n != nil && n.Kind != Null {
				docs = append(docs, n)
			}
		}
	}
}

// indexLines finds the chunk's lines. YAML also breaks lines at a lone CR, NEL, LS and PS, which File does not.
func (p *yamlParser) indexLines() {
	data := p.file.Data[:p.chunk.end]
	p.lines = append(p.lines, p.chunk.start)
	for i := p.chunk.start; i < len(data); i++ {
		size := 0
		switch data[i] {
		case '\n':
			size = 1
		case '\r':
			size = 1
			if i+1 < len(data) && data[i+1] == '\n' {
				size = 2
			}
		case 0xc2:
			if bytes.HasPrefix(data[i:], []byte("\u0085")) {
				size = 2
			}
		case 0xe2:
			if bytes.HasPrefix(data[i:], []byte("\u2028")) || bytes.HasPrefix(data[i:], []byte("\u2029")) {
				size = 3
			}
		}
		if size > 0 {
			i += size - 1
			p.lines = append(p.lines, i+1)
		}
	}
}

// offset gives the byte offset in the file of a YAML line and column, both from 1.
func (p *yamlParser) offset(line, col int) int {
	if line < 1 || line > len(p.lines) {
		return p.chunk.end
	}
	off, at := p.lines[line-1], 1
	if line == p.lastLine && col >= p.lastCol {
		off, at = p.lastOffset, p.lastCol
	}
	for ; at < col && off < p.chunk.end; at++ {
		_, size := utf8.DecodeRune(p.file.Data[off:p.chunk.end])
		off += size
	}
	p.lastLine, p.lastCol, p.lastOffset = line, at, off
	return off
}

// pos is File.Pos, quick for offsets that grow.
func (p *yamlParser) pos(offset int) Pos {
	line := sort.SearchInts(p.file.lines, offset+1)
	if line == p.lastPos.Line && offset >= p.lastPosOffset {
		p.lastPos.Col += utf8.RuneCount(p.file.Data[p.lastPosOffset:offset])
	} else {
		p.lastPos = p.file.Pos(offset)
	}
	p.lastPosOffset = offset
	return p.lastPos
}

// node converts y; its second result is how many nodes it stands for. It is nil where nothing can be made of y.
func (p *yamlParser) node(y *yaml.Node, depth int) (*Node, int) {
	if y.Kind == yaml.AliasNode {
		return p.alias(y)
	}
	start := p.offset(y.Line, y.Column)
	if depth > MaxDepth {
		p.add(CodeLimit, start, start+1, fmt.Sprintf("maps and lists nest deeper than %d levels", MaxDepth), "")
		return nil, 0
	}
	if y.Anchor != "" {
		p.made[y] = nil
	}
	start = p.properties(y, start)
	n := &Node{start: start, end: start}
	n.Span = Span{File: p.file, Start: p.pos(start)}
	size := 1
	switch y.Kind {
	case yaml.MappingNode:
		n.Kind, n.Flow = Map, y.Style&yaml.FlowStyle != 0
		size = p.entries(n, y, depth)
	case yaml.SequenceNode:
		n.Kind, n.Flow = List, y.Style&yaml.FlowStyle != 0
		for _, c := range y.Content {
			item, s := p.node(c, depth+1)
			size += s
			if item == nil {
				continue
			}
			n.Items = append(n.Items, item)
			n.end = max(n.end, item.end)
		}
		if n.Flow {
			p.closing(n, ']')
		}
	default:
		p.scalar(n, y)
		n.end = scalarEnd(p.file.Data[:p.chunk.end], n)
	}
	n.Span.End = p.pos(n.end)
	if y.Anchor != "" {
		p.made[y], p.sizes[n] = n, size
	}
	return n, size
}

// properties steps over the anchor and tag in front of a node and reports tags: a "!" in front of an expression is a tag too.
func (p *yamlParser) properties(y *yaml.Node, start int) int {
	data := p.file.Data[:p.chunk.end]
	for start < len(data) && (data[start] == '&' || data[start] == '!') {
		stop := start + 1
		for stop < len(data) && !isSpace(data[stop]) && (data[start] != '&' || strings.IndexByte(",[]{}", data[stop]) < 0) {
			stop++
		}
		word := string(data[start:stop])
		next := skipSpace(data, stop)
		if data[start] == '!' && (word != "!!str" || y.Kind != yaml.ScalarNode) {
			if strings.HasPrefix(word, "!!") {
				p.add(CodeFeature, start, stop, fmt.Sprintf("the YAML tag `%s` is not taken", word), "write the value without a tag")
			} else {
				line, end := lineRest(data, start)
				p.add(CodeQuote, start, end, fmt.Sprintf("YAML reads `%s` as a tag and drops it", word), quoteHint(line))
			}
		}
		if next <= stop {
			return next
		}
		start = next
	}
	return start
}

// entries converts the content of a map; keys must be strings and unique.
func (p *yamlParser) entries(n *Node, y *yaml.Node, depth int) (size int) {
	size = 1
	seen := make(map[string]*Node, len(y.Content)/2)
	for i := 0; i+1 < len(y.Content); i += 2 {
		yk, yv := y.Content[i], y.Content[i+1]
		at := p.offset(yk.Line, yk.Column)
		if yk.Kind == yaml.ScalarNode && yk.Tag == "!!merge" {
			p.add(CodeFeature, at, at+2, "merge keys (`<<:`) are not taken", "write the keys out, or use an alias for a whole value")
			continue
		}
		if n.Flow && yk.Kind == yaml.MappingNode && yk.Style&yaml.FlowStyle != 0 {
			line, stop := lineRest(p.file.Data[:p.chunk.end], n.start)
			if i := strings.Index(line, "}}"); i >= 0 {
				line, stop = line[:i+2], n.start+i+2
			}
			p.add(CodeQuote, n.start, stop, "YAML reads `{{` as a map inside a map, not as a template", quoteHint(line))
			// It becomes what the writer meant, so that nothing else is said of it.
			*n = Node{Kind: String, Text: line, Span: n.Span, start: n.start, end: stop}
			return 1
		}
		key, s := p.node(yk, depth+1)
		size += s
		if key == nil {
			continue
		}
		if key.Kind != String {
			p.badKey(key)
			if !key.IsScalar() {
				continue
			}
		}
		value, s := p.node(yv, depth+1)
		size += s
		n.end = max(n.end, key.end)
		if value == nil {
			continue
		}
		n.end = max(n.end, value.end)
		if first := seen[key.Text]; first != nil {
			p.report(Problem{
				Span: key.Span, Code: CodeDuplicateKey, First: first.Span,
				Message: fmt.Sprintf("the key `%s` is written twice in one map", key.Text),
			})
			continue
		}
		seen[key.Text] = key
		n.Entries = append(n.Entries, Entry{Key: key, Value: value})
	}
	if n.Flow {
		p.closing(n, '}')
	}
	return size
}

func (p *yamlParser) badKey(key *Node) {
	if !key.IsScalar() {
		p.report(Problem{
			Span: key.Span, Code: CodeFeature, Message: fmt.Sprintf("a %s cannot be a key", key.Kind),
			Hint: "keys are strings; quote it if it is meant as text",
		})
		return
	}
	hint := "write a name in front of the `:`"
	if key.Text != "" {
		hint = fmt.Sprintf("quote it: \"%s\"", key.Text)
	}
	p.report(Problem{
		Span: key.Span, Code: CodeFeature, Message: fmt.Sprintf("YAML reads this key as %s; keys are strings", key.Kind.WithArticle()),
		Hint: hint,
	})
}

// scalar types y by the YAML core schema; dates stay text.
func (p *yamlParser) scalar(n *Node, y *yaml.Node) {
	n.Text = y.Value
	switch {
	case y.Style&yaml.DoubleQuotedStyle != 0:
		n.Style = DoubleQuoted
	case y.Style&yaml.SingleQuotedStyle != 0:
		n.Style = SingleQuoted
	case y.Style&yaml.LiteralStyle != 0:
		n.Style = Literal
	case y.Style&yaml.FoldedStyle != 0:
		n.Style = Folded
	}
	n.Kind = String
	if n.Style != Plain || y.Style&yaml.TaggedStyle != 0 {
		return
	}
	switch y.Tag {
	case "!!int":
		n.Kind = Int
	case "!!float":
		n.Kind = Float
	case "!!bool":
		n.Kind = Bool
	case "!!null":
		n.Kind = Null
	}
}

// alias gives the node that an alias stands for: the very same one, so that its positions are where it was written.
func (p *yamlParser) alias(y *yaml.Node) (*Node, int) {
	start := p.offset(y.Line, y.Column)
	end := start + 1 + len(y.Value)
	p.aliases++
	n, known := p.made[y.Alias]
	switch {
	case known && n == nil:
		p.add(CodeFeature, start, end, fmt.Sprintf("`*%s` stands inside of what it stands for", y.Value), "")
		return nil, 0
	case n == nil || p.full:
		return nil, 0
	}
	p.spread += p.sizes[n]
	if p.aliases > MaxAliases || p.spread > maxAliasNodes {
		p.full = true
		p.add(CodeLimit, start, end,
			fmt.Sprintf("the aliases of this document stand for too much; at most %d aliases are followed", MaxAliases), "")
		return nil, 0
	}
	return n, p.sizes[n]
}

// closing moves the end of a flow collection from its last item to behind its closing bracket.
func (p *yamlParser) closing(n *Node, bracket byte) {
	data := p.file.Data[:p.chunk.end]
	for i := max(n.end, n.start+1); i < len(data); i++ {
		switch data[i] {
		case bracket:
			n.end = i + 1
			return
		case '#':
			for i < len(data) && data[i] != '\n' {
				i++
			}
		}
	}
}

func (p *yamlParser) add(code string, start, end int, message, hint string) {
	p.report(Problem{Span: p.file.Span(start, end), Code: code, Message: message, Hint: hint})
}

func (p *yamlParser) report(problem Problem) {
	if len(p.problems) < maxProblems {
		p.problems = append(p.problems, problem)
	}
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

func skipSpace(data []byte, i int) int {
	for i < len(data) && isSpace(data[i]) {
		i++
	}
	return i
}

// lineRest gives the text from an offset to the end of its line, without trailing blanks and comment, and where it ends.
func lineRest(data []byte, from int) (string, int) {
	end := bytes.IndexByte(data[from:], '\n')
	if end < 0 {
		end = len(data) - from
	}
	rest := string(data[from : from+end])
	if i := strings.Index(rest, " #"); i >= 0 {
		rest = rest[:i]
	}
	rest = strings.TrimRight(rest, " \t\r")
	return rest, from + len(rest)
}

// quoteHint shows text as it should be written.
func quoteHint(text string) string {
	if len(text) > 60 || strings.ContainsAny(text, "\n\r") {
		return "put the whole value in quotes"
	}
	if strings.Contains(text, `"`) || strings.Contains(text, `\`) {
		return "quote it: '" + strings.ReplaceAll(text, "'", "''") + "'"
	}
	return `quote it: "` + text + `"`
}
