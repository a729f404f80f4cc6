package sqlite

import (
	"cmp"
	"container/heap"
	"context"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/store"
)

// heads know where each queue begins, so that Due looks at those alone that have something to give: tasks that are due in an hour, and
// gates that are closed, cost nothing however many they are.
//
// A head may be too early, for its task may have been claimed or closed since: then it is looked at once, and put right. It is never too
// late: whoever makes a task ready, or due earlier, notes that (writer.ready), and what a commit has noted is there before the commit
// is answered.
type heads struct {
	news news

	mu    sync.Mutex // who asks what is due holds it; the writer does not
	of    map[int64]*head
	order byTime
	gates map[int64]store.Gate // those that are special
}

// head is where a queue begins.
type head struct {
	queue int64
	due   int64 // no later than its first ready task
	at    int64 // when that can be had: due, or when its gate opens if that is later
	place int   // in the order
}

// never is when a gate opens that somebody must open.
const never = math.MaxInt64

// news is what was committed and no Due has seen yet.
type news struct {
	mu    sync.Mutex
	first map[int64]int64 // by queue, when the first of the tasks is due that have become ready
	gates map[int64]store.Gate
}

func newHeads() *heads { return &heads{of: map[int64]*head{}, gates: map[int64]store.Gate{}} }

// readyAt is a task that has become ready, or due earlier.
type readyAt struct{ queue, due int64 }

// ready notes that a queue may have a task to give from a time on.
func (w *writer) ready(queue, due int64) { w.tx.ready = append(w.tx.ready, readyAt{queue, due}) }

// add tells of a committed transaction.
func (n *news) add(tasks []readyAt, gates map[int64]store.Gate) {
	if len(tasks) == 0 && len(gates) == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.first == nil {
		n.first, n.gates = map[int64]int64{}, map[int64]store.Gate{}
	}
	for _, t := range tasks {
		if have, ok := n.first[t.queue]; !ok || t.due < have {
			n.first[t.queue] = t.due
		}
	}
	for id, g := range gates {
		n.gates[id] = g
	}
}

// take gives the news, and forgets them.
func (n *news) take() (first map[int64]int64, gates map[int64]store.Gate) {
	n.mu.Lock()
	defer n.mu.Unlock()
	first, gates = n.first, n.gates
	n.first, n.gates = nil, nil
	return first, gates
}

// loadHeads reads where the queues begin.
func (w *writer) loadHeads() error {
	var tasks []readyAt
	if err := w.c.query(func(r row) error { tasks = append(tasks, readyAt{r.int(0), r.int(1)}); return nil }, walkQueues(ready, "")); err != nil {
		return err
	}
	w.s.heads.news.add(tasks, nil)
	return nil
}

// special says that tasks do not simply pass a gate, or may not.
func special(g store.Gate) bool {
	return g.State != "" && g.State != store.GateOpen || g.Breaker.State == store.BreakerOpen
}

// opening is when a gate opens of which nothing is changed any more; the zero time where it is open.
func opening(g store.Gate) int64 {
	var t time.Time
	for {
		until, closed := g.Closed(t)
		switch {
		case !closed:
			return nano(t)
		case until.IsZero():
			return never
		}
		t = until // of two reasons the other one may last longer
	}
}

// opens is when the gate of a queue opens.
func (h *heads) opens(queue int64) int64 {
	g, ok := h.gates[queue/4]
	if !ok {
		return 0
	}
	return opening(g)
}

// learn takes in the news.
func (h *heads) learn() {
	first, gates := h.news.take()
	for id, g := range gates {
		delete(h.gates, id)
		if special(g) {
			h.gates[id] = g
		}
		for q := queue(id, ""); q < queue(id+1, ""); q++ {
			if have := h.of[q]; have != nil {
				h.set(have, have.due)
			}
		}
	}
	for q, due := range first {
		have := h.of[q]
		switch {
		case have == nil:
			have = &head{queue: q, due: due, at: max(due, h.opens(q))}
			h.of[q] = have
			heap.Push(&h.order, have)
		case due < have.due:
			h.set(have, due)
		}
	}
}

// set moves a head.
func (h *heads) set(q *head, due int64) {
	q.due, q.at = due, max(due, h.opens(q.queue))
	heap.Fix(&h.order, q.place)
}

// look goes through the queues that have something to give, and calls due for each with when its first task is due; later is called with
// when another may have something. The view began after the last learn: so what it sees is no older than what is known.
func (h *heads) look(v *view, now int64, due, later func(queue, at int64)) error {
	var out []*head // taken out of the order
	defer func() {
		for _, q := range out {
			if q != nil {
				heap.Push(&h.order, q)
			}
		}
	}()
	for len(h.order) > 0 && h.order[0].at <= now {
		q, _ := heap.Pop(&h.order).(*head)
		out = append(out, q)
	}
	err := v.heads(out, now, func(i, first, next int64, found bool) {
		q := out[i]
		if !found {
			out[i] = nil
			delete(h.of, q.queue)
			return
		}
		if q.due, q.at = first, max(first, h.opens(q.queue)); q.at > now {
			out[i] = nil
			heap.Push(&h.order, q)
			return
		}
		due(q.queue, first)
		if next != 0 {
			later(q.queue, next)
		}
	})
	if err != nil {
		return err
	}
	// Which of the others is next is known when the one that is thought to be was looked at, and is.
	for len(h.order) > 0 && h.order[0].at != never {
		q := h.order[0]
		before := q.at
		if err := v.heads(h.order[:1], now, func(_, first, _ int64, found bool) {
			if found {
				h.set(q, first)
				return
			}
			heap.Pop(&h.order)
			delete(h.of, q.queue)
		}); err != nil {
			return err
		}
		if h.of[q.queue] != nil && q.at <= before {
			later(q.queue, max(q.at, now))
			return nil
		}
	}
	return nil
}

// heads gives of each of some queues when its first ready task is due, and when the first that is not yet, 0 for none.
func (v *view) heads(of []*head, now int64, each func(i, first, next int64, found bool)) error {
	if len(of) == 0 {
		return nil
	}
	list := []byte{'['}
	for i, q := range of {
		if i > 0 {
			list = append(list, ',')
		}
		list = strconv.AppendInt(list, q.queue, 10)
	}
	list = append(list, ']')
	return v.c.query(func(r row) error {
		each(r.int(0), r.int(1), r.int(2), r[1] != nil)
		return nil
	}, "SELECT q.key, (SELECT min(due) FROM tasks WHERE "+ready+" AND queue = q.value), (SELECT min(due) FROM tasks WHERE "+ready+
		" AND queue = q.value AND due > ?) FROM json_each(?) q", now, string(list))
}

// Due implements store.Store. What it costs grows with the queues that have something due before an open gate, and hardly with the others.
func (s *Store) Due(ctx context.Context) (store.Due, error) {
	h := s.heads
	h.mu.Lock()
	defer h.mu.Unlock()
	h.learn() // before the reading begins
	d := store.Due{Next: -1}
	err := s.read(ctx, func(v *view) error {
		now := s.clock.time()
		later := func(queue, t int64) {
			if t = max(t, h.opens(queue)); t == never {
				return
			}
			if wait := time.Duration(t - nano(now)); d.Next < 0 || wait < d.Next {
				d.Next = wait
			}
		}
		due := map[int64]int64{}
		lost, leases := s.claims.leases(now)
		for q, t := range leases {
			later(q, nano(t))
		}
		for q, t := range lost {
			if h.opens(q) > nano(now) {
				later(q, nano(now))
			} else {
				due[q] = t
			}
		}
		if err := h.look(v, nano(now), func(q, t int64) {
			if have, ok := due[q]; !ok || t < have {
				due[q] = t
			}
		}, later); err != nil {
			return err
		}
		for q, t := range due {
			name, err := v.name(q / 4)
			if err != nil {
				return err
			}
			g := h.gates[q/4].At(now)
			d.Oldest = max(d.Oldest, now.Sub(at(t)))
			d.Work = append(d.Work, store.Work{
				Gate: name, Lane: word(lanes(), q%4), Disabled: g.State == store.GateDisabled, Probe: g.Breaker.State == store.BreakerHalfOpen,
			})
		}
		return nil
	})
	if err != nil {
		return store.Due{}, err
	}
	slices.SortFunc(d.Work, func(a, b store.Work) int {
		return cmp.Or(cmp.Compare(a.Gate, b.Gate), cmp.Compare(a.Lane, b.Lane))
	})
	return d, nil
}

// byTime is a heap of heads, the earliest first.
type byTime []*head

func (b byTime) Len() int           { return len(b) }
func (b byTime) Less(i, j int) bool { return b[i].at < b[j].at }
func (b byTime) Swap(i, j int)      { b[i], b[j] = b[j], b[i]; b[i].place, b[j].place = i, j }

// Push implements heap.Interface.
func (b *byTime) Push(x any) {
	q, _ := x.(*head)
	q.place = len(*b)
	*b = append(*b, q)
}

// Pop implements heap.Interface.
func (b *byTime) Pop() any {
	last := len(*b) - 1
	q := (*b)[last]
	(*b)[last] = nil
	*b = (*b)[:last]
	return q
}
