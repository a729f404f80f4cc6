package sqlite

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// view reads inside one transaction: all that it reads is of one instant.
type view struct {
	c     *conn
	names *names
}

func (v *view) name(id int64) (string, error) { return v.names.word(v.c, id) }

const eventColumns = "e.id, e.provider, e.name, e.state, e.received, e.duplicates, e.routes, e.size, e.crc, b.info, " +
	"(SELECT doc FROM findings WHERE event = e.id)"

// eventRow is an event whose names are yet to be looked up: a row must not run queries of its own.
type eventRow struct {
	event.Event
	provider, name, routes int64
	info, findings         []byte
}

func scanEvent(r row) eventRow {
	return eventRow{
		provider: r.int(1), name: r.int(2), routes: r.int(6), info: r.bytes(9), findings: r.bytes(10),
		Event: event.Event{
			ID: event.ID(r.int(0)), State: word(eventStates(), r.int(3)), Received: at(r.int(4)), Duplicates: int(r.int(5)),
			BodySize: int(r.int(7)), BodyCRC: uint32(r.int(8)),
		},
	}
}

// damaged is what a list tells of an event or a run whose stored JSON cannot be read any more; the rest of it is told all the same.
const damaged = "a part of its record is damaged"

// finish fills in what the row names. An event of which a part is damaged comes with the rest, and whole is false.
func (v *view) finish(e *eventRow) (out event.Event, whole bool, err error) {
	var i info
	out, whole = e.Event, true
	if json.Unmarshal(e.info, &i) != nil {
		i, whole = info{Reason: damaged}, false
	}
	out.Request, out.Index, out.Delivery, out.Verification, out.Headers = i.Request, i.Index, i.Delivery, i.Verification, i.Headers
	out.Query, out.ContentType, out.Source, out.Cause, out.Depth = i.Query, i.ContentType, i.Source, i.Cause, i.Depth
	out.Reason, out.Labels = i.Reason, i.Labels
	if e.findings != nil && json.Unmarshal(e.findings, &out.Findings) != nil {
		out.Findings = nil // they are told, and nothing is done by them
	}
	if out.Provider, err = v.name(e.provider); err != nil {
		return event.Event{}, false, err
	}
	if out.Name, err = v.name(e.name); err != nil {
		return event.Event{}, false, err
	}
	out.Routes, err = v.name(e.routes)
	return out, whole, err
}

// list gives the events of a query for eventColumns.
func (v *view) list(sql string, args ...any) ([]event.Event, error) {
	var rows []eventRow
	if err := v.c.query(func(r row) error { rows = append(rows, scanEvent(r)); return nil }, sql, args...); err != nil {
		return nil, err
	}
	var events []event.Event
	for i := range rows {
		e, _, err := v.finish(&rows[i])
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

// intact gives a body as it was stored, or says that it is damaged.
func intact(e *event.Event, body []byte) ([]byte, error) {
	if len(body) != e.BodySize || checksum(body) != e.BodyCRC {
		return nil, fmt.Errorf("event %s: %w", e.ID, store.ErrCorrupt)
	}
	return body, nil
}

const runColumns = `r.id, r.event, r.key, r.pipeline, r.revision, r.state, r.outcome, r.version, r.round, r.now, r.created, r.finished,
	r.reason, r.message, r.info, r.destination`

// runRow is a run whose names are yet to be looked up.
type runRow struct {
	run.Run
	row, pipeline, revision, destination int64
	info                                 []byte
	damaged                              bool // a part of it cannot be read; set by finishRuns
}

func scanRun(r row) runRow {
	return runRow{
		row: r.int(0), pipeline: r.int(3), revision: r.int(4), info: r.bytes(14), destination: r.int(15),
		Run: run.Run{
			ID: run.ID{Event: event.ID(r.int(1)), Key: uint64(r.int(2))}, Event: event.ID(r.int(1)), State: word(runStates(), r.int(5)),
			Outcome: word(outcomes(), r.int(6)), Version: r.int(7), Round: int(r.int(8)), Now: at(r.int(9)), Created: at(r.int(10)),
			Finished: at(r.int(11)), Reason: r.text(12), Message: r.text(13),
		},
	}
}

// runs gives the runs of a query for runColumns, and their rows.
func (v *view) runs(sql string, args ...any) (runs []run.Run, ids []int64, err error) {
	var rows []runRow
	if err := v.c.query(func(r row) error { rows = append(rows, scanRun(r)); return nil }, sql, args...); err != nil {
		return nil, nil, err
	}
	if err := v.finishRuns(rows); err != nil {
		return nil, nil, err
	}
	for i := range rows {
		runs, ids = append(runs, rows[i].Run), append(ids, rows[i].row)
	}
	return runs, ids, nil
}

// finishRuns fills in what rows name.
func (v *view) finishRuns(rows []runRow) (err error) {
	for i := range rows {
		r := &rows[i]
		var details runInfo
		if json.Unmarshal(r.info, &details) != nil {
			details, r.damaged = runInfo{}, true
			r.Message = strings.TrimPrefix(r.Message+"; "+damaged, "; ")
		}
		r.Cause, r.Depth, r.Trace, r.Labels = details.Cause, details.Depth, details.Trace, details.Labels
		if r.Pipeline, err = v.name(r.pipeline); err != nil {
			return err
		}
		if r.Revision, err = v.name(r.revision); err != nil {
			return err
		}
		if r.destination != 0 {
			if r.Destination, err = v.name(r.destination); err != nil {
				return err
			}
		}
	}
	return nil
}

// runRecord is a run's record as it is read.
type runRecord struct {
	store.RunRecord
	damaged bool // a part of it cannot be read
}

// additions folds what settlements have added to some runs.
func (v *view) additions(ids []int64) (map[int64]*runRecord, error) {
	type doc struct {
		id   int64
		text []byte
	}
	var docs []doc
	if err := v.c.query(func(r row) error { docs = append(docs, doc{r.int(0), r.bytes(1)}); return nil },
		"SELECT a.id, a.doc FROM json_each(?) j CROSS JOIN additions a ON a.id >= j.value * 16777216 AND a.id < (j.value + 1) * 16777216", list(ids)); err != nil {
		return nil, err
	}
	slices.SortFunc(docs, func(a, b doc) int { return int(a.id - b.id) })
	records := map[int64]*runRecord{}
	known := map[int64]map[string]bool{} // the paths that a record has steps of
	for _, d := range docs {
		var a addition
		id := d.id / maxAdditions
		if records[id] == nil {
			records[id], known[id] = &runRecord{}, map[string]bool{}
		}
		if json.Unmarshal(d.text, &a) != nil {
			records[id].damaged = true
			continue
		}
		a.apply(&records[id].RunRecord, known[id])
	}
	return records, nil
}

// apply folds an addition: a step of the same path replaces the earlier one and stands last, as it ended last. known are the paths that had
// a step before.
func (a *addition) apply(out *store.RunRecord, known map[string]bool) {
	if a.Reset {
		out.Steps = run.Reopened(out.Steps)
	}
	for _, step := range a.Steps {
		if known[step.Path] {
			out.Steps = slices.DeleteFunc(out.Steps, func(s run.Step) bool { return s.Path == step.Path })
		}
		known[step.Path] = true
		out.Steps = append(out.Steps, step)
	}
	out.Attempts = append(out.Attempts, a.Attempts...)
	if a.Input != nil {
		out.Run.Input = a.Input
	}
}

// list writes numbers as the JSON array that json_each takes: one statement reads what a whole claim needs.
func list(ids []int64) string {
	out := []byte{'['}
	for i, id := range ids {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, id, 10)
	}
	return string(append(out, ']'))
}

// handOut reads what claimed tasks need.
func (v *view) handOut(claimed []claim) ([]store.Claimed, error) {
	var events, runs []int64
	for i := range claimed {
		cl := &claimed[i]
		events = append(events, cl.task.event)
		if cl.task.run != 0 {
			runs = append(runs, cl.task.run)
		}
	}
	withBody, err := v.eventsWithBody(slices.Compact(slices.Sorted(slices.Values(events))))
	if err != nil {
		return nil, err
	}
	records, err := v.records(slices.Compact(slices.Sorted(slices.Values(runs))))
	if err != nil {
		return nil, err
	}
	out := make([]store.Claimed, 0, len(claimed))
	for i := range claimed {
		cl := &claimed[i]
		t := &cl.task
		gate, err := v.name(t.gate())
		if err != nil {
			return nil, err
		}
		c := store.Claimed{Task: t.task(gate, run.ID{}), Reclaimed: t.back != 0}
		c.Task.Token = cl.token
		c.Event.ID, c.Corrupt = event.ID(t.event), true // an event that is not found where a task needs it is damaged, too
		if e, ok := withBody[t.event]; ok {
			c.Event, c.Corrupt = e.Event, e.corrupt
		}
		if t.run != 0 {
			r := records[t.run]
			if r == nil {
				continue // the run has ended and gone meanwhile, and its task with it
			}
			copied := r.Run
			c.Task.Run, c.Run, c.Steps = r.Run.ID, &copied, slices.Clone(r.Steps)
			if r.damaged { // whoever claims it is to park it, and no other task must wait for that
				c.Event.Body, c.Corrupt = nil, true
			}
		}
		if t.batch != 0 {
			if c.Gathered, err = v.gathered(t); err != nil {
				return nil, err
			}
		}
		out = append(out, c)
	}
	return out, nil
}

type bodyEvent struct {
	event.Event
	corrupt bool
}

func (v *view) eventsWithBody(ids []int64) (map[int64]bodyEvent, error) {
	var rows []eventRow
	var bodies [][]byte
	if err := v.c.query(func(r row) error {
		rows, bodies = append(rows, scanEvent(r)), append(bodies, r.bytes(11))
		return nil
	}, "SELECT "+eventColumns+", b.body FROM json_each(?) j CROSS JOIN events e ON e.id = j.value CROSS JOIN bodies b ON b.event = e.id", list(ids)); err != nil {
		return nil, err
	}
	out := make(map[int64]bodyEvent, len(rows))
	for i := range rows {
		e, whole, err := v.finish(&rows[i])
		if err != nil {
			return nil, err
		}
		e.Body, err = intact(&e, bodies[i])
		if !whole {
			e.Body = nil
		}
		out[int64(e.ID)] = bodyEvent{e, !whole || errors.Is(err, store.ErrCorrupt)}
	}
	return out, nil
}

func (v *view) records(ids []int64) (map[int64]*runRecord, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []runRow
	if err := v.c.query(func(r row) error { rows = append(rows, scanRun(r)); return nil },
		"SELECT "+runColumns+" FROM json_each(?) j CROSS JOIN runs r ON r.id = j.value", list(ids)); err != nil {
		return nil, err
	}
	if err := v.finishRuns(rows); err != nil {
		return nil, err
	}
	records, err := v.additions(ids)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		rec := records[rows[i].row]
		if rec == nil {
			rec = &runRecord{}
			records[rows[i].row] = rec
		}
		rows[i].Input = rec.Run.Input
		rec.Run, rec.damaged = rows[i].Run, rec.damaged || rows[i].damaged
	}
	return records, nil
}
