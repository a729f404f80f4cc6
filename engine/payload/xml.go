package payload

import (
	"bytes"
	"strings"
)

// CheckXML says whether body is one well-formed XML document in UTF-8 within the limits, without a document type and with no entities
// but XML's own five. The error is an *Error.
func CheckXML(body []byte, limits Limits) error {
	s := newXMLScanner(body, limits)
	for {
		t, err := s.next()
		if err != nil {
			return err
		}
		if t.kind == xmlEnd {
			return nil
		}
	}
}

// DecodeXML reads an XML document into plain values: a map of the root element's name to its value. An element that has neither
// attributes nor elements inside is its text; every other one is a map with "@name" for an attribute, the name for an element (a list
// where several have it, in their order) and "#text" for text that is not blank. Names keep their prefixes. What [CheckXML] refuses
// under the default limits, DecodeXML refuses with the same *Error.
func DecodeXML(body []byte) (any, error) {
	d := xmlDecoder{scanner: newXMLScanner(body, Limits{})}
	root := map[string]any{}
	for {
		t, err := d.scanner.next()
		if err != nil {
			return nil, err
		}
		switch t.kind {
		case xmlEnd:
			return root, nil
		case xmlOpen:
			v, err := d.element(t)
			if err != nil {
				return nil, err
			}
			root[string(t.name)] = v
		}
	}
}

type xmlDecoder struct{ scanner *xmlScanner }

// element reads up to the end of the element that t opens.
func (d *xmlDecoder) element(t xmlToken) (any, *Error) {
	var text []byte
	inside := map[string]any{}
	if err := eachAttribute(t.raw, t.at, func(name, raw []byte, _ int) *Error {
		inside["@"+string(name)] = string(appendXMLText(nil, raw, true, true))
		return nil
	}); err != nil {
		return nil, err
	}
	for {
		t, err := d.scanner.next()
		if err != nil {
			return nil, err
		}
		switch t.kind {
		case xmlText, xmlLiteral:
			text = appendXMLText(text, t.raw, t.kind == xmlText, false)
		case xmlOpen:
			v, err := d.element(t)
			if err != nil {
				return nil, err
			}
			addElement(inside, string(t.name), v)
		case xmlClose:
			if len(inside) == 0 {
				return string(text), nil
			}
			if len(bytes.Trim(text, xmlSpace)) > 0 {
				inside["#text"] = string(text)
			}
			return inside, nil
		}
	}
}

func addElement(inside map[string]any, name string, v any) {
	switch have := inside[name].(type) {
	case nil:
		inside[name] = v
	case []any: // no element is a list by itself
		inside[name] = append(have, v)
	default:
		inside[name] = []any{have, v}
	}
}

// Found says what a path names in an XML document.
type Found uint8

// What FindXML can find.
const (
	// Nothing is there.
	Nothing Found = iota
	// OneText is there.
	OneText
	// Several elements are there, and the path does not say which one.
	Several
	// Elements is an element that has others inside, so that it is no text.
	Elements
)

// FindXML gives the text at the place in an XML document. The path starts with the root element's name; a number after a name picks
// from elements of one name, `@name` at the end is an attribute, `#text` the text beside other elements. An element that has attributes
// is its text, too. The whole document is read and checked as [CheckXML] does; the error is an *Error.
func (p Path) FindXML(body []byte) (text string, found Found, err error) {
	f := xmlFinder{scanner: newXMLScanner(body, Limits{})}
	possible := f.split(p)
	for {
		t, err := f.scanner.next()
		switch {
		case err != nil:
			return "", Nothing, err
		case t.kind == xmlEnd:
			if !possible || f.found == Several {
				return "", f.found, nil
			}
			return string(f.text), f.found, nil
		case possible:
			f.see(t)
		}
	}
}

// xmlFinder walks a path through a document.
type xmlFinder struct {
	scanner *xmlScanner
	levels  []xmlLevel
	// attribute is the name of the attribute at the end of the path, beside says that it ends in #text.
	attribute string
	beside    bool

	depth   int // of the element that is open
	matched int // how many of the open elements, from the root on, are the path's
	text    []byte
	found   Found
}

// xmlLevel is one element of a path: its name and, where there may be several, its number.
type xmlLevel struct {
	name  string
	index int // -1 for the only one
	seen  int // how many of that name there were so far, below the element that matches
}

// split makes levels of a path; false where it can name nothing in any document.
func (f *xmlFinder) split(p Path) bool {
	for i, s := range p.steps {
		last := i == len(p.steps)-1
		switch name, isAttribute := strings.CutPrefix(s.name, "@"); {
		case s.index >= 0:
			if n := len(f.levels); n > 0 && f.levels[n-1].index < 0 {
				f.levels[n-1].index = s.index
				continue
			}
			return false
		case isAttribute && last && i > 0:
			f.attribute = name
		case s.name == "#text" && last && i > 0:
			f.beside = true
		default:
			f.levels = append(f.levels, xmlLevel{name: s.name, index: -1})
		}
	}
	return len(f.levels) > 0
}

func (f *xmlFinder) see(t xmlToken) {
	here := f.matched == len(f.levels) // inside the element that the path names
	switch t.kind {
	case xmlOpen:
		switch {
		case here && f.attribute == "" && !f.beside && f.depth == f.matched && f.found == OneText:
			f.found, f.text = Elements, nil
		case f.matched == f.depth && !here && f.levels[f.depth].name == string(t.name):
			f.enter(t)
		}
		f.depth++
	case xmlClose:
		if f.depth--; f.matched > f.depth {
			f.matched = f.depth
		}
	case xmlText, xmlLiteral:
		if here && f.depth == f.matched && f.attribute == "" && f.found == OneText {
			f.text = appendXMLText(f.text, t.raw, t.kind == xmlText, false)
		}
	}
}

// enter looks at an element of the right name below elements that match.
func (f *xmlFinder) enter(t xmlToken) {
	level := &f.levels[f.depth]
	level.seen++
	switch {
	case level.index >= 0 && level.seen-1 != level.index:
		return
	case level.index < 0 && level.seen > 1:
		f.found = Several
		return
	}
	f.matched++
	if f.matched < len(f.levels) {
		f.levels[f.matched].seen = 0
		return
	}
	if f.found != Nothing { // several it stays
		return
	}
	if f.attribute == "" {
		f.found = OneText
		return
	}
	_ = eachAttribute(t.raw, t.at, func(name, raw []byte, _ int) *Error { // the scanner has checked them
		if string(name) == f.attribute {
			f.found, f.text = OneText, appendXMLText(f.text, raw, true, true)
		}
		return nil
	})
}
