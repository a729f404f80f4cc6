package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/engine/signature"
)

// crowd is a network with one genuine host among any number that somebody makes up.
type crowd struct {
	mu      sync.Mutex
	hang    bool // the made-up hosts never answer; else there are none of that name
	genuine int  // how often the genuine host was asked
	strange int
}

const genuineKey = "https://keys.eu-west-1.example.com/good.pem"

func (c *crowd) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	genuine := strings.HasSuffix(r.URL.Host, ".example.com") && strings.HasPrefix(r.URL.Path, "/good")
	if genuine {
		c.genuine++
	} else {
		c.strange++
	}
	hang := c.hang
	c.mu.Unlock()
	switch {
	case genuine:
		return answer(200, "genuine"), nil
	case hang:
		<-r.Context().Done()
		return nil, context.Cause(r.Context())
	}
	return nil, errors.New("no such host")
}

func (c *crowd) count() (genuine, strange int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.genuine, c.strange
}

func TestMadeUpHostsTakeNoRoomFromGenuineKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := &crowd{}
		c := newClient(t, n, nil)
		for round := range 3 {
			if doc, err := c.Fetch(t.Context(), genuineKey); err != nil || string(doc.Bytes) != "genuine" {
				t.Fatalf("round %d: got %q, %v", round, doc.Bytes, err)
			}
			for i := range 256 {
				if _, err := c.Fetch(t.Context(), fmt.Sprintf("https://keys.r%d-%d.example.com/x.pem", round, i)); err == nil {
					t.Error("a host that is not there gave a document")
				}
			}
			if got := len(c.entries); got > 1+maxLaneEmpty {
				t.Errorf("round %d: %d addresses are kept, want at most %d", round, got, 1+maxLaneEmpty)
			}
			pass(time.Second)
		}
		if genuine, _ := n.count(); genuine != 1 {
			t.Errorf("the genuine key was fetched %d times, want once: it is never forgotten for what gave nothing", genuine)
		}
	})
}

func TestHostsThatNeverAnswerKeepNobodyElseWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := &crowd{}
		c := newClient(t, n, nil)
		if _, err := c.Fetch(t.Context(), genuineKey); err != nil {
			t.Fatal(err)
		}
		n.mu.Lock()
		n.hang = true
		n.mu.Unlock()
		pass(Fresh) // so that the genuine key has to be asked for again
		var group sync.WaitGroup
		for i := range 200 {
			group.Go(func() {
				if _, err := c.Fetch(t.Context(), fmt.Sprintf("https://keys.h%d.example.com/x.pem", i)); err == nil {
					t.Error("a host that never answers gave a document")
				}
			})
		}
		synctest.Wait()
		if _, strange := n.count(); strange != laneCalls {
			t.Errorf("%d made-up hosts are asked at once, want %d", strange, laneCalls)
		}
		start := time.Now()
		for what, address := range map[string]string{
			"the genuine key after its hour":    genuineKey,
			"another key of the genuine host":   "https://KEYS.eu-west-1.example.com/good2.pem#a",
			"a first key of another provider":   "https://api.pay.example.net/x.pem",
			"a confirmation at the genuine one": "confirm",
		} {
			var err error
			switch {
			case address == "confirm":
				err = c.Confirm(t.Context(), genuineKey)
			case strings.Contains(address, "example.net"):
				// It hangs as well, but in its own lane: it is asked at once.
				_, before := n.count()
				ctx, cancel := context.WithCancel(t.Context())
				group.Go(func() { _, _ = c.Fetch(ctx, address) })
				synctest.Wait()
				if _, after := n.count(); after != before+1 {
					t.Errorf("%s: it was not asked for", what)
				}
				cancel()
			default:
				_, err = c.Fetch(t.Context(), address)
			}
			if err != nil || time.Since(start) != 0 {
				t.Errorf("%s: got %v after %s, want it at once", what, err, time.Since(start))
			}
		}
		group.Wait()
		if got := time.Since(start); got != Timeout {
			t.Errorf("the others waited for %s, want %s", got, Timeout)
		}
		if len(c.lanes) != 0 {
			t.Errorf("%d lanes are left, want none when nobody is in them", len(c.lanes))
		}
	})
}

func TestOneDocumentHasOneAddress(t *testing.T) {
	t.Parallel()
	n := &crowd{}
	c := newClient(t, n, nil)
	var first signature.Document
	for i, same := range []string{genuineKey, genuineKey + "#1", strings.Replace(genuineKey, "keys", "KEYS", 1), strings.Replace(genuineKey, "com/", "com:443/", 1)} {
		doc, err := c.Fetch(t.Context(), same)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = doc
		}
		if doc.Version != first.Version {
			t.Errorf("%s: got version %d, want %d", same, doc.Version, first.Version)
		}
	}
	if genuine, _ := n.count(); genuine != 1 {
		t.Errorf("it was asked for %d times, want once", genuine)
	}
}

func TestOneDomainDoesNotForgetTheKeysOfAnother(t *testing.T) {
	t.Parallel()
	n := &network{status: 200, body: "any"}
	c := newClient(t, n, nil)
	const other = "https://keys.pay.example.net/key.pem"
	if _, err := c.Fetch(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	for i := range 2 * maxDocuments {
		if _, err := c.Fetch(t.Context(), fmt.Sprintf("https://keys.r%d.example.com/?any=%d", i%7, i)); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(c.entries); got != 1+maxDomainDocuments {
		t.Errorf("%d documents are kept, want %d", got, 1+maxDomainDocuments)
	}
	before := n.count()
	if _, err := c.Fetch(t.Context(), other); err != nil || n.count() != before {
		t.Errorf("the other provider's key was asked for again (%v)", err)
	}
}

func TestDomainsAreTheLastTwoParts(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{"a.b.example.com": "example.com", "example.com": "example.com", "localhost": "localhost", "": ""} {
		if got := domainOf(host); got != want {
			t.Errorf("%q: got %q, want %q", host, got, want)
		}
	}
}
