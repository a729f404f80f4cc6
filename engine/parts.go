package engine

import (
	"context"
	"log/slog"
	"time"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/ingress"
	"github.com/headgate/headgate/engine/service"
	"github.com/headgate/headgate/engine/snapshot/watch"
	"github.com/headgate/headgate/engine/telemetry"
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
	e.metrics, err = telemetry.New(telemetry.Options{Store: e.store, Version: e.o.Version, Logger: e.component("metrics")})
	return err
}

func (e *Engine) newListeners() error {
	handler, err := ingress.New(ingress.Options{
		Snapshot: e.providers, Store: e.store, Observer: e.metrics, Logger: e.o.Logger, Now: e.o.Now,
		TestEndpoint: !e.o.NoTestEndpoint, MaxBody: e.o.MaxBody, TrustedProxies: e.o.TrustedProxies,
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
		Reader: e.store, Gateway: gateway{e}, Metrics: e.metrics.Handler(), Logger: e.component("admin"),
	})
	return err
}

// providers gives the public listener the snapshot that is running now.
func (e *Engine) providers() ingress.Snapshot {
	s := e.keeper.Current()
	return ingress.Snapshot{Providers: s, Digest: s.Digest}
}

// newWatcher follows the manifest folders, unless it is told not to.
func (e *Engine) newWatcher() service.Service {
	if e.o.NoWatch {
		return step{}
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
