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

// maxProblems are reported for one document; who has more than that starts at the top anyway.
const maxProblems = 100

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
	dec := yaml.NewDecoder(bytes.NewReader(p.chunk.data(p.file)))
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
	start, meant := p.properties(y, start)
	n := &Node{start: start, end: start}
	n.Span = Span{File: p.file, Start: p.pos(start)}
	size := 1
	switch {
	case meant != "":
		n.Kind, n.Text, n.end = String, meant, start+len(meant)
	case y.Kind == yaml.MappingNode:
		n.Kind, n.Flow = Map, y.Style&yaml.FlowStyle != 0
		size = p.entries(n, y, depth)
	case y.Kind == yaml.SequenceNode:
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
// meant is then the text that was probably written as a value.
func (p *yamlParser) properties(y *yaml.Node, start int) (content int, meant string) {
	data := p.file.Data[:p.chunk.end]
	empty := y.Kind == yaml.ScalarNode && y.Value == "" && y.Style&^yaml.TaggedStyle == 0
	for start < len(data) && (data[start] == '&' || data[start] == '!') {
		stop := start + 1
		for stop < len(data) && !isSpace(data[stop]) && (data[start] != '&' || strings.IndexByte(",[]{}", data[stop]) < 0) {
			stop++
		}
		word := string(data[start:stop])
		switch {
		case data[start] != '!', word == "!!str" && y.Kind == yaml.ScalarNode:
		case strings.HasPrefix(word, "!!"):
			p.add(CodeFeature, start, stop, fmt.Sprintf("the YAML tag `%s` is not taken", word), "write the value without a tag")
		default:
			line, end := lineRest(data, start)
			p.add(CodeQuote, start, end, fmt.Sprintf("YAML reads `%s` as a tag and drops it", word), quoteHint(line))
			if y.Kind == yaml.ScalarNode {
				return start, line
			}
		}
		next := stop
		if !empty {
			next = skipBlank(data, stop)
		}
		if next <= stop {
			return next, ""
		}
		start = next
	}
	return start, ""
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

// skipBlank steps over white space and comments.
func skipBlank(data []byte, i int) int {
	for i < len(data) {
		switch {
		case isSpace(data[i]):
			i++
		case data[i] == '#' && isSpace(data[i-1]):
			for i < len(data) && data[i] != '\n' {
				i++
			}
		default:
			return i
		}
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
