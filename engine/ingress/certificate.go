package ingress

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookEvery is how often the files of a certificate are looked at, while there are handshakes.
const lookEvery = time.Second

// certificate is a pair of files that is read again when one of them changes. While a new pair does not fit together (the two are
// seldom written at once) the last good one serves on.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu     sync.Mutex
	pair   *tls.Certificate
	stamp  [2]fileStamp
	looked time.Time
}

// fileStamp is how a change is seen. Mounted secrets are links that are swapped, which Stat follows.
type fileStamp struct {
	modified time.Time
	size     int64
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= lookEvery {
		c.looked = now
		if stamp, err := c.stat(); err != nil || stamp != c.stamp {
			if err := c.loadLocked(); err != nil {
				c.log.Warn("the certificate has changed and cannot be used; the last one serves on", "error", err)
			} else {
				c.log.Info("the certificate was read again")
			}
		}
	}
	return c.pair, nil
}

func (c *certificate) load() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looked = time.Now()
	return c.loadLocked()
}

func (c *certificate) loadLocked() error {
	stamp, err := c.stat()
	if err != nil {
		return fmt.Errorf("reading the certificate: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("reading the certificate: %w", err)
	}
	c.pair, c.stamp = &pair, stamp
	return nil
}

func (c *certificate) stat() (stamp [2]fileStamp, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return stamp, err
		}
		stamp[i] = fileStamp{info.ModTime(), info.Size()}
	}
	return stamp, nil
}
