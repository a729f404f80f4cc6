package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func lifeChecks() []check {
	return []check{
		{"a stopped store refuses everything and stops twice", stopped},
		{"a context that has ended is an error", endedContext},
		{"empty batches are harmless", emptyBatches},
		{"Info says what kind of store it is", info},
	}
}

func stopped(s *suite) {
	id := s.begun("p", hook("Tell", "chat"))
	c := s.claimOne("chat", run.LaneLive)
	for range 2 {
		wants(s, "Stop", s.store.Stop(s.Context()), nil)
	}
	ctx := s.Context()
	errs := map[string]error{}
	_, errs["Append"] = s.store.Append(ctx, []store.Arrival{arrival("x")})
	_, errs["Settle"] = s.store.Settle(ctx, []store.Settlement{{Held: c.Held()}})
	_, errs["Claim"] = s.store.Claim(ctx, store.Claim{Gate: "chat", Lane: run.LaneLive, Max: 1, Lease: time.Minute})
	_, errs["Extend"] = s.store.Extend(ctx, []store.Held{c.Held()}, time.Minute)
	errs["Release"] = s.store.Release(ctx, []store.Held{c.Held()})
	errs["Retry"] = s.store.Retry(ctx, store.RetryAsk{Request: "r", Run: id})
	errs["Drop"] = s.store.Drop(ctx, store.DropAsk{Request: "r", Run: id})
	_, errs["Replay"] = s.store.Replay(ctx, store.ReplayAsk{Request: "r", Events: []event.ID{id.Event}})
	errs["SetGate"] = s.store.SetGate(ctx, store.Gate{Name: "g"}, store.By{})
	errs["PutRevision"] = s.store.PutRevision(ctx, store.Revision{Digest: "d"})
	_, errs["Prune"] = s.store.Prune(ctx, store.Policy{Events: time.Hour}, 1)
	_, errs["Due"] = s.store.Due(ctx)
	_, errs["Event"] = s.store.Event(ctx, id.Event)
	_, errs["Events"] = s.store.Events(ctx, store.EventQuery{})
	_, errs["Run"] = s.store.Run(ctx, id)
	_, errs["Ledger"] = s.store.Ledger(ctx)
	for what, err := range errs {
		wants(s, what, err, store.ErrUnavailable)
	}
}

func endedContext(s *suite) {
	why := errors.New("the sender has gone")
	ctx, cancel := context.WithCancelCause(s.Context())
	cancel(why)
	_, err := s.store.Append(ctx, []store.Arrival{arrival("x")})
	wants(s, "Append", err, store.ErrUnavailable)
	_, err = s.store.Claim(ctx, store.Claim{Gate: "g", Lane: run.LaneLive, Max: 1, Lease: time.Minute})
	wants(s, "Claim", err, store.ErrUnavailable)
	_, err = s.store.Events(ctx, store.EventQuery{})
	if err == nil {
		s.Error("Events gave no error")
	}
}

func emptyBatches(s *suite) {
	s.append()
	s.settleAll()
	errs, err := s.store.Extend(s.Context(), nil, time.Minute)
	if len(errs) != 0 || err != nil {
		s.Errorf("Extend of nothing gave %v, %v", errs, err)
	}
	wants(s, "Release", s.store.Release(s.Context(), nil), nil)
	if n, err := s.store.Replay(s.Context(), store.ReplayAsk{Request: "r", Events: nil}); n != 0 || err != nil {
		s.Errorf("Replay of nothing gave %d, %v", n, err)
	}
}

func info(s *suite) {
	if got := s.store.Info().Kind; got == "" {
		s.Error("the kind is empty")
	}
}
