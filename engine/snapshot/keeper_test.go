package snapshot_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/service"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/store"
)

const broken = "kind: pipeline\nname: flow\nnodes: []\n"

func TestAReloadOfTheSamePublishesNothing(t *testing.T) {
	t.Parallel()
	f := open(t, flow)
	f.boot()
	before := f.keeper.Current()
	report := f.reload()
	if report.Changed || f.keeper.Current() != before {
		t.Errorf("the reload reports %+v, and the snapshot is another one: %t", report, f.keeper.Current() != before)
	}
	if report.Digest != before.Digest || report.Pipelines != 1 || report.Providers != 1 || report.Destinations != 1 {
		t.Errorf("the report is %+v", report)
	}
	if last := f.keeper.Last(); !last.OK || last.At.IsZero() || f.told.last() != "ok" {
		t.Errorf("the last reload is %+v, the observer heard %q", last, f.told.last())
	}
}

func TestARotatedSecretTakesEffectUnderTheSameDigest(t *testing.T) {
	t.Parallel()
	f := open(t, flow)
	f.boot()
	digest, revision := f.keeper.Current().Digest, f.revision("flow")
	f.set("TOKEN", "second-token")
	report := f.reload()
	if !report.Changed || report.Digest != digest || f.revision("flow") != revision {
		t.Errorf("the reload reports %+v, want a change under digest %s and the same revision", report, digest)
	}
	d, ok := f.keeper.Destination("ops")
	if !ok {
		t.Fatal("the destination is gone")
	}
	req, err := d.Build(t.Context(), destination.Delivery{})
	if err != nil {
		t.Fatal(err)
	}
	if got := req.Header.Get("Authorization"); got != "Bearer second-token" {
		t.Errorf("requests carry %q, want the new token", got)
	}
}

func TestABrokenFolderKeepsWhatRunsAndSaysSo(t *testing.T) {
	t.Parallel()
	f := open(t, flow)
	f.boot()
	before := f.keeper.Current()
	f.write(broken)
	_, out, err := f.keeper.Reload(t.Context(), true)
	var findings *diag.FindingsError
	if !errors.As(err, &findings) || !out.HasErrors() {
		t.Fatalf("the reload gives %v, want findings", err)
	}
	if f.keeper.Current() != before {
		t.Error("another snapshot runs")
	}
	last := f.keeper.Last()
	if last.OK || last.Reason != "findings" || len(last.Findings) == 0 || !strings.Contains(last.Message, "flow.yaml:3:") || f.told.last() != "failed findings" {
		t.Errorf("the last reload is %+v, the observer heard %q", last, f.told.last())
	}
	f.write(flow)
	if report := f.reload(); report.Changed {
		t.Error("mended as it was, the folder is published anew")
	}
	if last := f.keeper.Last(); !last.OK || last.Message != "" {
		t.Errorf("mended, the last reload is %+v", last)
	}
}

func TestAFolderThatIsEmptyIsHeldUntilItIsConfirmed(t *testing.T) {
	t.Parallel()
	f := open(t, flow)
	f.boot()
	before := f.keeper.Current()
	f.empty()
	if _, _, err := f.keeper.Reload(t.Context(), false); !errors.Is(err, snapshot.ErrHeld) {
		t.Fatalf("the reload gives %v, want ErrHeld", err)
	}
	if last := f.keeper.Last(); last.OK || !last.Held || last.Reason != "held" || f.keeper.Current() != before || f.told.last() != "failed held" {
		t.Errorf("the last reload is %+v; what runs is another one: %t", last, f.keeper.Current() != before)
	}
	report, _, err := f.keeper.Reload(t.Context(), true)
	if err != nil || !report.Changed || !f.keeper.Current().Empty() {
		t.Errorf("confirmed, the reload gives %+v, %v", report, err)
	}
	if last := f.keeper.Last(); last.Held || !last.OK {
		t.Errorf("confirmed, the last reload is %+v", last)
	}
	if f.reload().Changed {
		t.Error("an empty folder that runs is published again")
	}
}

func TestABootWithoutManifestsIsNoReasonNotToStart(t *testing.T) {
	t.Parallel()
	f := open(t, flow)
	f.empty()
	f.boot()
	if !f.keeper.Current().Empty() {
		t.Error("something runs")
	}
}

func TestAnEmptyFolderAtStartIsRefusedWhereTheStoreRemembersManifests(t *testing.T) {
	t.Parallel()
	f := open(t, flow)
	f.boot()
	digest := f.keeper.Current().Digest
	f.empty()
	f.keeper = f.another()
	if _, err := f.keeper.Boot(t.Context(), false); err == nil || !strings.Contains(err.Error(), "HEADGATE_BOOT_LAST_GOOD") {
		t.Errorf("an empty folder boots with %v, want an error that names the way out", err)
	}
	if f.keeper.Current() != nil {
		t.Error("nothing was published over something")
	}
	f.keeper = f.another()
	if _, err := f.keeper.Boot(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if s := f.keeper.Current(); s == nil || s.Digest != digest {
		t.Errorf("the last good manifests do not serve: %+v", s)
	}
}

func TestABrokenFolderAtStartIsRefused(t *testing.T) {
	t.Parallel()
	f := open(t, broken)
	_, err := f.keeper.Boot(t.Context(), false)
	var findings *diag.FindingsError
	if !errors.As(err, &findings) || f.keeper.Current() != nil {
		t.Errorf("Boot gives %v and runs something: %t", err, f.keeper.Current() != nil)
	}
	// There is nothing in the store yet.
	if _, err := f.keeper.Boot(t.Context(), true); !errors.As(err, &findings) || !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Boot with the last good ones gives %v, want the findings and that nothing is stored", err)
	}
}

func TestABrokenFolderAtStartServesTheLastGoodManifests(t *testing.T) {
	t.Parallel()
	f := open(t, flow)
	f.boot()
	digest, revision := f.keeper.Current().Digest, f.revision("flow")
	f.write(broken)
	f.keeper = f.another()
	out, err := f.keeper.Boot(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	if !out.HasErrors() {
		t.Error("the findings of the broken folder are not told")
	}
	s := f.keeper.Current()
	if s == nil || s.Digest != digest || f.revision("flow") != revision {
		t.Fatalf("what runs is not what ran before: %+v", s)
	}
	if _, ok := s.Provider("acme"); !ok {
		t.Error("the provider is gone")
	}
	last := f.keeper.Last()
	if last.OK || !last.LastGood || last.Message == "" {
		t.Errorf("the last reload is %+v, want that it failed and the last good ones serve", last)
	}
	if _, _, err := f.keeper.Reload(t.Context(), false); err == nil || !f.keeper.Last().LastGood {
		t.Errorf("while the folder is broken: %v, %+v", err, f.keeper.Last())
	}
	f.write(flow)
	f.reload()
	if last := f.keeper.Last(); !last.OK || last.LastGood {
		t.Errorf("mended, the last reload is %+v", last)
	}
}

func TestWhatIsRestoredHasItsRevisionsStored(t *testing.T) {
	t.Parallel()
	f := open(t, flow)
	f.boot()
	whole, err := f.store.LastSnapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// A store in which an older version of Headgate left a snapshot, whose revisions it summed up in another way.
	old := open(t, broken)
	if err := old.store.PutRevision(t.Context(), whole); err != nil {
		t.Fatal(err)
	}
	if _, err := old.keeper.Boot(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if _, err := old.store.Revision(t.Context(), old.revision("flow")); err != nil {
		t.Errorf("the revision under which runs begin is not stored: %v", err)
	}
}

func TestSourcesAreStoredBeforeASnapshotIsPublished(t *testing.T) {
	t.Parallel()
	var f *folder
	fail := errors.New("the disk is full")
	var current error
	var seen []string
	f = open(t, flow, func(o *snapshot.KeeperOptions) {
		o.Sources = sources{o.Sources, func(r store.Revision) error {
			seen = append(seen, fmt.Sprintf("%s %s %t", r.Kind, r.Name, f.keeper.Current() != nil && f.keeper.Current().Digest == r.Digest))
			return current
		}}
	})
	f.boot()
	if got := strings.Join(seen, ", "); got != "snapshot  false, pipeline flow false" {
		t.Errorf("at the start was stored: %s", got)
	}
	before := f.keeper.Current()
	f.write(strings.Replace(flow, "example.com/in", "example.com/out", 1))
	current = fail
	if _, _, err := f.keeper.Reload(t.Context(), false); !errors.Is(err, fail) {
		t.Errorf("the reload gives %v, want the store's error", err)
	}
	if last := f.keeper.Last(); f.keeper.Current() != before || last.OK || last.Reason != "store" || f.told.last() != "failed store" {
		t.Errorf("the last reload is %+v; what runs is another one: %t", last, f.keeper.Current() != before)
	}
	current = nil
	if report := f.reload(); !report.Changed {
		t.Error("when the store could take it, nothing was published")
	}
}

func TestOnlyWhatIsNewIsStored(t *testing.T) {
	t.Parallel()
	var seen []string
	f := open(t, flow+"---\nkind: pipeline\nname: other\nnodes: [{label: In, type: receive, props: {provider: acme}}]\n", func(o *snapshot.KeeperOptions) {
		o.Sources = sources{o.Sources, func(r store.Revision) error {
			seen = append(seen, r.Kind+" "+r.Name)
			return nil
		}}
	})
	f.boot()
	seen = nil
	f.write(flow + "---\nkind: pipeline\nname: other\nnodes: [{label: In, type: receive, props: {provider: acme, event: order}}]\n")
	f.reload()
	if got := strings.Join(seen, ", "); got != "snapshot , pipeline other" {
		t.Errorf("after a change of one pipeline was stored: %s", got)
	}
	seen = nil
	f.set("SECRET", "another")
	f.reload()
	if len(seen) > 0 {
		t.Errorf("after a secret was rotated was stored: %v", seen)
	}
}

func TestReloadsAtTheSameTimeTakeTurns(t *testing.T) {
	t.Parallel()
	f := open(t, flow)
	f.boot()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 5 {
				f.set("TOKEN", fmt.Sprintf("token-%d-%d", i, n))
				if _, _, err := f.keeper.Reload(t.Context(), false); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 20 {
				if got := len(f.keeper.Pipelines("acme", "order")); got != 1 {
					t.Errorf("an event starts %d pipelines, want 1", got)
				}
				if _, ok := f.keeper.Destination("ops"); !ok {
					t.Error("the destination is gone")
				}
				if _, err := f.keeper.Diagram(t.Context(), "flow", f.revision("flow")); err != nil {
					t.Error(err)
				}
				_ = f.keeper.Last()
			}
		})
	}
	wg.Wait()
}

func TestAFolderIsReadAgainWhileItChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f *folder
		looks := 0
		f = open(t, broken, func(o *snapshot.KeeperOptions) {
			o.Fingerprint = func() (string, error) {
				looks++
				if looks == 6 {
					f.write(flow) // the checkout is done
				}
				return fmt.Sprint(min(looks, 6)), nil
			}
		})
		begun := time.Now()
		f.boot()
		if took := time.Since(begun); took == 0 || took > time.Second {
			t.Errorf("the folder was read for %v, want some tenths of a second", took)
		}
		if !f.keeper.Current().Has("flow") {
			t.Error("what was read is not what the folder came to")
		}
	})
}

func TestAFolderThatNeverRestsIsLoadedAllTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		f := open(t, flow, func(o *snapshot.KeeperOptions) {
			o.Fingerprint = func() (string, error) {
				looks++
				return fmt.Sprint(looks), nil
			}
		})
		f.boot()
		ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
		defer cancel()
		if _, _, err := f.keeper.Reload(ctx, false); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a reload whose caller goes away gives %v", err)
		}
	})
}

func TestAReloadThatIsCutShortSaysNothingOfTheManifests(t *testing.T) {
	t.Parallel()
	f := open(t, flow)
	f.boot()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(service.ErrStopping)
	if _, _, err := f.keeper.Reload(ctx, false); !errors.Is(err, service.ErrStopping) {
		t.Errorf("the reload gives %v, want the cause of its end", err)
	}
	if last := f.keeper.Last(); !last.OK || f.told.last() != "ok" {
		t.Errorf("the last reload is %+v, the observer heard %q", last, f.told.last())
	}
}

func TestNewKeeperNamesTheFieldThatIsMissing(t *testing.T) {
	t.Parallel()
	f := open(t, flow)
	whole := snapshot.KeeperOptions{Load: snapshot.Options{Types: nodeTypes()}, Sources: f.store, Logger: slog.New(slog.DiscardHandler)}
	for field, take := range map[string]func(*snapshot.KeeperOptions){
		"Sources":    func(o *snapshot.KeeperOptions) { o.Sources = nil },
		"Logger":     func(o *snapshot.KeeperOptions) { o.Logger = nil },
		"Load.Types": func(o *snapshot.KeeperOptions) { o.Load.Types = nil },
	} {
		o := whole
		take(&o)
		if _, err := snapshot.NewKeeper(o); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("without %s the error is %v", field, err)
		}
	}
}
