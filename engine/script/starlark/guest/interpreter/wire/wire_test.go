package wire

import (
	"bytes"
	"errors"
	"math"
	"testing"
)

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	want := Request{Limits: Limits{Steps: 1, Bytes: 1 << 20, Depth: 200, LogLines: 100, LogBytes: 1024}, Program: []byte("abc"), Python: true, Inputs: 0}
	var w Writer
	w.Request(want)
	w.Tag(Float)
	w.Float(math.Pi)
	w.Number(math.MinInt64)
	w.Text("Größe")
	w.Number(0)
	r := NewReader(w.Bytes())
	got := r.Request()
	if got.Limits != want.Limits || !bytes.Equal(got.Program, want.Program) || !got.Python || got.Inputs != 0 {
		t.Errorf("request %+v, want %+v", got, want)
	}
	if tag, f, n, s, c := r.Tag(), r.Float(), r.Number(), r.Text(), r.Count(); tag != Float || f != math.Pi || n != math.MinInt64 || s != "Größe" || c != 0 {
		t.Errorf("read %c %v %d %q %d", tag, f, n, s, c)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	w.Reset()
	if w.Len() != 0 {
		t.Errorf("%d bytes after Reset, want 0", w.Len())
	}
}

func TestAMessageThatEndsEarlyIsAnError(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(*Reader){
		"byte":   func(r *Reader) { r.Byte() },
		"number": func(r *Reader) { r.Number() },
		"text":   func(r *Reader) { r.Text() },
		"float":  func(r *Reader) { r.Float() },
		"count":  func(r *Reader) { r.Count() },
	} {
		r := NewReader(nil)
		read(r)
		if !errors.Is(r.Err(), ErrShort) {
			t.Errorf("%s of nothing: %v, want ErrShort", name, r.Err())
		}
	}
	var w Writer
	w.Number(1 << 40)
	for name, read := range map[string]func(*Reader) int{
		"text":  func(r *Reader) int { return len(r.Text()) },
		"count": func(r *Reader) int { return r.Count() },
	} {
		r := NewReader(w.Bytes())
		if n := read(r); n != 0 || !errors.Is(r.Err(), ErrShort) {
			t.Errorf("%s of a length that is not there: %d, %v, want 0 and ErrShort", name, n, r.Err())
		}
	}
}
