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
const firstBytes = 32 << 10

// errNoRoom says that too many large bodies are being read at once.
var errNoRoom = errors.New("too many bodies are being read at once")

// readBody reads the raw body, at most limit bytes, in the handler's own goroutine. A body that announces more is not read at all. What
// is set aside for it stands in room: as much as has arrived asks for, never what is only announced.
func readBody(r *http.Request, limit int64, room *share) ([]byte, error) {
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
				room.hold(int64(len(buf)))
				return buf, nil // net/http hands out no byte more than announced
			}
			size := grown(buf, r.ContentLength, limit)
			if !room.hold(size) {
				return nil, fmt.Errorf("%w: %d bytes of this one have arrived", errNoRoom, len(buf))
			}
			buf = append(make([]byte, 0, size), buf...)
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
			room.hold(int64(cap(buf)))
			return buf, nil
		}
	}
}

func tooLarge(announced, limit int64) error {
	return fmt.Errorf("%w: it announces %d bytes of at most %d", errTooLarge, announced, limit)
}

// maxBodies bounds the bytes of all bodies that are being read or stored at once, so that many large ones cannot fill the memory.
const maxBodies = 512 << 20

// budget is what bodies have of the memory.
type budget struct{ used atomic.Int64 }

// share is what one body has of the budget. It must not be shared.
type share struct {
	of   *budget
	held int64
}

// hold sets aside size bytes in all for the body; false where there is no room for so many. Small bodies, which are most of them, always
// have room.
func (s *share) hold(size int64) bool {
	more := size - s.held
	if more <= 0 {
		return true
	}
	if used := s.of.used.Add(more); used > maxBodies && size > firstBytes {
		s.of.used.Add(-more)
		return false
	}
	s.held = size
	return true
}

// end gives all of it back, once.
func (s *share) end() {
	s.of.used.Add(-s.held)
	s.held = 0
}

// grown is the size of the buffer that takes the place of a full one: twice as large, up to the announced length, or one byte more than
// the limit, which shows that it is passed.
func grown(buf []byte, announced, limit int64) int64 {
	size := min(2*int64(cap(buf)), limit+1)
	if announced > 0 {
		size = min(size, announced)
	}
	return size
}
