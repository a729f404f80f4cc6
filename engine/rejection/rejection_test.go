package rejection_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/engine/rejection"
	"github.com/headgate/headgate/engine/service"
	"github.com/headgate/headgate/engine/service/servicetest"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/memory"
)

// shelf keeps what it is given; while it is held, its callers wait.
type shelf struct {
	mu   sync.Mutex
	all  []store.Rejection
	puts int
	fail error
	held chan struct{} // nil: nobody waits
}

func (s *shelf) PutRejections(ctx context.Context, all []store.Rejection) error {
	if s.held != nil {
		select {
		case <-s.held:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.puts++
	if s.fail != nil {
		return s.fail
	}
	s.all = append(s.all, all...)
	return nil
}

// text gives what is kept as "request×count".
func (s *shelf) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.all {
		out = append(out, fmt.Sprintf("%s×%d", r.Request, r.Count))
	}
	return strings.Join(out, " ")
}

func (s *shelf) records() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

func (s *shelf) total() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.all {
		n += r.Count
	}
	return n
}

func started(t *testing.T, s rejection.Store, log *strings.Builder) *rejection.Recorder {
	t.Helper()
	r, err := rejection.New(rejection.Options{Store: s, Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func stop(t *testing.T, r *rejection.Recorder) {
	t.Helper()
	if err := r.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Errorf("stopping: %v", err)
	}
}

func refused(provider, request string) store.Rejection {
	return store.Rejection{Provider: provider, Code: "invalid_signature", Request: request}
}

func TestARefusalIsRecordedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		r := started(t, s, &strings.Builder{})
		defer stop(t, r)
		r.Reject(refused("acme", "r1"))
		synctest.Wait()
		if got := s.text(); got != "r1×1" {
			t.Errorf("recorded is %q, want r1×1", got)
		}
	})
}

func TestAFloodOfOneKindWritesLittleAndIsCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		r := started(t, s, &strings.Builder{})
		for i := range 1000 {
			r.Reject(refused("acme", fmt.Sprint("r", i)))
		}
		r.Reject(refused("other", "mine"))
		synctest.Wait()
		if n := s.records(); n != 21 {
			t.Errorf("%d records were written, want 20 of the flood and 1 of the other kind", n)
		}
		<-time.After(11 * time.Second)
		synctest.Wait()
		if got := s.text(); !strings.HasSuffix(got, " r20×980") {
			t.Errorf("after a while recorded is %q, want the first that was kept back with the count of all", got)
		}
		r.Reject(refused("acme", "next"))
		r.Reject(refused("acme", "over"))
		<-time.After(8 * time.Second)
		r.Reject(refused("acme", "late"))
		stop(t, r)
		if got, want := s.total(), 1004; got != want {
			t.Errorf("the records stand for %d requests, want %d: %s", got, want, s.text())
		}
	})
}

func TestTheNextOfAKindCarriesTheCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		r := started(t, s, &strings.Builder{})
		for range 25 {
			r.Reject(refused("acme", "flood"))
		}
		<-time.After(5 * time.Second)
		r.Reject(refused("other", "mine")) // from here the recorder looks again after ten seconds
		<-time.After(6 * time.Second)
		next := refused("acme", "next")
		next.Count = 3 // the listener has kept two back itself
		r.Reject(next)
		synctest.Wait()
		if got := s.text(); !strings.HasSuffix(got, " flood×1 mine×1 next×8") {
			t.Errorf("recorded is %q, want the next one with the five that were kept back", got)
		}
		stop(t, r)
	})
}

func TestWhatIsOnlyCountedIsRecordedWithoutANextOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		r := started(t, s, &strings.Builder{})
		for i := range 100 {
			one := refused("acme", fmt.Sprint("r", i))
			if i < 20 {
				r.Reject(one)
			} else {
				r.Count(one)
			}
		}
		<-time.After(30 * time.Second)
		synctest.Wait()
		if got := s.text(); s.total() != 100 || !strings.HasSuffix(got, " r19×1 r20×80") {
			t.Errorf("after half a minute of silence recorded is %q, want the first that was kept back with the count of all", got)
		}
		writes := s.puts
		<-time.After(time.Hour)
		synctest.Wait()
		if s.puts != writes {
			t.Errorf("%d writes came of nothing", s.puts-writes)
		}
		stop(t, r)
	})
}

func TestOneThatWasLookedIntoTakesThePlaceOfThoseThatWereCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		r := started(t, s, &strings.Builder{})
		for range 20 {
			r.Reject(refused("acme", "burst"))
		}
		r.Count(refused("acme", "counted"))
		r.Reject(refused("acme", "known"))
		r.Reject(refused("acme", "later"))
		r.Count(refused("acme", "counted"))
		r.Count(refused("other", "alone"))
		stop(t, r)
		if got := s.text(); !strings.Contains(got, "known×4") || !strings.Contains(got, "alone×1") || s.total() != 25 {
			t.Errorf("recorded is %q, want the one whose reason is known with the count of all four", got)
		}
	})
}

func TestNamesThatStrangersMakeUpAreOneKind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		r := started(t, s, &strings.Builder{})
		defer stop(t, r)
		for i := range 500 {
			r.Reject(store.Rejection{Provider: fmt.Sprint("made-up-", i), Code: "provider_not_found"})
		}
		synctest.Wait()
		if n := s.records(); n != 20 {
			t.Errorf("%d records were written, want 20", n)
		}
	})
}

func TestRejectNeverWaitsForTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := &shelf{held: make(chan struct{})}
		r := started(t, s, &log)
		for i := range 3000 { // each of a kind of its own, so that none is kept back
			r.Reject(refused(fmt.Sprint("p", i), "r"))
		}
		close(s.held)
		synctest.Wait()
		stop(t, r)
		if got := s.total(); got < 1024 || got > 2048 {
			t.Errorf("%d were recorded, want what the queue holds", got)
		}
		if want := fmt.Sprintf("count=%d", 3000-s.total()); !strings.Contains(log.String(), want) {
			t.Errorf("the log says %q, want %q", log.String(), want)
		}
	})
}

func TestAStopWritesWhatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		r := started(t, s, &strings.Builder{})
		for range 50 {
			r.Reject(refused("acme", "r"))
		}
		stop(t, r)
		if got := s.total(); got != 50 {
			t.Errorf("the records stand for %d requests, want 50", got)
		}
	})
}

func TestAStopDoesNotWaitForADeadStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := &shelf{held: make(chan struct{})}
		r := started(t, s, &log)
		r.Reject(refused("acme", "r"))
		synctest.Wait()
		r.Reject(refused("acme", "r"))
		stop(t, r)
		if n := strings.Count(log.String(), "count=1"); n != 2 {
			t.Errorf("the log says %q, want two lost records", log.String())
		}
	})
}

func TestWhatCannotBeStoredIsSaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := &shelf{fail: errors.New("disk full")}
		r := started(t, s, &log)
		r.Reject(refused("acme", "r"))
		synctest.Wait()
		stop(t, r)
		if !strings.Contains(log.String(), "disk full") || !strings.Contains(log.String(), "count=1") {
			t.Errorf("the log says %q, want the error and the count", log.String())
		}
	})
}

func TestRefusalsOfManyGoroutinesAreAllCounted(t *testing.T) {
	t.Parallel()
	st := memory.New(memory.Options{})
	if err := st.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := started(t, st, &strings.Builder{})
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 500 {
				if i%2 == 0 {
					r.Reject(refused(fmt.Sprint("p", g%3), "r"))
				} else {
					r.Count(refused(fmt.Sprint("p", g%3), "r"))
				}
			}
		})
	}
	all.Wait()
	stop(t, r)
	page, err := st.Rejections(t.Context(), store.RejectionQuery{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, one := range page.Rejections {
		total += one.Count
	}
	if total != 4000 {
		t.Errorf("the records stand for %d requests, want 4000", total)
	}
}

func TestTheRecorderLivesAsAServiceDoes(t *testing.T) {
	t.Parallel()
	servicetest.Stress(t, func() service.Service {
		r, err := rejection.New(rejection.Options{Store: &shelf{}, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return r
	})
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		o    rejection.Options
		want string
	}{
		{rejection.Options{Logger: slog.New(slog.DiscardHandler)}, "Store"},
		{rejection.Options{Store: &shelf{}}, "Logger"},
	} {
		if _, err := rejection.New(c.o); err == nil || !slices.Contains(strings.FieldsFunc(err.Error(), func(c rune) bool { return c == '.' || c == ' ' }), c.want) {
			t.Errorf("got error %v, want one that names %s", err, c.want)
		}
	}
}
