// Package wire is how the host and the guest that runs Starlark tell each other of programs and values: a few tags and lengths, written
// by one side and read by the other, both of one build. It is compiled into both and knows neither.
//
// A [Writer] and a [Reader] belong to one goroutine.
package wire

import (
	"encoding/binary"
	"errors"
	"math"
)

// Tag begins every value.
type Tag byte

// The tags of values.
const (
	Null    Tag = 'n'
	True    Tag = 't'
	False   Tag = 'f'
	Int     Tag = 'i' // a whole number that fits an int64
	Big     Tag = 'b' // the digits of a whole number that does not
	Float   Tag = 'd'
	Decimal Tag = 'x' // the text of a JSON number that no float64 holds exactly
	String  Tag = 's'
	List    Tag = 'l' // its length, then its elements
	Map     Tag = 'm' // its length, then names and values
)

// Outcome begins the guest's answer.
type Outcome byte

// The outcomes of a program.
const (
	Done     Outcome = 'v' // a value follows
	Failed   Outcome = 'e' // the kind of failure, its message, line and column follow
	TooLarge Outcome = 'l' // the result is larger than it may be
	TooDeep  Outcome = 'p' // the result is nested deeper than it may be
)

// Result is the name under which a program leaves its value.
const Result = "$result"

// The kinds of failures that the host words.
const (
	KindError   = "error"   // the interpreter's message follows
	KindSteps   = "steps"   // more steps than allowed
	KindMessage = "message" // a message of ours, which holds no values and can be shown as it is
	KindLarge   = "large"   // a value that would be larger than allowed
	KindFail    = "fail"    // the program called fail
	KindBroken  = "broken"  // the request cannot be read
)

// Limits of a result, which the host passes to the guest, and those of the log.
type Limits struct {
	Steps    int
	Bytes    int
	Depth    int
	LogLines int
	LogBytes int // of one line
}

// Request is what the guest is told before the inputs.
type Request struct {
	Limits
	// Program is a compiled program, as package starlark writes it.
	Program []byte
	// Python says that text is made of values as Python makes it.
	Python bool
	// Inputs is how many names and values follow.
	Inputs int
}

// ErrShort says that a message ends before its values do.
var ErrShort = errors.New("the message ends early")

// Writer makes a message.
type Writer struct{ buf []byte }

// Bytes gives what was written; it is overwritten after Reset.
func (w *Writer) Bytes() []byte { return w.buf }

// Len is how many bytes were written.
func (w *Writer) Len() int { return len(w.buf) }

// Reset begins a new message in the old one's memory.
func (w *Writer) Reset() { w.buf = w.buf[:0] }

// Byte writes one byte.
func (w *Writer) Byte(b byte) { w.buf = append(w.buf, b) }

// Tag writes a value's tag.
func (w *Writer) Tag(t Tag) { w.buf = append(w.buf, byte(t)) }

// Number writes a whole number.
func (w *Writer) Number(n int64) { w.buf = binary.AppendVarint(w.buf, n) }

// Text writes a length and so many bytes.
func (w *Writer) Text(s string) {
	w.Number(int64(len(s)))
	w.buf = append(w.buf, s...)
}

// Float writes the bits of f.
func (w *Writer) Float(f float64) {
	w.buf = binary.LittleEndian.AppendUint64(w.buf, math.Float64bits(f))
}

// Request writes r.
func (w *Writer) Request(r Request) {
	for _, n := range []int{r.Steps, r.Bytes, r.Depth, r.LogLines, r.LogBytes, len(r.Program)} {
		w.Number(int64(n))
	}
	w.buf = append(w.buf, r.Program...)
	if r.Python {
		w.Byte(1)
	} else {
		w.Byte(0)
	}
	w.Number(int64(r.Inputs))
}

// Reader takes a message apart. After the first thing that is not there all others are zero, and Err says so.
type Reader struct {
	buf []byte
	err error
}

// NewReader reads buf, which must not change meanwhile.
func NewReader(buf []byte) *Reader { return &Reader{buf: buf} }

// Err gives ErrShort after something that was not there.
func (r *Reader) Err() error { return r.err }

func (r *Reader) take(n int64) []byte {
	if n < 0 || n > int64(len(r.buf)) {
		r.err, r.buf = ErrShort, nil
		return nil
	}
	out := r.buf[:n]
	r.buf = r.buf[n:]
	return out
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

// Tag reads a value's tag.
func (r *Reader) Tag() Tag { return Tag(r.Byte()) }

// Number reads a whole number.
func (r *Reader) Number() int64 {
	n, size := binary.Varint(r.buf)
	if size <= 0 {
		r.err, r.buf = ErrShort, nil
		return 0
	}
	r.buf = r.buf[size:]
	return n
}

// Count reads how many things follow: never more than there are bytes left.
func (r *Reader) Count() int {
	n := r.Number()
	if n < 0 || n > int64(len(r.buf)) {
		r.err, r.buf = ErrShort, nil
		return 0
	}
	return int(n)
}

// Text reads a text.
func (r *Reader) Text() string { return string(r.take(r.Number())) }

// Float reads a float64.
func (r *Reader) Float() float64 {
	if b := r.take(8); b != nil {
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	return 0
}

// Request reads a Request; its program is a part of the buffer.
func (r *Reader) Request() Request {
	var out Request
	for _, n := range []*int{&out.Steps, &out.Bytes, &out.Depth, &out.LogLines, &out.LogBytes} {
		*n = int(r.Number())
	}
	out.Program = r.take(r.Number())
	out.Python = r.Byte() == 1
	out.Inputs = r.Count()
	return out
}
