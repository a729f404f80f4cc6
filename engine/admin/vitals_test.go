package admin_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

type queue struct {
	due store.Due
	err error
}

func (q queue) Due(context.Context) (store.Due, error) { return q.due, q.err }

func TestAWorkerThatDoesNotComeByIsNotAlive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		if err := admin.Alive(time.Time{}); err != nil {
			t.Errorf("before the first look: got %v", err)
		}
		last := time.Now()
		<-time.After(time.Minute)
		if err := admin.Alive(last); err != nil {
			t.Errorf("after a minute: got %v", err)
		}
		<-time.After(time.Second)
		if err := admin.Alive(last); err == nil || !strings.Contains(err.Error(), "1m1s") {
			t.Errorf("after more than a minute: got %v, want why", err)
		}
	})
}

func TestLateWorkIsToldAndAFrozenWorkerIsNotReady(t *testing.T) {
	t.Parallel()
	late := store.Due{Work: []store.Work{{Gate: "shop", Lane: run.LaneLive}}, Oldest: 5 * time.Minute}
	replays := store.Due{Work: []store.Work{{Gate: "shop", Lane: run.LaneReplay}, {Gate: "ops", Lane: run.LaneLive, Disabled: true}}, Oldest: time.Hour}
	for _, row := range []struct {
		name   string
		queue  queue
		frozen error
		ok     bool
		detail string
	}{
		{"nothing due", queue{}, nil, true, ""},
		{"live work that is late", queue{due: late}, nil, true, "5m0s"},
		{"replays that wait", queue{due: replays}, nil, true, ""},
		{"a store that cannot tell", queue{err: errors.New("x")}, nil, true, ""},
		{"a frozen worker", queue{due: late}, errors.New("it has not looked"), false, "it has not looked"},
	} {
		got := admin.Working(t.Context(), row.queue, row.frozen)
		if got.OK != row.ok || (row.detail == "") != (got.Detail == "") || !strings.Contains(got.Detail, row.detail) {
			t.Errorf("%s: got %+v, want %v with %q", row.name, got, row.ok, row.detail)
		}
	}
}
