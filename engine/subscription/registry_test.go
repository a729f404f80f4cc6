package subscription_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/fault"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/memory"
	"github.com/headgate/headgate/engine/subscription"
	"github.com/headgate/headgate/engine/vault"
)

// desk is a registry over a store in memory, with a clock that is set by hand.
type desk struct {
	*subscription.Registry
	store *memory.Store
	log   *bytes.Buffer
	now   *time.Time
}

func open(t *testing.T, st *memory.Store, key vault.KeySource) *desk {
	t.Helper()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	d := &desk{store: st, log: &bytes.Buffer{}, now: &now}
	logger := slog.New(slog.NewTextHandler(d.log, nil))
	v, err := vault.New(vault.Options{Store: st, Key: key, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	d.Registry, err = subscription.NewRegistry(subscription.Options{Store: st, Sealer: v, Logger: logger, Now: func() time.Time { return *d.now }})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

func newStore(t *testing.T) *memory.Store {
	t.Helper()
	st := memory.New(memory.Options{})
	if err := st.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return st
}

var ann = store.By{Who: "ann", From: "127.0.0.1", Request: "req-1"}

func asked() subscription.Ask {
	return subscription.Ask{
		Name: "Partner", URL: secret.New("https://partner.example.com/hook?key=canary-url"), Events: []string{"integration.connected,agent:*"},
		Users: []string{"user_1"}, Scopes: []string{"profile", "integration"}, Headers: map[string]secret.Value{"x-partner": secret.New("canary-header")},
	}
}

func (d *desk) create(t *testing.T, ask subscription.Ask) (*subscription.Subscription, secret.Value) {
	t.Helper()
	s, made, err := d.Create(t.Context(), ask, ann)
	if err != nil {
		t.Fatal(err)
	}
	return s, made
}

func (d *desk) told(event string) string { return ids(d.Match(subscription.Query{Event: event})) }

func TestARegisteredSubscriptionCountsAtOnceAndSurvivesARestart(t *testing.T) {
	t.Parallel()
	st, key := newStore(t), vault.FreshKey()
	d := open(t, st, key)
	s, made := d.create(t, asked())
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(made.Reveal(), "whsec_"))
	if err != nil || len(raw) != 32 || !strings.HasPrefix(s.ID, "sub_") || s.Shown != "https://partner.example.com/…" {
		t.Fatalf("%s to %s got a secret of %d bytes (%v), want 32 and an address without what may be secret", s.ID, s.Shown, len(raw), err)
	}
	for name, d := range map[string]*desk{"at once": d, "after a restart": open(t, st, key)} {
		if got := d.told("agent:start"); got != s.ID {
			t.Errorf("%s: told are %q, want %s", name, got, s.ID)
		}
		found, _ := d.Find(s.ID)
		target, err := found.Target(*d.now)
		if err != nil || target.Gate != "subscription/"+s.ID || target.URL.Reveal() != asked().URL.Reveal() ||
			target.Headers["X-Partner"].Reveal() != "canary-header" || len(target.Secrets) != 1 || target.Secrets[0].Reveal() != made.Reveal() {
			t.Errorf("%s: it is sent to %s with %d headers and %d secrets: %v", name, target.Gate, len(target.Headers), len(target.Secrets), err)
		}
		if found.Name != "Partner" || strings.Join(found.Scopes, ",") != "profile,integration" || strings.Join(found.Events, ",") != "integration.connected,agent:*" {
			t.Errorf("%s: it is %+v", name, found)
		}
	}
}

func TestNothingSecretOfASubscriptionIsStoredOrPrinted(t *testing.T) {
	t.Parallel()
	d := open(t, newStore(t), vault.FreshKey())
	ask := asked()
	ask.Secret = secret.New("canary-secret-0123456789")
	s, _ := d.create(t, ask)
	if _, _, err := d.Rotate(t.Context(), s.ID, secret.New("canary-rotated-0123456789"), ann); err != nil {
		t.Fatal(err)
	}
	stored, err := d.store.Subscriptions(t.Context())
	if err != nil || len(stored) != 1 {
		t.Fatalf("stored are %d: %v", len(stored), err)
	}
	audit, err := d.store.Audit(t.Context(), store.AuditQuery{})
	if err != nil {
		t.Fatal(err)
	}
	row, _ := json.Marshal(stored[0])
	found, _ := d.Find(s.ID)
	seen := fmt.Sprintf("%s %s %+v %+v %#v %v %s", row, stored[0].Sealed, found, *found, found, audit, d.log)
	if strings.Contains(seen, "canary") {
		t.Errorf("a secret is in the clear:\n%s", seen)
	}
	if n := len(found.Values()); n != 4 {
		t.Errorf("a scrubber is told of %d values, want the address, the header and two secrets", n)
	}
}

func TestEveryChangeCountsAtOnceAndHasOneAuditEntry(t *testing.T) {
	t.Parallel()
	d := open(t, newStore(t), vault.FreshKey())
	s, _ := d.create(t, asked())
	off, err := d.SetEnabled(t.Context(), s.ID, false, "too many complaints", ann)
	if err != nil || !off.Disabled || off.Reason != "too many complaints" || d.told("agent:start") != "" {
		t.Errorf("disabled it is %+v (%v), and told is %q", off, err, d.told("agent:start"))
	}
	if _, err := d.SetEnabled(t.Context(), s.ID, false, "too many complaints", ann); err != nil {
		t.Error(err) // changes nothing
	}
	on, err := d.SetEnabled(t.Context(), s.ID, true, "", ann)
	if err != nil || on.Disabled || on.Reason != "" || d.told("agent:start") != s.ID {
		t.Errorf("enabled it is %+v (%v), and told is %q", on, err, d.told("agent:start"))
	}
	if _, _, err := d.Rotate(t.Context(), s.ID, secret.Value{}, ann); err != nil {
		t.Error(err)
	}
	if err := d.Drop(t.Context(), s.ID, ann); err != nil || d.told("agent:start") != "" {
		t.Errorf("dropped (%v), told is %q", err, d.told("agent:start"))
	}
	page, err := d.store.Audit(t.Context(), store.AuditQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range page.Entries {
		if e.Who != "ann" || e.Subject != s.ID {
			t.Errorf("an entry is %+v, want ann and %s", e, s.ID)
		}
		got = append(got, e.Action)
	}
	if want := "subscription.delete subscription.rotate subscription.enable subscription.disable subscription.create"; strings.Join(got, " ") != want {
		t.Errorf("the audit log has, from the newest on, %v, want %s", got, want)
	}
}

func TestARotatedSecretGoesOnSigningForADay(t *testing.T) {
	t.Parallel()
	st, key := newStore(t), vault.FreshKey()
	d := open(t, st, key)
	s, first := d.create(t, asked())
	secrets := func(d *desk) string {
		found, _ := d.Find(s.ID)
		target, err := found.Target(*d.now)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, v := range target.Secrets {
			out = append(out, v.Reveal())
		}
		return strings.Join(out, " ")
	}
	_, second, err := d.Rotate(t.Context(), s.ID, secret.Value{}, ann)
	if err != nil || second.IsZero() || second.Reveal() == first.Reveal() {
		t.Fatalf("the new secret is made: %t, another one: %t: %v", !second.IsZero(), second.Reveal() != first.Reveal(), err)
	}
	again := open(t, st, key)
	for _, d := range []*desk{d, again} {
		if got := secrets(d); got != second.Reveal()+" "+first.Reveal() {
			t.Error("at once, and after a restart, both are to sign, the new one first")
		}
		*d.now = d.now.Add(subscription.SecretOverlap - time.Second)
		if got := secrets(d); got != second.Reveal()+" "+first.Reveal() {
			t.Error("a second before the day is over both are to sign")
		}
		*d.now = d.now.Add(time.Second)
		if got := secrets(d); got != second.Reveal() {
			t.Error("after a day the new one alone is to sign")
		}
	}
	// Of three the two newest count, and the same again changes nothing.
	own := secret.New("a-secret-of-my-own-0123")
	if _, made, err := d.Rotate(t.Context(), s.ID, own, ann); err != nil || !made.IsZero() {
		t.Errorf("a secret of the caller's own is told again: %t: %v", !made.IsZero(), err)
	}
	if _, _, err := d.Rotate(t.Context(), s.ID, own, ann); err != nil {
		t.Error(err)
	}
	if got := secrets(d); got != own.Reveal()+" "+second.Reveal() {
		t.Error("the two newest are to sign")
	}
}

func TestASubscriptionThatCannotBeReadIsStillToldOfSoThatNothingIsLost(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	s, _ := open(t, st, vault.FreshKey()).create(t, asked())
	d := open(t, st, vault.FreshKey())
	if got := d.told("agent:start"); got != s.ID {
		t.Errorf("told are %q, want %s", got, s.ID)
	}
	found, _ := d.Find(s.ID)
	if _, err := found.Target(*d.now); !errors.Is(err, subscription.ErrUnreadable) {
		t.Errorf("its address gives %v, want ErrUnreadable", err)
	}
	if !strings.Contains(d.log.String(), "HEADGATE_SEAL_KEY") {
		t.Errorf("the log says %q, want the name of the setting", d.log)
	}
	if _, _, err := d.Rotate(t.Context(), s.ID, secret.Value{}, ann); err == nil {
		t.Error("it can be rotated although its address is lost")
	}
	if _, err := d.SetEnabled(t.Context(), s.ID, false, "", ann); err != nil || d.told("agent:start") != "" {
		t.Errorf("disabling it: %v", err)
	}
	if err := d.Drop(t.Context(), s.ID, ann); err != nil {
		t.Errorf("dropping it: %v", err)
	}
}

func TestAskingTwiceWithOneKeyIsAskingOnce(t *testing.T) {
	t.Parallel()
	d := open(t, newStore(t), vault.FreshKey())
	ask := asked()
	ask.Key = "order-7"
	first, made := d.create(t, ask)
	again, none := d.create(t, ask)
	ask.Key = "order-8"
	other, _ := d.create(t, ask)
	if first.ID != again.ID || made.IsZero() || !none.IsZero() || other.ID == first.ID || len(d.Set().All()) != 2 {
		t.Errorf("the ids are %s, %s and %s; the secret is told at first: %t, and again: %t", first.ID, again.ID, other.ID, !made.IsZero(), !none.IsZero())
	}
}

func TestDeclaredSubscriptionsAreNotChangedHere(t *testing.T) {
	t.Parallel()
	d := open(t, newStore(t), vault.FreshKey())
	s, _ := d.create(t, asked())
	d.Declare([]*subscription.Subscription{{ID: "declared", Events: []string{"*"}, Declared: true}})
	if got := d.told("agent:start"); got != "declared "+s.ID {
		t.Errorf("told are %q, want both", got)
	}
	_, err := d.SetEnabled(t.Context(), "declared", false, "", ann)
	wantFault(t, err, subscription.CodeDeclared)
	wantFault(t, d.Drop(t.Context(), "declared", ann), subscription.CodeDeclared)
	wantFault(t, d.Drop(t.Context(), "sub_none", ann), subscription.CodeNotFound)
	d.Declare(nil)
	if got := d.told("agent:start"); got != s.ID {
		t.Errorf("told are %q, want %s alone", got, s.ID)
	}
}

func wantFault(t *testing.T, err error, code string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != code {
		t.Errorf("the error is %v, want the code %s", err, code)
	}
}

func TestWhatCannotBeRegisteredIsSaid(t *testing.T) {
	t.Parallel()
	d := open(t, newStore(t), vault.FreshKey())
	rows := []struct {
		want string
		with func(a *subscription.Ask)
	}{
		{"url: the URL begins with neither", func(a *subscription.Ask) { a.URL = secret.New("ftp://x.example.com") }},
		{"url: the URL begins with neither", func(a *subscription.Ask) { a.URL = secret.Value{} }},
		{"url: the URL has no host", func(a *subscription.Ask) { a.URL = secret.New("https:///x") }},
		{"url: it holds a user name", func(a *subscription.Ask) { a.URL = secret.New("https://canary:canary@x.example.com/") }},
		{"url: it has a fragment", func(a *subscription.Ask) { a.URL = secret.New("https://x.example.com/#canary") }},
		{"url: it is taken word for word", func(a *subscription.Ask) { a.URL = secret.New("https://{{ payload.canary }}.example.com/") }},
		{"url: it is taken word for word", func(a *subscription.Ask) { a.URL = secret.New("https://x.example.com/<<env.CANARY>>") }},
		{"url: it is longer", func(a *subscription.Ask) { a.URL = secret.New("https://x.example.com/" + strings.Repeat("c", 2048)) }},
		{"events: it names no event", func(a *subscription.Ask) { a.Events = []string{" ,"} }},
		{"events: ", func(a *subscription.Ask) { a.Events = []string{"a*b"} }},
		{"users: ", func(a *subscription.Ask) { a.Users = []string{"a b"} }},
		{"scopes: ", func(a *subscription.Ask) { a.Scopes = []string{"a\nb"} }},
		{"headers: \"Host\": it is set by the connection", func(a *subscription.Ask) { a.Headers["Host"] = secret.New("x") }},
		{"headers: \"X Y\": it is no name", func(a *subscription.Ask) { a.Headers["X Y"] = secret.New("x") }},
		{"headers: \"X-Y\": its value holds control characters", func(a *subscription.Ask) { a.Headers["X-Y"] = secret.New("canary\r\nX-Z: 1") }},
		{"secret: it has 6 bytes", func(a *subscription.Ask) { a.Secret = secret.New("canary") }},
		{"secret: it holds control characters", func(a *subscription.Ask) { a.Secret = secret.New("canary-canary-canary\n") }},
		{"a name or channel holds", func(a *subscription.Ask) { a.Name = "a\x1b[31m" }},
		{"a name or channel is longer", func(a *subscription.Ask) { a.Channel = strings.Repeat("c", 201) }},
	}
	for _, r := range rows {
		ask := asked()
		r.with(&ask)
		_, _, err := d.Create(t.Context(), ask, ann)
		wantFault(t, err, subscription.CodeInvalid)
		if !strings.Contains(fmt.Sprint(err), r.want) || strings.Contains(fmt.Sprint(err), "canary") {
			t.Errorf("the error is %q, want one with %q and nothing of a value", err, r.want)
		}
	}
	if all := d.Set().All(); len(all) > 0 {
		t.Errorf("%d subscriptions were registered", len(all))
	}
}

// broken is a store that takes nothing.
type broken struct{ *memory.Store }

func (broken) PutSubscription(context.Context, store.Subscription, string, store.By) error {
	return store.ErrUnavailable
}

func (broken) DropSubscription(context.Context, string, store.By) error { return store.ErrUnavailable }

func TestWhatTheStoreDoesNotTakeDoesNotCount(t *testing.T) {
	t.Parallel()
	st, key := newStore(t), vault.FreshKey()
	s, _ := open(t, st, key).create(t, asked())
	v, err := vault.New(vault.Options{Store: st, Key: key, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	r, err := subscription.NewRegistry(subscription.Options{Store: broken{st}, Sealer: v, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, _, created := r.Create(t.Context(), asked(), ann)
	_, disabled := r.SetEnabled(t.Context(), s.ID, false, "", ann)
	for _, err := range []error{created, disabled, r.Drop(t.Context(), s.ID, ann)} {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("the error is %v, want ErrUnavailable", err)
		}
	}
	if got := ids(r.Match(subscription.Query{Event: "agent:start"})); got != s.ID {
		t.Errorf("told are %q, want %s alone", got, s.ID)
	}
}

func TestManyMayRegisterWhileOthersAreTold(t *testing.T) {
	t.Parallel()
	d := open(t, newStore(t), vault.FreshKey())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 25 {
				if _, _, err := d.Create(t.Context(), asked(), ann); err != nil {
					t.Error(err)
				}
				d.Match(subscription.Query{Event: "agent:start"})
			}
		})
	}
	wg.Wait()
	if got := len(d.Match(subscription.Query{Event: "agent:start"})); got != 100 {
		t.Errorf("%d are told, want 100", got)
	}
}

func TestARegistryNamesWhatItLacks(t *testing.T) {
	t.Parallel()
	st := newStore(t)
	v, _ := vault.New(vault.Options{Store: st, Key: vault.FreshKey(), Logger: slog.New(slog.DiscardHandler)})
	for want, o := range map[string]subscription.Options{
		"Store": {Sealer: v, Logger: slog.New(slog.DiscardHandler)}, "Sealer": {Store: st, Logger: slog.New(slog.DiscardHandler)}, "Logger": {Store: st, Sealer: v},
	} {
		if _, err := subscription.NewRegistry(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want one that names %s", err, want)
		}
	}
}
