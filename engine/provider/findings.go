package provider

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/payload"
)

// What `schema_policy` may say.
const (
	policyPass       = "pass"
	policyQuarantine = "quarantine"
	policyReject     = "reject"
)

// Bounds of what is recorded of a payload that its schema refuses: the first findings tell, the hundredth does not.
const (
	maxFindings     = 16
	maxFindingBytes = 200
)

// Findings holds an event's payload against the schema that the event of that name declares, and gives where they differ: nothing for
// one without a schema. The body is read as its Content-Type says. It costs a whole decoding.
func (p *Provider) Findings(name string, body []byte, contentType string) []event.Finding {
	e, ok := p.Event(name)
	if !ok || e.schema == nil {
		return nil
	}
	v, err := payload.New(body, contentType).Value()
	if err != nil {
		return []event.Finding{{Rule: "format", Message: cut(err.Error(), maxFindingBytes)}}
	}
	return e.findings(v)
}

// FindingsLater is Findings for events that are judged once they are stored, which is so where `schema_policy` is `pass`: there the
// sender need not wait for it. Value gives the decoded payload; it is asked for only where there is a schema.
func (p *Provider) FindingsLater(name string, value func() any) []event.Finding {
	e, ok := p.Event(name)
	if !ok || e.schema == nil || p.policy != policyPass {
		return nil
	}
	return e.findings(value())
}

// findings gives where a decoded payload differs from the event's schema.
func (e *Event) findings(v any) []event.Finding {
	err := e.schema.Validate(v)
	var invalid *jsonschema.ValidationError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &invalid):
		return []event.Finding{{Rule: "schema", Message: cut(err.Error(), maxFindingBytes)}}
	}
	var out []event.Finding
	collect(invalid, &out)
	// The library goes through objects in no order.
	slices.SortFunc(out, func(a, b event.Finding) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Rule, b.Rule))
	})
	return out[:min(len(out), maxFindings)]
}

// collect gathers the causes that have no cause of their own.
func collect(v *jsonschema.ValidationError, out *[]event.Finding) {
	if len(*out) == 16*maxFindings {
		return
	}
	if len(v.Causes) == 0 {
		*out = append(*out, event.Finding{Path: pointer(v.InstanceLocation), Rule: keyword(v), Message: cut(words(v), maxFindingBytes)})
		return
	}
	for _, c := range v.Causes {
		collect(c, out)
	}
}

// keyword gives the word of the schema that does not hold.
func keyword(v *jsonschema.ValidationError) string {
	if path := v.ErrorKind.KeywordPath(); len(path) > 0 {
		return path[0]
	}
	return "schema"
}

// words says what is wrong without the value, which is the sender's and may be private: the library's own text quotes some.
func words(v *jsonschema.ValidationError) string {
	switch k := v.ErrorKind.(type) {
	case *kind.Format:
		return "is not valid " + k.Want
	case *kind.Pattern:
		return "does not match the pattern " + strconv.Quote(k.Want)
	case *kind.Minimum, *kind.Maximum, *kind.ExclusiveMinimum, *kind.ExclusiveMaximum, *kind.MultipleOf:
		return "is out of bounds"
	case *kind.ContentEncoding:
		return "is not encoded as " + k.Want
	case *kind.ContentMediaType:
		return "is not of the media type " + k.Want
	}
	return strings.TrimPrefix(v.Error(), "at '"+pointer(v.InstanceLocation)+"': ")
}

// pointer writes a place as a JSON pointer (RFC 6901); "" is the whole value.
func pointer(tokens []string) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(t))
	}
	return cut(b.String(), maxFindingBytes)
}

// cut gives at most the first n bytes of a text, never half a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
