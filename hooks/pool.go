package hooks

import (
	"crypto/sha256"
	"net/http"
	"sync"
	"sync/atomic"
)

// maxCertificates bounds how many certificates have connections of their own at the same time. Each that is beyond it costs the
// least recently used one its idle connections, not its attempts.
const maxCertificates = 64

// pool keeps one transport for each certificate, so that no attempt finds a connection on which somebody else was recognised, or
// whose receiver somebody else's authorities vouched for.
type pool struct {
	open func(*Certificate) *http.Transport

	mu     sync.Mutex
	clock  uint64
	pooled map[[sha256.Size]byte]*pooled
}

// pooled is one certificate's transport.
type pooled struct {
	*http.Transport
	used    uint64 // the pool's clock at its latest use
	retired atomic.Bool
}

func newPool(open func(*Certificate) *http.Transport) *pool {
	return &pool{open: open, pooled: make(map[[sha256.Size]byte]*pooled)}
}

// get gives the certificate's transport. A certificate that is new here closes the idle connections of all others: it may have
// taken the place of one of them, and they are opened anew where they are wanted.
func (p *pool) get(c *Certificate) *pooled {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clock++
	if t, ok := p.pooled[c.digest]; ok {
		t.used = p.clock
		return t
	}
	p.closeIdle()
	if len(p.pooled) >= maxCertificates {
		p.retire()
	}
	t := &pooled{Transport: p.open(c), used: p.clock}
	p.pooled[c.digest] = t
	return t
}

// retire takes out the transport that was used longest ago.
func (p *pool) retire() {
	var oldest [sha256.Size]byte
	var found *pooled
	for digest, t := range p.pooled {
		if found == nil || t.used < found.used {
			oldest, found = digest, t
		}
	}
	delete(p.pooled, oldest)
	found.retired.Store(true)
	found.CloseIdleConnections()
}

func (p *pool) closeIdle() {
	for _, t := range p.pooled {
		t.CloseIdleConnections()
	}
}

// close closes all idle connections. It may be called more than once.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closeIdle()
}
