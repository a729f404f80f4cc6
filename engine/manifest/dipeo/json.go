package dipeo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/headgate/headgate/engine/source"
)

// jsonNode makes a tree of a scalar that holds JSON as text. All of it has the scalar's place. On an error offset is the place in
// the text.
func jsonNode(n *source.Node) (tree *source.Node, offset int, err error) {
	dec := json.NewDecoder(strings.NewReader(n.Text))
	dec.UseNumber()
	tree, err = jsonValue(dec, n.Span, 0)
	if err == nil {
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			return nil, int(dec.InputOffset()), errors.New("something follows behind its end")
		}
		return tree, 0, nil
	}
	offset = int(dec.InputOffset())
	if se := (*json.SyntaxError)(nil); errors.As(err, &se) {
		offset = max(0, int(se.Offset)-1)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("it ends too early")
	}
	return nil, offset, err
}

func jsonValue(dec *json.Decoder, span source.Span, depth int) (*source.Node, error) {
	if depth > source.MaxDepth {
		return nil, fmt.Errorf("it nests deeper than %d levels", source.MaxDepth)
	}
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '[' {
			return jsonList(dec, span, depth)
		}
		return jsonMap(dec, span, depth)
	case string:
		return source.NewString(t, span), nil
	case json.Number:
		kind := source.Int
		if bytes.ContainsAny([]byte(t), ".eE") {
			kind = source.Float
		}
		return &source.Node{Kind: kind, Text: t.String(), Span: span}, nil
	case bool:
		return &source.Node{Kind: source.Bool, Text: fmt.Sprint(t), Span: span}, nil
	default:
		return &source.Node{Kind: source.Null, Text: "null", Span: span}, nil
	}
}

func jsonList(dec *json.Decoder, span source.Span, depth int) (*source.Node, error) {
	list := source.NewList(span)
	for dec.More() {
		item, err := jsonValue(dec, span, depth+1)
		if err != nil {
			return nil, err
		}
		list.Items = append(list.Items, item)
	}
	_, err := dec.Token()
	return list, err
}

func jsonMap(dec *json.Decoder, span source.Span, depth int) (*source.Node, error) {
	m := source.NewMap(span)
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, _ := token.(string)
		if seen[key] {
			return nil, fmt.Errorf("the key %q is written twice", key)
		}
		seen[key] = true
		value, err := jsonValue(dec, span, depth+1)
		if err != nil {
			return nil, err
		}
		m.Entries = append(m.Entries, source.NewEntry(key, span, value))
	}
	_, err := dec.Token()
	return m, err
}
