package sqlite

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

// ledger holds the counters against the rows that they count (I1). The bodies have been looked at before.
func (v *verifier) ledger() error {
	var l store.Ledger
	terms := map[term]int64{}
	if err := v.c.query(func(r row) error { terms[term{r.text(0), r.text(1)}] = r.int(2); return nil }, "SELECT term, pipeline, n FROM ledger"); err != nil {
		return err
	}
	of := func(name string) int64 { return terms[term{name, ""}] }
	l.Requests = store.RequestTerms{
		Recorded: of(recorded), Processed: of(processed), Duplicate: of(duplicate), Ignored: of(ignored), Quarantined: of(quarantined),
		Rejected: of(rejected), Pruned: of(gone),
	}
	if !l.Requests.Balanced() {
		v.find("I1", "", "the requests do not add up: %+v", l.Requests)
	}
	kept := v.out.Contents.Events
	if want := l.Requests.Processed + l.Requests.Ignored + l.Requests.Quarantined - l.Requests.Pruned; kept != want {
		v.find("I1", "", "%d events are kept, and the ledger says %d", kept, want)
	}
	if v.said != of(bodyBytes) {
		v.find("I1", "", "the bodies had %d bytes when they were stored, and the ledger says %d", v.said, of(bodyBytes))
	}
	return v.runTerms(terms)
}

// runTerms holds the terms of each pipeline against its runs.
func (v *verifier) runTerms(terms map[term]int64) error {
	counted := map[term]int64{}
	pipelines := map[string]bool{}
	type group struct{ pipeline, state, outcome, n int64 }
	var groups []group
	if err := v.c.query(func(r row) error { groups = append(groups, group{r.int(0), r.int(1), r.int(2), r.int(3)}); return nil },
		"SELECT pipeline, state, outcome, count(*) FROM runs GROUP BY pipeline, state, outcome"); err != nil {
		return err
	}
	for _, g := range groups {
		name, err := v.view.name(g.pipeline)
		if err != nil {
			return err
		}
		pipelines[name] = true
		counted[term{standing(word(runStates(), g.state), word(outcomes(), g.outcome)), name}] += g.n
		v.out.Contents.Runs += g.n
	}
	for t := range terms {
		if t.pipeline != "" {
			pipelines[t.pipeline] = true
		}
	}
	for pipeline := range pipelines {
		sum := terms[term{pruned, pipeline}]
		for _, name := range []string{
			string(run.Open), string(run.Parked), string(run.Dropped), string(run.Completed), string(run.Filtered), string(run.Limited),
		} {
			t := term{name, pipeline}
			sum += terms[t]
			if counted[t] != terms[t] {
				v.find("I1", pipeline, "%d runs of the pipeline are %s, and the ledger says %d", counted[t], name, terms[t])
			}
		}
		if made := terms[term{made, pipeline}]; made != sum {
			v.find("I1", pipeline, "the runs of the pipeline do not add up: %d were made, and their terms are %d together", made, sum)
		}
	}
	return nil
}

// attempts looks for gaps in the numbers of attempts (I3), and for runs that succeeded twice at the same place and round (I2).
func (v *verifier) attempts() error {
	type place struct {
		path  string
		round int
	}
	type tried struct{ n, highest, ok int }
	current, had := int64(-1), map[place]tried{}
	flush := func() {
		for p, t := range had {
			switch {
			case t.n != t.highest:
				v.find("I3", v.runName(current), "%s, round %d, has %d attempts, the last of them with the number %d", p.path, p.round, t.n, t.highest)
			case t.ok > 1:
				v.find("I2", v.runName(current), "%s, round %d, succeeded %d times", p.path, p.round, t.ok)
			}
		}
		clear(had)
	}
	for after := int64(-1); ; {
		type line struct {
			id  int64
			doc []byte
		}
		var lines []line
		if err := v.c.query(func(r row) error { lines = append(lines, line{r.int(0), r.bytes(1)}); return nil },
			"SELECT id, CASE WHEN instr(doc, CAST('\"attempts\":[' AS BLOB)) THEN doc END FROM additions WHERE id > ? ORDER BY id LIMIT ?", after, verifyStep); err != nil {
			return err
		}
		for _, l := range lines {
			after = l.id
			if l.doc == nil {
				continue
			}
			if id := l.id / maxAdditions; id != current {
				flush()
				current = id
			}
			var a struct {
				Attempts []struct {
					Path    string             `json:"path"`
					Round   int                `json:"round"`
					N       int                `json:"n"`
					Outcome run.AttemptOutcome `json:"outcome"`
				} `json:"attempts"`
			}
			if err := json.Unmarshal(l.doc, &a); err != nil {
				v.find("I3", v.runName(l.id/maxAdditions), "what a settlement added cannot be read: %v", err)
				continue
			}
			for _, one := range a.Attempts {
				p := place{one.Path, one.Round}
				t := had[p]
				t.n, t.highest = t.n+1, max(t.highest, one.N)
				if one.Outcome == run.AttemptOK {
					t.ok++
				}
				had[p] = t
				v.out.Attempts++
			}
		}
		if len(lines) < verifyStep {
			flush()
			return nil
		}
	}
}

// runName gives the id of a run by its row.
func (v *verifier) runName(id int64) string {
	name := fmt.Sprintf("run row %d", id)
	_, _ = v.c.first(func(r row) error {
		name = run.ID{Event: event.ID(r.int(0)), Key: uint64(r.int(1))}.String()
		return nil
	}, "SELECT event, key FROM runs WHERE id = ?", id) // a name that cannot be read is not what this is about
	return name
}

// each makes a finding of every row of a statement whose first column is a number that name names.
func (v *verifier) each(check, message string, name func(int64) string, sql string, args ...any) error {
	var ids []int64
	if err := v.c.query(func(r row) error { ids = append(ids, r.int(0)); return nil }, sql, args...); err != nil {
		return err
	}
	for _, id := range ids {
		v.find(check, name(id), "%s", message)
	}
	return nil
}

func eventName(id int64) string { return event.ID(id).String() }

func taskName(id int64) string { return fmt.Sprintf("task %d", id) }

// belonging looks for rows that lack what they belong to (I4).
func (v *verifier) belonging() error {
	n, err := v.c.one("SELECT count(*) FROM tasks")
	if err != nil {
		return err
	}
	v.out.Contents.Tasks, v.out.Contents.Schema = n, int(v.schema)
	for _, c := range []struct {
		message string
		name    func(int64) string
		sql     string
	}{
		{
			"the event has yet to be routed, and no task does it", eventName,
			"SELECT id FROM events WHERE state = 0 AND id NOT IN (SELECT event FROM tasks WHERE run = 0)",
		},
		{"the run belongs to an event that is not there", v.runName, "SELECT id FROM runs r WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.id = r.event)"},
		{"the task belongs to an event that is not there", taskName, "SELECT id FROM tasks t WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.id = t.event)"},
		{
			"the task belongs to a run that is not open", taskName,
			"SELECT id FROM tasks t WHERE t.run > 0 AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = t.run AND +r.state = 0)",
		},
		{
			"the run is open, and no task works on it", v.runName,
			"SELECT id FROM runs r WHERE r.state IN (0, 2) AND r.state = 0 AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.run = r.id AND t.run > 0)",
		},
		{
			"the run is parked, and the list of parked runs lacks it", v.runName,
			"SELECT id FROM runs r WHERE r.state IN (0, 2) AND r.state = 2 AND NOT EXISTS (SELECT 1 FROM parked p WHERE p.run = r.id)",
		},
		{
			"the list of parked runs names the run, which is not parked", v.runName,
			"SELECT run FROM parked p WHERE NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = p.run AND +r.state = 2)",
		},
		{
			"the list of replays names a run that is not there", v.runName,
			"SELECT run FROM replays p WHERE NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = p.run)",
		},
		{
			"a settlement added to a run that is not there", v.runName,
			"SELECT DISTINCT a.id / 16777216 FROM additions a WHERE NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = a.id / 16777216)",
		},
	} {
		if err := v.each("I4", c.message, c.name, c.sql); err != nil {
			return err
		}
	}
	return nil
}

// deliveries holds delivery ids against their events (I5). A delivery id may outlive its event.
func (v *verifier) deliveries() error {
	settled, err := v.c.one("SELECT value FROM meta WHERE key = 'keys'")
	if err != nil {
		return err
	}
	if err := v.each("I5", "the delivery id of the event is not known any more, though its window has not ended", eventName,
		`SELECT e.id FROM events e WHERE e.id <= ? AND e.h1 IS NOT NULL AND e.expires > ?
			AND NOT EXISTS (SELECT 1 FROM keys k WHERE k.day = e.expires / 86400000000000 AND k.h1 = e.h1 AND k.h2 = e.h2 AND k.event = e.id)`,
		settled, v.high+int64(2*time.Second)); err != nil { // the clock is noted once a second
		return err
	}
	if err := v.each("I5", "a delivery id names the event, which has another or none", eventName,
		"SELECT k.event FROM keys k CROSS JOIN events e ON e.id = k.event WHERE e.h1 IS NOT k.h1 OR e.h2 IS NOT k.h2"); err != nil {
		return err
	}
	return v.each("I5", "a delivery id names an event that was never stored", eventName,
		"SELECT k.event FROM keys k WHERE k.event > (SELECT max((SELECT coalesce(max(id), 0) FROM events), coalesce((SELECT value FROM meta WHERE key = 'event'), 0)))")
}

// queue looks for tasks that nobody would ever claim (I6), and says how long the oldest has been due.
func (v *verifier) queue() error {
	for _, c := range []struct{ message, sql string }{
		{
			"several tasks of its order key can be claimed at once",
			"SELECT min(id) FROM tasks WHERE ord IS NOT NULL AND stage = 1 GROUP BY ord HAVING count(*) > 1",
		},
		{
			"the task waits behind another one of its order key, and there is none",
			`SELECT min(t.id) FROM tasks t WHERE t.ord IS NOT NULL AND t.stage = 2
				AND NOT EXISTS (SELECT 1 FROM tasks o WHERE o.ord = t.ord AND o.stage IN (0, 1)) GROUP BY t.ord`,
		},
		{"the task waits behind another one of its order key, and has none", "SELECT id FROM tasks WHERE stage = 2 AND ord IS NULL"},
		{
			"the task waits for a turn that its run does not wait for",
			"SELECT id FROM tasks t WHERE t.stage = 3 AND NOT EXISTS (SELECT 1 FROM turns u WHERE u.run = t.run AND u.state < 2)",
		},
		{"the task is of a kind or stage that does not exist", "SELECT id FROM tasks WHERE stage NOT BETWEEN 0 AND 3 OR kind NOT BETWEEN 0 AND 4 OR queue % 4 > 2"},
	} {
		if err := v.each("I6", c.message, taskName, c.sql); err != nil {
			return err
		}
	}
	if err := v.turns(); err != nil {
		return err
	}
	oldest, err := v.c.one("SELECT min(t.due) FROM tasks t WHERE t.stage = 0 AND NOT EXISTS (SELECT 1 FROM gates g WHERE g.name = t.queue / 4 AND (g.state = 2 OR g.breaker <> 0))")
	if err != nil {
		return err
	}
	if late := time.Duration(v.high - oldest); oldest != 0 && late > time.Minute {
		v.note("the oldest task had been due for %s when the store was last written", late.Round(time.Second))
	}
	return nil
}

// turns holds the turns of runs against what the holds count.
func (v *verifier) turns() error {
	type hold struct {
		key                      string
		held, wanted, has, wants int64
	}
	var wrong []hold
	if err := v.c.query(func(r row) error {
		wrong = append(wrong, hold{key: r.text(0), held: r.int(1), wanted: r.int(2), has: r.int(3), wants: r.int(4)})
		return nil
	}, `SELECT key, held, wanted, has, wants FROM (SELECT h.key, h.held, h.wanted, (SELECT count(*) FROM turns t WHERE t.hold = h.id AND t.state = 2) has,
		(SELECT count(*) FROM turns t WHERE t.hold = h.id) wants FROM holds h) WHERE held <> has OR wanted <> wants`); err != nil {
		return err
	}
	for _, h := range wrong {
		v.find("I6", h.key, "%d runs have the turn and %d want it, and it counts %d and %d", h.has, h.wants, h.held, h.wanted)
	}
	return v.each("I6", "the run is not open, and has a turn that it was not to keep", v.runName,
		"SELECT DISTINCT t.run FROM turns t LEFT JOIN runs r ON r.id = t.run WHERE r.id IS NULL OR r.state IN (1, 3) OR (r.state = 2 AND NOT (t.keep AND t.state = 2))")
}

// claims says what was claimed when the store was last written (I7). No lease outlives the process: the next start takes all back.
func (v *verifier) claims() error {
	n, err := v.c.one("SELECT count(*) FROM tasks WHERE stage = 1")
	if err != nil {
		return err
	}
	if n > 0 {
		v.note("%d tasks were claimed when the store was last written: the next start takes them back, and counts their attempts as unknown", n)
	}
	return v.each("I7", "the task is claimed, and nobody knows since when", taskName, "SELECT id FROM tasks WHERE stage = 1 AND claimed = 0")
}

// revisions looks for runs of revisions that are not stored, and for sources that are missing or altered (I9).
func (v *verifier) revisions() error {
	type used struct {
		digest, n, said int64
		stored          bool
	}
	var all []used
	if err := v.c.query(func(r row) error { all = append(all, used{r.int(0), r.int(1), r.int(2), r.int(3) != 0}); return nil },
		`SELECT d, sum(n), coalesce((SELECT u.n FROM uses u WHERE u.digest = d), 0), EXISTS (SELECT 1 FROM revisions v WHERE v.digest = d) FROM (
			SELECT revision d, count(*) n FROM runs GROUP BY revision UNION ALL SELECT routes, count(*) FROM events GROUP BY routes) GROUP BY d`); err != nil {
		return err
	}
	for _, u := range all {
		digest, err := v.view.name(u.digest)
		if err != nil {
			v.find("I9", fmt.Sprintf("name %d", u.digest), "%d runs and events name a digest that is not there", u.n)
			continue
		}
		if digest != "" && !u.stored {
			v.find("I9", digest, "%d runs and events name the revision, which is not stored", u.n)
		}
		if u.n != u.said {
			v.find("I9", digest, "%d runs and events name the revision, and it counts %d", u.n, u.said)
		}
	}
	return v.sources()
}

func (v *verifier) sources() error {
	sums := map[string]bool{}
	if err := v.c.query(func(r row) error {
		sum := sha256.Sum256(r.bytes(1))
		hash := string(r.bytes(0))
		if sums[hash] = string(sum[:]) == hash; !sums[hash] {
			v.find("I9", fmt.Sprintf("%x", hash), "a source file does not match its SHA-256")
		}
		return nil
	}, "SELECT hash, data FROM sources"); err != nil {
		return err
	}
	return v.c.query(func(r row) error {
		var files []revisionFile
		if err := json.Unmarshal(r.bytes(1), &files); err != nil {
			v.find("I9", r.text(0), "the list of its files cannot be read: %v", err)
			return nil
		}
		if i := slices.IndexFunc(files, func(f revisionFile) bool { _, ok := sums[string(f.Hash)]; return !ok }); i >= 0 {
			v.find("I9", r.text(0), "its file %s is not there", files[i].Path)
		}
		return nil
	}, "SELECT coalesce(n.name, v.digest), v.files FROM revisions v LEFT JOIN names n ON n.id = v.digest")
}

// audit follows the chain of the audit log.
func (v *verifier) audit() error {
	previous := ""
	return v.c.query(func(r row) error {
		var e store.AuditEntry
		if err := json.Unmarshal(r.bytes(1), &e); err != nil {
			v.find(FindingAudit, eventName(r.int(0)), "the entry cannot be read: %v", err)
			return nil
		}
		v.out.Audit++
		switch {
		case int64(e.ID) != r.int(0), store.AuditDigest(previous, e) != e.Digest:
			v.find(FindingAudit, e.ID.String(), "the entry (%s %s) was altered, or one before it is missing", e.Action, cmp.Or(e.Subject, "-"))
		}
		previous = e.Digest
		return nil
	}, "SELECT id, doc FROM audit ORDER BY id")
}
