package run_test

import (
	"errors"
	"testing"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
)

func TestTheSameRunHasTheSameID(t *testing.T) {
	t.Parallel()
	live := run.Cause{Kind: run.Live}
	a := run.NewID(7, "big-pull-requests", live)
	if b := run.NewID(7, "big-pull-requests", live); a != b {
		t.Errorf("the same event, pipeline and cause give %v and %v", a, b)
	}
	for name, other := range map[string]run.ID{
		"another event":    run.NewID(8, "big-pull-requests", live),
		"another pipeline": run.NewID(7, "big-pull-request", live),
		"a replay":         run.NewID(7, "big-pull-requests", run.Cause{Kind: run.Replay, Ref: "r1"}),
	} {
		if other == a {
			t.Errorf("%s has the same id %v", name, a)
		}
	}
}

func TestWhatARunIDPrintsCanBeParsed(t *testing.T) {
	t.Parallel()
	id := run.NewID(event.ID(1<<60+5), "p", run.Cause{Kind: run.Live})
	got, err := run.ParseID(id.String())
	if err != nil || got != id {
		t.Errorf("ParseID(%q) = %v, %v", id, got, err)
	}
	for _, bad := range []string{"", "-", "0000000000011", "0000000000011-", "0000000000011-zzzzzzzzz", "0000000000000-0000000001", "x-0000000001"} {
		if id, err := run.ParseID(bad); !errors.Is(err, run.ErrBadID) {
			t.Errorf("ParseID(%q) = %v, %v, want ErrBadID", bad, id, err)
		}
	}
}

func TestIdempotencyKeyIsStableAndDiffersBetweenHooks(t *testing.T) {
	t.Parallel()
	key := run.IdempotencyKey(33, "deploys", "Tell Slack")
	if again := run.IdempotencyKey(33, "deploys", "Tell Slack"); again != key {
		t.Errorf("two calls give %q and %q", key, again)
	}
	for _, other := range []string{
		run.IdempotencyKey(34, "deploys", "Tell Slack"), run.IdempotencyKey(33, "deploys", "Tell Discord"), run.IdempotencyKey(33, "deploy", "sTell Slack"),
	} {
		if other == key {
			t.Errorf("another hook has the same key %q", key)
		}
	}
}
