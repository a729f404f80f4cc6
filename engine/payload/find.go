package payload

// Find finds the place in a JSON body without decoding it: raw is that value's bytes inside body, ok says whether it is there. It
// reads only as far as it must and checks only the shape of what it passes, so a body goes through [Check] first. The error is an
// *Error: the body ended or broke on the way.
func (p Path) Find(body []byte) (raw []byte, ok bool, err error) {
	i := skipSpace(body, 0)
	for _, s := range p.steps {
		next, found, e := s.enter(body, i)
		if e != nil {
			return nil, false, e
		}
		if !found {
			return nil, false, nil
		}
		i = next
	}
	end, e := skipValue(body, i)
	if e != nil {
		return nil, false, e
	}
	return body[i:end:end], true, nil
}

// FirstName gives the name of the first member of the object that body is whose name matches. It says false where there is none, and
// where body is no object. Like [Path.Find] it reads only as far as it must. The error is an *Error.
func FirstName(body []byte, matches func(name string) bool) (name string, ok bool, err error) {
	i := skipSpace(body, 0)
	if i >= len(body) || body[i] != '{' {
		return "", false, nil
	}
	for i = skipSpace(body, i+1); i < len(body) && body[i] == '"'; {
		end, escaped := skipString(body, i)
		if end < 0 {
			return "", false, errorAt(i, Syntax, "unclosed string")
		}
		raw := body[i+1 : end-1]
		if escaped && !validEscapes(raw) {
			return "", false, errorAt(i, Syntax, "invalid escape in a string")
		}
		if name = string(raw); escaped {
			name = string(unescape(nil, raw))
		}
		if i = skipSpace(body, end); i >= len(body) || body[i] != ':' {
			return "", false, unexpected(body, i)
		}
		if matches(name) {
			return name, true, nil
		}
		next, bad := skipValue(body, skipSpace(body, i+1))
		if bad != nil {
			return "", false, bad
		}
		if i = skipSpace(body, next); i < len(body) && body[i] == ',' {
			i = skipSpace(body, i+1)
		}
	}
	if i >= len(body) || body[i] != '}' {
		return "", false, unexpected(body, i)
	}
	return "", false, nil
}

// enter gives the index at which the member that s names starts, in the value that starts at i.
func (s step) enter(b []byte, i int) (at int, found bool, err *Error) {
	if i >= len(b) {
		return 0, false, unexpected(b, i)
	}
	switch b[i] {
	case '{':
		return s.member(b, skipSpace(b, i+1))
	case '[':
		if s.index >= 0 {
			return s.item(b, skipSpace(b, i+1))
		}
	}
	return 0, false, nil
}

func (s step) member(b []byte, i int) (at int, found bool, err *Error) {
	for i < len(b) && b[i] == '"' {
		end, escaped := skipString(b, i)
		if end < 0 {
			return 0, false, errorAt(i, Syntax, "unclosed string")
		}
		name := b[i+1 : end-1]
		if i = skipSpace(b, end); i >= len(b) || b[i] != ':' {
			return 0, false, unexpected(b, i)
		}
		i = skipSpace(b, i+1)
		if string(name) == s.name && !escaped || escaped && validEscapes(name) && string(unescape(nil, name)) == s.name {
			return i, true, nil
		}
		if i, err = skipValue(b, i); err != nil {
			return 0, false, err
		}
		if i = skipSpace(b, i); i < len(b) && b[i] == ',' {
			i = skipSpace(b, i+1)
		}
	}
	if i >= len(b) || b[i] != '}' {
		return 0, false, unexpected(b, i)
	}
	return 0, false, nil
}

func (s step) item(b []byte, i int) (at int, found bool, err *Error) {
	for n := 0; i < len(b) && b[i] != ']'; n++ {
		if n == s.index {
			return i, true, nil
		}
		if i, err = skipValue(b, i); err != nil {
			return 0, false, err
		}
		if i = skipSpace(b, i); i < len(b) && b[i] == ',' {
			i = skipSpace(b, i+1)
		}
	}
	if i >= len(b) {
		return 0, false, unexpected(b, i)
	}
	return 0, false, nil
}

// skipValue gives the index after the value at i. Inside lists and objects it counts brackets and steps over strings, no more.
func skipValue(b []byte, i int) (int, *Error) {
	if i >= len(b) {
		return 0, unexpected(b, i)
	}
	switch c := b[i]; {
	case c == '"':
		end, _ := skipString(b, i)
		if end < 0 {
			return 0, errorAt(i, Syntax, "unclosed string")
		}
		return end, nil
	case c == '-' || '0' <= c && c <= '9':
		return scanNumber(b, i)
	case c != '{' && c != '[':
		return scanWord(b, i)
	}
	start, depth := i, 0
	for i < len(b) {
		switch b[i] {
		case '"':
			end, _ := skipString(b, i)
			if end < 0 {
				return 0, errorAt(i, Syntax, "unclosed string")
			}
			i = end
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1, nil
			}
		}
		i++
	}
	return 0, errorAt(start, Syntax, "unclosed %q", b[start])
}

// skipString gives the index after the string that opens at i, or -1, and whether it holds a backslash.
func skipString(b []byte, i int) (end int, escaped bool) {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i + 1, escaped
		case '\\':
			escaped = true
			i++
		}
	}
	return -1, escaped
}

// validEscapes says whether unescape may read s, which nobody may have checked.
func validEscapes(s []byte) bool {
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			i++
			continue
		}
		n := escapeLen(s[i:])
		if n == 0 {
			return false
		}
		i += n
	}
	return true
}

// Text gives the text of a raw scalar that [Path.Find] found: a string's content, a number or bool as it is written. It says false
// for null, lists, objects and what is no JSON.
func Text(raw []byte) (string, bool) {
	if len(raw) == 0 {
		return "", false
	}
	switch c := raw[0]; {
	case c == '"':
		end, escaped, err := scanString(raw, 0)
		if err != nil || end != len(raw) {
			return "", false
		}
		if !escaped {
			return string(raw[1 : end-1]), true
		}
		return string(unescape(nil, raw[1:end-1])), true
	case c == '-' || '0' <= c && c <= '9':
		end, err := scanNumber(raw, 0)
		return string(raw), err == nil && end == len(raw)
	case c == 't' || c == 'f':
		end, err := scanWord(raw, 0)
		return string(raw), err == nil && end == len(raw)
	}
	return "", false
}
