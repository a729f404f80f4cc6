package payload

import "errors"

// ErrTooManyItems says that a list holds more items than are wanted.
var ErrTooManyItems = errors.New("the list holds too many items")

// Items gives the raw items of the JSON list that body is, in order: views into body, which goes through [Check] first. A body that is
// an object is the only item of its list. It says false for anything else. The error is ErrTooManyItems for more than limit of them, or
// an *Error: the body ended or broke on the way.
func Items(body []byte, limit int) (items [][]byte, ok bool, err error) {
	i := skipSpace(body, 0)
	if i >= len(body) {
		return nil, false, nil
	}
	switch body[i] {
	case '{':
		end, bad := skipValue(body, i)
		if bad != nil {
			return nil, false, bad
		}
		return [][]byte{body[i:end:end]}, true, nil
	case '[':
	default:
		return nil, false, nil
	}
	for i = skipSpace(body, i+1); i < len(body) && body[i] != ']'; {
		end, bad := skipValue(body, i)
		if bad != nil {
			return nil, false, bad
		}
		if len(items) == limit {
			return nil, false, ErrTooManyItems
		}
		items = append(items, body[i:end:end])
		if i = skipSpace(body, end); i < len(body) && body[i] == ',' {
			i = skipSpace(body, i+1)
		}
	}
	if i >= len(body) {
		return nil, false, unexpected(body, i)
	}
	return items, true, nil
}
