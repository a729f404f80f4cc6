package language

import (
	"sync"
	"time"
)

// timeFormat is how a time becomes text.
const timeFormat = time.RFC3339Nano

// Shared keeps what compilers make once and use for many expressions. It may be used by many goroutines at once; what it keeps must
// allow that, too.
type Shared struct {
	mu   sync.Mutex
	kept map[string]any
}

// NewShared makes an empty Shared.
func NewShared() *Shared { return &Shared{kept: map[string]any{}} }

// Keep gives what is kept under a key, and makes it first where there is none. A nil Shared keeps nothing.
func Keep[T any](s *Shared, key string, build func() (T, error)) (T, error) {
	if s == nil {
		return build()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok := s.kept[key].(T); ok {
		return v, nil
	}
	v, err := build()
	if err == nil {
		s.kept[key] = v
	}
	return v, err
}
