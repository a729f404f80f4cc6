package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func auditChecks() []check {
	return []check{
		{"an audit entry is read as it was put, and outlives a restart", auditKept},
		{"each audit entry holds the digest of the one before", auditChain},
		{"what people do to runs and gates is noted with it, once", auditPeople},
		{"what has no author leaves no audit entry", auditNobody},
		{"what is refused leaves no audit entry", auditRefused},
		{"audit entries are listed newest first in pages that never skip", auditPages},
		{"audit entries are filtered", auditFilters},
		{"what an audit entry holds is bounded", auditBounded},
		{"audit entries of many at once are one chain", auditAtOnce},
	}
}

func someone() store.By { return store.By{Who: "ada@desk", From: "203.0.113.7", Request: "req-1"} }

// audit gives all entries, the first one first, and checks their chain.
func (s *suite) audit() []store.AuditEntry {
	s.Helper()
	var all []store.AuditEntry
	q := store.AuditQuery{Limit: 1000}
	for {
		page, err := s.store.Audit(s.Context(), q)
		if err != nil {
			s.Fatalf("Audit: %v", err)
		}
		all = append(all, page.Entries...)
		if q.Cursor = page.Next; page.Next == "" {
			break
		}
	}
	slices.Reverse(all)
	prev := ""
	for _, e := range all {
		if want := store.AuditDigest(prev, e); e.Digest != want {
			s.Errorf("entry %s has the digest %s, want %s", e.ID, e.Digest, want)
		}
		prev = e.Digest
	}
	return all
}

func (s *suite) putAudit(e store.AuditEntry) {
	s.Helper()
	wants(s, "PutAudit", s.store.PutAudit(s.Context(), e), nil)
}

func auditKept(s *suite) {
	e := store.AuditEntry{By: someone(), Action: "config.reload", Subject: "manifests", Detail: json.RawMessage(`{"a":[1,"<é>"]}`)}
	s.putAudit(e)
	s.clock.advance(time.Second)
	s.putAudit(store.AuditEntry{By: store.By{Who: "retention"}, Action: "prune", ID: 5, Digest: "made up", At: time.Unix(0, 0)})
	got := s.audit()
	if len(got) != 2 {
		s.Fatalf("%d entries, want 2", len(got))
	}
	e.ID, e.At, e.Digest = got[0].ID, s.clock.now().Add(-time.Second), got[0].Digest
	e.Detail = json.RawMessage(`{"a":[1,"\u003cé\u003e"]}`)
	same(s, "the first entry", got[0], e)
	if !got[1].At.Equal(s.clock.now()) || got[1].ID <= got[0].ID {
		s.Errorf("the second entry is %+v, want the store's time and a later id", got[1])
	}
	s.restart()
	same(s, "after a restart", s.audit(), got)
	s.putAudit(store.AuditEntry{Action: "another"})
	same(s, "with another", len(s.audit()), 3)
}

func auditChain(s *suite) {
	for i := range 10 {
		s.putAudit(store.AuditEntry{By: someone(), Action: "a", Subject: fmt.Sprint(i)})
		if i == 5 {
			s.restart()
		}
	}
	seen := map[string]bool{}
	for _, e := range s.audit() {
		if seen[e.Digest] || len(e.Digest) != 64 {
			s.Errorf("the digest %q is no new SHA-256", e.Digest)
		}
		seen[e.Digest] = true
	}
	// Whatever is changed of an entry, its digest is another.
	e := s.audit()[3]
	for what, change := range map[string]func(e *store.AuditEntry){
		"id": func(e *store.AuditEntry) { e.ID++ }, "time": func(e *store.AuditEntry) { e.At = e.At.Add(1) },
		"who": func(e *store.AuditEntry) { e.Who = "x" }, "from": func(e *store.AuditEntry) { e.From = "x" },
		"request": func(e *store.AuditEntry) { e.Request = "x" }, "action": func(e *store.AuditEntry) { e.Action = "x" },
		"subject": func(e *store.AuditEntry) { e.Subject = "x" }, "detail": func(e *store.AuditEntry) { e.Detail = json.RawMessage("1") },
		"a field's end": func(e *store.AuditEntry) { e.Action, e.Subject = e.Action+e.Subject, "" },
	} {
		changed := e
		if change(&changed); store.AuditDigest(s.audit()[2].Digest, changed) == e.Digest {
			s.Errorf("another %s has the same digest", what)
		}
	}
}

func auditPeople(s *suite) {
	id, other := s.parked("p"), s.parked("q")
	for range 2 {
		wants(s, "Retry", s.store.Retry(s.Context(), store.RetryAsk{Request: "r", Run: id, By: someone()}), nil)
		wants(s, "Drop", s.store.Drop(s.Context(), store.DropAsk{Request: "d", Run: other, By: someone()}), nil)
	}
	for _, g := range []store.Gate{
		{Name: "g", State: store.GatePaused, Reason: "maintenance", For: time.Hour},
		{Name: "g", State: store.GateOpen},
		{Name: "g", State: store.GateDisabled},
		{Name: "g", State: store.GateOpen},
		{Name: "@p", State: store.GatePaused},
		{Name: "@p", State: store.GateOpen},
	} {
		s.setGate(g, someone())
	}
	var got []string
	for _, e := range s.audit() {
		got = append(got, e.Action+" "+strings.NewReplacer(id.String(), "the first", other.String(), "the second").Replace(e.Subject))
		if e.By != someone() {
			s.Errorf("%s is by %+v, want %+v", e.Action, e.By, someone())
		}
	}
	same(s, "actions", got, []string{
		"run.retry the first", "run.drop the second", "destination.pause g", "destination.resume g", "destination.disable g",
		"destination.enable g", "pipeline.pause @p", "pipeline.resume @p",
	})
	for i, want := range map[int]string{0: `"retries_spent"`, 2: `"maintenance"`} {
		if detail := string(s.audit()[i].Detail); !strings.Contains(detail, want) {
			s.Errorf("entry %d says %s, want %s in it", i, detail, want)
		}
	}
}

func auditNobody(s *suite) {
	id := s.parked("p")
	wants(s, "Retry", s.store.Retry(s.Context(), store.RetryAsk{Request: "r", Run: id}), nil)
	s.setGate(store.Gate{Name: "g", State: store.GatePaused}, store.By{})
	wants(s, "PutJob", s.store.PutJob(s.Context(), store.Job{ID: "j"}, store.By{}), nil)
	wants(s, "PutSubscription", s.store.PutSubscription(s.Context(), store.Subscription{ID: "s"}, "subscription.create", store.By{}), nil)
	wants(s, "DropSubscription", s.store.DropSubscription(s.Context(), "s", store.By{}), nil)
	same(s, "entries", len(s.audit()), 0)
}

func auditRefused(s *suite) {
	id := s.begun("p", hook("Tell", "chat"))
	wants(s, "Retry", s.store.Retry(s.Context(), store.RetryAsk{Request: "r", Run: id, By: someone()}), store.ErrWrongState)
	wants(s, "Drop", s.store.Drop(s.Context(), store.DropAsk{Request: "r", Run: id, By: someone()}), store.ErrWrongState)
	wants(s, "SetGate", s.store.SetGate(s.Context(), store.Gate{Name: "g", Version: 7}, someone()), store.ErrMoved)
	wants(s, "PutJob", s.store.PutJob(s.Context(), store.Job{ID: "j", Version: 7}, someone()), store.ErrNotFound)
	wants(s, "PutSubscription", s.store.PutSubscription(s.Context(), store.Subscription{ID: "s", Version: 7}, "a", someone()), store.ErrNotFound)
	wants(s, "DropSubscription", s.store.DropSubscription(s.Context(), "s", someone()), store.ErrNotFound)
	same(s, "entries", len(s.audit()), 0)
}

func auditPages(s *suite) {
	for i := range 95 {
		s.putAudit(store.AuditEntry{Action: "a", Subject: fmt.Sprint(i)})
	}
	q, n := store.AuditQuery{Limit: 10}, 0
	for {
		page, err := s.store.Audit(s.Context(), q)
		if err != nil {
			s.Fatalf("Audit: %v", err)
		}
		for _, e := range page.Entries {
			if want := fmt.Sprint(94 - n); e.Subject != want {
				s.Fatalf("entry %d of the list is %s, want %s", n, e.Subject, want)
			}
			n++
		}
		if q.Cursor = page.Next; page.Next == "" {
			break
		}
		s.putAudit(store.AuditEntry{Action: "meanwhile"}) // newer than the cursor
	}
	same(s, "entries listed", n, 95)
	_, err := s.store.Audit(s.Context(), store.AuditQuery{Cursor: "nonsense"})
	wants(s, "a cursor that is none", err, store.ErrBadCursor)
}

func auditFilters(s *suite) {
	base := s.clock.now()
	for _, e := range []store.AuditEntry{
		{Action: "run.retry", Subject: "1"}, {Action: "run.drop", Subject: "2"}, {Action: "runner.x", Subject: "1"}, {Action: "run", Subject: "4"},
	} {
		s.putAudit(e)
		s.clock.advance(time.Second)
	}
	for _, c := range []struct {
		what string
		q    store.AuditQuery
		want string
	}{
		{"nothing", store.AuditQuery{}, "run runner.x run.drop run.retry"},
		{"action", store.AuditQuery{Action: "run.drop"}, "run.drop"},
		{"the first word of actions", store.AuditQuery{Action: "run"}, "run run.drop run.retry"},
		{"what looks like a pattern", store.AuditQuery{Action: "ru%"}, ""},
		{"subject", store.AuditQuery{Subject: "1"}, "runner.x run.retry"},
		{"both", store.AuditQuery{Subject: "1", Action: "run"}, "run.retry"},
		{"since", store.AuditQuery{Since: base.Add(2 * time.Second)}, "run runner.x"},
		{"until", store.AuditQuery{Until: base.Add(2 * time.Second)}, "run.drop run.retry"},
	} {
		for _, limit := range []int{100, 1} {
			var got []string
			for c.q.Limit, c.q.Cursor = limit, ""; ; {
				page, err := s.store.Audit(s.Context(), c.q)
				if err != nil {
					s.Fatalf("by %s: %v", c.what, err)
				}
				for _, e := range page.Entries {
					got = append(got, e.Action)
				}
				if c.q.Cursor = page.Next; page.Next == "" {
					break
				}
			}
			same(s, fmt.Sprintf("by %s, %d at a time", c.what, limit), strings.Join(got, " "), c.want)
		}
	}
}

func auditBounded(s *suite) {
	long := strings.Repeat("ü", 10_000)
	s.putAudit(store.AuditEntry{
		By: store.By{Who: long, From: "bad \xff byte", Request: long}, Action: long, Subject: long,
		Detail: json.RawMessage(`"` + strings.Repeat("x", store.MaxAuditDetailBytes) + `"`),
	})
	s.putAudit(store.AuditEntry{Action: "a", Detail: json.RawMessage("no \xff JSON")})
	s.restart()
	got := s.audit() // with digests that are right
	if e := got[0]; len(e.Who)+len(e.Request)+len(e.Action)+len(e.Subject)+len(e.Detail) > 4<<10 || e.Who == "" || e.From != "bad  byte" {
		s.Errorf("an entry of many bytes is kept as %+v", e)
	}
	for _, e := range got {
		if !json.Valid(e.Detail) {
			s.Errorf("the detail %s is no JSON", e.Detail)
		}
	}
}

func auditAtOnce(s *suite) {
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			wants(s, "PutAudit", s.store.PutAudit(s.Context(), store.AuditEntry{Action: "a", Subject: fmt.Sprint(i)}), nil)
			wants(s, "PutJob", s.store.PutJob(s.Context(), store.Job{ID: fmt.Sprint(i), Kind: store.JobReplay, Lane: run.LaneReplay}, someone()), nil)
		})
	}
	wg.Wait()
	same(s, "entries", len(s.audit()), 40)
}
