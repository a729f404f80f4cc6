package destination

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/fault"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/source"
)

// message makes what a type's receiver takes out of the value that is to be sent.
type message struct {
	kind  string
	makes []making
	// needs are members of which a message has one.
	needs []string
	// defaults are added where a message lacks them, in the order written; those that render to null are not.
	defaults []addition
}

// making makes a message of a value of some form. The first that fits is used, and a map that none fits is a message already.
type making struct {
	of string
	// has and lacks say which members a map has and has not.
	has, lacks []string
	as         *script.Tree // nil leaves the map as it is
}

// addition is one member, by its path of names. One that lies deeper is added only where what it lies in is there.
type addition struct {
	path  []string
	value *script.Tree
}

// messageName is how the trees of a preset name the value that is to be sent.
const messageName = "message"

// The forms of values that a making is for.
const (
	ofText   = "text"   // texts, numbers and booleans, as text
	ofString = "string" // texts alone
	ofMap    = "map"
	ofList   = "list"
	ofAny    = "any"
)

func messageObject() *field.Object {
	return &field.Object{Name: "message", Fields: []field.Field{
		{Name: "make", Type: field.Objects, Single: true, Object: &field.Object{Name: "make", Fields: []field.Field{
			{Name: "of", Type: field.Enum, Enum: []string{ofText, ofString, ofMap, ofList, ofAny}, Required: true},
			{Name: "has", Type: field.Strings},
			{Name: "lacks", Type: field.Strings},
			{Name: "as", Type: field.Any},
		}}},
		{Name: "needs", Type: field.Strings},
		{Name: "defaults", Type: field.Any},
	}}
}

func compileMessage(kind string, v *field.Values, out *diag.List) *message {
	m := &message{kind: kind, needs: v.Strings("needs")}
	scope := withDelivery(script.Scope{Labels: []string{messageName}})
	for _, mv := range v.Objects("make") {
		mk := making{of: mv.String("of"), has: mv.Strings("has"), lacks: mv.Strings("lacks")}
		if n := mv.Node("as"); n != nil {
			mk.as = script.CompileTree(n, scope, out)
		} else if mk.of != ofMap {
			out.Errorf(diag.BadValue, mv.Root().Span, "", "only a map can stay as it is")
		}
		m.makes = append(m.makes, mk)
	}
	if n := v.Node("defaults"); n != nil && n.Kind == source.Map {
		for _, e := range n.Entries {
			m.defaults = append(m.defaults, addition{strings.Split(e.Key.Text, "."), script.CompileTree(e.Value, scope, out)})
		}
	}
	return m
}

// build makes a message of a value. The map is the caller's to change at its top.
func (m *message) build(ctx context.Context, env *script.Env, v any) (map[string]any, error) {
	made, err := m.form(ctx, env, v)
	if err != nil {
		return nil, err
	}
	made = maps.Clone(made)
	if len(m.needs) > 0 && !slices.ContainsFunc(m.needs, func(key string) bool { return holdsSomething(made[key]) }) {
		return nil, badMessage("a message of the type " + m.kind + " has one of " + proseList(m.needs))
	}
	for _, a := range m.defaults {
		if err := a.add(ctx, with(env, messageName, v), made); err != nil {
			return nil, err
		}
	}
	return made, nil
}

func (m *message) form(ctx context.Context, env *script.Env, v any) (map[string]any, error) {
	for _, mk := range m.makes {
		value, fits := mk.fits(v)
		switch {
		case !fits:
			continue
		case mk.as == nil:
			return value.(map[string]any), nil
		}
		tree, err := mk.as.Render(ctx, with(env, messageName, value))
		made, ok := tree.(map[string]any)
		if err != nil || !ok {
			return nil, fault.New(fault.Permanent, CodeBadMessage, "the message cannot be made", err)
		}
		return made, nil
	}
	if made, ok := v.(map[string]any); ok {
		return made, nil
	}
	is := "of another type"
	switch v.(type) {
	case nil:
		is = "null"
	case []any:
		is = "a list"
	}
	return nil, badMessage("the message is " + is + "; write text or a map")
}

// fits says whether a value has the form, and gives it as the tree sees it.
func (mk *making) fits(v any) (any, bool) {
	switch x := v.(type) {
	case map[string]any:
		has := func(key string) bool { return holdsSomething(x[key]) }
		whole := !slices.ContainsFunc(mk.has, func(key string) bool { return !has(key) }) && !slices.ContainsFunc(mk.lacks, has)
		return v, whole && (mk.of == ofMap || mk.of == ofAny)
	case []any:
		return v, mk.of == ofList || mk.of == ofAny
	case nil:
		return v, mk.of == ofAny
	case string:
		return v, mk.of == ofText || mk.of == ofString || mk.of == ofAny
	}
	if mk.of == ofText {
		return scalarOf(v)
	}
	return v, mk.of == ofAny
}

// scalarOf writes a number or a boolean as text.
func scalarOf(v any) (any, bool) {
	switch x := v.(type) {
	case bool:
		return strconv.FormatBool(x), true
	case int64, int, float64, json.Number:
		return fmt.Sprint(x), true
	}
	return nil, false
}

func (a addition) add(ctx context.Context, env *script.Env, made map[string]any) error {
	at := made
	for _, name := range a.path[:len(a.path)-1] {
		inner, ok := at[name].(map[string]any)
		if !ok {
			return nil
		}
		inner = maps.Clone(inner)
		at[name], at = inner, inner
	}
	name := a.path[len(a.path)-1]
	if _, there := at[name]; there {
		return nil
	}
	v, err := a.value.Render(ctx, env)
	if err != nil {
		return fault.New(fault.Permanent, CodeBadMessage, "the message cannot be made", err)
	}
	if v != nil {
		at[name] = v
	}
	return nil
}

// with gives an environment that knows one name more; the one that it is made of stays as it is.
func with(env *script.Env, name string, v any) *script.Env {
	inner := *env
	if inner.Outputs = maps.Clone(env.Outputs); inner.Outputs == nil {
		inner.Outputs = make(map[string]any, 1)
	}
	inner.Outputs[name] = v
	return &inner
}

// holdsSomething says that a value is neither null, nor an empty text, nor an empty list.
func holdsSomething(v any) bool {
	switch x := v.(type) {
	case nil:
		return false
	case string:
		return x != ""
	case []any:
		return len(x) > 0
	}
	return true
}

func badMessage(why string) error { return fault.New(fault.Permanent, CodeBadMessage, why, nil) }
