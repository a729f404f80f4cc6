package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/store"
)

func rejectionChecks() []check {
	return []check{
		{"rejections are read as they were put, and outlive a restart", rejectionsKept},
		{"rejections are listed newest first in pages that never skip", rejectionPages},
		{"rejections are filtered", rejectionFilters},
		{"of all rejections the newest are kept, however many come", rejectionsBounded},
		{"what a stranger sent is cut before it is stored", rejectionTexts},
		{"rejections are pruned by their age", rejectionsPruned},
		{"a cursor that is none is refused for rejections too", rejectionCursor},
		{"rejections are counted in the ledger, and touch no queue", rejectionsCounted},
	}
}

func rejection(provider, code, request string) store.Rejection {
	return store.Rejection{
		Request: request, Provider: provider, Status: 401, Code: code, Reason: "the signature is base64, hex was expected",
		Rule: "signature[0] hmac-sha256", Headers: []string{"content-type", "x-acme-signature"}, Address: "203.0.113.7", Method: "POST",
		Path: "/webhooks/acme", ContentType: "application/json", UserAgent: "Acme-Hooks/1", BodySize: 1234,
		At: time.Date(2026, 3, 1, 11, 59, 59, 5, time.UTC), Count: 3,
	}
}

func (s *suite) putRejections(all ...store.Rejection) {
	s.Helper()
	if err := s.store.PutRejections(s.Context(), all); err != nil {
		s.Fatalf("PutRejections: %v", err)
	}
}

func (s *suite) rejections(q store.RejectionQuery) store.RejectionPage {
	s.Helper()
	page, err := s.store.Rejections(s.Context(), q)
	if err != nil {
		s.Fatalf("Rejections(%+v): %v", q, err)
	}
	return page
}

func rejectionsKept(s *suite) {
	first, second := rejection("acme", "invalid_signature", "r1"), store.Rejection{Request: "r2", Code: "provider_not_found"}
	s.putRejections(first, second)
	got := s.rejections(store.RejectionQuery{}).Rejections
	if len(got) != 2 || got[0].ID <= got[1].ID || got[1].ID <= 0 {
		s.Fatalf("got %+v, want two with ids that grow", got)
	}
	first.ID, second.ID = got[1].ID, got[0].ID
	second.At, second.Count = s.clock.now(), 1
	same(s, "the first one", got[1], first)
	same(s, "the second one, of which the store knew the time", got[0], second)
	s.restart()
	same(s, "both after a restart", s.rejections(store.RejectionQuery{}).Rejections, got)
	s.putRejections(first)
	if last := s.rejections(store.RejectionQuery{}).Rejections[0]; last.ID <= got[0].ID {
		s.Errorf("the next one's id is %s, want one above %s", last.ID, got[0].ID)
	}
	s.putRejections()
}

func rejectionPages(s *suite) {
	for i := range 95 {
		s.putRejections(rejection("acme", "invalid_signature", fmt.Sprint("r", i)))
	}
	q, n := store.RejectionQuery{Limit: 10}, 0
	for {
		page := s.rejections(q)
		for _, r := range page.Rejections {
			if want := fmt.Sprint("r", 94-n); r.Request != want {
				s.Fatalf("rejection %d of the list is %s, want %s", n, r.Request, want)
			}
			n++
		}
		if q.Cursor = page.Next; page.Next == "" {
			break
		}
		s.putRejections(rejection("acme", "invalid_signature", "meanwhile")) // newer than the cursor
	}
	if n != 95 {
		s.Errorf("%d rejections were listed, want 95", n)
	}
	if page := s.rejections(store.RejectionQuery{}); len(page.Rejections) != 50 || page.Next == "" {
		s.Errorf("without a limit: %d rejections, cursor %q, want 50 and a cursor", len(page.Rejections), page.Next)
	}
}

func rejectionFilters(s *suite) {
	base := s.clock.now()
	for i, r := range []store.Rejection{
		rejection("acme", "invalid_signature", "r0"), rejection("acme", "stale_timestamp", "r1"),
		rejection("other", "invalid_signature", "r2"), rejection("", "not_found", "r3"),
	} {
		s.clock.advance(time.Duration(min(i, 1)) * time.Second)
		s.putRejections(r)
	}
	for _, c := range []struct {
		what string
		q    store.RejectionQuery
		want string
	}{
		{"nothing", store.RejectionQuery{}, "r3 r2 r1 r0"},
		{"provider", store.RejectionQuery{Provider: "acme"}, "r1 r0"},
		{"code", store.RejectionQuery{Code: "invalid_signature"}, "r2 r0"},
		{"request", store.RejectionQuery{Request: "r1"}, "r1"},
		{"provider and code", store.RejectionQuery{Provider: "acme", Code: "invalid_signature"}, "r0"},
		{"an unknown provider", store.RejectionQuery{Provider: "nobody"}, ""},
		{"since", store.RejectionQuery{Since: base.Add(2 * time.Second)}, "r3 r2"},
		{"since later", store.RejectionQuery{Since: base.Add(time.Hour)}, ""},
	} {
		for _, limit := range []int{100, 1} {
			var got []string
			for c.q.Limit, c.q.Cursor = limit, ""; ; {
				page := s.rejections(c.q)
				for _, r := range page.Rejections {
					got = append(got, r.Request)
				}
				if c.q.Cursor = page.Next; page.Next == "" {
					break
				}
			}
			same(s, fmt.Sprintf("by %s, %d at a time", c.what, limit), strings.Join(got, " "), c.want)
		}
	}
}

func rejectionsBounded(s *suite) {
	total := store.MaxRejections + 700
	for from := 0; from < total; from += 500 {
		batch := make([]store.Rejection, min(500, total-from))
		for i := range batch {
			batch[i] = store.Rejection{Provider: "acme", Code: "invalid_signature", Request: fmt.Sprint("r", from+i)}
		}
		s.putRejections(batch...)
		if from == 5000 {
			s.restart() // what it has counted must outlive it
		}
	}
	q, n := store.RejectionQuery{Limit: 1000}, 0
	for {
		page := s.rejections(q)
		for _, r := range page.Rejections {
			if want := fmt.Sprint("r", total-1-n); r.Request != want {
				s.Fatalf("rejection %d of the list is %s, want %s", n, r.Request, want)
			}
			n++
		}
		if q.Cursor = page.Next; page.Next == "" {
			break
		}
	}
	if n != store.MaxRejections {
		s.Errorf("%d rejections are kept, want %d", n, store.MaxRejections)
	}
}

func rejectionTexts(s *suite) {
	r := rejection("acme", "invalid_signature", "r1")
	long := strings.Repeat("ü", 100_000)
	r.Path, r.UserAgent, r.ContentType, r.Reason, r.Request = long, "bad \xff byte", long, long, long
	r.Headers = make([]string, 1000)
	for i := range r.Headers {
		r.Headers[i] = long
	}
	s.putRejections(r)
	got := s.rejections(store.RejectionQuery{}).Rejections[0]
	size := len(got.Path) + len(got.UserAgent) + len(got.ContentType) + len(got.Reason) + len(got.Request) + len(strings.Join(got.Headers, ""))
	if size > 16<<10 || got.Path == "" || !strings.HasPrefix(long, got.Path) {
		s.Errorf("%d bytes were stored of a request of megabytes, path %.20q", size, got.Path)
	}
	if got.UserAgent != "bad  byte" {
		s.Errorf("the user agent is %q, want the bytes that are text", got.UserAgent)
	}
}

func rejectionsPruned(s *suite) {
	s.putRejections(rejection("acme", "invalid_signature", "old"), rejection("acme", "invalid_signature", "old too"))
	s.clock.advance(time.Hour)
	s.putRejections(rejection("acme", "invalid_signature", "new"))
	done, err := s.store.Prune(s.Context(), store.Policy{Events: 30 * time.Minute}, 10)
	if err != nil || done.Rejections != 2 {
		s.Errorf("Prune gave %+v, %v, want two rejections", done, err)
	}
	if got := s.rejections(store.RejectionQuery{}).Rejections; len(got) != 1 || got[0].Request != "new" {
		s.Errorf("kept are %+v, want the new one", got)
	}
	if done, err = s.store.Prune(s.Context(), store.Policy{}, 10); err != nil || done.Rejections != 0 {
		s.Errorf("Prune without an age gave %+v, %v, want nothing", done, err)
	}
}

func rejectionCursor(s *suite) {
	_, err := s.store.Rejections(s.Context(), store.RejectionQuery{Cursor: "nonsense"})
	wants(s, "a cursor that is none", err, store.ErrBadCursor)
}

func rejectionsCounted(s *suite) {
	s.append(arrival("a"))
	due := s.due()
	s.putRejections(rejection("acme", "invalid_signature", "r1"), store.Rejection{Code: "not_found"}) // 3 requests and 1
	s.putRejections()
	want := store.RequestTerms{Recorded: 5, Processed: 1, Rejected: 4}
	same(s, "the ledger", s.ledger().Requests, want)
	same(s, "what is due", s.due(), due)
	s.clock.advance(time.Hour)
	s.restart()
	if _, err := s.store.Prune(s.Context(), store.Policy{Rejections: time.Minute}, 10); err != nil {
		s.Errorf("Prune: %v", err)
	}
	same(s, "the ledger when they are pruned", s.ledger().Requests, want)
}
