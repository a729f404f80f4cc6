package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// story is what a gateway tells and a receiver got: of one event, delivered once.
type story struct {
	events   []eventRecord
	runs     []runRecord
	attempts []attemptRecord
	ledger   counters
	arrivals []time.Time
	path     string
	harms    []harm
}

func goodStory() *story {
	s := &story{
		events:   []eventRecord{{ID: "e1", Event: "one", Delivery: "x-0000000", Source: "live", State: "routed"}},
		runs:     []runRecord{{ID: "r1", Event: "e1", Pipeline: "one", State: "done", Outcome: "completed"}},
		attempts: []attemptRecord{{Path: "Tell", N: 1, Outcome: "ok"}},
		arrivals: []time.Time{time.Unix(100, 0)},
		path:     "/one/Tell",
	}
	s.ledger.Requests.Recorded, s.ledger.Requests.Processed = 1, 1
	s.ledger.Runs = map[string]runCounters{"one": {Made: 1, Completed: 1}}
	return s
}

// ServeHTTP is the admin API.
func (s *story) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var doc any
	switch req.URL.Path {
	case "/api/v1/status":
		doc = map[string]any{"ledger": s.ledger, "oldest_due_s": 0}
	case "/api/v1/events":
		doc = map[string]any{"events": s.events, "next": ""}
	case "/api/v1/runs":
		doc = map[string]any{"runs": s.runs, "next": ""}
	default:
		doc = map[string]any{"attempts": s.attempts}
	}
	_ = json.NewEncoder(w).Encode(doc)
}

// judged lets the judge look at a story in which the event was acknowledged.
func judged(t *testing.T, s *story) *verdict {
	t.Helper()
	server := httptest.NewServer(s)
	defer server.Close()
	k, err := newBook(t.TempDir(), "x")
	if err != nil {
		t.Fatal(err)
	}
	k.ack(k.write("one", 0), time.Now(), "e1")
	rcv := &receiver{parcels: map[place]*parcel{}}
	if len(s.arrivals) > 0 {
		rcv.parcels[place{s.path, "x-0000000"}] = &parcel{key: "k", arrivals: s.arrivals}
	}
	trial := trial{
		g:    &gateway{admin: strings.TrimPrefix(server.URL, "http://"), client: server.Client()},
		book: k, receiver: rcv, patience: 200 * time.Millisecond, harms: s.harms,
	}
	v, err := trial.judge(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestTheJudgeHasNothingAgainstAGoodStory(t *testing.T) {
	t.Parallel()
	v := judged(t, goodStory())
	if v.acked != 1 || v.lost != 0 || v.duplicates != 0 || len(v.faults) > 0 {
		t.Errorf("got %+v, want one event acknowledged and nothing against it", v)
	}
}

func TestTheJudgeAllowsADuplicateThatWasUnderWay(t *testing.T) {
	t.Parallel()
	s := goodStory()
	s.arrivals = []time.Time{time.Unix(100, 0), time.Unix(103, 0)}
	s.attempts = []attemptRecord{{Path: "Tell", N: 1, Outcome: "unknown"}, {Path: "Tell", N: 2, Outcome: "ok"}}
	s.harms = []harm{{time.Unix(101, 0), time.Unix(102, 0)}}
	v := judged(t, s)
	if v.duplicates != 1 || v.inFlight != 1 || v.reach != time.Second || len(v.faults) > 0 {
		t.Errorf("got %+v, want one duplicate, one in flight, begun 1s before the fault, and nothing against it", v)
	}
}

func TestTheJudgeSeesWhatIsWrong(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name  string
		spoil func(s *story)
		lost  int
		want  string
	}{
		{"the event is gone", func(s *story) { s.events = nil }, 2, "is not in the store"}, // it was acknowledged, and it arrived
		{"the event has another id", func(s *story) { s.events[0].ID, s.runs[0].Event = "e2", "e2" }, 1, "is not in the store"},
		{"the event is there twice", func(s *story) {
			s.events = append(s.events, s.events[0])
			s.events[0].ID = "e0"
		}, 0, "is two events"},
		{"the event has no run", func(s *story) { s.runs = nil }, 1, "has 0 runs"},
		{"the event has two runs", func(s *story) { s.runs = append(s.runs, s.runs[0]) }, 1, "has 2 runs"},
		{"the run is done and nothing arrived", func(s *story) { s.arrivals = nil }, 1, "never arrived"},
		{"something arrived elsewhere", func(s *story) { s.path = "/two/A" }, 1, "never arrived"},
		{"the run is parked for no reason", func(s *story) { s.runs[0].State, s.arrivals = "parked", nil }, 0, "is parked as"},
		{"the run is still open", func(s *story) {
			s.runs[0].State = "open"
			s.ledger.Runs["one"] = runCounters{Made: 1, Open: 1}
		}, 0, "does not come to rest"},
		{"a duplicate without an attempt", func(s *story) {
			s.arrivals = append(s.arrivals, time.Unix(103, 0))
			s.harms = []harm{{time.Unix(101, 0), time.Unix(102, 0)}}
		}, 0, "came 2 times"},
		{"a duplicate without a fault", func(s *story) {
			s.arrivals = append(s.arrivals, time.Unix(103, 0))
			s.attempts = []attemptRecord{{Path: "Tell", N: 1, Outcome: "unknown"}, {Path: "Tell", N: 2, Outcome: "ok"}}
		}, 0, "no fault between"},
		{"a gap in the attempts", func(s *story) { s.attempts[0].N = 2 }, 0, "stands where 1 should"},
		{"requests that are not accounted for", func(s *story) { s.ledger.Requests.Recorded = 2 }, 0, "ledger does not balance"},
		{"runs that are not accounted for", func(s *story) { s.ledger.Runs["one"] = runCounters{Made: 1} }, 0, "ledger does not balance"},
		{"a ledger that counts another run", func(s *story) { s.ledger.Runs["one"] = runCounters{Made: 2, Completed: 2} }, 0, "the ledger counts 2 runs"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			s := goodStory()
			r.spoil(s)
			v := judged(t, s)
			if v.lost != r.lost {
				t.Errorf("%d lost, want %d", v.lost, r.lost)
			}
			if all := strings.Join(v.faults, "\n"); !strings.Contains(all, r.want) {
				t.Errorf("got the faults %q, want one with %q", all, r.want)
			}
		})
	}
}
