package engine

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/fault"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/snapshot/commit"
)

// gateway is the engine as the admin API sees it.
type gateway struct{ e *Engine }

var _ admin.Gateway = gateway{}

func (g gateway) Status(ctx context.Context) admin.Status {
	e := g.e
	s := admin.Status{
		Version: e.o.Version, Store: e.store.Info(), Listen: admin.Listen{Public: e.PublicAddr(), Admin: e.AdminAddr(), Health: e.HealthAddr()},
	}
	if started := e.started.Load(); started != nil {
		s.Started, s.UptimeS = *started, int64(time.Since(*started).Seconds())
	}
	s.Ready, _ = g.Ready(ctx)
	if snap := e.keeper.Current(); snap != nil {
		s.Manifests = admin.Manifests{
			Digest: snap.Digest, LoadedAt: snap.LoadedAt, Commit: commit.Of(e.o.RevisionFile, e.o.Dirs[0]), Providers: len(snap.Providers()),
			Pipelines: len(snap.Pipelines()), Destinations: len(snap.Destinations()),
		}
	}
	last := e.keeper.Last()
	if !last.At.IsZero() {
		list := &diag.List{}
		list.Add(last.Findings...)
		s.Manifests.LastReload = &admin.LastReload{At: last.At, OK: last.OK, Reason: last.Reason, Findings: admin.Findings(list)}
		s.Manifests.Held = last.Held
	}
	if ledger, err := e.store.Ledger(ctx); err == nil {
		s.Ledger = ledger
	}
	s.Retention = admin.ShowRetention(e.o.Retention)
	if usage, err := e.store.Usage(ctx); err == nil {
		s.Usage = usage
	}
	if due, err := e.store.Due(ctx); err == nil {
		s.OldestDueS = due.Oldest.Seconds()
	}
	return s
}

// refusingFor is how long we count as not ready after the store has refused an event: then the next one may try.
const refusingFor = 5 * time.Second

// alive says why only a restart would help.
func (e *Engine) alive() error {
	if w := e.pump.Load(); w != nil && !e.draining.Load() {
		return admin.Alive(w.LastPass())
	}
	return nil
}

func (g gateway) Ready(ctx context.Context) (bool, []admin.Check) {
	e := g.e
	manifests := admin.Check{Name: "manifests", OK: e.keeper.Current() != nil}
	switch last := e.keeper.Last(); {
	case !manifests.OK:
		manifests.Detail = "no manifests are loaded"
	case last.LastGood:
		manifests.Detail = "serving the last good manifests from the store; the folder is broken: " + last.Message
	case !last.OK:
		manifests.Detail = "the last reload failed, the manifests before it are running: " + last.Message
	}
	serving := admin.Check{Name: "serving", OK: !e.draining.Load()}
	if !serving.OK {
		serving.Detail = "stopping"
	}
	st := admin.Check{Name: "store", OK: true, Detail: e.store.Info().Warning}
	if e.metrics.Refusing(refusingFor) {
		st.OK, st.Detail = false, "the store takes no writes: is the disk full?"
	}
	worker := admin.Working(ctx, e.store, e.alive())
	return manifests.OK && serving.OK && st.OK && worker.OK, []admin.Check{manifests, st, worker, serving}
}

func (g gateway) Reload(ctx context.Context, confirm bool) (any, *diag.List, error) {
	report, findings, err := g.e.keeper.Reload(ctx, confirm)
	if errors.Is(err, snapshot.ErrHeld) {
		err = admin.ErrHeld
	}
	return report, findings, err
}

func (g gateway) Sign(_ context.Context, ask admin.Message) (admin.SignedRequest, error) {
	p, ok := g.e.keeper.Current().Provider(ask.Provider)
	if !ok {
		return admin.SignedRequest{}, fault.New(fault.Invalid, "provider_not_found",
			strings.TrimSuffix("there is no provider \""+ask.Provider+"\"; "+diag.DidYouMean(ask.Provider, g.providerNames()), "; "), nil)
	}
	signed, err := p.Compose(provider.Message{Event: ask.Event, Delivery: ask.Delivery, Body: ask.Body, Now: g.e.o.Now(), Rule: -1}, ask.Handshake)
	switch {
	case errors.Is(err, provider.ErrNoExample):
		hint := diag.DidYouMean(ask.Event, p.Events())
		return admin.SignedRequest{}, fault.New(fault.Invalid, "event_not_found", strings.TrimSuffix(err.Error()+"; "+hint, "; "), err)
	case errors.Is(err, provider.ErrNoHandshake):
		hint := diag.DidYouMean(ask.Handshake, p.Handshakes())
		return admin.SignedRequest{}, fault.New(fault.Invalid, "handshake_not_found", strings.TrimSuffix(err.Error()+"; "+hint, "; "), err)
	case err != nil:
		return admin.SignedRequest{}, fault.New(fault.Invalid, "cannot_sign", err.Error(), err)
	}
	return admin.SignedRequest{Method: signed.Method, URL: g.e.receiving() + signed.Target(), Header: signed.Header, Body: signed.Body}, nil
}

func (g gateway) providerNames() []string {
	var out []string
	for _, p := range g.e.keeper.Current().Providers() {
		out = append(out, p.Name())
	}
	return out
}

// WebhookURL is where the provider of that name sends its webhooks: under the public URL where that is set, else on this host. It is
// for people and logs: a token in the address is masked.
func (e *Engine) WebhookURL(name string) string {
	base := e.receiving()
	if base == "" {
		return ""
	}
	base += "/webhooks/" + name
	if s := e.keeper.Current(); s != nil {
		if p, ok := s.Provider(name); ok && p.HasToken() {
			base += "/" + secret.Mask
		}
	}
	return base
}

// receiving is what comes before the path of a webhook: the public URL where that is set, else this host; "" before the listener is up.
func (e *Engine) receiving() string {
	if e.o.PublicURL != "" {
		return strings.TrimSuffix(e.o.PublicURL, "/")
	}
	scheme := "http"
	if e.o.TLSCert != "" {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(e.PublicAddr())
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// Status describes the engine as `headgate status` shows it.
func (e *Engine) Status(ctx context.Context) admin.Status { return gateway{e}.Status(ctx) }
