package value

import (
	"encoding/json"
	"maps"
	"slices"
)

// list gives argument i, which must be a list.
func (s *Site) list(args []any, i int) ([]any, error) {
	if l, ok := args[i].([]any); ok {
		return l, nil
	}
	return nil, s.wrong(i, args[i], "a list")
}

// List gives what a loop goes over.
func (s *Site) List(v any) ([]any, error) { return s.list([]any{v}, 0) }

func (b *Budget) concat(lists ...[]any) (any, error) {
	n := 0
	for _, l := range lists {
		n += len(l)
	}
	if err := b.List(n); err != nil {
		return nil, err
	}
	out := make([]any, 0, n)
	for _, l := range lists {
		out = append(out, l...)
	}
	return out, nil
}

func concatLists(b *Budget, s *Site, args []any) (any, error) {
	lists := make([][]any, len(args))
	for i := range args {
		l, err := s.list(args, i)
		if err != nil {
			return nil, err
		}
		lists[i] = l
	}
	return b.concat(lists...)
}

// copied gives a copy of argument 0, a list.
func (b *Budget) copied(s *Site, args []any) ([]any, error) {
	l, err := s.list(args, 0)
	if err != nil {
		return nil, err
	}
	if err := b.List(len(l)); err != nil {
		return nil, err
	}
	return slices.Clone(l), nil
}

func reverse(b *Budget, s *Site, args []any) (any, error) {
	l, err := b.copied(s, args)
	if err != nil {
		return nil, err
	}
	slices.Reverse(l)
	return l, nil
}

func end(i int64) call {
	return func(_ *Budget, s *Site, args []any) (any, error) {
		l, err := s.list(args, 0)
		return item(l, i), err
	}
}

func take(_ *Budget, s *Site, args []any) (any, error) {
	l, err := s.list(args, 0)
	if err != nil {
		return nil, err
	}
	n, err := s.whole(args, 1)
	if err != nil {
		return nil, err
	}
	to := int(min(max(n, 0), int64(len(l))))
	return l[:to:to], nil
}

// Range does `from..to`.
func (b *Budget) Range(s *Site, from, to any) (any, error) {
	a, okA := integer(from)
	z, okZ := integer(to)
	if !okA || !okZ {
		return nil, s.mismatch(from, to, "a whole number", "two whole numbers")
	}
	if z < a {
		return []any{}, nil
	}
	if z-a < 0 || z-a >= MaxSteps {
		return nil, b.Step(MaxSteps + 1)
	}
	if err := b.List(int(z-a) + 1); err != nil {
		return nil, err
	}
	out := make([]any, 0, z-a+1)
	for i := a; i <= z; i++ {
		out = append(out, i)
	}
	return out, nil
}

func uniq(b *Budget, s *Site, args []any) (any, error) {
	l, err := s.list(args, 0)
	if err != nil {
		return nil, err
	}
	if err := b.List(len(l)); err != nil {
		return nil, err
	}
	out := make([]any, 0, len(l))
	seen := make(map[any]bool, len(l))
	var lists []any // what has no key: each is compared with all before it
	for _, v := range l {
		key, ok := scalarKey(v)
		if ok {
			if !seen[key] {
				seen[key] = true
				out = append(out, v)
			}
			continue
		}
		known, err := b.In(s, v, lists)
		if err != nil {
			return nil, err
		}
		if !known {
			lists = append(lists, v)
			out = append(out, v)
		}
	}
	return out, nil
}

// scalarKey gives a map key that is the same for equal scalars.
func scalarKey(v any) (any, bool) {
	switch x := v.(type) {
	case nil, bool, string:
		return v, true
	case int64, int, float64:
		if n, ok := integer(v); ok {
			return n, true
		}
		return v, true
	case json.Number:
		return x, true
	}
	return nil, false
}

func flatten(b *Budget, s *Site, args []any) (any, error) {
	l, err := s.list(args, 0)
	if err != nil {
		return nil, err
	}
	out := []any{}
	if err := b.flatten(&out, l, 0); err != nil {
		return nil, err
	}
	return out, nil
}

func (b *Budget) flatten(out *[]any, l []any, depth int) error {
	if err := b.deeper(depth); err != nil {
		return err
	}
	if err := b.List(len(l)); err != nil {
		return err
	}
	for _, v := range l {
		if inner, ok := v.([]any); ok {
			if err := b.flatten(out, inner, depth+1); err != nil {
				return err
			}
			continue
		}
		*out = append(*out, v)
	}
	return nil
}

// Sort gives list in the order of keys, which has one for each element: numbers or strings or times, all of a kind.
func (b *Budget) Sort(s *Site, list, keys []any, order any) (any, error) {
	sign := 1
	switch order {
	case nil, "asc":
	case "desc":
		sign = -1
	default:
		return nil, Errorf(Expression, `the order of %s is neither "asc" nor "desc"`, s.Op)
	}
	if err := b.List(2 * len(list)); err != nil {
		return nil, err
	}
	places := make([]int, len(list))
	for i := range places {
		places[i] = i
	}
	var failed error
	slices.SortStableFunc(places, func(x, y int) int {
		if failed != nil {
			return 0
		}
		c, err := b.Compare(s, keys[x], keys[y])
		if failed = b.Err(); failed == nil && err != nil {
			failed = Errorf(Expression, "`%s` meets %s and %s, which have no order", s.Op, article(keys[x]), article(keys[y]))
		}
		return sign * c
	})
	if failed != nil {
		return nil, failed
	}
	out := make([]any, len(list))
	for i, at := range places {
		out[i] = list[at]
	}
	return out, nil
}

func sortList(b *Budget, s *Site, args []any) (any, error) {
	l, err := s.list(args, 0)
	if err != nil {
		return nil, err
	}
	var order any
	if len(args) == 2 {
		order = args[1]
	}
	return b.Sort(s, l, l, order)
}

// Group gives a map from each key to the elements that have it; a key is a string, or a number or bool as text.
func (b *Budget) Group(s *Site, list, keys []any) (any, error) {
	if err := b.List(2 * len(list)); err != nil {
		return nil, err
	}
	groups := map[string]any{}
	for i, v := range list {
		switch keys[i].(type) {
		case string, bool, int64, int, float64, json.Number:
		default:
			return nil, Errorf(Expression, "`%s` meets a key that is %s; keys are strings, numbers or bools", s.Op, article(keys[i]))
		}
		name, err := b.Text(keys[i])
		if err != nil {
			return nil, err
		}
		group, _ := groups[name].([]any)
		groups[name] = append(group, v)
	}
	return groups, nil
}

// names gives the sorted names of argument 0, a map.
func (b *Budget) names(s *Site, args []any) (map[string]any, []string, error) {
	m, ok := args[0].(map[string]any)
	if !ok {
		return nil, nil, s.wrong(0, args[0], "a map")
	}
	if err := b.List(len(m)); err != nil {
		return nil, nil, err
	}
	return m, slices.Sorted(maps.Keys(m)), nil
}

// entries makes a list of what each gives for the names of a map, in their order.
func entries(each func(m map[string]any, name string) any) call {
	return func(b *Budget, s *Site, args []any) (any, error) {
		m, names, err := b.names(s, args)
		if err != nil {
			return nil, err
		}
		out := make([]any, len(names))
		for i, name := range names {
			out[i] = each(m, name)
		}
		return out, nil
	}
}

func fromPairs(b *Budget, s *Site, args []any) (any, error) {
	l, err := s.list(args, 0)
	if err != nil {
		return nil, err
	}
	if err := b.List(2 * len(l)); err != nil {
		return nil, err
	}
	out := make(map[string]any, len(l))
	for i, v := range l {
		pair, _ := v.([]any)
		if len(pair) != 2 {
			return nil, Errorf(Expression, "element %d of %s is no pair [name, value]", i, s.operand(0))
		}
		name, ok := pair[0].(string)
		if !ok {
			return nil, Errorf(Expression, "the name in element %d of %s is %s, not a string", i, s.operand(0), article(pair[0]))
		}
		out[name] = pair[1]
	}
	return out, nil
}

func length(_ *Budget, s *Site, args []any) (any, error) {
	switch x := args[0].(type) {
	case string:
		return int64(runes(x)), nil
	case []any:
		return int64(len(x)), nil
	case map[string]any:
		return int64(len(x)), nil
	}
	return nil, s.wrong(0, args[0], "a list, a map or a string")
}
