package payload

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// maxAttributes bounds how many attributes one element may have, which keeps the search for doubled ones short.
const maxAttributes = 64

// xmlKind tells what an xmlToken is.
type xmlKind uint8

const (
	xmlEnd     xmlKind = iota // of the document
	xmlOpen                   // <name …>
	xmlClose                  // </name>, and behind an xmlOpen that is empty
	xmlText                   // text with references in it
	xmlLiteral                // the inside of <![CDATA[…]]>
)

// xmlToken is one piece of a document, a view into its bytes.
type xmlToken struct {
	kind xmlKind
	at   int    // its offset
	name []byte // of an element, with its prefix as written
	raw  []byte // text, or the attributes of an element
}

// xmlScanner reads an XML document (XML 1.0, fifth edition) token by token and checks that it is well formed. It knows UTF-8, the five
// references of XML itself and those to characters. What could make a reader ask elsewhere, or make much out of little, is refused: a
// document type, and with it every other entity.
type xmlScanner struct {
	cursor
	open [][]byte
	// closing is the name of an empty element whose xmlClose comes next.
	closing []byte
	rooted  bool
}

func newXMLScanner(body []byte, limits Limits) *xmlScanner {
	s := &xmlScanner{cursor: cursor{body: body, limits: limits.withDefaults()}}
	s.i = len(body) - len(bytes.TrimPrefix(body, []byte("\uFEFF")))
	return s
}

// next gives the next token, xmlEnd at the end.
func (s *xmlScanner) next() (xmlToken, *Error) {
	if s.closing != nil {
		t := xmlToken{kind: xmlClose, at: s.i, name: s.closing}
		s.closing = nil
		return t, nil
	}
	for {
		if s.i >= len(s.body) {
			return s.end()
		}
		if s.body[s.i] != '<' {
			t, err := s.text()
			if err != nil || len(s.open) > 0 {
				return t, err
			}
			continue
		}
		rest := s.body[s.i:]
		switch {
		case bytes.HasPrefix(rest, []byte("<!--")):
			if err := s.comment(); err != nil {
				return xmlToken{}, err
			}
		case bytes.HasPrefix(rest, []byte("<?")):
			if err := s.instruction(); err != nil {
				return xmlToken{}, err
			}
		case bytes.HasPrefix(rest, []byte("<![CDATA[")) && len(s.open) > 0:
			return s.literal()
		case bytes.HasPrefix(rest, []byte("<!")):
			return xmlToken{}, errorAt(s.i, Syntax, "a document type cannot stand here")
		case bytes.HasPrefix(rest, []byte("</")):
			return s.closeTag()
		default:
			return s.openTag()
		}
	}
}

func (s *xmlScanner) end() (xmlToken, *Error) {
	if len(s.open) > 0 || !s.rooted {
		return xmlToken{}, errorAt(len(s.body), Syntax, "unexpected end")
	}
	return xmlToken{kind: xmlEnd, at: s.i}, nil
}

// text reads up to the next tag. Outside of the root element only white space may stand.
func (s *xmlScanner) text() (xmlToken, *Error) {
	start := s.i
	end := bytes.IndexByte(s.body[start:], '<')
	if end < 0 {
		end = len(s.body) - start
	}
	raw := s.body[start : start+end]
	if len(s.open) == 0 {
		if rest := bytes.TrimLeft(raw, xmlSpace); len(rest) > 0 {
			return xmlToken{}, unexpected(s.body, start+len(raw)-len(rest))
		}
		s.i += end
		return xmlToken{}, nil
	}
	if err := s.token(); err != nil {
		return xmlToken{}, err
	}
	if err := checkXMLText(raw, start, true); err != nil {
		return xmlToken{}, err
	}
	if i := bytes.Index(raw, []byte("]]>")); i >= 0 {
		return xmlToken{}, errorAt(start+i, Syntax, "]]> cannot stand in text")
	}
	s.i += end
	return xmlToken{kind: xmlText, at: start, raw: raw}, nil
}

func (s *xmlScanner) literal() (xmlToken, *Error) {
	start := s.i + len("<![CDATA[")
	end := bytes.Index(s.body[start:], []byte("]]>"))
	if end < 0 {
		return xmlToken{}, errorAt(s.i, Syntax, "unclosed CDATA section")
	}
	if err := s.token(); err != nil {
		return xmlToken{}, err
	}
	raw := s.body[start : start+end]
	if err := checkXMLText(raw, start, false); err != nil {
		return xmlToken{}, err
	}
	t := xmlToken{kind: xmlLiteral, at: s.i, raw: raw}
	s.i = start + end + len("]]>")
	return t, nil
}

func (s *xmlScanner) comment() *Error {
	start := s.i + len("<!--")
	end := bytes.Index(s.body[start:], []byte("--"))
	if end < 0 || !bytes.HasPrefix(s.body[start+end:], []byte("-->")) {
		return errorAt(s.i, Syntax, "a comment that does not end, or has -- inside")
	}
	if err := s.token(); err != nil {
		return err
	}
	s.i = start + end + len("-->")
	return checkXMLText(s.body[start:start+end], start, false)
}

// instruction steps over a processing instruction; nobody follows it. The declaration may stand at the start only, and its encoding
// must be the one that we read.
func (s *xmlScanner) instruction() *Error {
	start := s.i + len("<?")
	end := bytes.Index(s.body[start:], []byte("?>"))
	if end < 0 {
		return errorAt(s.i, Syntax, "unclosed processing instruction")
	}
	if err := s.token(); err != nil {
		return err
	}
	inner := s.body[start : start+end]
	if err := checkXMLText(inner, start, false); err != nil {
		return err
	}
	n := nameLen(inner)
	if n == 0 {
		return unexpected(s.body, start)
	}
	if strings.EqualFold(string(inner[:n]), "xml") {
		if bytes.IndexByte(s.body, '<') != s.i { // white space before it is let pass
			return errorAt(s.i, Syntax, "the XML declaration stands at the start only")
		}
		if err := declaration(inner[n:], start+n); err != nil {
			return err
		}
	}
	s.i = start + end + len("?>")
	return nil
}

// declaration checks what <?xml …?> says.
func declaration(inner []byte, at int) *Error {
	return eachAttribute(inner, at, func(name, raw []byte, at int) *Error {
		switch text := strings.ToLower(string(raw)); {
		case string(name) == "encoding" && text != "utf-8" && text != "utf8" && text != "us-ascii":
			return errorAt(at, Unsupported, "the encoding %.40q is not UTF-8", raw)
		case string(name) == "version" && text != "1.0":
			return errorAt(at, Unsupported, "the version %.40q is not 1.0", raw)
		}
		return nil
	})
}

func (s *xmlScanner) openTag() (xmlToken, *Error) {
	start := s.i
	if len(s.open) == 0 && s.rooted {
		return xmlToken{}, errorAt(start, Syntax, "text after the root element")
	}
	if err := s.token(); err != nil {
		return xmlToken{}, err
	}
	n := nameLen(s.body[start+1:])
	if n == 0 {
		return xmlToken{}, unexpected(s.body, start+1)
	}
	name := s.body[start+1 : start+1+n]
	from := start + 1 + n
	end := tagEnd(s.body, from)
	if end < 0 {
		return xmlToken{}, errorAt(start, Syntax, "unclosed tag")
	}
	attributes, empty := bytes.CutSuffix(s.body[from:end], []byte("/"))
	if err := s.attributes(attributes, from); err != nil {
		return xmlToken{}, err
	}
	s.i, s.rooted = end+1, true
	if len(s.open) >= s.limits.Depth {
		return xmlToken{}, errorAt(start, TooDeep, "nested deeper than %d", s.limits.Depth)
	}
	if empty {
		s.closing = name
	} else {
		s.open = append(s.open, name)
	}
	return xmlToken{kind: xmlOpen, at: start, name: name, raw: attributes}, nil
}

// attributes checks and counts them.
func (s *xmlScanner) attributes(raw []byte, at int) *Error {
	if len(raw) == 0 {
		return nil
	}
	var names [maxAttributes][]byte
	n := 0
	return eachAttribute(raw, at, func(name, value []byte, at int) *Error {
		if err := s.token(); err != nil {
			return err
		}
		if n == maxAttributes {
			return errorAt(at, TooManyTokens, "more than %d attributes of one element", maxAttributes)
		}
		for _, other := range names[:n] {
			if bytes.Equal(other, name) {
				return errorAt(at, DuplicateName, "attribute %.64q occurs twice", name)
			}
		}
		names[n] = name
		n++
		return checkXMLText(value, at, true)
	})
}

func (s *xmlScanner) closeTag() (xmlToken, *Error) {
	start := s.i
	n := nameLen(s.body[start+2:])
	name := s.body[start+2 : start+2+n]
	i := start + 2 + n
	for i < len(s.body) && isXMLSpace(s.body[i]) {
		i++
	}
	if i >= len(s.body) || s.body[i] != '>' {
		return xmlToken{}, unexpected(s.body, i)
	}
	if len(s.open) == 0 || !bytes.Equal(s.open[len(s.open)-1], name) {
		return xmlToken{}, errorAt(start, Syntax, "</%.64s> closes nothing", name)
	}
	s.open = s.open[:len(s.open)-1]
	s.i = i + 1
	return xmlToken{kind: xmlClose, at: start, name: name}, nil
}

// xmlSpace is the white space of XML.
const xmlSpace = " \t\r\n"

func isXMLSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// nameLen gives the length of the name at the start of b, 0 where there is none. Beyond ASCII every letter-like character is let in.
func nameLen(b []byte) int {
	n := 0
	for n < len(b) {
		c := b[n]
		if c|0x20 < 'a' || c|0x20 > 'z' {
			if c != '_' && c != ':' && c < utf8.RuneSelf && (n == 0 || c != '-' && c != '.' && (c < '0' || c > '9')) {
				break
			}
		}
		n++
	}
	if !utf8.Valid(b[:n]) {
		return 0
	}
	return n
}

// tagEnd gives the offset of the ">" that ends a tag, or -1; quoted values may hold one.
func tagEnd(b []byte, i int) int {
	for i < len(b) {
		switch c := b[i]; c {
		case '>':
			return i
		case '<':
			return -1
		case '"', '\'':
			n := bytes.IndexByte(b[i+1:], c)
			if n < 0 {
				return -1
			}
			i += n + 1
		}
		i++
	}
	return -1
}

// eachAttribute walks over name="value" pairs, values as they are written; at is the offset of raw in its document.
func eachAttribute(raw []byte, at int, do func(name, value []byte, at int) *Error) *Error {
	for i := 0; ; {
		space := i
		for i < len(raw) && isXMLSpace(raw[i]) {
			i++
		}
		if i == len(raw) {
			return nil
		}
		n := nameLen(raw[i:])
		if n == 0 || i == space {
			return unexpectedIn(raw, i, at)
		}
		name := raw[i : i+n]
		i = skipXMLSpace(raw, i+n)
		if i == len(raw) || raw[i] != '=' {
			return unexpectedIn(raw, i, at)
		}
		i = skipXMLSpace(raw, i+1)
		if i == len(raw) || raw[i] != '"' && raw[i] != '\'' {
			return unexpectedIn(raw, i, at)
		}
		end := bytes.IndexByte(raw[i+1:], raw[i])
		if end < 0 {
			return errorAt(at+i, Syntax, "unclosed attribute value")
		}
		value := raw[i+1 : i+1+end]
		if j := bytes.IndexByte(value, '<'); j >= 0 {
			return errorAt(at+i+1+j, Syntax, "unexpected '<' in an attribute")
		}
		if err := do(name, value, at+i+1); err != nil {
			return err
		}
		i += end + 2
	}
}

func skipXMLSpace(b []byte, i int) int {
	for i < len(b) && isXMLSpace(b[i]) {
		i++
	}
	return i
}

// unexpectedIn is unexpected for a piece of a document that begins at an offset.
func unexpectedIn(raw []byte, i, at int) *Error {
	err := unexpected(raw, i)
	err.Offset += at
	return err
}
