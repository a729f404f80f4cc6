package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/signature"
)

// Bounds of a Client.
const (
	// Timeout ends one GET: senders wait 3 to 10 s for our answer.
	Timeout = 5 * time.Second
	// Fresh is how long a document is handed out without asking again. Providers publish new keys days before they sign with them.
	Fresh = time.Hour
	// Stale is how long after it was got a document is handed out where asking again fails.
	Stale = 24 * time.Hour
	// FailureKept is how long a failure stands before the address is asked again.
	FailureKept = 30 * time.Second
	// RefreshEvery is how often Refresh really asks.
	RefreshEvery = time.Minute
	// MaxBytes is the size of a document. A JWKS of ten RSA keys has about 5 KiB.
	MaxBytes = 64 << 10

	// maxDocuments bounds the addresses that gave a document, maxEmpty those that gave none so far: the two do not compete for room, for
	// anybody can make up the second. Of these there may be as many of known hosts and as many of all others, and no lane has all of
	// them, nor a domain all documents: a provider whose hosts can be made up leaves room for the others.
	maxDocuments       = 256
	maxDomainDocuments = 64
	maxEmpty           = 64
	maxLaneEmpty       = 32
	maxHostFailing     = 16
)

// Options are what a Client works with.
type Options struct {
	// Transport carries the requests, and guards which network addresses they reach. It is asked for https only. Required.
	Transport http.RoundTripper
	// UserAgent is sent with every request; "Headgate" where empty.
	UserAgent string
	// Now is the clock that ages are counted by; time.Now where nil.
	Now func() time.Time
	// Logger hears of documents that are handed out although asking again failed; nil drops it.
	Logger *slog.Logger
}

// Client fetches and keeps documents. It implements signature.Fetcher and signature.Refresher.
type Client struct {
	transport http.RoundTripper
	userAgent string
	now       func() time.Time
	logger    *slog.Logger

	mu      sync.Mutex
	entries map[string]*entry
	lanes   map[string]*lane
	version uint64
	tick    uint64
}

var _ signature.Refresher = (*Client)(nil)

// entry is what is known of one address.
type entry struct {
	host   string
	domain string             // see domainOf
	lane   string             // the one that the host had when the entry was made
	doc    signature.Document // Version 0 where there is none
	got    time.Time
	// err is how the last try failed, at the time failed.
	err    error
	failed time.Time
	// asked is when the last try began; done is closed when the one under way has ended, nil where none is.
	asked time.Time
	done  chan struct{}
	used  uint64
}

// New makes a Client. It opens nothing. Its error names the option that is missing.
func New(o Options) (*Client, error) {
	if o.Transport == nil {
		return nil, errors.New("fetch: option Transport is missing")
	}
	c := &Client{transport: o.Transport, userAgent: o.UserAgent, now: o.Now, logger: o.Logger, entries: map[string]*entry{}, lanes: map[string]*lane{}}
	if c.userAgent == "" {
		c.userAgent = "Headgate"
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// Fetch gives the document at an https address: the one that is kept where it is younger than Fresh, else a new one, else (where that
// fails) the one that is kept where it is younger than Stale. Redirects are not followed. The end of ctx ends the waiting, not a call
// that others wait for as well. The bytes must not be changed.
func (c *Client) Fetch(ctx context.Context, address string) (signature.Document, error) {
	return c.get(ctx, address, Fresh)
}

// Refresh is Fetch for a caller who misses something in what is kept, such as a key that was published since: it asks again, but not
// more often than RefreshEvery for one address.
func (c *Client) Refresh(ctx context.Context, address string) (signature.Document, error) {
	return c.get(ctx, address, RefreshEvery)
}

func (c *Client) get(ctx context.Context, address string, fresh time.Duration) (signature.Document, error) {
	u, err := parse(address)
	if err != nil {
		return signature.Document{}, err
	}
	for {
		c.mu.Lock()
		e := c.entries[u.String()]
		if e == nil {
			if e, err = c.enter(u.String(), u.Hostname()); err != nil {
				c.mu.Unlock()
				return signature.Document{}, err
			}
		}
		c.tick++
		e.used = c.tick
		now := c.now()
		if e.doc.Version != 0 && now.Sub(e.asked) < fresh && e.err == nil {
			doc := e.doc
			c.mu.Unlock()
			return doc, nil
		}
		if e.err != nil && now.Sub(e.failed) < FailureKept {
			doc, err := e.kept(now)
			c.mu.Unlock()
			return doc, err
		}
		if done := e.done; done != nil {
			c.mu.Unlock()
			select {
			case <-done:
				fresh = Fresh // what the other caller got is as new as can be
				continue
			case <-ctx.Done():
				return signature.Document{}, fmt.Errorf("waiting for %s: %w", u.Hostname(), context.Cause(ctx))
			}
		}
		e.done, e.asked = make(chan struct{}), now
		c.mu.Unlock()
		return c.ask(ctx, u, e)
	}
}

// kept gives the document after a failure, or the failure where it has become too old.
func (e *entry) kept(now time.Time) (signature.Document, error) {
	if e.doc.Version != 0 && now.Sub(e.got) < Stale {
		return e.doc, nil
	}
	return signature.Document{}, e.err
}

// enter makes room for one more address that has given nothing yet. The caller holds the lock. A host that keeps failing under ever new
// addresses is left alone for a while: somebody is making them up.
func (c *Client) enter(address, host string) (*entry, error) {
	now := c.now()
	failing := 0
	for _, e := range c.entries {
		if e.host == host && e.doc.Version == 0 && (e.done != nil || now.Sub(e.failed) < FailureKept) {
			failing++
		}
	}
	if failing >= maxHostFailing {
		return nil, fmt.Errorf("%s was asked for too many documents that it does not have", host)
	}
	e := &entry{host: host, domain: domainOf(host), lane: c.laneOf(host)}
	alike := func(o *entry) bool { return o.doc.Version == 0 && isStrange(o.lane) == isStrange(e.lane) }
	if !c.makeRoom(maxLaneEmpty, func(o *entry) bool { return alike(o) && o.lane == e.lane }) || !c.makeRoom(maxEmpty, alike) {
		return nil, errors.New("too many documents are being fetched")
	}
	c.entries[address] = e
	return e, nil
}

// makeRoom forgets the entry of a kind that was not named for the longest time, where there are as many of the kind as there may be. It
// gives false where each of them is being asked for. The caller holds the lock.
func (c *Client) makeRoom(most int, kind func(*entry) bool) bool {
	n, oldest := 0, ""
	for a, e := range c.entries {
		if !kind(e) {
			continue
		}
		n++
		if e.done == nil && (oldest == "" || e.used < c.entries[oldest].used) {
			oldest = a
		}
	}
	if n < most {
		return true
	}
	delete(c.entries, oldest)
	return oldest != ""
}

// ask performs the call that e.done stands for and wakes up whoever waits for it.
func (c *Client) ask(ctx context.Context, u *url.URL, e *entry) (signature.Document, error) {
	// Others wait for the same document, so that the end of one request does not end it.
	body, err := c.call(context.WithoutCancel(ctx), u, MaxBytes)
	now := c.now()

	c.mu.Lock()
	defer c.mu.Unlock()
	close(e.done)
	e.done, e.err = nil, err
	if err != nil {
		e.failed = now
		doc, err := e.kept(now)
		if err == nil {
			c.logger.Warn("fetching again failed, the older document serves on", "address", u.Hostname(), "error", e.err)
		}
		return doc, err
	}
	if e.doc.Version == 0 {
		// Where all others are being asked for at this moment, there is one more of them for as long as that takes.
		full := func(o *entry) bool { return o.doc.Version != 0 }
		c.makeRoom(maxDomainDocuments, func(o *entry) bool { return full(o) && o.domain == e.domain })
		c.makeRoom(maxDocuments, full)
	}
	if e.doc.Version == 0 || !bytes.Equal(e.doc.Bytes, body) {
		c.version++
		e.doc = signature.Document{Bytes: body, Version: c.version}
	}
	e.got = now
	return e.doc, nil
}

// Confirm makes one GET of an https address and gives nil where the answer is a 2xx. Nothing is kept of it.
func (c *Client) Confirm(ctx context.Context, address string) error {
	u, err := parse(address)
	if err != nil {
		return err
	}
	_, err = c.call(ctx, u, 0)
	return err
}

// call makes one GET. With a limit the answer must be a 200 whose body is not larger; without one any 2xx will do, and its body is not
// read to its end. The errors hold no more of the address than its host: the rest may be a secret between the sender and its provider.
func (c *Client) call(ctx context.Context, u *url.URL, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	leave, err := c.queue(ctx, u.Hostname())
	if err != nil {
		return nil, fmt.Errorf("waiting to ask %s: %w", u.Hostname(), err)
	}
	defer leave()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", u.Hostname(), withoutAddress(err))
	}
	request.Header.Set("User-Agent", c.userAgent)
	request.Header.Set("Accept", "*/*")
	request.Header.Set("Accept-Encoding", "identity") // a small gzip answer may hold a large one
	answer, err := c.transport.RoundTrip(request)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", u.Hostname(), withoutAddress(err))
	}
	defer func() { _ = answer.Body.Close() }()
	if limit == 0 {
		if answer.StatusCode/100 != 2 {
			return nil, fmt.Errorf("asking %s: the answer was %d", u.Hostname(), answer.StatusCode)
		}
		_, _ = io.CopyN(io.Discard, answer.Body, MaxBytes) // so that the connection can be used again
		return nil, nil
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking %s: the answer was %d, not 200", u.Hostname(), answer.StatusCode)
	}
	if e := answer.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return nil, fmt.Errorf("asking %s: the answer is encoded although none was asked for", u.Hostname())
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the answer of %s: %w", u.Hostname(), withoutAddress(err))
	case int64(len(body)) > limit:
		return nil, fmt.Errorf("the answer of %s is longer than %d bytes", u.Hostname(), limit)
	}
	return body, nil
}

// withoutAddress takes the URL out of an error of net/http.
func withoutAddress(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}

// parse takes an https address apart and refuses every other, and what could lead to another port or a password.
func parse(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, errors.New("the address of a document cannot be read")
	case u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("documents are fetched from https addresses only")
	case u.User != nil || u.Port() != "" && u.Port() != "443":
		return nil, errors.New("the address of a document names a user or a port")
	}
	u.Fragment, u.RawFragment, u.Host = "", "", strings.ToLower(u.Hostname()) // so that one document has one address
	if strings.Contains(u.Host, ":") {
		u.Host = "[" + u.Host + "]"
	}
	return u, nil
}
