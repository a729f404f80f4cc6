package value

import (
	"strings"
	"unicode/utf8"
)

// maxSearch bounds length of text times length of what is searched in it: searching is linear until a sender who can choose both
// makes it not so.
const maxSearch = 1 << 31

// search refuses texts that could be searched for longer than MaxTime.
func (b *Budget) search(text, part string) error {
	if b.err == nil && len(text)*min(len(part), len(text)) > maxSearch {
		b.err = Errorf(TooExpensive, "searching a text of %d bytes for one of %d is too expensive", len(text), len(part))
	}
	return b.Err()
}

// text gives argument i, which must be a string.
func (s *Site) text(args []any, i int) (string, error) {
	if t, ok := args[i].(string); ok {
		return t, nil
	}
	return "", s.wrong(i, args[i], "a string")
}

// two gives the first two arguments, which must be strings that may be searched in each other.
func (b *Budget) two(s *Site, args []any) (x, y string, err error) {
	if x, err = s.text(args, 0); err != nil {
		return "", "", err
	}
	if y, err = s.text(args, 1); err != nil {
		return "", "", err
	}
	if err := b.search(x, y); err != nil {
		return "", "", err
	}
	return x, y, b.Scan(len(x), bytesCompared)
}

// whole gives argument i, which must be a whole number.
func (s *Site) whole(args []any, i int) (int64, error) {
	if n, ok := integer(args[i]); ok {
		return n, nil
	}
	return 0, s.wrong(i, args[i], "a whole number")
}

// Test does `contains`, `startsWith`, `endsWith` on two texts. A test of null is false.
func (b *Budget) Test(s *Site, test string, x, y any) (bool, error) {
	if x == nil || y == nil {
		return false, nil
	}
	text, part, err := b.two(s, []any{x, y})
	if err != nil {
		return false, err
	}
	switch test {
	case "startsWith":
		return strings.HasPrefix(text, part), nil
	case "endsWith":
		return strings.HasSuffix(text, part), nil
	}
	return strings.Contains(text, part), nil
}

func testText(test string) call {
	return func(b *Budget, s *Site, args []any) (any, error) {
		x, err := s.text(args, 0)
		if err != nil {
			return nil, err
		}
		yes, err := b.Test(s, test, x, args[1])
		return yes, err
	}
}

func mapText(f func(string) string) call {
	return func(b *Budget, s *Site, args []any) (any, error) {
		t, err := s.text(args, 0)
		if err != nil {
			return nil, err
		}
		if err := b.Grow(len(t)); err != nil {
			return nil, err
		}
		return f(t), nil
	}
}

// maxCutset bounds the characters of a trim: they are looked at for every character of the text.
const maxCutset = 64

func trim(_ *Budget, s *Site, args []any) (any, error) {
	t, err := s.text(args, 0)
	if err != nil || len(args) == 1 {
		return strings.TrimSpace(t), err
	}
	cut, err := s.text(args, 1)
	if err != nil {
		return nil, err
	}
	if len(cut) > maxCutset {
		return nil, Errorf(TooExpensive, "%s is longer than the %d bytes that `%s` takes", s.operand(1), maxCutset, s.Op)
	}
	return strings.Trim(t, cut), nil
}

func trimEnd(f func(s, end string) string) call {
	return func(_ *Budget, s *Site, args []any) (any, error) {
		t, err := s.text(args, 0)
		if err != nil {
			return nil, err
		}
		end, err := s.text(args, 1)
		if err != nil {
			return nil, err
		}
		return f(t, end), nil
	}
}

// split cuts text; keep says whether the separators stay with the pieces before them.
func split(keep bool) call {
	return func(b *Budget, s *Site, args []any) (any, error) {
		t, sep, err := b.two(s, args)
		if err != nil {
			return nil, err
		}
		limit := int64(-1)
		if len(args) == 3 {
			if limit, err = s.whole(args, 2); err != nil {
				return nil, err
			}
		}
		pieces := max(strings.Count(t, sep), 1) + 1
		if limit >= 0 {
			pieces = int(min(int64(pieces), limit))
		}
		if err := b.List(pieces); err != nil {
			return nil, err
		}
		cut := strings.SplitN
		if keep {
			cut = strings.SplitAfterN
		}
		parts := cut(t, sep, pieces)
		out := make([]any, len(parts))
		for i, p := range parts {
			out[i] = p
		}
		return out, nil
	}
}

func replace(b *Budget, s *Site, args []any) (any, error) {
	t, from, err := b.two(s, args)
	if err != nil {
		return nil, err
	}
	to, err := s.text(args, 2)
	if err != nil {
		return nil, err
	}
	count := strings.Count(t, from)
	if len(args) == 4 {
		n, err := s.whole(args, 3)
		if err != nil {
			return nil, err
		}
		if n >= 0 {
			count = int(min(int64(count), n))
		}
	}
	if err := b.Grow(len(t) + count*(len(to)-len(from))); err != nil {
		return nil, err
	}
	return strings.Replace(t, from, to, count), nil
}

func repeat(b *Budget, s *Site, args []any) (any, error) {
	t, err := s.text(args, 0)
	if err != nil {
		return nil, err
	}
	n, err := s.whole(args, 1)
	if err != nil {
		return nil, err
	}
	if n < 0 {
		return nil, Errorf(Expression, "%s is negative where `%s` counts with it", s.operand(1), s.Op)
	}
	if len(t) > 0 && n > MaxBytes/int64(len(t)) {
		return nil, b.Grow(MaxBytes + 1)
	}
	if err := b.Grow(len(t) * int(n)); err != nil {
		return nil, err
	}
	return strings.Repeat(t, int(n)), nil
}

func join(b *Budget, s *Site, args []any) (any, error) {
	list, err := s.list(args, 0)
	if err != nil {
		return nil, err
	}
	sep := ""
	if len(args) == 2 {
		if sep, err = s.text(args, 1); err != nil {
			return nil, err
		}
	}
	if err := b.Step(len(list)); err != nil {
		return nil, err
	}
	size := len(sep) * max(len(list)-1, 0)
	for i, v := range list {
		t, ok := v.(string)
		if !ok {
			return nil, Errorf(Expression, "element %d of %s is %s where `%s` needs strings", i, s.operand(0), article(v), s.Op)
		}
		size += len(t)
	}
	if err := b.Grow(size); err != nil {
		return nil, err
	}
	var out strings.Builder
	out.Grow(size)
	for i, v := range list {
		if i > 0 {
			out.WriteString(sep)
		}
		out.WriteString(v.(string))
	}
	return out.String(), nil
}

func article(v any) string {
	if v == nil {
		return "null"
	}
	return "a " + Kind(v)
}

// index finds text in text; positions count characters, as slices do.
func index(find func(s, part string) int) call {
	return func(b *Budget, s *Site, args []any) (any, error) {
		t, part, err := b.two(s, args)
		if err != nil {
			return nil, err
		}
		at := find(t, part)
		if at > 0 {
			if err := b.Scan(at, bytesCounted); err != nil {
				return nil, err
			}
			at = utf8.RuneCountInString(t[:at])
		}
		return int64(at), nil
	}
}

// Slice does `x[from:to]` on a list or, by characters, on text. A nil bound is the end; negative ones count from the end; bounds
// outside are held inside.
func (b *Budget) Slice(s *Site, v, from, to any) (any, error) {
	var n int
	text, isText := v.(string)
	list, isList := v.([]any)
	switch {
	case isText:
		if err := b.Scan(len(text), bytesCounted); err != nil {
			return nil, err
		}
		n = utf8.RuneCountInString(text)
	case isList:
		n = len(list)
	default:
		return nil, s.wrong(0, v, "a list or a string")
	}
	start, err := s.bound(from, 0, n, 1)
	if err != nil {
		return nil, err
	}
	end, err := s.bound(to, n, n, 2)
	if err != nil {
		return nil, err
	}
	start = min(start, end)
	if isList {
		return list[start:end:end], nil
	}
	a := offset(text, start)
	return text[a : a+offset(text[a:], end-start)], nil
}

func (s *Site) bound(v any, missing, n, operand int) (int, error) {
	if v == nil {
		return missing, nil
	}
	i, ok := integer(v)
	if !ok {
		return 0, s.wrong(operand, v, "a whole number")
	}
	if i < 0 {
		i += int64(n)
	}
	return int(min(max(i, 0), int64(n))), nil
}

// offset gives the byte at which character n of text begins.
func offset(text string, n int) int {
	for i := range text {
		if n == 0 {
			return i
		}
		n--
	}
	return len(text)
}
