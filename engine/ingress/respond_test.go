package ingress

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headgate/headgate/engine/reply"
	"github.com/headgate/headgate/engine/store"
)

// responders are the events that are answered by a pipeline, and how long their requests stay open.
type responders map[string]time.Duration

func (r responders) Responds(provider, event string) (time.Duration, bool) {
	limit, ok := r[provider+"/"+event]
	return limit, ok
}

// openReplies makes a gate whose order.created is answered by a pipeline, and routed tells of each event that was stored, before the
// store does.
func openReplies(t testing.TB, routed func(d *reply.Desk, request string)) (*gate, *reply.Desk) {
	t.Helper()
	desk := reply.New()
	g := open(t, func(o *Options) {
		snapshot, inner := o.Snapshot(), o.Store
		snapshot.Responders = responders{"acme/order.created": 10 * time.Second}
		o.Snapshot = func() Snapshot { return snapshot }
		o.Replies = desk
		o.Store = appender(func(ctx context.Context, arrivals []store.Arrival) ([]store.Receipt, error) {
			receipts, err := inner.Append(ctx, arrivals)
			if err == nil && !receipts[0].Duplicate && routed != nil {
				routed(desk, arrivals[0].Event.Request)
			}
			return receipts, err
		})
	})
	return g, desk
}

func (g *gate) serve(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

func TestAPipelinesReplyIsTheAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, _ := openReplies(t, func(d *reply.Desk, request string) {
			d.Routed(request, 1)
			time.AfterFunc(2*time.Second, func() {
				d.Answer(request, reply.Reply{Status: 418, Headers: map[string]string{"X-Pot": "tea", "Content-Type": "text/x-tea"}, Body: []byte("short")})
			})
		})
		begun := time.Now()
		w := g.serve(g.signed(t, "", "order.created", "d1", `{"id":1}`))
		if w.Code != 418 || w.Body.String() != "short" || w.Header().Get("X-Pot") != "tea" || w.Header().Get("Content-Type") != "text/x-tea" ||
			w.Header().Get("X-Request-Id") == "" || time.Since(begun) != 2*time.Second {
			t.Errorf("after %v got %d %s %v", time.Since(begun), w.Code, w.Body, w.Header())
		}
		if got := g.watcher.last(); got != "acme replied" {
			t.Errorf("the observer was told %q", got)
		}
	})
}

func TestARequestThatNobodyAnswersInTimeIsAccepted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, desk := openReplies(t, func(d *reply.Desk, request string) { d.Routed(request, 1) })
		begun := time.Now()
		r := g.signed(t, "", "order.created", "d1", `{"id":1}`)
		w := g.serve(r)
		if w.Code != http.StatusAccepted || !strings.HasPrefix(w.Body.String(), `{"status":"processed","provider":"acme"`) || time.Since(begun) != 10*time.Second {
			t.Errorf("after %v got %d %s, want 202 after 10s", time.Since(begun), w.Code, w.Body)
		}
		desk.Answer(w.Header().Get("X-Request-Id"), reply.Reply{Status: 200}) // too late: nothing happens
	})
}

func TestARequestWaitsOnlyWhereSomebodyMayReply(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		event, delivery string
		routed          func(d *reply.Desk, request string)
	}{
		"no pipeline is started":        {"order.created", "", func(d *reply.Desk, request string) { d.Routed(request, 0) }},
		"all end without a reply":       {"order.created", "", func(d *reply.Desk, request string) { d.Routed(request, 1); d.Over(request) }},
		"another event":                 {"order.shipped", "", nil},
		"an event that is ignored":      {"ping", "", nil},
		"an event that was seen before": {"order.created", "twice", func(d *reply.Desk, request string) { d.Routed(request, 0) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g, _ := openReplies(t, test.routed)
				begun := time.Now()
				for range 2 {
					w := g.serve(g.signed(t, "", test.event, test.delivery, `{"id":1}`))
					if w.Code != http.StatusOK || time.Since(begun) != 0 {
						t.Errorf("after %v got %d %s, want the usual answer at once", time.Since(begun), w.Code, w.Body)
					}
				}
			})
		})
	}
}

func TestAStopLetsARequestGoThatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, desk := openReplies(t, func(d *reply.Desk, request string) { d.Routed(request, 1) })
		go func() {
			<-time.After(time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			desk.Stop(ctx)
		}()
		begun := time.Now()
		w := g.serve(g.signed(t, "", "order.created", "d1", `{"id":1}`))
		if w.Code != http.StatusAccepted || time.Since(begun) != 2*time.Second {
			t.Errorf("after %v got %d %s, want 202 after 2s", time.Since(begun), w.Code, w.Body)
		}
	})
}

func TestASenderThatHangsUpIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	stored := make(chan struct{})
	g, _ := openReplies(t, func(d *reply.Desk, request string) {
		d.Routed(request, 1)
		close(stored)
	})
	done := make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.ServeHTTP(w, r)
		close(done)
	}))
	t.Cleanup(web.Close)
	ctx, cancel := context.WithCancel(t.Context())
	r := g.signed(t, web.URL, "order.created", "d1", `{"id":1}`).WithContext(ctx)
	go func() {
		<-stored
		cancel()
	}()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if res, err := client.Do(r); err == nil {
		_ = res.Body.Close()
		t.Errorf("got %d, want that the sender hung up", res.StatusCode)
	}
	<-done // long before the 10 s are over
}

func TestAReadDeadlineDoesNotEndTheWait(t *testing.T) {
	t.Parallel()
	g, _ := openReplies(t, func(d *reply.Desk, request string) {
		d.Routed(request, 1)
		time.AfterFunc(600*time.Millisecond, func() { d.Answer(request, reply.Reply{Status: 201}) })
	})
	web := httptest.NewUnstartedServer(g)
	web.Config.ReadTimeout = 200 * time.Millisecond
	web.Start()
	t.Cleanup(web.Close)
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	for range 2 { // the connection is used again
		res, err := client.Do(g.signed(t, web.URL, "order.created", "", `{"id":1}`))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.StatusCode != 201 {
			t.Errorf("got %d, want the reply, which came after the read deadline", res.StatusCode)
		}
	}
}

func TestTheBodysRoomIsGivenBackBeforeTheWait(t *testing.T) {
	t.Parallel()
	var g *gate
	used := int64(-1)
	g, _ = openReplies(t, func(d *reply.Desk, request string) {
		d.Routed(request, 1)
		time.AfterFunc(100*time.Millisecond, func() {
			used = g.budget.used.Load()
			d.Answer(request, reply.Reply{Status: 201})
		})
	})
	if w := g.serve(g.signed(t, "", "order.created", "", `{"id":1}`)); w.Code != 201 || used != 0 || g.budget.used.Load() != 0 {
		t.Errorf("got %d; while it waited the body held %d bytes, and after it %d", w.Code, used, g.budget.used.Load())
	}
}
