package admin

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/subscription"
)

// Audience are the subscriptions, declared and registered. The contracts are those of subscription.Registry.
type Audience interface {
	Set() *subscription.Set
	Find(id string) (*subscription.Subscription, bool)
	Create(ctx context.Context, ask subscription.Ask, by store.By) (*subscription.Subscription, secret.Value, error)
	SetEnabled(ctx context.Context, id string, enabled bool, reason string, by store.By) (*subscription.Subscription, error)
	Rotate(ctx context.Context, id string, given secret.Value, by store.By) (*subscription.Subscription, secret.Value, error)
	Drop(ctx context.Context, id string, by store.By) error
}

// Subscription is one as the API writes it: nothing secret, and of its URL only where it leads.
type Subscription struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	// Declared says that a manifest declares it; Where is file:line then.
	Declared bool     `json:"declared"`
	Where    string   `json:"where,omitempty"`
	URL      string   `json:"url"`
	Events   []string `json:"events"`
	Users    []string `json:"users"`
	Scopes   []string `json:"scopes"`
	Channel  string   `json:"channel,omitempty"`
	// Headers are the names of those that it adds.
	Headers []string `json:"headers"`
	Enabled bool     `json:"enabled"`
	Reason  string   `json:"reason,omitempty"`
	// Readable is false where what is secret of it was sealed with another key: what is published to it parks.
	Readable bool `json:"readable"`
	// SecondSecretUntil is until when the secret that was replaced last goes on to sign; null where none does.
	SecondSecretUntil *time.Time `json:"second_secret_until"`
	// Gate is what its deliveries must pass: GET /api/v1/destinations tells more of it.
	Gate      string          `json:"gate"`
	GateState store.GateState `json:"gate_state"`
	Created   *time.Time      `json:"created,omitempty"`
	Updated   *time.Time      `json:"updated,omitempty"`
}

// SubscriptionList is what GET /api/v1/subscriptions answers, by id; Next is "" at the end.
type SubscriptionList struct {
	Subscriptions []Subscription `json:"subscriptions"`
	Next          string         `json:"next"`
}

// SubscriptionRequest is the body of POST /api/v1/subscriptions.
type SubscriptionRequest struct {
	Name    string            `json:"name"`
	URL     string            `json:"url"`
	Events  []string          `json:"events"`
	Users   []string          `json:"users"`
	Scopes  []string          `json:"scopes"`
	Channel string            `json:"channel"`
	Headers map[string]string `json:"headers"`
	// Secret signs what is sent; one is made where it is "".
	Secret string `json:"secret"`
}

// SubscriptionMade answers what makes a secret: the only documents of this part with one in it.
type SubscriptionMade struct {
	Subscription Subscription `json:"subscription"`
	// Secret is the one that was made, "" where the caller gave one, or had asked before. It is never told again.
	Secret string `json:"secret,omitempty"`
}

// SubscriptionChange is the body of disable and rotate; both may be left out.
type SubscriptionChange struct {
	// Reason is why it is disabled.
	Reason string `json:"reason"`
	// Secret takes the place of the one before; one is made where it is "".
	Secret string `json:"secret"`
}

// SubscriptionDeleted is what DELETE answers.
type SubscriptionDeleted struct {
	Deleted string `json:"deleted"`
}

// subscriptionRoutes are those of who hears of what.
func (a *api) subscriptionRoutes() []route {
	id := idParam("A subscription's id: the name of a declared one, `sub_…` of a registered one.")
	const path = "/api/v1/subscriptions"
	return []route{
		{
			method: http.MethodGet, path: path, handle: a.listSubscriptions,
			summary: "Subscriptions by id, declared and registered ones, without what is secret of them. With `event`, those that hear of it.",
			params: []param{
				queryParam("event", "Only those that ask for events of this name."),
				queryParam("user", "Only those for this user, or for everyone."),
				queryParam("scope", "Only those that have been granted this scope."),
				queryParam("state", "Only those that are enabled, or disabled.", "enabled", "disabled"),
				queryParam("limit", "How many at most, 1 to 1000; 50 where not given."), queryParam("cursor", "Go on where the page before ended: its `next`."),
			},
		},
		{
			method: http.MethodPost, path: path, handle: a.createSubscription,
			summary: "Registers a subscription. Where no secret is given one is made, and told in this answer alone. With an Idempotency-Key " +
				"header, asking twice is asking once.",
			body: "url, events; optionally name, users, scopes, channel, headers, secret",
		},
		{
			method: http.MethodGet, path: path + "/{id}", handle: a.subscription, summary: "One subscription, without what is secret of it.",
			params: []param{id},
		},
		{
			method: http.MethodDelete, path: path + "/{id}", handle: a.deleteSubscription, params: []param{id},
			summary: "Deletes a registered subscription, at once. What is on its way to it parks.",
		},
		{
			method: http.MethodPost, path: path + "/{id}/disable", handle: a.disableSubscription, params: []param{id}, body: "optionally reason",
			summary: "Disables a registered subscription, at once. What is on its way to it parks.",
		},
		{
			method: http.MethodPost, path: path + "/{id}/enable", handle: a.enableSubscription, params: []param{id},
			summary: "Enables a registered subscription. What was parked meanwhile is retried by hand; what was published meanwhile went past it.",
		},
		{
			method: http.MethodPost, path: path + "/{id}/rotate", handle: a.rotateSubscription, params: []param{id}, body: "optionally secret",
			summary: "Gives a registered subscription a new secret: the given one, or one that is made and told in this answer alone. For 24 hours " +
				"the one before signs, too, where the form of the signature allows several.",
		},
	}
}

func (a *api) listSubscriptions(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r, "event", "user", "scope", "state", "limit", "cursor")
	state, limit := q.oneOf("state", []string{"enabled", "disabled"}), q.limit()
	if err := q.err(); err != nil {
		return err
	}
	if limit == 0 {
		limit = 50
	}
	out, cursor := SubscriptionList{Subscriptions: []Subscription{}}, q.text("cursor")
	for _, s := range a.subscriptions() {
		if s.ID <= cursor || q.text("event") != "" && !subscription.Names(s.Events, q.text("event")) ||
			q.text("user") != "" && !slices.Contains(s.Users, q.text("user")) && !slices.Contains(s.Users, subscription.Everyone) ||
			q.text("scope") != "" && !slices.Contains(s.Scopes, q.text("scope")) || state != "" && s.Disabled != (state == "disabled") {
			continue
		}
		if len(out.Subscriptions) == limit {
			out.Next = out.Subscriptions[limit-1].ID
			break
		}
		doc, err := a.subscriptionDocument(r.Context(), s)
		if err != nil {
			return err
		}
		out.Subscriptions = append(out.Subscriptions, doc)
	}
	answer(w, a.log, http.StatusOK, out)
	return nil
}

func (a *api) subscriptions() []*subscription.Subscription {
	if a.audience == nil {
		return nil
	}
	return a.audience.Set().All()
}

// subscriptionDocument writes a subscription, with what its gate says.
func (a *api) subscriptionDocument(ctx context.Context, s *subscription.Subscription) (Subscription, error) {
	gate, err := a.reader.Gate(ctx, s.Gate())
	if err != nil {
		return Subscription{}, err
	}
	if gate.State == "" {
		gate.State = store.GateOpen
	}
	_, unreadable := s.Target(a.now())
	events, users, scopes := s.Written()
	out := Subscription{
		ID: s.ID, Name: s.Name, Declared: s.Declared, URL: s.Shown, Events: orEmpty(events), Users: orEmpty(users), Scopes: orEmpty(scopes),
		Channel: s.Channel, Headers: orEmpty(s.HeaderNames()), Enabled: !s.Disabled, Reason: s.Reason, Readable: unreadable == nil,
		SecondSecretUntil: when(s.SecondUntil(a.now())), Gate: s.Gate(), GateState: gate.State, Created: when(s.Created), Updated: when(s.Updated),
	}
	if s.Declared && a.folder != nil && a.folder.Current() != nil {
		if doc := a.folder.Current().Bundle().Find(manifest.Subscription, s.ID); doc != nil {
			out.Where = fmt.Sprintf("%s:%d", doc.File.Name, doc.NameSpan.Start.Line)
		}
	}
	return out, nil
}

// when gives a time, or nothing where it is zero.
func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// orEmpty gives a list that JSON shows as one.
func orEmpty(list []string) []string { return append([]string{}, list...) }

func (a *api) subscription(w http.ResponseWriter, r *http.Request) error {
	if err := readQuery(r).err(); err != nil {
		return err
	}
	id := r.PathValue("id")
	if a.audience != nil {
		if s, ok := a.audience.Find(id); ok {
			return a.answerSubscription(w, r, http.StatusOK, s)
		}
	}
	return refuse(http.StatusNotFound, subscription.CodeNotFound, fmt.Sprintf("there is no subscription %.80q", id))
}

func (a *api) answerSubscription(w http.ResponseWriter, r *http.Request, status int, s *subscription.Subscription) error {
	doc, err := a.subscriptionDocument(r.Context(), s)
	if err != nil {
		return err
	}
	answer(w, a.log, status, doc)
	return nil
}

// answerMade answers with a secret that was made, and keeps it from whoever stands between.
func (a *api) answerMade(w http.ResponseWriter, r *http.Request, status int, s *subscription.Subscription, made secret.Value) error {
	doc, err := a.subscriptionDocument(r.Context(), s)
	if err != nil {
		// It has happened: the secret must be told now or never.
		doc = Subscription{
			ID: s.ID, Name: s.Name, URL: s.Shown, Events: orEmpty(s.Events), Users: orEmpty(s.Users), Scopes: orEmpty(s.Scopes),
			Headers: orEmpty(s.HeaderNames()), Enabled: !s.Disabled, Readable: true, Gate: s.Gate(),
		}
	}
	answer(w, a.log, status, SubscriptionMade{Subscription: doc, Secret: made.Reveal()})
	return nil
}

// noAudience refuses what has nobody to be asked of.
func (a *api) noAudience() error {
	if a.audience == nil {
		return refuse(http.StatusNotFound, subscription.CodeNotFound, "there are no subscriptions here")
	}
	return nil
}

func (a *api) createSubscription(w http.ResponseWriter, r *http.Request) error {
	var body SubscriptionRequest
	if err := a.changes(r, &body); err != nil {
		return err
	}
	ask := subscription.Ask{
		Name: body.Name, URL: secret.New(body.URL), Events: body.Events, Users: body.Users, Scopes: body.Scopes, Channel: body.Channel,
		Headers: make(map[string]secret.Value, len(body.Headers)), Secret: secret.New(body.Secret), Key: r.Header.Get("Idempotency-Key"),
	}
	for name, value := range body.Headers {
		ask.Headers[name] = secret.New(value)
	}
	s, made, err := a.audience.Create(r.Context(), ask, By(r))
	if err != nil {
		return err
	}
	a.log.InfoContext(r.Context(), "a subscription was registered", "gate", s.Gate())
	return a.answerMade(w, r, http.StatusCreated, s, made)
}

// changes reads the body of a change, which may be left out where nothing in it is required.
func (a *api) changes(r *http.Request, body any) error {
	if err := readQuery(r).err(); err != nil {
		return err
	}
	if err := a.noAudience(); err != nil {
		return err
	}
	if r.ContentLength == 0 {
		return nil
	}
	return readBody(r, body)
}

func (a *api) disableSubscription(w http.ResponseWriter, r *http.Request) error {
	var body SubscriptionChange
	if err := a.changes(r, &body); err != nil {
		return err
	}
	if body.Secret != "" {
		return refuse(http.StatusBadRequest, "bad_body", "disabling takes no secret")
	}
	return a.enable(w, r, false, body.Reason)
}

func (a *api) enableSubscription(w http.ResponseWriter, r *http.Request) error {
	var body struct{}
	if err := a.changes(r, &body); err != nil {
		return err
	}
	return a.enable(w, r, true, "")
}

func (a *api) enable(w http.ResponseWriter, r *http.Request, enabled bool, reason string) error {
	s, err := a.audience.SetEnabled(r.Context(), r.PathValue("id"), enabled, reason, By(r))
	if err != nil {
		return err
	}
	a.log.InfoContext(r.Context(), "a subscription was enabled or disabled", "gate", s.Gate(), "state", map[bool]string{true: "enabled", false: "disabled"}[enabled])
	return a.answerSubscription(w, r, http.StatusOK, s)
}

func (a *api) rotateSubscription(w http.ResponseWriter, r *http.Request) error {
	var body SubscriptionChange
	if err := a.changes(r, &body); err != nil {
		return err
	}
	if body.Reason != "" {
		return refuse(http.StatusBadRequest, "bad_body", "rotating takes no reason")
	}
	s, made, err := a.audience.Rotate(r.Context(), r.PathValue("id"), secret.New(body.Secret), By(r))
	if err != nil {
		return err
	}
	a.log.InfoContext(r.Context(), "the secret of a subscription was rotated", "gate", s.Gate())
	return a.answerMade(w, r, http.StatusOK, s, made)
}

func (a *api) deleteSubscription(w http.ResponseWriter, r *http.Request) error {
	if err := readQuery(r).err(); err != nil {
		return err
	}
	if err := a.noAudience(); err != nil {
		return err
	}
	id := r.PathValue("id")
	if err := a.audience.Drop(r.Context(), id, By(r)); err != nil {
		return err
	}
	a.log.InfoContext(r.Context(), "a subscription was deleted", "gate", run.SubscriptionGate+id)
	answer(w, a.log, http.StatusOK, SubscriptionDeleted{Deleted: id})
	return nil
}
