package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// row is what one mode has come to: a line of the table.
type row struct {
	Mode   string `json:"mode"`
	Does   string `json:"does"`
	Rounds int    `json:"rounds"`
	// Acked is how many events were answered with 200 before a fault (or without one), Lost how many of those are not in the store, or are
	// there without their runs, or were not delivered although a row says so.
	Acked int `json:"acked"`
	Lost  int `json:"lost"`
	// Duplicates are deliveries that arrived again; InFlight are the attempts that the gateway found under way after the faults.
	Duplicates int `json:"duplicates"`
	InFlight   int `json:"in_flight"`
	// Recovery are the times from the start of the process (or the end of the harm) to the first 200, in milliseconds.
	RecoveryP50 float64  `json:"recovery_p50_ms"`
	RecoveryMax float64  `json:"recovery_max_ms"`
	Remarks     []string `json:"remarks,omitempty"`
	Faults      []string `json:"faults,omitempty"`
	TookS       float64  `json:"took_s"`

	recoveries []time.Duration
	// rest and reach are the longest of all judgements (verdict).
	rest, reach time.Duration
}

const tableHead = "| mode | rounds | acked | lost | duplicates | in flight | recovery p50 / max | remarks |\n" +
	"|---|---|---|---|---|---|---|---|"

// maxFaults are told one by one; the others are counted.
const maxFaults = 20

// fault notes that a promise was broken.
func (r *row) fault(format string, args ...any) {
	switch len(r.Faults) {
	case maxFaults:
		r.Faults = append(r.Faults, "… and more")
	case maxFaults + 1:
	default:
		r.Faults = append(r.Faults, fmt.Sprintf(format, args...))
	}
}

func (r *row) remark(format string, args ...any) {
	r.Remarks = append(r.Remarks, fmt.Sprintf(format, args...))
}

// recovered notes how long it took until a 200 came again.
func (r *row) recovered(d time.Duration) {
	r.recoveries = append(r.recoveries, d)
	r.RecoveryP50, r.RecoveryMax = milliseconds(quantile(r.recoveries, 0.5)), milliseconds(quantile(r.recoveries, 1))
}

// add takes in what a judgement found.
func (r *row) add(v *verdict) {
	r.Acked += v.acked
	r.Lost += v.lost
	r.Duplicates += v.duplicates
	r.InFlight += v.inFlight
	r.rest, r.reach = max(r.rest, v.rest), max(r.reach, v.reach)
	for _, f := range v.faults {
		r.fault("%s", f)
	}
}

// merge adds another row of the same mode.
func (r *row) merge(o *row) {
	r.Acked += o.Acked
	r.Lost += o.Lost
	r.Duplicates += o.Duplicates
	r.InFlight += o.InFlight
	r.rest, r.reach = max(r.rest, o.rest), max(r.reach, o.reach)
	for _, d := range o.recoveries {
		r.recovered(d)
	}
	for _, f := range o.Faults {
		r.fault("%s", f)
	}
}

// conclude adds the remarks that every mode has where there is something to say.
func (r *row) conclude() {
	if r.rest > noticeableRest {
		r.remark("at rest %s after the last event", short(r.rest))
	}
	if r.reach > 0 {
		r.remark("what came again had begun at most %s before the fault", short(r.reach))
	}
}

// noticeableRest is longer than a gateway needs to end what senders have just left behind.
const noticeableRest = 5 * time.Second

func (r *row) broken() bool { return r.Lost > 0 || len(r.Faults) > 0 }

// line gives the row as Markdown.
func (r *row) line() string {
	recovery := "-"
	if len(r.recoveries) > 0 {
		recovery = fmt.Sprintf("%s / %s", short(quantile(r.recoveries, 0.5)), short(quantile(r.recoveries, 1)))
	}
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %d | %s | %s |", r.Mode, r.Rounds, r.Acked, r.Lost, r.Duplicates, r.InFlight, recovery,
		strings.Join(r.Remarks, "; "))
}

func writeJSON(file string, seed uint64, rows []*row) error {
	data, err := json.MarshalIndent(struct {
		At   time.Time `json:"at"`
		Seed uint64    `json:"seed"`
		Rows []*row    `json:"rows"`
	}{time.Now().UTC(), seed, rows}, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the table as JSON: %w", err)
	}
	if err := os.WriteFile(file, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the table as JSON: %w", err)
	}
	return nil
}

// quantile gives the value that a part q of all does not exceed; 0 of none. It leaves the values as they are.
func quantile(values []time.Duration, q float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// short writes a time with three digits.
func short(d time.Duration) string {
	switch {
	case d >= 100*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= 100*time.Millisecond:
		return d.Round(time.Millisecond).String()
	default:
		return d.Round(10 * time.Microsecond).String()
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
