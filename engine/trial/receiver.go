package trial

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/worker"
	"github.com/headgate/headgate/hooks"
)

// Request is a request of a hook that went out, as a test sees it: references in its URL and headers stand as the manifest writes them.
type Request struct {
	Run      run.ID
	Pipeline string
	// Path is that of the hook's step; of a hook to subscribers with the subscription: "Tell[sub_1]".
	Path     string
	Round, N int
	// At is the simulated time.
	At          time.Time
	Method, URL string
	Header      http.Header
	Body        []byte
	// Answer is what came back: a status, or a word such as "timeout"; "pending" where nothing had come when the simulation ended.
	Answer string

	nth int // of the runs that sent requests, in the order of their first ones
}

// pending is what stands in the place of an answer that is outstanding.
const pending = "pending"

// Node names the hook as tests of a pipeline do: those of other pipelines with that one's name before the path.
func (r *Request) Node(pipeline string) string {
	if r.Pipeline == pipeline {
		return r.Path
	}
	return r.Pipeline + "/" + r.Path
}

// receiver plays all destinations: it keeps what it gets and answers by script, each answer at its simulated time.
type receiver struct {
	pipeline string // under test
	clock    *clock
	refs     *references
	answers  []scripted
	// arrived receives when requests have come; over is closed when no more answers are given.
	arrived chan struct{}
	over    chan struct{}

	mu          sync.Mutex
	used        []int // answers given, by their scripts
	runs        map[run.ID]int
	made        []*Request
	outstanding []*outstanding
}

var _ worker.Player = (*receiver)(nil)

// outstanding is a request whose answer comes at a time.
type outstanding struct {
	request *Request
	at      time.Time
	answer  string        // in a word
	come    chan struct{} // closed then
}

func newReceiver(pipeline string, c *clock, refs *references, answers []scripted) *receiver {
	return &receiver{
		pipeline: pipeline, clock: c, refs: refs, answers: answers, used: make([]int, len(answers)), runs: map[run.ID]int{},
		arrived: make(chan struct{}, 1), over: make(chan struct{}),
	}
}

// Play takes one request and returns when its answer has come.
func (r *receiver) Play(ctx context.Context, of worker.Attempt, req hooks.Request) (hooks.Attempt, error) {
	started := r.clock.Now()
	if of.Published != "" { // to tests it is the hook that sends, once for each subscription
		of.Pipeline, _ = pipeline.SplitName(of.Pipeline)
		of.Path = of.Published
	}
	got := &Request{
		Run: of.Run, Pipeline: of.Pipeline, Path: of.Path, Round: of.Round, N: of.N, At: started,
		Method: req.Method, URL: r.refs.written(req.URL), Header: http.Header{}, Body: bytes.Clone(req.Body), Answer: pending,
	}
	for name, values := range req.Header {
		for _, v := range values {
			got.Header.Add(name, r.refs.written(v))
		}
	}
	a, wait := r.take(got, timeLimit(of, req))
	att := hooks.Attempt{Started: started}
	select {
	case <-wait.come:
	case <-r.over:
		return att, &hooks.Error{Class: hooks.Temporary, Code: hooks.CodeCanceled, Message: "the simulation ended"}
	case <-ctx.Done():
		return att, &hooks.Error{Class: hooks.Temporary, Code: hooks.CodeCanceled, Message: "the simulation was given up"}
	}
	att.Took, att.Wrote = wait.at.Sub(started), a.fails != failsRefused
	if a.fails != "" {
		return att, failure(a.fails)
	}
	att.Status, att.Header, att.Body = a.status, a.header, a.body
	if len(att.Body) > hooks.MaxAnswerBytes {
		att.Body, att.Cut = att.Body[:hooks.MaxAnswerBytes], true
	}
	if class := hooks.Classify(a.status); class != hooks.OK {
		return att, refusal(class, a, wait.at)
	}
	return att, nil
}

// timeLimit is how long an answer may take: the request's own timeout, or what the step has left.
func timeLimit(of worker.Attempt, req hooks.Request) time.Duration {
	limit := min(max(cmp.Or(req.Timeout, hooks.DefaultTimeout), hooks.MinTimeout), hooks.MaxTimeout)
	if of.Left > 0 {
		limit = min(limit, of.Left)
	}
	return limit
}

// take keeps a request, and gives the next answer of its hook and when it comes.
func (r *receiver) take(got *Request, limit time.Duration) (answered, *outstanding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.runs[got.Run]; !known {
		r.runs[got.Run] = len(r.runs)
	}
	got.nth = r.runs[got.Run]
	r.made = append(r.made, got)
	a := r.scripted(got)
	if a.fails == failsTimeout || a.after > limit {
		a = answered{fails: failsTimeout, after: limit}
	}
	wait := &outstanding{request: got, at: got.At.Add(a.after), come: make(chan struct{})}
	wait.answer = cmp.Or(a.fails, strconv.Itoa(a.status))
	r.outstanding = append(r.outstanding, wait)
	select {
	case r.arrived <- struct{}{}:
	default:
	}
	return a, wait
}

// waiting counts the requests whose answers are outstanding.
func (r *receiver) waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.outstanding)
}

// next gives the time of the first outstanding answer; false where there is none.
func (r *receiver) next() (at time.Time, some bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.outstanding {
		if !some || o.at.Before(at) {
			at, some = o.at, true
		}
	}
	return at, some
}

// answer lets one answer come whose time has come, the first of these by a comparison of their requests.
func (r *receiver) answer(compare func(a, b *Request) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, first := r.clock.Now(), -1
	for i, o := range r.outstanding {
		if !o.at.After(now) && (first < 0 || cmp.Or(o.at.Compare(r.outstanding[first].at), compare(o.request, r.outstanding[first].request)) < 0) {
			first = i
		}
	}
	if first < 0 {
		return
	}
	o := r.outstanding[first]
	r.outstanding = slices.Delete(r.outstanding, first, first+1)
	o.request.Answer = o.answer
	close(o.come)
}

// close ends the requests whose answers are outstanding.
func (r *receiver) close() { close(r.over) }

// failure is the error of an attempt without an answer, as hooks.Client gives it.
func failure(kind string) error {
	switch kind {
	case failsRefused:
		return &hooks.Error{Class: hooks.Temporary, Code: hooks.CodeDial, Message: "no connection to the host"}
	case failsReset:
		return &hooks.Error{Class: hooks.Unknown, Code: hooks.CodeReset, Message: "the connection broke before an answer came"}
	}
	return &hooks.Error{Class: hooks.Unknown, Code: hooks.CodeTimeout, Message: "no answer within the timeout"}
}

// refusal is the error of an answer that is no success.
func refusal(class hooks.Class, a answered, now time.Time) error {
	e := &hooks.Error{Class: class, Code: "http_" + strconv.Itoa(a.status), Message: fmt.Sprintf("the receiver answered %d", a.status), Status: a.status}
	if a.status >= 300 && a.status < 400 {
		e.Code = hooks.CodeRedirect
	}
	value := strings.TrimSpace(a.header.Get("Retry-After"))
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		e.Wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		e.Wait = at.Sub(now)
	}
	e.Wait = min(max(e.Wait, 0), hooks.MaxRetryAfter)
	return e
}

// scripted gives the next answer of a request's hook.
func (r *receiver) scripted(got *Request) answered {
	for i, s := range r.answers {
		if !names(s.key, got, r.pipeline) {
			continue
		}
		n := min(r.used[i], len(s.answers)-1)
		r.used[i]++
		return s.answers[n]
	}
	return answered{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}, body: []byte("{}")}
}

// names says whether a test's name of a hook is that of a request: its path, the path without numbers, or its label; of other pipelines
// with their name before it.
func names(key string, r *Request, under string) bool {
	if r.Pipeline != under {
		rest, ok := strings.CutPrefix(key, r.Pipeline+"/")
		if !ok {
			return false
		}
		key = rest
	}
	bare := pipeline.Definition(r.Path)
	return key == r.Path || key == bare || key == bare[strings.LastIndexByte(bare, '/')+1:]
}
