package format

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/source"
)

// doc is what was read: the nodes, and what stands around them.
type doc struct {
	file *source.File
	data []byte
	root *source.Node
	// slots are the entries and items, in the order of the text.
	slots []*slot
	// of finds the slot of an entry's key, or of an item.
	of map[*source.Node]*slot
	// foot are comments behind the last entry or item of a map or list.
	foot map[*source.Node][]string
	// loose are maps and lists in braces that hold comments: they need lines of their own.
	loose map[*source.Node]bool
	// head are the comments at the top; open says that a blank line parts them from the first entry.
	head     []string
	open     bool
	comments []string
	// shift counts the line ends that only put the document at its place in the file.
	shift int
}

// slot is an entry of a map or an item of a list.
type slot struct {
	key, value *source.Node // key is nil of an item
	in         *source.Node // the map or list
	up         *slot        // the slot whose value it is in; nil at the top
	start, col int          // of the key, or of the dash
	flow       bool         // it stands in braces
	// lead are the lines in front of it: comments, and "" for a blank line.
	lead []string
	// trail is the comment at the end of its line.
	trail string
}

// comment is one comment.
type comment struct {
	start, line, col int
	own              bool // it has a line of its own
	text             string
}

// read finds all that stands around the nodes. It gives why a document cannot be written anew.
func read(f *source.File, root *source.Node) (*doc, *Left) {
	d := &doc{file: f, data: f.Data, root: root, of: map[*source.Node]*slot{}, foot: map[*source.Node][]string{}, loose: map[*source.Node]bool{}}
	var covered [][2]int
	if why := d.collect(root, nil, false, &covered); why != nil {
		return nil, why
	}
	comments, why := d.gaps(covered)
	if why != nil {
		return nil, why
	}
	for _, c := range comments {
		d.comments = append(d.comments, c.text)
	}
	d.attach(comments)
	return d, nil
}

func (d *doc) offset(p source.Pos) int { return d.file.Offset(p) }

// collect makes the slots of a map or list, and notes which bytes its keys and scalars take.
func (d *doc) collect(n *source.Node, up *slot, flow bool, covered *[][2]int) *Left {
	flow = flow || n.Flow
	add := func(s *slot) *Left {
		s.in, s.up, s.flow = n, up, flow
		d.slots = append(d.slots, s)
		if s.value.IsScalar() {
			if s.value.Kind != source.Null || s.value.Text != "" {
				*covered = append(*covered, d.extent(s.value))
			}
			return d.plainEnough(s.value)
		}
		return d.collect(s.value, s, flow, covered)
	}
	for _, e := range n.Entries {
		s := &slot{key: e.Key, value: e.Value, start: d.offset(e.Key.Span.Start), col: e.Key.Span.Start.Col - 1}
		d.of[e.Key] = s
		*covered = append(*covered, d.extent(e.Key))
		if e.Key.Span.Start.Line != e.Key.Span.End.Line {
			return &Left{Span: e.Key.Span, Why: "a key takes several lines"}
		}
		if why := add(s); why != nil {
			return why
		}
	}
	for _, item := range n.Items {
		s := &slot{value: item, start: d.offset(item.Span.Start), col: item.Span.Start.Col - 1}
		if !flow {
			dash := s.start - 1
			for dash >= 0 && (d.data[dash] == ' ' || d.data[dash] == '\t') {
				dash--
			}
			if dash < 0 || d.data[dash] != '-' {
				return &Left{Span: item.Span, Why: "an item does not stand on the line of its dash"}
			}
			s.start, s.col = dash, d.file.Pos(dash).Col-1
		}
		d.of[item] = s
		if why := add(s); why != nil {
			return why
		}
	}
	return nil
}

// extent gives the bytes that a scalar takes; of a block, up to the end of its last line.
func (d *doc) extent(n *source.Node) [2]int {
	start, end := d.offset(n.Span.Start), d.offset(n.Span.End)
	if n.Style == source.Literal || n.Style == source.Folded {
		for end < len(d.data) && d.data[end] != '\n' {
			end++
		}
	}
	return [2]int{start, end}
}

func (d *doc) plainEnough(n *source.Node) *Left {
	e := d.extent(n)
	raw := d.data[e[0]:e[1]]
	header, _, _ := bytes.Cut(raw, []byte("\n"))
	if (n.Style == source.Literal || n.Style == source.Folded) && bytes.ContainsRune(header[:min(4, len(header))], '+') {
		return &Left{Span: n.Span, Why: "a text keeps the blank lines behind it (`+`)"}
	}
	return nil
}

// gaps finds the comments between what is covered, and what else stands there that would be lost.
func (d *doc) gaps(covered [][2]int) ([]comment, *Left) {
	var out []comment
	at := 0
	for _, c := range append(covered, [2]int{len(d.data), len(d.data)}) {
		for at < c[0] {
			r, size := utf8.DecodeRune(d.data[at:])
			switch {
			case r == '#' && (at == 0 || unicode.IsSpace(rune(d.data[at-1]))):
				end := bytes.IndexByte(d.data[at:], '\n')
				if end < 0 {
					end = len(d.data) - at
				}
				pos := d.file.Pos(at)
				text := strings.TrimRight(string(d.data[at:at+end]), " \t\r")
				own := strings.TrimSpace(d.file.Line(pos.Line)[:len(d.file.Line(pos.Line))-len(strings.TrimRight(string(d.data[at:at+end]), "\r"))]) == ""
				out = append(out, comment{start: at, line: pos.Line, col: pos.Col - 1, own: own, text: text})
				size = end
			case !strings.ContainsRune(" \t\n:-,{}[]", r):
				return nil, &Left{Span: d.file.Span(at, at+size), Why: "anchors, tags and `?` are kept as they are written"}
			}
			at += size
		}
		at = max(at, c[1])
	}
	return out, nil
}

// blankBefore says whether the line before a line is blank.
func (d *doc) blankBefore(line int) bool {
	return line > 1 && strings.TrimSpace(d.file.Line(line-1)) == ""
}

func (d *doc) lineOf(offset int) int { return d.file.Pos(offset).Line }

// attach gives every comment to the entry or item that it speaks of.
func (d *doc) attach(comments []comment) {
	next, lead := 0, []comment{} // the first slot behind the comment; what stands in front of it so far
	flush := func() {
		if next < len(d.slots) {
			d.lead(d.slots[next], lead, next == 0)
		}
		lead = lead[:0]
	}
	for _, c := range comments {
		for next < len(d.slots) && d.slots[next].start < c.start {
			flush()
			next++
		}
		inside := d.flowAround(c.start)
		if inside != nil {
			d.loosen(inside)
		}
		switch {
		case !c.own:
			d.trail(c, next, inside)
		case len(lead) == 0 && d.footed(c, next, inside):
		default:
			lead = append(lead, c)
		}
	}
	for next < len(d.slots) {
		flush()
		next++
	}
	if len(lead) > 0 {
		d.addFoot(d.root, lead[0], lead[1:]...)
	}
}

// lead puts comments and blank lines in front of a slot.
func (d *doc) lead(s *slot, comments []comment, first bool) {
	if s.flow && len(comments) == 0 {
		return
	}
	var lines []string
	for _, c := range comments {
		if d.blankBefore(c.line) {
			lines = append(lines, "")
		}
		lines = append(lines, c.text)
	}
	line := d.lineOf(s.start)
	blank := d.blankBefore(line)
	if first {
		d.head, d.open = trimBlank(lines), blank && len(lines) > 0
		return
	}
	if blank && d.startsLine(s) {
		lines = append(lines, "")
	}
	s.lead = lines
}

// startsLine says whether a slot is the first thing on its line.
func (d *doc) startsLine(s *slot) bool {
	line := d.file.Line(d.lineOf(s.start))
	return utf8.RuneCountInString(line) >= s.col && strings.TrimSpace(string([]rune(line)[:s.col])) == ""
}

func trimBlank(lines []string) []string {
	for len(lines) > 0 && lines[0] == "" {
		lines = lines[1:]
	}
	return lines
}

// flowAround gives the innermost map or list in braces around an offset.
func (d *doc) flowAround(at int) *source.Node {
	var found *source.Node
	look := func(n *source.Node) {
		if n != nil && n.Flow && d.offset(n.Span.Start) < at && at < d.offset(n.Span.End) {
			found = n
		}
	}
	for _, s := range d.slots {
		if s.start > at {
			break
		}
		look(s.value)
	}
	return found
}

// loosen marks a map or list in braces, and those around it, to be written in lines.
func (d *doc) loosen(n *source.Node) {
	d.loose[n] = true
	for _, s := range d.slots {
		if s.value == n {
			if s.in.Flow {
				d.loosen(s.in)
			}
			return
		}
	}
}

// trail gives a comment at the end of a line to the last slot before it; those inside of braces that the comment stands behind have
// ended.
func (d *doc) trail(c comment, next int, inside *source.Node) {
	for i := next - 1; i >= 0; i-- {
		s := d.slots[i]
		if s.flow && (inside == nil || !d.within(s, inside)) {
			continue
		}
		if s.trail != "" {
			s.trail += " " + c.text
		} else {
			s.trail = c.text
		}
		return
	}
	d.head = append(d.head, c.text)
}

func (d *doc) within(s *slot, n *source.Node) bool {
	for ; s != nil; s = s.up {
		if s.in == n {
			return true
		}
	}
	return false
}

// footed gives a comment that is indented further than what follows it to the map or list that ends there.
func (d *doc) footed(c comment, next int, inside *source.Node) bool {
	if next == 0 {
		return false
	}
	if next < len(d.slots) && c.col <= d.slots[next].col && (inside == nil || d.within(d.slots[next], inside)) {
		return false
	}
	if inside != nil {
		if next < len(d.slots) && d.within(d.slots[next], inside) {
			return false
		}
		d.addFoot(inside, c)
		return true
	}
	var open map[*source.Node]bool // where the next slot stands, further comments may be in front of it
	if next < len(d.slots) {
		open = map[*source.Node]bool{}
		for s := d.slots[next]; s != nil; s = s.up {
			open[s.in] = true
		}
	}
	for s := d.slots[next-1]; s != nil; s = s.up {
		if s.flow || s.col > c.col {
			continue
		}
		if open[s.in] && next < len(d.slots) {
			return false
		}
		d.addFoot(s.in, c)
		return true
	}
	return false
}

func (d *doc) addFoot(n *source.Node, first comment, more ...comment) {
	for _, c := range append([]comment{first}, more...) {
		if d.blankBefore(c.line) {
			d.foot[n] = append(d.foot[n], "")
		}
		d.foot[n] = append(d.foot[n], c.text)
	}
}
