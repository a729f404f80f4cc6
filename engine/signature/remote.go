package signature

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Fetcher gets documents from public https addresses. It must be safe for concurrent use, bound what it reads and how long it takes,
// and keep what it got for a while: Verify asks it for every request.
type Fetcher interface {
	// Fetch gives the document at an address whose host the manifest allows. Its bytes are not changed by the caller.
	Fetch(ctx context.Context, address string) (Document, error)
}

// Refresher is a Fetcher that can be told that something is missing in what it has kept, such as a key that was published since. It
// may give the same document again, and has to where it is asked often.
type Refresher interface {
	Fetcher
	Refresh(ctx context.Context, address string) (Document, error)
}

// Document is what a Fetcher got from one address.
type Document struct {
	Bytes []byte
	// Version changes whenever the Bytes of that address do, so that what was made of them can be kept. It is never 0.
	Version uint64
}

// maxRemoteKeys is how many addresses the keys of one rule are kept of.
const maxRemoteKeys = 16

// remote is where a rule fetches its key.
type remote struct {
	address *Template
	hosts   *Hosts
	fetcher Fetcher
	rule    int

	mu   sync.Mutex
	kept map[string]*remoteKeys
	tick uint64
}

// remoteKeys are what one document held.
type remoteKeys struct {
	version uint64
	keys    []heldKey
	err     error
	used    uint64
}

// keys gives the keys of the address that the request names. again asks for a newer document than the one that is kept.
func (m *remote) keys(ctx context.Context, r *rule, e *env, again bool) ([]heldKey, *Refusal) {
	address, err := m.address.Text(e.req)
	if err != nil {
		return nil, &Refusal{Class: InvalidSignature, Detail: "a part of the key's address: " + err.Error()}
	}
	if err := m.hosts.Check(address); err != nil {
		return nil, &Refusal{Class: InvalidSignature, Detail: "the key is not fetched: " + err.Error()}
	}
	keys, err := m.fetch(ctx, r, address, again)
	if err != nil {
		return nil, &Refusal{Class: KeyUnavailable, Detail: "the key cannot be had: " + err.Error()}
	}
	return keys, nil
}

// held gives the keys of the address that the request names as they were had before, without asking for anything. It says no where that
// address has never given a document.
func (m *remote) held(r *Request) ([]heldKey, bool) {
	address, err := m.address.Text(r)
	if err != nil {
		return nil, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.kept[address]; k != nil {
		return k.keys, true
	}
	return nil, false
}

// errNoFetcher says that this process fetches nothing.
var errNoFetcher = errors.New("nothing is fetched here; set `secret` to the key")

func (m *remote) fetch(ctx context.Context, r *rule, address string, again bool) ([]heldKey, error) {
	if m.fetcher == nil {
		return nil, errNoFetcher
	}
	var doc Document
	var err error
	if refresher, ok := m.fetcher.(Refresher); ok && again {
		doc, err = refresher.Refresh(ctx, address)
	} else {
		doc, err = m.fetcher.Fetch(ctx, address)
	}
	if err != nil {
		return nil, fmt.Errorf("fetching it: %w", err)
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	m.tick++
	k := m.kept[address]
	if k == nil || k.version != doc.Version {
		if k == nil {
			m.makeRoom()
		}
		k = &remoteKeys{version: doc.Version}
		k.keys, k.err = r.hold(string(doc.Bytes), 0, false)
		m.kept[address] = k
	}
	k.used = m.tick
	return k.keys, k.err
}

// makeRoom forgets the address that was not named for the longest time. The caller holds the lock.
func (m *remote) makeRoom() {
	if m.kept == nil {
		m.kept = map[string]*remoteKeys{}
	}
	if len(m.kept) < maxRemoteKeys {
		return
	}
	oldest := ""
	for a, k := range m.kept {
		if oldest == "" || k.used < m.kept[oldest].used {
			oldest = a
		}
	}
	delete(m.kept, oldest)
}
