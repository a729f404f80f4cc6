package payload

// Decode reads a JSON body into plain values: nil, bool, int64, float64, json.Number, string, []any and map[string]any. A number
// is an int64 where it fits one, a float64 where that prints back the same decimal value, and a json.Number with its own digits
// otherwise. What [Check] refuses under the default limits, Decode refuses with the same *Error.
func Decode(body []byte) (any, error) {
	d := decoder{cursor: cursor{body: body, limits: Limits{}.withDefaults()}}
	d.i = skipSpace(body, 0)
	v, err := d.value()
	if err != nil {
		return nil, err
	}
	if d.i = skipSpace(body, d.i); d.i < len(body) {
		return nil, errorAt(d.i, Syntax, "text after the JSON value")
	}
	return v, nil
}

type decoder struct {
	cursor
	buf []byte // of the last string with escapes
}

func (d *decoder) value() (any, *Error) {
	if d.i >= len(d.body) {
		return nil, unexpected(d.body, d.i)
	}
	if err := d.token(); err != nil {
		return nil, err
	}
	switch b := d.body[d.i]; {
	case b == '"':
		s, err := d.text()
		if err != nil {
			return nil, err
		}
		return s, nil
	case b == '{':
		return d.object()
	case b == '[':
		return d.list()
	case b == '-' || '0' <= b && b <= '9':
		start := d.i
		end, err := scanNumber(d.body, start)
		if err != nil {
			return nil, err
		}
		d.i = end
		return Number(string(d.body[start:end])), nil
	}
	end, err := scanWord(d.body, d.i)
	if err != nil {
		return nil, err
	}
	word := d.body[d.i]
	d.i = end
	if word == 'n' {
		return nil, nil
	}
	return word == 't', nil
}

// text reads the string at d.i.
func (d *decoder) text() (string, *Error) {
	start := d.i
	end, escaped, err := scanString(d.body, start)
	if err != nil {
		return "", err
	}
	d.i = end
	if !escaped {
		return string(d.body[start+1 : end-1]), nil
	}
	d.buf = unescape(d.buf[:0], d.body[start+1:end-1])
	return string(d.buf), nil
}

func (d *decoder) list() (any, *Error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	out := []any{}
	if d.empty(']') {
		return out, nil
	}
	for {
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		more, err := d.separator(']')
		if err != nil {
			return nil, err
		}
		if !more {
			return out, nil
		}
	}
}

func (d *decoder) object() (any, *Error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	out := map[string]any{}
	if d.empty('}') {
		return out, nil
	}
	for {
		if d.i >= len(d.body) || d.body[d.i] != '"' {
			return nil, unexpected(d.body, d.i)
		}
		if err := d.token(); err != nil {
			return nil, err
		}
		start := d.i
		name, err := d.text()
		if err != nil {
			return nil, err
		}
		if _, twice := out[name]; twice {
			return nil, errorAt(start, DuplicateName, "name %s occurs twice in an object", cutName(d.body[start:d.i]))
		}
		if err := d.colon(); err != nil {
			return nil, err
		}
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		out[name] = v
		more, err := d.separator('}')
		if err != nil {
			return nil, err
		}
		if !more {
			return out, nil
		}
	}
}
