package telemetry_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/telemetry"
)

func gate(name string, state store.GateState, breaker store.BreakerState, waiting int) store.GateView {
	return store.GateView{Gate: store.Gate{Name: name, State: state, Breaker: store.Breaker{State: breaker}}, Waiting: waiting}
}

func TestTheLedgerGatesAndJobsAreMetrics(t *testing.T) {
	t.Parallel()
	failing := gate("shop", store.GateOpen, store.BreakerOpen, 40)
	failing.Breaker.Trips = 3
	a := &account{
		ledger: store.Ledger{
			Requests: store.RequestTerms{Recorded: 5, Processed: 2, Duplicate: 1, Rejected: 2},
			Runs:     map[string]store.RunTerms{"orders": {Made: 3, Parked: 2, Dropped: 1}},
		},
		gates: []store.GateView{
			failing, gate("ops", store.GateDisabled, store.BreakerClosed, 0), gate("mail", store.GatePaused, store.BreakerHalfOpen, 7),
			gate("back", store.GateOpen, store.BreakerHalfOpen, 0), gate(run.RouteGate, store.GateOpen, store.BreakerClosed, 9),
		},
		jobs: []store.Job{{State: store.JobRunning}, {State: store.JobRunning}, {State: store.JobFailed}},
	}
	got := scrape(t, newMetrics(t, a))
	for _, want := range []string{
		`headgate_ledger_requests{term="recorded"} 5`, `headgate_ledger_requests{term="rejected"} 2`, `headgate_ledger_runs{pipeline="orders",term="parked"} 2`,
		`headgate_ledger_balanced 1`, `headgate_runs{state="parked"} 2`,
		`headgate_gate_state{destination="shop",state="failing"} 1`, `headgate_gate_state{destination="ops",state="disabled"} 1`,
		`headgate_gate_state{destination="mail",state="paused"} 1`, `headgate_gate_state{destination="back",state="probing"} 1`,
		`headgate_gate_waiting{destination="shop"} 40`, `headgate_gate_breaker_trips{destination="shop"} 3`,
		`headgate_jobs{state="running"} 2`, `headgate_jobs{state="failed"} 1`, `headgate_jobs{state="paused"} 0`, `headgate_alive 1`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("%s is not there", want)
		}
	}
	if strings.Contains(got, run.RouteGate) {
		t.Error("the gate of routing is shown as a destination")
	}
	a.ledger.Requests.Recorded++
	if got := scrape(t, newMetrics(t, a)); !strings.Contains(got, "headgate_ledger_balanced 0\n") {
		t.Error("a ledger that does not add up is told as balanced")
	}
}

func TestSeriesOfTheStoreAreBounded(t *testing.T) {
	t.Parallel()
	a := &account{ledger: store.Ledger{Runs: map[string]store.RunTerms{}}}
	for i := range 2000 {
		a.ledger.Runs[fmt.Sprintf("p%04d", i)] = store.RunTerms{Made: 1, Open: 1}
		a.gates = append(a.gates, gate(fmt.Sprintf("d%04d", i), store.GateOpen, store.BreakerClosed, 2))
	}
	a.gates[1999].State = store.GateDisabled
	got := scrape(t, newMetrics(t, a))
	if n := strings.Count(got, "\nheadgate_ledger_runs{"); n != 501*8 {
		t.Errorf("got %d series of pipelines, want %d", n, 501*8)
	}
	if n := strings.Count(got, "\nheadgate_gate_state{"); n != 1000 {
		t.Errorf("got %d gates, want 1000", n)
	}
	for _, want := range []string{
		`headgate_ledger_runs{pipeline="other",term="made"} 1500`, `headgate_gate_waiting{destination="other"} 2000`,
		`headgate_gate_state{destination="d1999",state="disabled"} 1`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("%s is not there", want)
		}
	}
}

func TestAStuckWorkerIsAMetric(t *testing.T) {
	t.Parallel()
	m, err := telemetry.New(telemetry.Options{
		Store: &account{}, Alive: func() error { return errors.New("it has not moved") }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := scrape(t, m); !strings.Contains(got, "headgate_alive 0\n") {
		t.Error("headgate_alive is not 0")
	}
}

func TestRefusingLastsUntilSomethingIsStored(t *testing.T) {
	t.Parallel()
	m := newMetrics(t, &account{})
	m.Request("acme", "processed", 0)
	if m.Refusing(hour) {
		t.Error("refusing, though nothing was refused")
	}
	m.Request("acme", "store_unavailable", 0)
	if !m.Refusing(hour) || m.Refusing(0) {
		t.Error("not refusing, though an event was refused")
	}
	m.Commit(1, 0)
	if m.Refusing(hour) {
		t.Error("refusing, though something was stored since")
	}
}

const hour = 3600_000_000_000
