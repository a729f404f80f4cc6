package fetch

import (
	"context"
	"strings"
)

// laneCalls is how many calls of one lane are under way at once. A provider's keys stand on one or two addresses.
const laneCalls = 4

// lane is a queue of calls. Who makes up addresses whose hosts never answer fills his own lane and nobody else's: a host that has given a
// document has one for itself, and the others of a domain share one, so that one provider's strangers are not in the way of
// another's.
type lane struct {
	calls chan struct{} // one token for each call under way
	users int           // who is in it or waits for it
}

// queue waits for a place in the lane of a host. The function that it gives leaves it; the error is the cause of ctx's end.
func (c *Client) queue(ctx context.Context, host string) (leave func(), err error) {
	c.mu.Lock()
	name := c.laneOf(host)
	l := c.lanes[name]
	if l == nil {
		l = &lane{calls: make(chan struct{}, laneCalls)}
		c.lanes[name] = l
	}
	l.users++
	c.mu.Unlock()

	done := func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(c.lanes, name)
		}
	}
	select {
	case l.calls <- struct{}{}:
		return func() {
			<-l.calls
			done()
		}, nil
	case <-ctx.Done():
		done()
		return nil, context.Cause(ctx) //nolint:wrapcheck // the caller says what was waited for
	}
}

// laneOf names the lane of a host. The caller holds the lock.
func (c *Client) laneOf(host string) string {
	for _, e := range c.entries {
		if e.doc.Version != 0 && e.host == host {
			return host
		}
	}
	return strangers + domainOf(host)
}

// strangers begins the name of a lane that hosts share, and can begin no host.
const strangers = "*."

func isStrange(lane string) bool { return strings.HasPrefix(lane, strangers) }

// domainOf gives the last two parts of a host's name: a manifest writes them out, so they tell whose host it is.
func domainOf(host string) string {
	last := max(0, strings.LastIndexByte(host, '.'))
	return host[strings.LastIndexByte(host[:last], '.')+1:]
}
