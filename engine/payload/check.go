package payload

import (
	"bytes"
	"hash/maphash"
)

// Check reads body once and says whether it is one JSON value as RFC 8259 has it, within the limits, of valid UTF-8 and with no
// name twice in an object (names that differ only in their escapes are the same). It decodes nothing and keeps nothing of body.
// The error is an *Error.
func Check(body []byte, limits Limits) error {
	c := checker{cursor: cursor{body: body, limits: limits.withDefaults()}}
	// Most bodies fit; a table on the stack saves the only allocation of the accept path's JSON work.
	var slots [512]nameSlot
	c.names = nameTable{slots: slots[:], seed: maphash.MakeSeed()}
	if err := c.document(); err != nil {
		return err
	}
	return nil
}

type checker struct {
	cursor
	objects uint32
	names   nameTable
}

func (c *checker) document() *Error {
	c.i = skipSpace(c.body, 0)
	if err := c.value(); err != nil {
		return err
	}
	if c.i = skipSpace(c.body, c.i); c.i < len(c.body) {
		return errorAt(c.i, Syntax, "text after the JSON value")
	}
	return nil
}

func (c *checker) value() (err *Error) {
	if c.i >= len(c.body) {
		return unexpected(c.body, c.i)
	}
	if err := c.token(); err != nil {
		return err
	}
	switch b := c.body[c.i]; {
	case b == '"':
		c.i, _, err = scanString(c.body, c.i)
	case b == '{':
		err = c.object()
	case b == '[':
		err = c.list()
	case b == '-' || '0' <= b && b <= '9':
		c.i, err = scanNumber(c.body, c.i)
	default:
		c.i, err = scanWord(c.body, c.i)
	}
	return err
}

func (c *checker) list() *Error {
	if err := c.enter(); err != nil {
		return err
	}
	if c.empty(']') {
		return nil
	}
	for {
		if err := c.value(); err != nil {
			return err
		}
		more, err := c.separator(']')
		if err != nil || !more {
			return err
		}
	}
}

func (c *checker) object() *Error {
	if err := c.enter(); err != nil {
		return err
	}
	c.objects++
	id := c.objects
	if c.empty('}') {
		return nil
	}
	for {
		if err := c.name(id); err != nil {
			return err
		}
		if err := c.value(); err != nil {
			return err
		}
		more, err := c.separator('}')
		if err != nil || !more {
			return err
		}
	}
}

// name reads a name and its colon.
func (c *checker) name(object uint32) *Error {
	if c.i >= len(c.body) || c.body[c.i] != '"' {
		return unexpected(c.body, c.i)
	}
	if err := c.token(); err != nil {
		return err
	}
	start := c.i
	end, escaped, err := scanString(c.body, start)
	if err != nil {
		return err
	}
	if !c.names.add(c.body, object, start+1, end-1, escaped) {
		return errorAt(start, DuplicateName, "name %s occurs twice in an object", cutName(c.body[start:end]))
	}
	c.i = end
	return c.colon()
}

// cutName bounds what a message repeats of a body.
func cutName(quoted []byte) string {
	const most = 64
	if len(quoted) <= most {
		return string(quoted)
	}
	return string(bytes.ToValidUTF8(quoted[:most], nil)) + `…"`
}

// nameTable is a hash table of all names of a body, each with the number of its object. Its hash is seeded, so a sender cannot
// choose names that collide.
type nameTable struct {
	slots []nameSlot // a power of two of them
	used  int
	seed  maphash.Seed
	// unescaped holds the text of names with escapes. It is a buffer of its own because a slice that grows inside the table would
	// move the whole table from the stack to the heap.
	unescaped *bytes.Buffer
}

// nameSlot is one name: from and to are offsets in the body, or beyond its length in nameTable.unescaped.
type nameSlot struct {
	object   uint32 // 0 for an empty slot
	hash     uint32
	from, to uint32
}

// add enters a name and says whether it was new in its object.
func (t *nameTable) add(body []byte, object uint32, from, to int, escaped bool) bool {
	if escaped {
		if t.unescaped == nil {
			t.unescaped = new(bytes.Buffer)
		}
		start := t.unescaped.Len()
		t.unescaped.Write(unescape(nil, body[from:to]))
		from, to = len(body)+start, len(body)+t.unescaped.Len()
	}
	if t.used*4 >= len(t.slots)*3 {
		t.grow()
	}
	name := t.text(body, uint32(from), uint32(to))
	hash := uint32(maphash.Bytes(t.seed, name)) ^ object*0x9e3779b1
	mask := uint32(len(t.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := &t.slots[i]
		if s.object == 0 {
			*s = nameSlot{object: object, hash: hash, from: uint32(from), to: uint32(to)}
			t.used++
			return true
		}
		if s.hash == hash && s.object == object && bytes.Equal(t.text(body, s.from, s.to), name) {
			return false
		}
	}
}

func (t *nameTable) text(body []byte, from, to uint32) []byte {
	if n := uint32(len(body)); from >= n {
		return t.unescaped.Bytes()[from-n : to-n]
	}
	return body[from:to]
}

func (t *nameTable) grow() {
	old := t.slots
	t.slots = make([]nameSlot, 4*len(old))
	mask := uint32(len(t.slots) - 1)
	for _, s := range old {
		if s.object == 0 {
			continue
		}
		i := s.hash & mask
		for t.slots[i].object != 0 {
			i = (i + 1) & mask
		}
		t.slots[i] = s
	}
}
