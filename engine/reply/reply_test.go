package reply_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/headgate/headgate/engine/reply"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheFirstReplyCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := reply.New()
		ticket := d.Expect("r1")
		go func() {
			<-time.After(time.Second)
			d.Routed("r1", 2)
			d.Answer("other", reply.Reply{Status: 500})
			d.Answer("r1", reply.Reply{Status: 201, Body: []byte("first")})
			d.Answer("r1", reply.Reply{Status: 202, Body: []byte("second")})
			d.Over("r1")
		}()
		got, ok := ticket.Wait(t.Context(), 1)
		if !ok || got.Status != 201 || string(got.Body) != "first" {
			t.Errorf("got %+v, %t, want the first reply", got, ok)
		}
		ticket.Close()
		ticket.Close()
		d.Answer("r1", reply.Reply{})
		synctest.Wait()
	})
}

// Told is before Wait, as by a worker that is faster than the store's answer, or after.
func TestAWaitEndsWhereNothingCanReply(t *testing.T) {
	t.Parallel()
	routed := func(n int) func(*reply.Desk) { return func(d *reply.Desk) { d.Routed("r", n) } }
	over := func(d *reply.Desk) { d.Over("r") }
	for name, test := range map[string]struct {
		before, after []func(*reply.Desk)
		events        int
		over          bool
	}{
		"nothing is stored":                  {events: 0, over: true},
		"nothing is started":                 {after: []func(*reply.Desk){routed(0)}, events: 1, over: true},
		"all is over before the answer":      {before: []func(*reply.Desk){routed(2), over, over}, events: 1, over: true},
		"one run is left":                    {before: []func(*reply.Desk){routed(2)}, after: []func(*reply.Desk){over}, events: 1},
		"one event of two is not routed":     {before: []func(*reply.Desk){routed(1), over}, events: 2},
		"all of two events":                  {before: []func(*reply.Desk){routed(1), over}, after: []func(*reply.Desk){routed(1), over}, events: 2, over: true},
		"routed before the store has said":   {before: []func(*reply.Desk){routed(1)}, events: 1},
		"routed to nothing before it did so": {before: []func(*reply.Desk){routed(0)}, events: 1, over: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := reply.New()
				ticket := d.Expect("r")
				defer ticket.Close()
				for _, say := range test.before {
					say(d)
				}
				var told sync.WaitGroup
				defer told.Wait()
				told.Go(func() {
					<-time.After(time.Second)
					for _, say := range test.after {
						say(d)
					}
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				begun := time.Now()
				if _, ok := ticket.Wait(ctx, test.events); ok {
					t.Error("there is a reply")
				}
				if ticket.Over() != test.over || time.Since(begun) >= time.Minute == test.over {
					t.Errorf("after %v it is over: %t, want %t", time.Since(begun), ticket.Over(), test.over)
				}
			})
		})
	}
}

func TestAReplyThatIsThereAlreadyIsTaken(t *testing.T) {
	t.Parallel()
	d := reply.New()
	ticket := d.Expect("r")
	defer ticket.Close()
	d.Routed("r", 1)
	d.Answer("r", reply.Reply{Status: 204})
	d.Over("r")
	if got, ok := ticket.Wait(t.Context(), 1); !ok || got.Status != 204 {
		t.Errorf("got %+v, %t", got, ok)
	}
}

func TestAStopLetsThoseGoWhoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := reply.New()
		quick, slow := d.Expect("quick"), d.Expect("slow")
		var all sync.WaitGroup
		wait := func(ticket *reply.Ticket, want bool, after time.Duration) {
			all.Go(func() {
				defer ticket.Close()
				begun := time.Now()
				if _, ok := ticket.Wait(t.Context(), 1); ok != want || time.Since(begun) != after {
					t.Errorf("after %v there is a reply: %t, want %t after %v", time.Since(begun), ok, want, after)
				}
			})
		}
		wait(quick, true, time.Second)
		wait(slow, false, 3*time.Second)
		synctest.Wait()
		go func() {
			<-time.After(time.Second)
			d.Answer("quick", reply.Reply{Status: 200})
			later := d.Expect("later")
			wait(later, false, 0)
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		d.Stop(ctx)
		all.Wait()
		d.Stop(t.Context()) // nobody waits: it returns at once
	})
}

func TestOnlySoManyRequestsWait(t *testing.T) {
	t.Parallel()
	d := reply.New()
	var last *reply.Ticket
	n := 0
	for ; ; n++ {
		ticket := d.Expect(fmt.Sprint(n))
		if ticket == nil {
			break
		}
		last = ticket
	}
	if n != 10_000 {
		t.Errorf("%d requests may wait, want 10000", n)
	}
	last.Close()
	if d.Expect("more") == nil {
		t.Error("room that was given back is not there")
	}
}

func BenchmarkTellingNobody(b *testing.B) {
	d := reply.New()
	b.ReportAllocs()
	for b.Loop() {
		d.Routed("r", 0)
		d.Over("r")
	}
}
