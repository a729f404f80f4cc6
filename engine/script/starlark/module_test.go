package starlark

import (
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"testing"
)

// The sections of a module that prepareModule changes.
const (
	importSection = 2
	globalSection = 6
	exportSection = 7
	codeSection   = 10
)

// What stands in them.
const (
	globalExport = 3
	typeI32      = 0x7f
	mutable      = 1
	opLoop       = 0x03
	opIf         = 0x04
	opEnd        = 0x0b
	opCall       = 0x10
	opDrop       = 0x1a
	opGlobalGet  = 0x23
	opGlobalSet  = 0x24
	opI32Const   = 0x41
	opI32Eqz     = 0x45
	opI32Sub     = 0x6b
	noResult     = 0x40
)

var errModule = errors.New("the module is none that Go writes")

// prepareModule adds a global that counts down at the beginning of every loop, of which each of Go's functions is one, and calls
// sched_yield, the first import, where it comes to zero; the host sets it anew there, or ends the guest. And it exports all globals:
// global0, global1, …, the last of which is that count.
func prepareModule(wasm []byte) ([]byte, error) {
	const header = 8
	if len(wasm) < header {
		return nil, errModule
	}
	out, globals := slices.Clone(wasm[:header]), uint64(0)
	for rest := wasm[header:]; len(rest) > 0; {
		id := rest[0]
		size, n := binary.Uvarint(rest[1:])
		if n <= 0 || size > uint64(len(rest)-1-n) {
			return nil, errModule
		}
		section, err := rest[1+n:1+n+int(size)], error(nil)
		rest = rest[1+n+int(size):]
		switch id {
		case importSection:
			err = checkImports(section)
		case globalSection:
			section, globals, err = addGlobal(section)
		case exportSection:
			section, err = exportGlobals(section, globals)
		case codeSection:
			section, err = countLoops(section, globals-1)
		}
		if err != nil {
			return nil, err
		}
		out = append(binary.AppendUvarint(append(out, id), uint64(len(section))), section...)
	}
	if globals == 0 {
		return nil, errModule
	}
	return out, nil
}

// checkImports makes sure that the first import is sched_yield.
func checkImports(section []byte) error {
	want := "\x16wasi_snapshot_preview1\x0bsched_yield\x00"
	_, n := binary.Uvarint(section)
	if n <= 0 || len(section) < n+len(want) || string(section[n:n+len(want)]) != want {
		return errModule
	}
	return nil
}

func addGlobal(section []byte) ([]byte, uint64, error) {
	count, n := binary.Uvarint(section)
	if n <= 0 {
		return nil, 0, errModule
	}
	out := append(binary.AppendUvarint(nil, count+1), section[n:]...)
	return append(out, typeI32, mutable, opI32Const, 0, opEnd), count + 1, nil
}

func exportGlobals(section []byte, globals uint64) ([]byte, error) {
	count, n := binary.Uvarint(section)
	if n <= 0 || globals == 0 {
		return nil, errModule
	}
	out := append(binary.AppendUvarint(nil, count+globals), section[n:]...)
	for i := range globals {
		name := "global" + strconv.FormatUint(i, 10)
		out = append(binary.AppendUvarint(out, uint64(len(name))), name...)
		out = binary.AppendUvarint(append(out, globalExport), i)
	}
	return out, nil
}

// countLoops rewrites all functions.
func countLoops(section []byte, global uint64) ([]byte, error) {
	count, n := binary.Uvarint(section)
	if n <= 0 {
		return nil, errModule
	}
	get := binary.AppendUvarint([]byte{opGlobalGet}, global)
	set := binary.AppendUvarint([]byte{opGlobalSet}, global)
	probe := slices.Concat(get, []byte{opI32Const, 1, opI32Sub}, set, get, []byte{opI32Eqz, opIf, noResult, opCall, 0, opDrop, opEnd})
	out := binary.AppendUvarint(nil, count)
	rest := section[n:]
	for range count {
		size, n := binary.Uvarint(rest)
		if n <= 0 || size > uint64(len(rest)-n) {
			return nil, errModule
		}
		body, err := countInFunction(rest[n:n+int(size)], probe)
		if err != nil {
			return nil, err
		}
		rest = rest[n+int(size):]
		out = append(binary.AppendUvarint(out, uint64(len(body))), body...)
	}
	return out, nil
}

func countInFunction(body, probe []byte) ([]byte, error) {
	r := &moduleReader{buf: body}
	for range r.number() { // the kinds of locals
		r.number()
		r.skip(1)
	}
	out := slices.Clone(body[:r.i])
	for r.i < len(body) && r.err == nil {
		from := r.i
		op := r.instruction()
		out = append(out, body[from:min(r.i, len(body))]...)
		if op == opLoop {
			out = append(out, probe...)
		}
	}
	return out, r.err
}

// moduleReader steps over instructions.
type moduleReader struct {
	buf []byte
	i   int
	err error
}

func (r *moduleReader) skip(n int) {
	if r.i += n; r.i > len(r.buf) {
		r.i, r.err = len(r.buf), errModule
	}
}

// number reads an unsigned number; of a signed one it finds the end.
func (r *moduleReader) number() uint64 {
	v, shift := uint64(0), 0
	for r.i < len(r.buf) {
		b := r.buf[r.i]
		r.i++
		v |= uint64(b&0x7f) << min(shift, 63)
		if shift += 7; b < 0x80 {
			return v
		}
	}
	r.err = errModule
	return 0
}

func (r *moduleReader) numbers(n int) {
	for range n {
		r.number()
	}
}

// instruction steps over one instruction with what belongs to it.
func (r *moduleReader) instruction() byte {
	op := r.buf[r.i]
	r.i++
	switch {
	case op >= 0x02 && op <= 0x04, op == 0x0c, op == 0x0d, op == 0x10, op >= 0x20 && op <= 0x26, op == 0x3f, op == 0x40, op == 0x41, op == 0x42, op == 0xd0, op == 0xd2:
		r.number()
	case op == 0x0e:
		r.numbers(int(r.number()) + 1)
	case op == 0x11, op >= 0x28 && op <= 0x3e:
		r.numbers(2)
	case op == 0x1c:
		r.numbers(int(r.number()))
	case op == 0x43:
		r.skip(4)
	case op == 0x44:
		r.skip(8)
	case op == 0xfc:
		switch sub := r.number(); {
		case sub == 8, sub == 10, sub == 12, sub == 14:
			r.numbers(2)
		case sub == 9, sub == 11, sub == 13, sub >= 15 && sub <= 17:
			r.number()
		case sub > 17:
			r.err = errModule
		}
	case op == 0x05, op == 0x0f, op <= 0x01, op == opEnd, op == 0x1a, op == 0x1b, op >= 0x45 && op <= 0xc4, op == 0xd1:
	default:
		r.err = errModule
	}
	return op
}

func TestModulesThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	wasm, err := unpackGuest()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 7, 8, 9, 100, 1000, 5000, len(wasm) / 2} {
		if _, err := prepareModule(wasm[:n]); err == nil {
			t.Errorf("%d bytes of a module are taken for one", n)
		}
	}
}
