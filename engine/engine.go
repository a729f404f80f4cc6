package engine

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/fetch"
	"github.com/headgate/headgate/engine/ingress"
	"github.com/headgate/headgate/engine/job"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/rejection"
	"github.com/headgate/headgate/engine/reply"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/service"
	"github.com/headgate/headgate/engine/signature"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/snapshot/watch"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/subscription"
	"github.com/headgate/headgate/engine/telemetry"
	"github.com/headgate/headgate/engine/vault"
	"github.com/headgate/headgate/engine/worker"
	"github.com/headgate/headgate/hooks"
)

// Engine is one gateway.
type Engine struct {
	o       Options
	metrics *telemetry.Metrics
	store   store.Store
	vault   *vault.Vault
	// audience is who hears of what hooks publish.
	audience *subscription.Registry
	refused  *rejection.Recorder
	replies  *reply.Desk
	// machines hold what isolated languages need, over all reloads.
	machines *script.Machines
	guarded  *hooks.Client // carries what fetcher asks for
	fetcher  *fetch.Client
	keeper   *snapshot.Keeper
	public   *ingress.Listener
	admin    *admin.Server
	client   *hooks.Client
	worker   *worker.Worker
	jobs     *job.Service
	pump     atomic.Pointer[worker.Worker] // the worker once it runs, for the probes

	group    *service.Group
	started  atomic.Pointer[time.Time] // nil before Start
	draining atomic.Bool
	warnings *diag.List
	fatal    <-chan error // nil where the store has no end of its own
}

// New wires an engine; nothing is opened before Start. Its error is an *EnvironmentError.
func New(o Options) (*Engine, error) {
	clock := o.Now // nil: the store has a better one than time.Now
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	e := &Engine{o: o, replies: reply.New()}
	if e.store, err = openStore(o, clock, commits{e}); err != nil {
		return nil, environment("choosing the store", err)
	}
	if s, ok := e.store.(interface{ Fatal() <-chan error }); ok {
		e.fatal = s.Fatal()
	}
	if err := e.newMetrics(); err != nil {
		return nil, environment("making the metrics", err)
	}
	if err := e.newRecords(); err != nil {
		return nil, environment("preparing the records", err)
	}
	if err := e.newFetcher(); err != nil {
		return nil, environment("preparing the fetching of keys", err)
	}
	e.machines = script.NewMachines(script.MachineOptions{CacheDir: e.machineCache(), Ahead: true, Logger: e.component("languages")})
	e.keeper, err = snapshot.NewKeeper(snapshot.KeeperOptions{
		Load: e.loadOptions(), Sources: e.store, Observer: e.metrics, Audience: e.audience, Logger: e.component("manifests"), Fingerprint: e.fingerprint,
	})
	if err != nil {
		return nil, environment("preparing the manifests", err)
	}
	if err := e.newListeners(); err != nil {
		return nil, environment("preparing the listeners", err)
	}
	e.group = service.NewGroup(
		service.Named{Name: "store", Service: service.Steps{OnStart: e.startStore, OnStop: e.store.Stop}},
		service.Named{Name: "learnt secrets", Service: service.Steps{OnStart: e.startVault}},
		service.Named{Name: "subscriptions", Service: service.Steps{OnStart: e.startAudience}},
		service.Named{Name: "rejections", Service: e.refused},
		service.Named{Name: "keys", Service: service.Steps{OnStop: func(context.Context) error { e.guarded.Close(); return nil }}},
		service.Named{Name: "isolated languages", Service: service.Steps{OnStop: e.machines.Close}},
		service.Named{Name: "manifests", Service: service.Steps{OnStart: e.boot}},
		service.Named{Name: "admin listener", Service: service.Steps{OnStart: e.startAdmin, OnStop: e.admin.Stop}},
		service.Named{Name: "public listener", Service: service.Steps{OnStart: e.startIngress, OnStop: e.public.Stop}}, // where the start fails half-way
		service.Named{Name: "retention", Service: e.newRetention()},
		service.Named{Name: "worker", Service: service.Steps{OnStart: e.startWorker, OnStop: e.stopWorker}},
		service.Named{Name: "jobs", Service: e.jobs},
		service.Named{Name: "public listener", Service: service.Steps{OnStop: e.public.Stop}}, // senders are let go before the worker drains
		service.Named{Name: "replies", Service: service.Steps{OnStop: e.stopReplies}},         // and those that wait for a run before the listener
		service.Named{Name: "watcher", Service: e.newWatcher()},
	)
	return e, nil
}

func (e *Engine) loadOptions() snapshot.Options {
	return snapshot.Options{
		Manifest: manifest.Options{
			Dirs: e.o.Dirs, Catalogue: e.o.Catalogue, Env: e.o.Env, EnvAllow: e.o.EnvAllow, SecretDirs: e.o.SecretDirs,
			SkipUnknown: e.o.SkipUnknown, Dev: e.o.Dev,
		},
		Types: NodeTypes(), Machines: e.machines, PublicURL: e.o.PublicURL, MaxBody: e.o.MaxBody, Dev: e.o.Dev, EgressAllow: e.o.EgressAllow,
		Fetcher: e.fetcher, Learned: func(provider string) signature.Learned { return e.vault.Learned(provider) },
	}
}

// Start opens the store, loads the manifests, listens and begins to work; it returns when webhooks are accepted. The error is a
// *diag.FindingsError where the manifests are refused, an *EnvironmentError where settings, store or ports are at fault.
func (e *Engine) Start(ctx context.Context) error {
	now := time.Now().UTC()
	e.started.Store(&now)
	return e.group.Start(ctx)
}

// Stop says that we are not ready, keeps the listener open for the drain delay, and then ends everything in order, within the
// shutdown timeout. It is idempotent.
func (e *Engine) Stop(ctx context.Context) error {
	if e.draining.CompareAndSwap(false, true) && e.o.DrainDelay > 0 && e.started.Load() != nil {
		select {
		case <-time.After(e.o.DrainDelay):
		case <-ctx.Done():
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.o.ShutdownTimeout)
	defer cancel()
	return e.group.Stop(ctx)
}

// Reload loads the manifests again; see snapshot.Keeper.Reload.
func (e *Engine) Reload(ctx context.Context, confirm bool) (snapshot.Report, *diag.List, error) {
	return e.keeper.Reload(ctx, confirm)
}

// Snapshot gives the running snapshot.
func (e *Engine) Snapshot() *snapshot.Snapshot { return e.keeper.Current() }

// Warnings are the findings of the first load that did not refuse the manifests.
func (e *Engine) Warnings() *diag.List { return e.warnings }

// PublicAddr is where the public listener really listens, as host:port.
func (e *Engine) PublicAddr() string { return e.public.Addr() }

// AdminAddr is where the admin listener really listens.
func (e *Engine) AdminAddr() string { return e.admin.Addr() }

// HealthAddr is where the health listener really listens; "" where there is none.
func (e *Engine) HealthAddr() string { return e.admin.HealthAddr() }

// Fatal receives what makes going on impossible, such as a failed fsync: the process must end and recover at its next start.
func (e *Engine) Fatal() <-chan error { return e.fatal }

func (e *Engine) startStore(ctx context.Context) error {
	if err := e.store.Start(ctx); err != nil {
		return environment("opening the store", err)
	}
	if w := e.store.Info().Warning; w != "" {
		e.o.Logger.WarnContext(ctx, "the store cannot promise durability here", "reason", w)
	}
	return nil
}

func (e *Engine) startVault(ctx context.Context) error {
	return environment("opening the learnt secrets", e.vault.Start(ctx))
}

func (e *Engine) startAudience(ctx context.Context) error {
	return environment("reading the subscriptions", e.audience.Start(ctx))
}

func (e *Engine) boot(ctx context.Context) error {
	out, err := e.keeper.Boot(ctx, e.o.BootLastGood)
	e.warnings = out
	var findings *diag.FindingsError
	if err != nil && !errors.As(err, &findings) {
		return environment("loading the manifests", err)
	}
	return err
}

func (e *Engine) startAdmin(ctx context.Context) error {
	return environment("opening the admin listener", e.admin.Start(ctx))
}

func (e *Engine) startIngress(ctx context.Context) error {
	return environment("opening the public listener", e.public.Start(ctx))
}

func (e *Engine) startWorker(ctx context.Context) error {
	client, err := hooks.New(hooks.Options{
		Allow: e.o.EgressAllow, AllowLoopback: e.o.Dev, Deny: e.listening(), UserAgent: "Headgate/" + e.o.Version,
		LogOnly: e.o.HooksMode == HooksLog, Logger: e.component("hooks"), Now: e.o.Now,
	})
	if err != nil {
		return environment("preparing outgoing requests", err)
	}
	e.client = client
	e.worker, err = worker.New(worker.Options{
		Queue: e.store, World: e.keeper, Deliverer: client, Logger: e.component("worker"), Observer: e.metrics, Now: e.o.Now,
		Checker: e.keeper, Audience: e.audience, Replies: e.replies,
	})
	if err != nil {
		return environment("preparing the worker", err)
	}
	err = e.worker.Start(ctx)
	e.pump.Store(e.worker)
	return err
}

func (e *Engine) stopWorker(ctx context.Context) error {
	err := e.worker.Stop(ctx)
	e.client.Close()
	return err
}

// replyGrace is how long senders that wait for a run are kept while we stop: as long as the most impatient of them wait.
const replyGrace = 3 * time.Second

// stopReplies lets the senders go that wait for a run: with its reply where that comes soon.
func (e *Engine) stopReplies(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, replyGrace)
	defer cancel()
	e.replies.Stop(ctx)
	return nil
}

// machineCache is where isolated languages keep what they compiled; "" where nothing is kept on disk.
func (e *Engine) machineCache() string {
	if e.store.Info().Kind == "memory" {
		return ""
	}
	return filepath.Join(e.o.DataDir, "machines")
}

// listening gives our own listeners, which nothing of ours may reach, as far as they are open.
func (e *Engine) listening() []netip.AddrPort {
	var out []netip.AddrPort
	for _, addr := range []string{e.PublicAddr(), e.AdminAddr(), e.HealthAddr()} {
		if ap, err := netip.ParseAddrPort(addr); err == nil {
			out = append(out, ap)
		}
	}
	return out
}

func (e *Engine) fingerprint() (string, error) {
	fp, err := watch.Fingerprint(e.o.Dirs, e.watchedFiles())
	if err != nil {
		return "", fmt.Errorf("looking at the manifest folders: %w", err)
	}
	return fp, nil
}

// watchedFiles are the files outside of the folders whose change means a reload.
func (e *Engine) watchedFiles() []string {
	if s := e.keeper.Current(); s != nil {
		return s.Bundle().SecretFiles()
	}
	return nil
}
