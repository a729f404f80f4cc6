package snapshot_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/subscription"
)

const publishing = `
kind: pipeline
name: flow
nodes:
  - {label: In, type: receive, props: {provider: acme, event: order}}
  - {label: Tell, type: hook, props: {subscribers: {}, concurrency: 3, headers: {X-A: a}}}
---
kind: subscription
name: ann
url: https://ann.example.com/hook
events: order
secret: <<env.SECRET>>
`

// declared hears what manifests declare.
type declared struct{ last []*subscription.Subscription }

func (d *declared) Declare(all []*subscription.Subscription) { d.last = all }

func TestDeclaredSubscriptionsAreTold(t *testing.T) {
	t.Parallel()
	audience := &declared{}
	f := open(t, publishing, func(o *snapshot.KeeperOptions) { o.Audience = audience })
	f.boot()
	if len(audience.last) != 1 || audience.last[0].ID != "ann" || audience.last[0].Gate() != "subscription/ann" {
		t.Fatalf("declared are %v, want ann", audience.last)
	}
	first := f.keeper.Current().Pipelines()[0].Revision
	f.change(strings.NewReplacer("name: ann", "name: bob", "ann.example", "bob.example").Replace(publishing))
	if len(audience.last) != 1 || audience.last[0].ID != "bob" {
		t.Errorf("declared are %v, want bob", audience.last)
	}
	if got := f.keeper.Current().Pipelines()[0].Revision; got != first {
		t.Error("the pipeline has another revision because its audience has changed")
	}
}

func TestThePipelineOfRunsToSubscribersIsFoundByItsNameAtEachRevision(t *testing.T) {
	t.Parallel()
	f := open(t, publishing)
	f.boot()
	old := f.keeper.Current().Pipelines()[0].Revision
	live, ok := f.keeper.Pipeline("flow/Tell")
	if !ok || live.Name != "flow/Tell" || live.Revision != old {
		t.Fatalf("flow/Tell is %v: %t", live, ok)
	}
	for _, name := range []string{"flow/In", "flow/Tel", "flow/", "other/Tell"} {
		if _, ok := f.keeper.Pipeline(name); ok && name != "flow/" {
			t.Errorf("there is a pipeline %s", name)
		}
	}
	f.change(strings.Replace(publishing, "X-A: a", "X-A: b", 1))
	d, err := f.keeper.Diagram(t.Context(), "flow/Tell", old)
	if err != nil || d.Revision != old || d.Sender() == nil {
		t.Errorf("at its old revision it is %v: %v", d, err)
	}
	if _, err := f.keeper.Diagram(t.Context(), "flow/In", old); err == nil {
		t.Error("a receive publishes at the old revision")
	}
	f.change(strings.Replace(publishing, "name: flow", "name: flow\nenabled: false", 1))
	if _, err := f.keeper.Diagram(t.Context(), "flow/Tell", old); err == nil || !strings.Contains(err.Error(), "deleted or disabled") {
		t.Errorf("of a pipeline that is disabled the error is %v", err)
	}
}

func TestTheLimitsOfTheOnlyPublisherBindTheGatesOfSubscriptions(t *testing.T) {
	t.Parallel()
	f := open(t, publishing)
	f.boot()
	if d, ok := f.keeper.Destination("subscription/ann"); !ok || d.Concurrency() != 3 {
		t.Errorf("the gate of ann has the limits of %v: %t", d, ok)
	}
	f.change(publishing + strings.NewReplacer("name: flow", "name: other").Replace("---"+strings.SplitN(publishing, "---", 2)[0]))
	if d, ok := f.keeper.Destination("subscription/ann"); ok {
		t.Errorf("of two hooks one is taken: %v", d.Key)
	}
}

func TestManyOldRevisionsAreCompiledOnce(t *testing.T) {
	t.Parallel()
	const many = 130
	f := open(t, publishing)
	f.boot()
	var old []string
	for i := range many {
		f.change(strings.Replace(publishing, "X-A: a", fmt.Sprintf("X-A: a%d", i), 1))
		old = append(old, f.keeper.Current().Pipelines()[0].Revision)
	}
	f.change(publishing)
	for _, revision := range old {
		first, err := f.keeper.Diagram(t.Context(), "flow", revision)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := f.keeper.Diagram(t.Context(), "flow", revision); err != nil || again != first {
			t.Fatalf("revision %s is compiled twice: %v", revision, err)
		}
	}
	for round := range 2 {
		first, err := f.keeper.Diagram(t.Context(), "flow", old[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, revision := range old[1:] {
			if _, err := f.keeper.Diagram(t.Context(), "flow", revision); err != nil {
				t.Fatal(err)
			}
		}
		if again, _ := f.keeper.Diagram(t.Context(), "flow", old[0]); again != first {
			t.Fatalf("round %d: the first revision was forgotten among %d", round, many)
		}
	}
}

// change replaces the file and reloads.
func (f *folder) change(text string) {
	f.t.Helper()
	f.write(text)
	f.reload()
}
