package source

import "github.com/headgate/headgate/engine/secret"

// Kind tells what a Node is.
type Kind uint8

// The kinds of a Node, as the YAML core schema types them.
const (
	Invalid Kind = iota
	Map
	List
	String
	Int
	Float
	Bool
	Null
)

// String gives the kind's name for messages: "map", "list", "string", "integer", "number", "boolean", "null".
func (k Kind) String() string {
	return [...]string{"invalid", "map", "list", "string", "integer", "number", "boolean", "null"}[k]
}

// WithArticle gives the kind for a sentence: "a map", "an integer".
func (k Kind) WithArticle() string {
	switch k {
	case Int, Invalid:
		return "an " + k.String()
	case Null:
		return "null"
	default:
		return "a " + k.String()
	}
}

// Style tells how a scalar was written, which decides whether positions inside its text can be mapped to the file.
type Style uint8

// The styles of a scalar.
const (
	Plain Style = iota
	SingleQuoted
	DoubleQuoted
	Literal // a block scalar |
	Folded  // a block scalar >
)

// Node is one positioned value of a document: a map, a list or a scalar.
type Node struct {
	Kind  Kind
	Span  Span
	Style Style
	// Flow says that the map or list was written in flow style ({…} or […]).
	Flow bool
	// Entries of a Map, in the order written; keys are unique.
	Entries []Entry
	// Items of a List.
	Items []*Node
	// Text is a scalar's decoded text, references still as written.
	Text string
	// Value is the text with its references resolved, set by engine/manifest on every scalar of kind String; nil before.
	Value *secret.Text
	// Refused says that a finding speaks of the value already: who decodes it takes it for absent, and says nothing more.
	Refused bool
	// Tolerated says that the format of the document writes secrets here as they are: one is a warning, not an error.
	Tolerated bool

	// start and end are byte offsets in the file, anchor and tag left out; both 0 for nodes that ParseYAML did not make.
	start, end int
}

// NewString makes a string node, for documents that are rewritten: span is the place that findings about it name.
func NewString(text string, span Span) *Node { return &Node{Kind: String, Text: text, Span: span} }

// NewMap makes a map of entries; its keys must be unique.
func NewMap(span Span, entries ...Entry) *Node { return &Node{Kind: Map, Span: span, Entries: entries} }

// NewList makes a list.
func NewList(span Span, items ...*Node) *Node { return &Node{Kind: List, Span: span, Items: items} }

// NewEntry makes an entry whose key stands at span.
func NewEntry(key string, span Span, value *Node) Entry {
	return Entry{Key: NewString(key, span), Value: value}
}

// Entry is one key of a map and its value.
type Entry struct {
	Key   *Node
	Value *Node
}

// Get gives the value of a key of a Map, or nil. It is safe on a nil Node and on other kinds.
func (n *Node) Get(key string) *Node {
	if n == nil || n.Kind != Map {
		return nil
	}
	for _, e := range n.Entries {
		if e.Key.Text == key {
			return e.Value
		}
	}
	return nil
}

// KeySpan gives the place of a key of a Map, or the node's own span where it has no such key.
func (n *Node) KeySpan(key string) Span {
	if n == nil {
		return Span{}
	}
	for _, e := range n.Entries {
		if e.Key.Text == key {
			return e.Key.Span
		}
	}
	return n.Span
}

// IsScalar says whether the node is neither map nor list.
func (n *Node) IsScalar() bool { return n.Kind >= String }

// Comment gives what YAML took for a comment right behind a plain scalar, on the same line, from the "#" on; "" where there is
// none. Behind an expression it may be the rest of what the writer meant.
func (n *Node) Comment() (string, Span) {
	if n == nil || n.end == 0 || n.Style != Plain || !n.IsScalar() {
		return "", Span{}
	}
	data := n.Span.File.Data
	i := n.end
	for i < len(data) && (data[i] == ' ' || data[i] == '\t') {
		i++
	}
	if i >= len(data) || data[i] != '#' {
		return "", Span{}
	}
	end := i
	for end < len(data) && data[end] != '\n' && data[end] != '\r' {
		end++
	}
	return string(data[i:end]), n.Span.File.Span(i, end)
}
