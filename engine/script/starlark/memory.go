package starlark

import (
	"sync"

	"github.com/tetratelabs/wazero/experimental"
)

// memories hands out the guests' memory, and takes it back when one ends, so that guests that end all the time cost no memory beyond that
// of those that run at once. It may be used by many goroutines at once.
type memories struct {
	mu   sync.Mutex
	free [][]byte
}

var _ experimental.MemoryAllocator = (*memories)(nil)

// Allocate implements experimental.MemoryAllocator.
func (m *memories) Allocate(_, most uint64) experimental.LinearMemory {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.free); n > 0 {
		buf := m.free[n-1]
		m.free = m.free[:n-1]
		return &memory{from: m, buf: buf}
	}
	return &memory{from: m, buf: make([]byte, most)}
}

// memory is that of one guest: all that it may ever have, of which it sees a part.
type memory struct {
	from *memories
	buf  []byte
	used uint64
}

// Reallocate implements experimental.LinearMemory.
func (m *memory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.buf)) {
		return nil
	}
	m.used = max(m.used, size)
	return m.buf[:size]
}

// Free implements experimental.LinearMemory. The next guest finds zeros, as it must.
func (m *memory) Free() {
	clear(m.buf[:m.used])
	m.from.mu.Lock()
	defer m.from.mu.Unlock()
	m.from.free = append(m.from.free, m.buf)
	m.buf = nil
}
