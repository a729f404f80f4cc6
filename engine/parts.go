package engine

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/fetch"
	"github.com/headgate/headgate/engine/ingress"
	"github.com/headgate/headgate/engine/job"
	"github.com/headgate/headgate/engine/rejection"
	"github.com/headgate/headgate/engine/service"
	"github.com/headgate/headgate/engine/snapshot/watch"
	"github.com/headgate/headgate/engine/subscription"
	"github.com/headgate/headgate/engine/telemetry"
	"github.com/headgate/headgate/engine/vault"
	"github.com/headgate/headgate/hooks"
)

// component tags the log of one part.
func (e *Engine) component(name string) *slog.Logger {
	return e.o.Logger.With(telemetry.KeyComponent, name)
}

// commits passes on what the store tells of its commits; the store is made before the metrics, which ask it.
type commits struct{ e *Engine }

func (c commits) Commit(events int, took time.Duration) { c.e.metrics.Commit(events, took) }

func (e *Engine) newMetrics() error {
	var err error
	e.metrics, err = telemetry.New(telemetry.Options{Store: e.store, Alive: e.alive, Version: e.o.Version, Logger: e.component("metrics")})
	return err
}

// newRecords makes what the public listener writes beside events: the secrets of handshakes, and who was refused.
func (e *Engine) newRecords() (err error) {
	key := vault.FileKey(filepath.Join(e.o.DataDir, "seal.key"))
	switch {
	case !e.o.SealKey.IsZero():
		if key, err = vault.TextKey(e.o.SealKey); err != nil {
			return fmt.Errorf("HEADGATE_SEAL_KEY: %w", err)
		}
	case e.store.Info().Kind == "memory":
		key = vault.FreshKey()
	}
	if e.vault, err = vault.New(vault.Options{Store: e.store, Key: key, Logger: e.component("vault"), Now: e.o.Now}); err != nil {
		return err
	}
	e.audience, err = subscription.NewRegistry(subscription.Options{Store: e.store, Sealer: e.vault, Logger: e.component("subscriptions"), Now: e.o.Now})
	if err != nil {
		return err
	}
	e.refused, err = rejection.New(rejection.Options{Store: e.store, Logger: e.component("rejections"), Now: e.o.Now})
	return err
}

// newFetcher makes what gets public keys and confirms subscriptions. It reaches what hooks may reach, over https alone.
func (e *Engine) newFetcher() (err error) {
	e.guarded, err = hooks.New(hooks.Options{
		Allow: e.o.EgressAllow, AllowLoopback: e.o.Dev, Own: e.listening, Logger: e.component("keys"), Now: e.o.Now,
	})
	if err != nil {
		return err
	}
	e.fetcher, err = fetch.New(fetch.Options{
		Transport: e.guarded.Transport(), UserAgent: "Headgate/" + e.o.Version, Now: e.o.Now, Logger: e.component("keys"),
	})
	return err
}

func (e *Engine) newListeners() (err error) {
	e.jobs, err = job.New(job.Options{Store: e.store, Folder: job.FolderOf(e.keeper), Logger: e.component("jobs")})
	if err != nil {
		return err
	}
	handler, err := ingress.New(ingress.Options{
		Snapshot: e.providers, Store: e.store, Observer: e.metrics, Logger: e.o.Logger, Now: e.o.Now,
		TestEndpoint: !e.o.NoTestEndpoint, MaxBody: e.o.MaxBody, TrustedProxies: e.o.TrustedProxies,
		Learner: e.vault, Confirmer: e.fetcher, Rejections: e.refused, Replies: e.replies, Redeliverer: e.jobs,
	})
	if err != nil {
		return err
	}
	e.public, err = ingress.NewListener(ingress.ListenerOptions{
		Addr: e.o.Addr, Handler: handler, Logger: e.o.Logger, CertFile: e.o.TLSCert, KeyFile: e.o.TLSKey,
	})
	if err != nil {
		return err
	}
	e.admin, err = admin.New(admin.Options{
		Addr: e.o.AdminAddr, HealthAddr: e.o.HealthAddr, Token: e.o.AdminToken, MetricsPublic: e.o.MetricsPublic,
		Reader: e.store, Gateway: gateway{e}, Jobs: e.jobs, Learned: e.vault, Audience: e.audience, Folder: e.keeper, Metrics: e.metrics.Handler(), Alive: e.alive,
		Logger: e.component("admin"),
	})
	return err
}

// providers gives the public listener the snapshot that is running now.
func (e *Engine) providers() ingress.Snapshot {
	s := e.keeper.Current()
	return ingress.Snapshot{Providers: s, Digest: s.Digest, Responders: s}
}

// newWatcher follows the manifest folders, unless it is told not to.
func (e *Engine) newWatcher() service.Service {
	if e.o.NoWatch {
		return service.Steps{}
	}
	return service.NewLoop(func(ctx context.Context) error {
		w, err := watch.New(watch.Options{
			Dirs: e.o.Dirs, Files: e.watchedFiles, Logger: e.component("watcher"),
			OnChange: func(ctx context.Context) { _, _, _ = e.keeper.Reload(ctx, false) }, // the keeper logs, counts and remembers
		})
		if err != nil {
			return err
		}
		return w.Run(ctx)
	})
}
