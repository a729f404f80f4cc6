package subscription

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/secret"
)

// Subscription is one member of the audience. It is not changed once it is part of a [Set].
type Subscription struct {
	// ID is unique: the name of a declared one, "sub_…" of a registered one.
	ID string
	// Name is for people.
	Name string
	// Declared says that a manifest declares it.
	Declared bool
	// Events are patterns, see [Names]; Users and Scopes what it is bounded to.
	Events, Users, Scopes []string
	// Channel is the only hook that it is for: "<pipeline>/<label>", or the channel that hooks state; "" for any.
	Channel string
	// Disabled ones get nothing. Reason says why, "" where nobody said.
	Disabled bool
	Reason   string
	// Shown is what people may see of its URL.
	Shown string
	// Created, Updated and Version are of registered ones.
	Created, Updated time.Time
	Version          int64

	// written are the lists as the manifest writes them, with references by name; nil where nothing is to be hidden.
	written *lists
	// madeUp says that values stand for references that are not known while files are only checked.
	madeUp  bool
	url     secret.Value
	headers map[string]secret.Value
	keys    []key // the newest first
	// sealed is how a registered one is stored, nil where that must be made anew.
	sealed []byte
	// unreadable is why what is secret of it cannot be had; nil for all others.
	unreadable error
}

// key is a secret, and until when it is one; a zero time is for good.
type key struct {
	secret secret.Value
	until  time.Time
}

// ErrUnreadable says that what is secret of a subscription was sealed with another key.
var ErrUnreadable = errors.New("what is secret of the subscription cannot be read")

// lists are what a subscription asks for.
type lists struct{ events, users, scopes []string }

// Written gives events, users and scopes as people may see them: what a manifest refers to stands there by its name.
func (s *Subscription) Written() (events, users, scopes []string) {
	if s.written == nil {
		return s.Events, s.Users, s.Scopes
	}
	return s.written.events, s.written.users, s.written.scopes
}

// MadeUp says that something of it stands in for what is not known, because its manifest was loaded without an environment.
func (s *Subscription) MadeUp() bool { return s.madeUp }

// Gate is what its deliveries must pass.
func (s *Subscription) Gate() string { return run.SubscriptionGate + s.ID }

// Secrets gives the secrets that count at a time, the newest first.
func (s *Subscription) Secrets(now time.Time) []secret.Value {
	var out []secret.Value
	for _, k := range s.keys {
		if k.until.IsZero() || now.Before(k.until) {
			out = append(out, k.secret)
		}
	}
	return out
}

// SecondUntil is until when a secret that was replaced still counts; zero where none does at that time.
func (s *Subscription) SecondUntil(now time.Time) time.Time {
	for _, k := range s.keys {
		if now.Before(k.until) {
			return k.until
		}
	}
	return time.Time{}
}

// Values is what is secret of a subscription, for a scrubber.
func (s *Subscription) Values() []secret.Value {
	out := []secret.Value{s.url}
	for _, name := range slices.Sorted(maps.Keys(s.headers)) {
		out = append(out, s.headers[name])
	}
	for _, k := range s.keys {
		out = append(out, k.secret)
	}
	return slices.DeleteFunc(out, secret.Value.IsZero)
}

// HeaderNames are the names of the headers that it adds, in order.
func (s *Subscription) HeaderNames() []string { return slices.Sorted(maps.Keys(s.headers)) }

// fits says whether a query means the subscription, its events and users aside.
func (s *Subscription) fits(q *Query) bool {
	return !s.Disabled &&
		(q.Scope == nil || *q.Scope != "" && slices.Contains(s.Scopes, *q.Scope)) &&
		(s.Channel == "" || slices.Contains(q.Channels, s.Channel))
}

// hears says whether it is for a user.
func (s *Subscription) hears(user string) bool {
	return slices.Contains(s.Users, Everyone) || user != "" && slices.Contains(s.Users, user)
}

// Meant says whether a query means the subscription.
func (s *Subscription) Meant(q Query) bool {
	return s.fits(&q) && Names(s.Events, q.Event) && (q.User == nil || s.hears(*q.User))
}

// Target gives what a destination is to have of the subscription at a time; the error is ErrUnreadable.
func (s *Subscription) Target(now time.Time) (destination.Target, error) {
	if s.unreadable != nil {
		return destination.Target{}, ErrUnreadable
	}
	return destination.Target{Gate: s.Gate(), URL: s.url, Headers: s.headers, Secrets: s.Secrets(now)}, nil
}
