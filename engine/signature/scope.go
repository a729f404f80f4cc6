package signature

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/secret"
)

// Scope is what templates may name besides the request itself. A nil Scope has nothing.
type Scope struct {
	// Vars are the operator's `vars`. A zero value is one that is declared and not set yet.
	Vars map[string]secret.Value
	// Lets are the provider's `let`; nil for one that has findings of its own.
	Lets map[string]*Template
	// Items says that requests are batches, so that there is an item.
	Items bool
	// Claims says that a token is verified, so that there are claims.
	Claims bool
	// URL says that the request's public URL will be known.
	URL bool
}

// Place says where a template stands, which decides what it may name.
type Place uint16

// The places of a template.
const (
	// Signed is the string that a signature is made over.
	Signed Place = 1 << iota
	// Require is one side of an equality that must hold besides the signature.
	Require
	// Prefix is what stands before a signature in its header: text and variables.
	Prefix
	// Fetch is the address of a key. It leaves the house, so nothing in it is secret.
	Fetch
	// Condition is a bare source, without braces, that `when` looks at.
	Condition
	// Expected is the value that `when` compares a source with.
	Expected
	// Identity names an event or a delivery. It is stored and shown, so nothing in it may be secret or made with a secret.
	Identity
	// BodyFrom is where the document of a request stands: `body.from`.
	BodyFrom
	// Part is a bare source, without braces: where a signature or a timestamp is read from.
	Part
	// Reply is what the sender is told or asked: the answer to a handshake, an acknowledgement, an address to confirm, a secret to keep.
	Reply
	// Lets is a named piece of other templates.
	Lets
)

// The places by what may stand there.
const (
	// requests are the places where any piece of the request may stand in braces.
	requests = Signed | Require | Fetch | Expected | Identity | BodyFrom | Reply | Lets
	// keyedPlaces are those where a function may use the provider's key.
	keyedPlaces = Signed | Require | Reply
	// texts are the places where the result must be text.
	texts = Fetch | Expected | Identity | Reply
)

// places names every place, in the words of a finding.
func places() []struct {
	place Place
	words string
} {
	return []struct {
		place Place
		words string
	}{
		{Signed, "the signed string"},
		{Require, "`require`"},
		{Prefix, "`prefix`"},
		{Fetch, "`fetch`"},
		{Condition, "`when`"},
		{Expected, "the values of `when`"},
		{Identity, "the names of events and deliveries"},
		{BodyFrom, "`body.from`"},
		{Part, "`from`"},
		{Reply, "replies"},
		{Lets, "`let`"},
	}
}

// belongs says in words where something may stand.
func belongs(place Place) string {
	words := placeWords(place)
	last := len(words) - 1
	if last < 1 {
		return "belongs to " + strings.Join(words, "")
	}
	return "belongs to " + strings.Join(words[:last], ", ") + " and " + words[last]
}

func placeWords(place Place) []string {
	var out []string
	for _, p := range places() {
		if place&p.place != 0 {
			out = append(out, p.words)
		}
	}
	return out
}

// binding is what a source is made of where a template is compiled.
type binding struct {
	arg   string
	scope *Scope
	place Place
}

// bindError says why a source cannot be bound, with a hint of its own.
type bindError struct{ message, hint string }

func (e *bindError) Error() string { return e.message }

func bindVar(b binding) (reader, error) {
	if v, ok := b.scope.Vars[b.arg]; ok && !v.IsZero() {
		text := v.Reveal()
		return func(*env) (value, presence) { return value{text: text}, present }, nil
	}
	return nil, &bindError{
		message: fmt.Sprintf("{var:%s} is named, but `vars` has no `%s`", b.arg, b.arg),
		hint:    nearest(b.arg, b.scope.Vars, "add `vars: {"+b.arg+": …}` with what the provider's settings call it"),
	}
}

// nearest is the hint for a name that is not there: one that is much like it, or else what to do.
func nearest[T any](name string, all map[string]T, otherwise string) string {
	if hint := diag.DidYouMean(name, slices.Sorted(maps.Keys(all))); hint != "" {
		return hint
	}
	return otherwise
}

func bindLet(b binding) (reader, error) {
	t, ok := b.scope.Lets[b.arg]
	switch {
	case !ok:
		return nil, &bindError{
			message: fmt.Sprintf("{let:%s} is named, but `let` has no `%s`", b.arg, b.arg),
			hint:    nearest(b.arg, b.scope.Lets, "add `let: {"+b.arg+": \"…\"}`"),
		}
	case t == nil: // a finding speaks of it already
		return func(*env) (value, presence) { return value{}, absent }, nil
	}
	for a := range t.all {
		if a.place&b.place == 0 {
			return nil, &bindError{message: fmt.Sprintf("`let.%s` cannot stand here: it names `%s`, which %s", b.arg, a.source, belongs(a.place))}
		}
	}
	return func(e *env) (value, presence) {
		e.let = e.let[:0]
		if err := t.writeTo((*letWriter)(e), e); err != nil {
			if missing := (*MissingError)(nil); errors.As(err, &missing) && !missing.Unclear {
				return value{}, absent
			}
			return value{}, unclear
		}
		return value{raw: e.let}, present
	}, nil
}

// letWriter collects what a `let` renders. Lets do not nest, so an env needs only one.
type letWriter env

// errLetTooLong ends a `let` that would take more memory than the request it comes from warrants.
var errLetTooLong = errors.New("a `let` is longer than twice the body and a MiB")

func (w *letWriter) Write(b []byte) (int, error) {
	if len(w.let)+len(b) > w.req.mostRendered() {
		return 0, errLetTooLong
	}
	w.let = append(w.let, b...)
	return len(b), nil
}
