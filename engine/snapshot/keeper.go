package snapshot

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/subscription"
)

// Sources is where a Keeper keeps what it publishes.
type Sources interface {
	PutRevision(ctx context.Context, r store.Revision) error
	Revision(ctx context.Context, digest string) (store.Revision, error)
	LastSnapshot(ctx context.Context) (store.Revision, error)
}

// Observer is told of every reload; it must not block.
type Observer interface {
	// Reloaded tells how a reload ended: reason is "" for a success, else "findings", "held" or "store".
	Reloaded(ok bool, reason, digest string, at time.Time)
}

// Audience is told which subscriptions the manifests declare; *subscription.Registry is one.
type Audience interface {
	Declare(declared []*subscription.Subscription)
}

// KeeperOptions is what NewKeeper needs; Load.Types, Sources and Logger are required.
type KeeperOptions struct {
	Load     Options
	Sources  Sources
	Observer Observer // may be nil
	Audience Audience // may be nil
	Logger   *slog.Logger
	// Fingerprint tells cheaply whether the folder changed while it was read; nil reads once.
	Fingerprint func() (string, error)
}

// ErrHeld says that a reload would leave no manifests at all, and waits for a confirmation.
var ErrHeld = errors.New("the folder holds no manifests any more; the running ones stay until `headgate reload --confirm`")

// errEmptyBoot refuses to start with nothing where there was something: senders would be told 404, and open runs would be parked.
var errEmptyBoot = errors.New("the folder holds no manifests, but the store remembers some: mount the folder, or set " +
	"HEADGATE_BOOT_LAST_GOOD=true to serve those; to start empty on purpose, use another data directory")

// Keeper holds the running snapshot.
type Keeper struct {
	o       KeeperOptions
	key     []byte // of the hash of secrets, random in each process
	current atomic.Pointer[published]

	loading sync.Mutex // one reload at a time
	mu      sync.Mutex
	last    Outcome
	past    map[string]*past // compiled old revisions, by name + "\x00" + revision
	asked   int64            // how often one of them was asked for
}

// published is a snapshot with the hash of the secrets it was compiled with.
type published struct {
	*Snapshot
	secrets string
}

// Report tells what a reload did.
type Report struct {
	Digest string `json:"digest"`
	// Changed says that a new snapshot was published.
	Changed      bool          `json:"changed"`
	Providers    int           `json:"providers"`
	Pipelines    int           `json:"pipelines"`
	Destinations int           `json:"destinations"`
	Took         time.Duration `json:"took_ns"`
}

// Outcome tells how the last reload ended.
type Outcome struct {
	At       time.Time
	OK       bool
	Reason   string // "findings", "held" or "store" where it failed
	Message  string
	Findings []diag.Finding
	Held     bool
	LastGood bool // the running snapshot comes from the store, the folder is broken
}

// past is a compiled old revision, and when it was asked for last.
type past struct {
	diagram *pipeline.Diagram
	asked   int64
}

// pastRevisions are kept compiled at most, those asked for last: runs of more old revisions than that wait seldom, and to compile one takes
// as long as many events.
const pastRevisions = 512

// NewKeeper makes a Keeper; nothing is loaded yet.
func NewKeeper(o KeeperOptions) (*Keeper, error) {
	switch {
	case o.Sources == nil:
		return nil, errors.New("snapshot: Sources is missing")
	case o.Logger == nil:
		return nil, errors.New("snapshot: Logger is missing")
	case len(o.Load.Types) == 0:
		return nil, errors.New("snapshot: Load.Types is missing")
	}
	k := &Keeper{o: o, key: make([]byte, 32), past: map[string]*past{}}
	_, _ = rand.Read(k.key) // crypto/rand never fails
	return k, nil
}

// Current gives the running snapshot; nil before Boot.
func (k *Keeper) Current() *Snapshot {
	if p := k.current.Load(); p != nil {
		return p.Snapshot
	}
	return nil
}

// Last tells how the last reload ended.
func (k *Keeper) Last() Outcome {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.last
}

// Boot loads the folder for the first time. Where it is broken and lastGood is set, the newest stored snapshot serves instead, and Last
// says so; else the error is a *diag.FindingsError.
func (k *Keeper) Boot(ctx context.Context, lastGood bool) (*diag.List, error) {
	_, out, err := k.Reload(ctx, false)
	if errors.Is(err, ErrHeld) && !lastGood {
		return out, errEmptyBoot
	}
	if err == nil || !lastGood {
		return out, err
	}
	var findings *diag.FindingsError
	if !errors.As(err, &findings) && !errors.Is(err, ErrHeld) {
		return out, err
	}
	if storeErr := k.restore(ctx); storeErr != nil {
		return out, errors.Join(err, fmt.Errorf("looking for the last good manifests: %w", storeErr))
	}
	k.o.Logger.WarnContext(ctx, "serving the last good manifests from the store, because the folder is broken", "error", err)
	return out, nil
}

// restore publishes the newest stored snapshot.
func (k *Keeper) restore(ctx context.Context) error {
	rev, err := k.o.Sources.LastSnapshot(ctx)
	if err != nil {
		return err
	}
	o := k.o.Load
	o.Manifest.Files = []*source.File{} // instead of the folders, which go on bounding what <<file.…>> may read
	for _, f := range rev.Files {
		o.Manifest.Files = append(o.Manifest.Files, source.NewFile(f.Path, f.Data))
	}
	s, out := Load(ctx, o)
	if s == nil {
		return fmt.Errorf("compiling the stored snapshot %s: %w", rev.Digest, out.Err())
	}
	s.Digest = rev.Digest
	// This version of Headgate may sum up revisions in another way than the one that stored the snapshot.
	if err := k.keep(ctx, s.sources[1:]); err != nil {
		return err
	}
	k.publish(s)
	k.mu.Lock()
	k.last.LastGood = true
	k.mu.Unlock()
	return nil
}

// Reload loads, compiles, stores the sources and publishes: all or nothing. Where nothing changed it publishes nothing and says so.
// The error is a *diag.FindingsError, ErrHeld (unless confirm), or the store's; then the running snapshot stays.
func (k *Keeper) Reload(ctx context.Context, confirm bool) (Report, *diag.List, error) {
	k.loading.Lock()
	defer k.loading.Unlock()
	started := time.Now()
	s, out, err := k.load(ctx)
	if err != nil {
		k.failed(ctx, out, "findings", err)
		return Report{}, out, err
	}
	report := Report{
		Digest: s.Digest, Providers: len(s.providers), Pipelines: len(s.diagrams), Destinations: len(s.Destinations()),
	}
	running := k.current.Load()
	if s.Empty() && !confirm && k.hadManifests(ctx, running) {
		k.failed(ctx, out, "held", ErrHeld)
		return report, out, ErrHeld
	}
	secrets := s.bundle.SecretsHash(k.key)
	if running == nil || running.Digest != s.Digest || running.secrets != secrets {
		if err := k.keep(ctx, s.newSources(running)); err != nil {
			k.failed(ctx, out, "store", err)
			return report, out, err
		}
		k.publish(s)
		report.Changed = true
	}
	report.Took = time.Since(started)
	k.succeeded(ctx, s, report)
	return report, out, nil
}

// hadManifests says whether there is something to lose by publishing nothing: in the running snapshot, or, at the start, in the newest
// stored one. That is what a volume looks like that was not mounted.
func (k *Keeper) hadManifests(ctx context.Context, running *published) bool {
	if running != nil {
		return !running.Empty()
	}
	last, err := k.o.Sources.LastSnapshot(ctx)
	return err == nil && len(last.Files) > 0
}

// load reads the folder until it holds still while it is read.
func (k *Keeper) load(ctx context.Context) (*Snapshot, *diag.List, error) {
	const tries = 10
	for i := 1; ; i++ {
		before, err := k.fingerprint()
		s, out := Load(ctx, k.o.Load)
		after, err2 := k.fingerprint()
		if err == nil && err2 == nil && before != after && i < tries {
			select {
			case <-ctx.Done():
				return nil, out, context.Cause(ctx)
			case <-time.After(100 * time.Millisecond): // an editor or a checkout is at work
			}
			continue
		}
		switch {
		case ctx.Err() != nil:
			return nil, out, context.Cause(ctx)
		case s == nil:
			return nil, out, out.Err()
		}
		return s, out, nil
	}
}

// keep stores sources, so that runs which begin under them can end under them.
func (k *Keeper) keep(ctx context.Context, sources []store.Revision) error {
	for _, rev := range sources {
		if err := k.o.Sources.PutRevision(ctx, rev); err != nil {
			return fmt.Errorf("storing the manifests before they are published: %w", err)
		}
	}
	return nil
}

func (k *Keeper) fingerprint() (string, error) {
	if k.o.Fingerprint == nil {
		return "", nil
	}
	return k.o.Fingerprint()
}

func (k *Keeper) publish(s *Snapshot) {
	k.current.Store(&published{Snapshot: s, secrets: s.bundle.SecretsHash(k.key)})
	if k.o.Audience != nil {
		k.o.Audience.Declare(s.Subscriptions().All())
	}
}

func (k *Keeper) succeeded(ctx context.Context, s *Snapshot, r Report) {
	at := time.Now().UTC()
	k.mu.Lock()
	mended := !k.last.OK && !k.last.At.IsZero()
	k.last = Outcome{At: at, OK: true, Findings: s.warnings.Sorted()}
	k.mu.Unlock()
	if k.o.Observer != nil {
		k.o.Observer.Reloaded(true, "", r.Digest, at)
	}
	if r.Changed || mended {
		k.o.Logger.InfoContext(ctx, "manifests loaded", "digest", r.Digest, "providers", r.Providers, "pipelines", r.Pipelines,
			"destinations", r.Destinations, "took", r.Took)
	}
}

func (k *Keeper) failed(ctx context.Context, out *diag.List, reason string, err error) {
	if ctx.Err() != nil {
		return // whoever asked went away, or we are stopping: that says nothing of the manifests
	}
	at := time.Now().UTC()
	k.mu.Lock()
	good := k.last.LastGood
	k.last = Outcome{At: at, Reason: reason, Message: err.Error(), Held: reason == "held", LastGood: good}
	if out != nil {
		k.last.Findings = out.Sorted()
	}
	k.mu.Unlock()
	if k.o.Observer != nil {
		k.o.Observer.Reloaded(false, reason, "", at)
	}
	if k.Current() != nil {
		k.o.Logger.ErrorContext(ctx, "manifests refused, the running ones stay", "reason", reason, "error", err)
	}
}

// Pipelines gives the live pipelines that an event starts.
func (k *Keeper) Pipelines(provider, name string) []*pipeline.Diagram {
	return k.Current().Starting(provider, name)
}

// Findings says how an event's payload differs from the schema of its name, where its provider wants that looked at once the event is
// stored. Value gives the decoded payload.
func (k *Keeper) Findings(e *event.Event, value func() any) []event.Finding {
	p, ok := k.Current().Provider(e.Provider)
	if !ok {
		return nil
	}
	return p.FindingsLater(e.Name, value)
}

// Destination gives the live destination of a key.
func (k *Keeper) Destination(key string) (*destination.Destination, bool) {
	return k.Current().Destination(key)
}

// Diagram gives a pipeline as it was at a revision: the running one, or one compiled of its stored sources. A pipeline that is no
// longer live gives an error: its open runs are parked. Names are those of Snapshot.Diagram.
func (k *Keeper) Diagram(ctx context.Context, name, revision string) (*pipeline.Diagram, error) {
	s := k.Current()
	if d, ok := s.Diagram(name, revision); ok {
		return d, nil
	}
	owner, path := pipeline.SplitName(name)
	if !s.Has(owner) {
		return nil, fmt.Errorf("pipeline %q is deleted or disabled", owner)
	}
	d, err := k.pastDiagram(ctx, s, owner, revision)
	if err != nil || path == "" {
		return d, err
	}
	sub, ok := d.Sub(path)
	if !ok {
		return nil, fmt.Errorf("revision %s of pipeline %q has no hook to subscribers at %q", revision, owner, path)
	}
	return sub, nil
}

// pastDiagram gives a pipeline of a document as it was at an old revision.
func (k *Keeper) pastDiagram(ctx context.Context, s *Snapshot, name, revision string) (*pipeline.Diagram, error) {
	id := name + "\x00" + revision
	if d := k.remembered(id); d != nil {
		return d, nil
	}
	rev, err := k.o.Sources.Revision(ctx, revision)
	if err != nil {
		return nil, fmt.Errorf("reading revision %s of pipeline %q: %w", revision, name, err)
	}
	d, err := compileRevision(ctx, k.o.Load, rev)
	if err != nil {
		return nil, err
	}
	s.followCalls(d)
	k.remember(id, d)
	return d, nil
}

func (k *Keeper) remembered(id string) *pipeline.Diagram {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.past[id]
	if p == nil {
		return nil
	}
	k.asked++
	p.asked = k.asked
	return p.diagram
}

// remember keeps a compiled revision, in the place of the one that was not asked for the longest.
func (k *Keeper) remember(id string, d *pipeline.Diagram) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.past) >= pastRevisions && k.past[id] == nil {
		oldest := ""
		for other, p := range k.past {
			if oldest == "" || p.asked < k.past[oldest].asked {
				oldest = other
			}
		}
		delete(k.past, oldest)
	}
	k.asked++
	k.past[id] = &past{diagram: d, asked: k.asked}
}
