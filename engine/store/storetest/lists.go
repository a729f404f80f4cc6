package storetest

import (
	"fmt"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func listChecks() []check {
	return []check{
		{"events are listed newest first in pages that never skip", eventPages},
		{"events are filtered", eventFilters},
		{"events are listed at once after they were appended", readYourWrites},
		{"runs are listed last made first in pages that never skip", runPages},
		{"runs are filtered", runFilters},
		{"a tail gives every event once, in order", tail},
		{"a cursor of another list is refused or harmless, one that is none is refused", badCursor},
	}
}

func eventPages(s *suite) {
	var ids []event.ID
	for i := range 95 {
		ids = append(ids, s.append(arrival(fmt.Sprint("e", i)))[0].ID)
	}
	var got []event.ID
	q := store.EventQuery{Limit: 10}
	for pages := 0; ; pages++ {
		page, err := s.store.Events(s.Context(), q)
		if err != nil || len(page.Events) > 10 || pages > 20 {
			s.Fatalf("page %d of %d events: %v", pages, len(page.Events), err)
		}
		for _, e := range page.Events {
			got = append(got, e.ID)
			if e.Body != nil {
				s.Errorf("event %s is listed with its body", e.ID)
			}
		}
		if q.Cursor = page.Next; page.Next == "" {
			break
		}
		s.append(arrival("meanwhile"), arrival("meanwhile")) // newer than the cursor
	}
	if len(got) != 95 {
		s.Fatalf("%d events were listed, want 95", len(got))
	}
	for i, id := range got {
		if id != ids[94-i] {
			s.Fatalf("event %d of the list is %s, want %s", i, id, ids[94-i])
		}
	}
	page, err := s.store.Events(s.Context(), store.EventQuery{})
	if err != nil || len(page.Events) != 50 || page.Next == "" {
		s.Errorf("without a limit: %d events, cursor %q, %v, want 50 and a cursor", len(page.Events), page.Next, err)
	}
}

func eventFilters(s *suite) {
	base := s.clock.now()
	add := func(provider, name string, state event.State) {
		a := arrival(name)
		a.Event.Provider, a.Event.State = provider, state
		a.Route = state == event.Accepted
		s.append(a)
		s.clock.advance(time.Second)
	}
	add("acme", "order", event.Accepted)  // 0 s
	add("acme", "refund", event.Accepted) // 1 s
	add("other", "order", event.Accepted) // 2 s
	add("acme", "order", event.Ignored)   // 3 s
	add("other", "odd", event.Quarantined)
	s.mustSettle(store.Settlement{Held: s.claimOne(run.RouteGate, run.LaneLive).Held(), Routed: true})
	for _, c := range []struct {
		what string
		q    store.EventQuery
		want string
	}{
		{"nothing", store.EventQuery{}, "other/odd acme/order other/order acme/refund acme/order"},
		{"provider", store.EventQuery{Provider: "acme"}, "acme/order acme/refund acme/order"},
		{"name", store.EventQuery{Name: "order"}, "acme/order other/order acme/order"},
		{"provider and name", store.EventQuery{Provider: "acme", Name: "order"}, "acme/order acme/order"},
		{"an unknown provider", store.EventQuery{Provider: "nobody"}, ""},
		{"an unknown name", store.EventQuery{Provider: "acme", Name: "nothing"}, ""},
		{"request", store.EventQuery{Request: "req-refund"}, "acme/refund"},
		{"request and provider", store.EventQuery{Request: "req-order", Provider: "other"}, "other/order"},
		{"the millisecond of arrival", store.EventQuery{Received: base.Add(time.Second + 999*time.Microsecond)}, "acme/refund"},
		{"another millisecond", store.EventQuery{Received: base.Add(time.Second + time.Millisecond)}, ""},
		{"an unknown request", store.EventQuery{Request: "nothing"}, ""},
		{"accepted", store.EventQuery{Status: "accepted"}, "other/order acme/refund"},
		{"routed", store.EventQuery{Status: "routed"}, "acme/order"},
		{"processed", store.EventQuery{Status: "processed"}, "other/order acme/refund acme/order"},
		{"ignored", store.EventQuery{Status: "ignored"}, "acme/order"},
		{"quarantined", store.EventQuery{Status: "quarantined"}, "other/odd"},
		{"an unknown status", store.EventQuery{Status: "nonsense"}, ""},
		{"since", store.EventQuery{Since: base.Add(2 * time.Second)}, "other/odd acme/order other/order"},
		{"until", store.EventQuery{Until: base.Add(2 * time.Second)}, "acme/refund acme/order"},
		{"both and a provider", store.EventQuery{Provider: "acme", Since: base.Add(time.Second), Until: base.Add(3 * time.Second)}, "acme/refund"},
		{"since later", store.EventQuery{Since: base.Add(time.Hour)}, ""},
		{"oldest first", store.EventQuery{Ascending: true}, "acme/order acme/refund other/order acme/order other/odd"},
		{"oldest first, of a provider and a time", store.EventQuery{
			Ascending: true, Provider: "acme", Since: base.Add(time.Second), Until: base.Add(4 * time.Second),
		}, "acme/refund acme/order"},
	} {
		// In one page, and one event at a time.
		for _, limit := range []int{100, 1} {
			got := ""
			for c.q.Limit, c.q.Cursor = limit, ""; ; {
				page, err := s.store.Events(s.Context(), c.q)
				if err != nil {
					s.Fatalf("by %s: %v", c.what, err)
				}
				for _, e := range page.Events {
					got += " " + e.Provider + "/" + e.Name
				}
				if c.q.Cursor = page.Next; page.Next == "" {
					break
				}
			}
			if want := c.want; got != want && got != " "+want {
				s.Errorf("by %s, %d at a time: got%s, want %s", c.what, limit, got, want)
			}
		}
	}
}

func readYourWrites(s *suite) {
	for i := range 50 {
		id := s.append(arrival(fmt.Sprint("e", i)))[0].ID
		page, err := s.store.Events(s.Context(), store.EventQuery{Limit: 1})
		if err != nil || len(page.Events) != 1 || page.Events[0].ID != id {
			s.Fatalf("the list begins with %+v, %v, want %s", page.Events, err, id)
		}
	}
}

func runPages(s *suite) {
	var ids []run.ID
	for i := range 25 {
		ids = append(ids, s.begun(fmt.Sprint("p", i%3)))
	}
	var got []run.ID
	q := store.RunQuery{Limit: 4}
	for {
		page, err := s.store.Runs(s.Context(), q)
		if err != nil {
			s.Fatalf("Runs: %v", err)
		}
		for _, r := range page.Runs {
			got = append(got, r.ID)
		}
		if q.Cursor = page.Next; page.Next == "" {
			break
		}
		s.begun("meanwhile")
	}
	if len(got) != 25 {
		s.Fatalf("%d runs were listed, want 25", len(got))
	}
	for i := range got {
		if got[i] != ids[24-i] {
			s.Fatalf("run %d of the list is %s, want %s", i, got[i], ids[24-i])
		}
	}
}

func runFilters(s *suite) {
	first := s.clock.now()
	open := s.begun("a", hook("Tell", "g"))
	parked := s.parked("a")
	s.clock.advance(time.Minute)
	middle := s.clock.now()
	s.append(arrival("x"))
	c := s.claimOne(run.RouteGate, run.LaneLive)
	filtered, completed := newRun(c.Event.ID, "b"), newRun(c.Event.ID, "a")
	filtered.Run.State, filtered.Run.Outcome = run.Done, run.Filtered
	completed.Run.State, completed.Run.Outcome = run.Done, run.Completed
	s.mustSettle(store.Settlement{Held: c.Held(), NewRuns: []store.NewRun{filtered, completed}})
	names := map[run.ID]string{open: "open", parked: "parked", filtered.Run.ID: "filtered", completed.Run.ID: "completed"}
	s.clock.advance(time.Minute)
	last := s.clock.now()
	s.append(arrival("y"))
	c = s.claimOne(run.RouteGate, run.LaneLive)
	var late []store.NewRun
	for _, r := range []run.Run{
		{Cause: run.Cause{Kind: run.Replay, Ref: "job-1"}, Reason: "too_old", Destination: "mail"},
		{Cause: run.Cause{Kind: run.Replay, Ref: "job-2"}, Reason: "too_old", Destination: "chat"},
		{Cause: run.Cause{Kind: run.Call, Ref: "job-1"}, Reason: "no_pipeline"},
	} {
		n := newRun(c.Event.ID, "late")
		n.Run.ID, n.Run.State, n.Run.Cause = run.NewID(c.Event.ID, "late", r.Cause), run.Parked, r.Cause
		n.Run.Reason, n.Run.Destination = r.Reason, r.Destination
		names[n.Run.ID] = string(r.Cause.Kind) + " " + r.Cause.Ref
		late = append(late, n)
	}
	s.mustSettle(store.Settlement{Held: c.Held(), NewRuns: late})
	for _, c := range []struct {
		what string
		q    store.RunQuery
		want []string
	}{
		{"nothing", store.RunQuery{}, []string{"call job-1", "replay job-2", "replay job-1", "completed", "filtered", "parked", "open"}},
		{"first made first", store.RunQuery{Ascending: true, Until: last}, []string{"open", "parked", "filtered", "completed"}},
		{"parked, first made first", store.RunQuery{Ascending: true, State: run.Parked}, []string{"parked", "replay job-1", "replay job-2", "call job-1"}},
		{"reason", store.RunQuery{Reason: "too_old"}, []string{"replay job-2", "replay job-1"}},
		{"parked and reason", store.RunQuery{State: run.Parked, Reason: "retries_spent"}, []string{"parked"}},
		{"parked and destination", store.RunQuery{State: run.Parked, Destination: "mail"}, []string{"replay job-1"}},
		{"all of these", store.RunQuery{State: run.Parked, Reason: "too_old", Destination: "chat", Pipeline: "late"}, []string{"replay job-2"}},
		{"one that does not fit", store.RunQuery{State: run.Parked, Reason: "too_old", Destination: "chat", Pipeline: "a"}, nil},
		{"an unknown destination", store.RunQuery{Destination: "nowhere"}, nil},
		{"cause", store.RunQuery{Cause: run.Replay}, []string{"replay job-2", "replay job-1"}},
		{"cause and ref", store.RunQuery{Cause: run.Replay, Ref: "job-1"}, []string{"replay job-1"}},
		{"ref", store.RunQuery{Ref: "job-1"}, []string{"call job-1", "replay job-1"}},
		{"live", store.RunQuery{Cause: run.Live}, []string{"completed", "filtered", "parked", "open"}},
		{"until", store.RunQuery{Until: middle}, []string{"parked", "open"}},
		{"since and until", store.RunQuery{Since: middle, Until: last}, []string{"completed", "filtered"}},
		{"until before all", store.RunQuery{Until: first}, nil},
		{"event", store.RunQuery{Event: filtered.Run.ID.Event}, []string{"completed", "filtered"}},
		{"pipeline", store.RunQuery{Pipeline: "a"}, []string{"completed", "parked", "open"}},
		{"event and pipeline", store.RunQuery{Event: filtered.Run.ID.Event, Pipeline: "b"}, []string{"filtered"}},
		{"an unknown pipeline", store.RunQuery{Pipeline: "zzz"}, nil},
		{"open", store.RunQuery{State: run.Open}, []string{"open"}},
		{"parked", store.RunQuery{State: run.Parked}, []string{"call job-1", "replay job-2", "replay job-1", "parked"}},
		{"done", store.RunQuery{State: run.Done}, []string{"completed", "filtered"}},
		{"dropped", store.RunQuery{State: run.Dropped}, nil},
		{"filtered", store.RunQuery{Outcome: run.Filtered}, []string{"filtered"}},
		{"since", store.RunQuery{Since: middle}, []string{"call job-1", "replay job-2", "replay job-1", "completed", "filtered"}},
		{"since and pipeline", store.RunQuery{Since: middle, Pipeline: "a"}, []string{"completed"}},
		{"an unknown state", store.RunQuery{State: "nonsense"}, nil},
	} {
		for _, limit := range []int{100, 1} {
			var got []string
			for c.q.Limit, c.q.Cursor = limit, ""; ; {
				page, err := s.store.Runs(s.Context(), c.q)
				if err != nil {
					s.Fatalf("by %s: %v", c.what, err)
				}
				for _, r := range page.Runs {
					got = append(got, names[r.ID])
				}
				if c.q.Cursor = page.Next; page.Next == "" {
					break
				}
			}
			same(s, fmt.Sprintf("by %s, %d at a time", c.what, limit), got, c.want)
		}
	}
}

func tail(s *suite) {
	s.append(arrival("before"))
	page, err := s.store.Tail(s.Context(), "", 10)
	if err != nil || len(page.Events) != 0 || page.Next == "" {
		s.Fatalf("a tail begins with %+v, %v, want no events and a cursor", page, err)
	}
	var want, got []event.ID
	for i := range 6 {
		for range i {
			want = append(want, s.append(arrival("x"))[0].ID)
		}
		for {
			if page, err = s.store.Tail(s.Context(), page.Next, 2); err != nil {
				s.Fatalf("Tail: %v", err)
			}
			for _, e := range page.Events {
				got = append(got, e.ID)
			}
			if len(page.Events) == 0 {
				break
			}
		}
	}
	same(s, "tail", got, want)
}

func badCursor(s *suite) {
	s.append(arrival("a"))
	for _, cursor := range []string{"x", "AAAA", "!", "////////////", "_wAAAAAAAAE"} {
		_, err := s.store.Events(s.Context(), store.EventQuery{Cursor: cursor})
		wants(s, "Events", err, store.ErrBadCursor)
		_, err = s.store.Runs(s.Context(), store.RunQuery{Cursor: cursor})
		wants(s, "Runs", err, store.ErrBadCursor)
		_, err = s.store.Tail(s.Context(), cursor, 5)
		wants(s, "Tail", err, store.ErrBadCursor)
	}
}
