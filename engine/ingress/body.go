package ingress

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
)

// errTooLarge says that a body is longer than its provider allows.
var errTooLarge = errors.New("the body is larger than allowed")

// firstBytes is how much of a body gets its place before it arrives. Most bodies fit, so they are read into one buffer of their
// exact size; of a larger one that is only announced nothing is set aside.
const firstBytes = 256 << 10

// readBody reads the raw body, at most limit bytes, in the handler's own goroutine. A body that announces more is not read at all.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, tooLarge(r.ContentLength, limit)
	}
	if r.ContentLength == 0 {
		return []byte{}, nil
	}
	announced := r.ContentLength
	if announced < 0 {
		announced = min(limit+1, 4<<10)
	}
	buf := make([]byte, 0, min(announced, firstBytes))
	for {
		if len(buf) == cap(buf) {
			if int64(len(buf)) == r.ContentLength {
				return buf, nil // net/http hands out no byte more than announced
			}
			buf = grow(buf, r.ContentLength, limit)
		}
		n, err := r.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > limit {
			return nil, fmt.Errorf("%w: at most %d bytes are", errTooLarge, limit)
		}
		switch {
		case err == nil:
		case !errors.Is(err, io.EOF):
			return nil, fmt.Errorf("reading the body after %d bytes: %w", len(buf), err)
		case r.ContentLength >= 0 && int64(len(buf)) < r.ContentLength:
			return nil, fmt.Errorf("reading the body after %d bytes: %w", len(buf), io.ErrUnexpectedEOF)
		default:
			return buf, nil
		}
	}
}

func tooLarge(announced, limit int64) error {
	return fmt.Errorf("%w: it announces %d bytes of at most %d", errTooLarge, announced, limit)
}

// maxBodies bounds the bytes of all bodies that are being read or stored at once, so that many large ones cannot fill the memory.
const maxBodies = 512 << 20

// budget is what is left for bodies.
type budget struct{ used atomic.Int64 }

// take sets aside what a body may come to need: its announced length, or the limit where none is announced. Small bodies, which are
// most of them, are always let in.
func (b *budget) take(announced, limit int64) (room int64, ok bool) {
	room = announced
	if announced < 0 {
		room = limit
	}
	if used := b.used.Add(room); used > maxBodies && room > firstBytes {
		b.used.Add(-room)
		return 0, false
	}
	return room, true
}

func (b *budget) give(room int64) { b.used.Add(-room) }

// grow doubles a full buffer, up to the announced length, or one byte more than the limit, which shows that it is passed.
func grow(buf []byte, announced, limit int64) []byte {
	size := min(2*int64(cap(buf)), limit+1)
	if announced > 0 {
		size = min(size, announced)
	}
	out := make([]byte, len(buf), size)
	copy(out, buf)
	return out
}
