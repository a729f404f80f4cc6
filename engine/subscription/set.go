package subscription

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// Query is what a hook publishes, as far as it decides who is told.
type Query struct {
	// Event is the name of what is told.
	Event string
	// User, where not nil, leaves those that are for this user, or for everyone; an empty one leaves those for everyone. Subscriptions
	// without users are passed over then.
	User *string
	// Scope, where not nil, leaves those with this scope; an empty one leaves nobody.
	Scope *string
	// Channels are the names of the hook under which a subscription may ask for it alone.
	Channels []string
}

// Set is an immutable audience. Its methods may be called by many goroutines at once. Make it with [NewSet].
type Set struct {
	byID  map[string]*Subscription
	order []*Subscription // by id
	index func() *index
}

// NewSet makes a set. Of two with one id the first counts.
func NewSet(members ...*Subscription) *Set {
	s := &Set{byID: make(map[string]*Subscription, len(members))}
	for _, m := range members {
		if s.byID[m.ID] == nil {
			s.byID[m.ID] = m
		}
	}
	s.order = slices.SortedFunc(maps.Values(s.byID), byID)
	// The index is made when something is matched: whoever registers many, one after the other, pays for it once.
	s.index = sync.OnceValue(func() *index { return newIndex(s.order) })
	return s
}

func byID(a, b *Subscription) int { return strings.Compare(a.ID, b.ID) }

// Find gives a subscription by its id, disabled ones too.
func (s *Set) Find(id string) (*Subscription, bool) {
	m, ok := s.byID[id]
	return m, ok
}

// All gives every subscription, by id. The caller must not change the slice.
func (s *Set) All() []*Subscription { return s.order }

// Match gives the subscriptions that a query means, by id. It looks only at those whose events, and users where the query has one, may be
// meant: how many others there are does not matter.
func (s *Set) Match(q Query) []*Subscription {
	var out []*Subscription
	lists := 0
	for _, b := range s.index().of(q.Event) {
		for _, list := range b.lists(q.User) {
			before := len(out)
			for _, m := range list {
				if m.fits(&q) {
					out = append(out, m)
				}
			}
			if len(out) > before {
				lists++
			}
		}
	}
	if lists > 1 { // each list is sorted by itself; one subscription may be in several
		slices.SortFunc(out, byID)
		out = slices.Compact(out)
	}
	return out
}

// index finds subscriptions by the patterns of their events.
type index struct {
	patterns map[string]*bucket
	// lengths are those of the patterns that end in a star, without it, in order.
	lengths []int
}

// bucket is the subscriptions of one pattern, each list by id.
type bucket struct {
	all      []*Subscription
	everyone []*Subscription            // those for everyone
	byUser   map[string][]*Subscription // all others, by each of their users
}

func newIndex(members []*Subscription) *index {
	x := &index{patterns: map[string]*bucket{}}
	for _, m := range members {
		if m.Disabled {
			continue
		}
		for i, p := range m.Events {
			if !slices.Contains(m.Events[:i], p) {
				x.bucket(p).add(m)
			}
		}
	}
	return x
}

func (x *index) bucket(pattern string) *bucket {
	b := x.patterns[pattern]
	if b != nil {
		return b
	}
	b = &bucket{byUser: map[string][]*Subscription{}}
	x.patterns[pattern] = b
	if n := len(pattern) - 1; n >= 0 && pattern[n] == '*' {
		if at, found := slices.BinarySearch(x.lengths, n); !found {
			x.lengths = slices.Insert(x.lengths, at, n)
		}
	}
	return b
}

func (b *bucket) add(m *Subscription) {
	b.all = append(b.all, m)
	if slices.Contains(m.Users, Everyone) {
		b.everyone = append(b.everyone, m)
		return
	}
	for i, user := range m.Users {
		if !slices.Contains(m.Users[:i], user) {
			b.byUser[user] = append(b.byUser[user], m)
		}
	}
}

// lists gives those that may be for a user, all where it is nil.
func (b *bucket) lists(user *string) [][]*Subscription {
	switch {
	case user == nil:
		return [][]*Subscription{b.all}
	case *user == "" || *user == Everyone: // no user is called so: what names one is for nobody else
		return [][]*Subscription{b.everyone}
	}
	return [][]*Subscription{b.everyone, b.byUser[*user]}
}

// of gives the buckets of the patterns that stand for an event.
func (x *index) of(event string) []*bucket {
	var out []*bucket
	if b := x.patterns[event]; b != nil {
		out = append(out, b)
	}
	for _, n := range x.lengths {
		if n > len(event) {
			break
		}
		if pattern := event[:n] + "*"; pattern != event {
			if b := x.patterns[pattern]; b != nil {
				out = append(out, b)
			}
		}
	}
	return out
}
