package signature

import (
	"slices"
	"strings"
)

// Parameters gives the names of the URL's parameters that hold what nobody else should have: a signature, a token, or what a rule holds
// against a secret or a variable of the operator's. An empty name is the whole query.
func (s *Scheme) Parameters() []string {
	var out []string
	add := func(t *Template) {
		for _, name := range t.Args("query") {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	for i := range s.rules {
		r := &s.rules[i]
		for _, o := range r.from {
			add(o.source)
		}
		for _, q := range r.require {
			for _, side := range [][2]*Template{{q.left, q.right}, {q.right, q.left}} {
				if side[0].Uses("secret") || side[0].Uses("var") {
					add(side[1])
				}
			}
		}
		if r.when == nil {
			continue
		}
		for _, c := range r.when.conditions {
			if slices.ContainsFunc(c.choices, func(ch choice) bool { return ch.kind == rendered }) {
				add(c.source)
			}
		}
	}
	return out
}

// Renewable says whether who has recorded a request could send it again as a new one: some rule that signs signs neither the time nor all
// of the text by which a repetition is known. Document is where the document stands that the text reads, nil where that is the body.
func (s *Scheme) Renewable(id, document *Template) bool {
	for i := range s.rules {
		r := &s.rules[i]
		if r.algorithm.family == unsigned || r.algorithm.family == constant || r.algorithm.jwt != "" || s.stampSigned(r) {
			continue // it is weak in another way, or the time bounds it
		}
		for _, signed := range r.signed {
			if !r.fixes(signed, id, document) {
				return true
			}
		}
	}
	return false
}

// fixes says whether nothing that a template reads can be changed without changing the signed text.
func (r *rule) fixes(signed, t, document *Template) bool {
	for a := range t.all {
		if !signed.holds(a, document) && !r.equated(signed, a, document) {
			return false
		}
	}
	return true
}

// equated says whether `require` holds a piece of a request against signed ones.
func (r *rule) equated(signed *Template, a *alternative, document *Template) bool {
	fixed := func(t *Template) bool {
		for other := range t.all {
			if !signed.holds(other, document) {
				return false
			}
		}
		return true
	}
	for _, q := range r.require {
		if q.left.names(a.source, a.arg) && fixed(q.right) || q.right.names(a.source, a.arg) && fixed(q.left) {
			return true
		}
	}
	return false
}

// names says whether a template reads exactly that piece of a request.
func (t *Template) names(source, arg string) bool {
	return slices.ContainsFunc(t.Args(source), func(a string) bool { return a == arg || source == "header" && strings.EqualFold(a, arg) })
}

// holds says whether a signed text holds what an alternative reads, as it was sent or as a whole that it is part of.
func (t *Template) holds(a *alternative, document *Template) bool {
	if t.names(a.source, a.arg) {
		return true
	}
	switch a.source {
	case "let", "var", "secret", "method", "endpoint":
		return true // what a `let` stands for is looked at by itself; the others no sender chooses
	case "header":
		return t.listsHeaders()
	case "query", "url", "pathquery":
		return t.Uses("url") || t.Uses("pathquery") || a.source == "query" && (t.Uses("canonical") || t.names("query", ""))
	case "form":
		return t.Uses("body") || t.names("form", "")
	case "outer":
		return t.Uses("body")
	case "json", "xml", "item", "key":
		if t.Uses("body") || t.names("json", "") || a.source != "xml" && t.names("item", "") {
			return true
		}
		return document != nil && t.holdsAll(document)
	}
	return false
}

// holdsAll says whether a signed text holds all that makes the document.
func (t *Template) holdsAll(document *Template) bool {
	for a := range document.all {
		if !t.holds(a, nil) {
			return false
		}
	}
	return true
}

// listsHeaders says whether the text holds the headers that the request itself lists, whichever they are.
func (t *Template) listsHeaders() bool {
	for a := range t.all {
		if slices.ContainsFunc(a.apply, func(f function) bool { return f.name == "headerpairs" }) {
			return true
		}
	}
	return false
}
