package sqlite

import (
	"errors"
	"fmt"
)

// migrations are run in order; the count of those that a file has seen is its schema number. A step is never changed once released.
func migrations() []string {
	return []string{schema1, schema2, schema3, schema4}
}

// schema1 is lean on purpose: a commit writes whole pages, so what counts is how many trees a row touches and that their keys grow.
// Times are nanoseconds since 1970; words of closed lists are numbers (codes.go).
const schema1 = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

-- Words that come again and again: providers, event names, pipelines, gates, digests.
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

-- What lists filter by. A delivery id's hash (h1, h2) and the end of its window lie here until they are moved to keys.
CREATE TABLE events (
	id INTEGER PRIMARY KEY, provider INTEGER NOT NULL, name INTEGER NOT NULL, state INTEGER NOT NULL, received INTEGER NOT NULL,
	duplicates INTEGER NOT NULL, routes INTEGER NOT NULL, size INTEGER NOT NULL, crc INTEGER NOT NULL,
	h1 INTEGER, h2 INTEGER, expires INTEGER
);
CREATE INDEX events_unusual ON events (state) WHERE state >= 2;
-- What lists show (info, as JSON) before what they do not: a row is read only as far as it is asked for.
CREATE TABLE bodies (event INTEGER PRIMARY KEY, info BLOB NOT NULL, body BLOB NOT NULL);

-- Delivery ids seen, by the day on which their window ends, so that what expires together lies together.
CREATE TABLE keys (
	day INTEGER NOT NULL, h1 INTEGER NOT NULL, h2 INTEGER NOT NULL, event INTEGER NOT NULL, state INTEGER NOT NULL,
	size INTEGER NOT NULL, crc INTEGER NOT NULL, expires INTEGER NOT NULL, PRIMARY KEY (day, h1, h2)
) WITHOUT ROWID;

-- queue is gate * 4 + lane. stage: 0 may be claimed, 1 claimed, 2 waits behind another task of its order key.
-- ord is the hash of the order key okey, NULL where there is none.
CREATE TABLE tasks (
	id INTEGER PRIMARY KEY, event INTEGER NOT NULL, run INTEGER NOT NULL, queue INTEGER NOT NULL, stage INTEGER NOT NULL,
	due INTEGER NOT NULL, kind INTEGER NOT NULL, path TEXT NOT NULL, n INTEGER NOT NULL, lost INTEGER NOT NULL, back INTEGER NOT NULL,
	first INTEGER NOT NULL, claimed INTEGER NOT NULL, cause INTEGER NOT NULL, ref TEXT NOT NULL, ord INTEGER, okey TEXT
);
CREATE INDEX tasks_ready ON tasks (queue, due) WHERE stage = 0;
CREATE INDEX tasks_run ON tasks (run) WHERE run > 0;
CREATE INDEX tasks_order ON tasks (ord, stage, queue, due) WHERE ord IS NOT NULL;

CREATE TABLE runs (
	id INTEGER PRIMARY KEY, event INTEGER NOT NULL, key INTEGER NOT NULL, pipeline INTEGER NOT NULL, revision INTEGER NOT NULL,
	state INTEGER NOT NULL, outcome INTEGER NOT NULL, version INTEGER NOT NULL, round INTEGER NOT NULL, now INTEGER NOT NULL,
	created INTEGER NOT NULL, finished INTEGER NOT NULL, additions INTEGER NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL,
	info BLOB NOT NULL
);
CREATE UNIQUE INDEX runs_id ON runs (event, key);
CREATE INDEX runs_unfinished ON runs (state) WHERE state IN (0, 2);

-- What each settlement added to a run, steps and attempts, as JSON. id is the run's row times 2^24 plus the addition's number.
CREATE TABLE additions (id INTEGER PRIMARY KEY, doc BLOB NOT NULL);

CREATE TABLE gates (name INTEGER PRIMARY KEY, state INTEGER NOT NULL, reason TEXT NOT NULL, since INTEGER NOT NULL, version INTEGER NOT NULL);

-- Requests of people and programs that must count once.
CREATE TABLE requests (event INTEGER NOT NULL, run INTEGER NOT NULL, what TEXT NOT NULL, request TEXT NOT NULL,
	PRIMARY KEY (event, run, what, request)) WITHOUT ROWID;

CREATE TABLE revisions (digest INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, put INTEGER NOT NULL, stored INTEGER NOT NULL,
	files BLOB NOT NULL);
CREATE TABLE sources (hash BLOB PRIMARY KEY, data BLOB NOT NULL);
-- How many runs and events name a digest.
CREATE TABLE uses (digest INTEGER PRIMARY KEY, n INTEGER NOT NULL);

CREATE TABLE ledger (term TEXT NOT NULL, pipeline TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (term, pipeline)) WITHOUT ROWID;
`

// schema2 adds what is rare: nothing of it is touched by a request that is in order. Strangers choose what stands in rejections, so
// its words are not interned.
const schema2 = `
-- Refused requests; doc is the store.Rejection as JSON.
CREATE TABLE rejections (id INTEGER PRIMARY KEY, provider TEXT NOT NULL, code TEXT NOT NULL, request TEXT NOT NULL, doc BLOB NOT NULL);

-- Secrets that providers gave in handshakes, sealed by who stores them.
CREATE TABLE secrets (id INTEGER PRIMARY KEY, provider TEXT NOT NULL, digest TEXT NOT NULL, at INTEGER NOT NULL, sealed BLOB NOT NULL,
	UNIQUE (provider, digest));

-- How events differ from their schemas, as JSON; most have no row.
CREATE TABLE findings (event INTEGER PRIMARY KEY, doc BLOB NOT NULL);
`

// schema3 adds waiting for more than time: limits of pipelines, wakes and batches. A task that has nothing to do with them carries four
// empty columns.
const schema3 = `
-- wait is the name of the group of what a task waits for and wkey the key, NULL where it waits for nothing or was woken; woken is the
-- event that woke it. batch is the one that it put an item into. Of stage 3 are the tasks of runs that wait for their turn.
ALTER TABLE tasks ADD COLUMN wait INTEGER;
ALTER TABLE tasks ADD COLUMN wkey TEXT;
ALTER TABLE tasks ADD COLUMN woken INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN batch INTEGER NOT NULL DEFAULT 0;
CREATE INDEX tasks_wait ON tasks (wait, wkey) WHERE wait IS NOT NULL;

-- How many runs of a key the period from start to finish has had.
CREATE TABLE quotas (key TEXT PRIMARY KEY, start INTEGER NOT NULL, finish INTEGER NOT NULL, n INTEGER NOT NULL) WITHOUT ROWID;

-- A turn that runs must have: at most max of them have it at once, held do, wanted is how many rows of turns name it.
CREATE TABLE holds (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, max INTEGER NOT NULL, held INTEGER NOT NULL, wanted INTEGER NOT NULL);
-- The n-th turn of an open run. state: 0 it has not come to it, 1 it waits for it, 2 it has it.
CREATE TABLE turns (run INTEGER NOT NULL, n INTEGER NOT NULL, hold INTEGER NOT NULL, state INTEGER NOT NULL, PRIMARY KEY (run, n)) WITHOUT ROWID;
CREATE INDEX turns_waiting ON turns (hold, run) WHERE state = 1;

-- A batch, led by a path of a run: event and runkey are its id, run its row. It takes count items; n are in it, of size bytes together.
-- state: 0 open, 1 nothing more comes in, 2 the run has ended.
CREATE TABLE batches (
	id INTEGER PRIMARY KEY, key TEXT NOT NULL, event INTEGER NOT NULL, runkey INTEGER NOT NULL, run INTEGER NOT NULL, path TEXT NOT NULL,
	count INTEGER NOT NULL, n INTEGER NOT NULL, size INTEGER NOT NULL, state INTEGER NOT NULL
);
CREATE UNIQUE INDEX batches_open ON batches (key) WHERE state = 0;
CREATE INDEX batches_run ON batches (run);
-- What came into batches. doc is NULL when the batch has ended: then the row only says that the run's item was in it.
CREATE TABLE items (id INTEGER PRIMARY KEY, batch INTEGER NOT NULL, run INTEGER NOT NULL, path TEXT NOT NULL, doc BLOB);
CREATE UNIQUE INDEX items_run ON items (run, path);
CREATE INDEX items_batch ON items (batch);
`

// schema4 adds what people do, what retention needs, and breakers.
const schema4 = `
ALTER TABLE gates ADD COLUMN until INTEGER NOT NULL DEFAULT 0;
-- breaker: 0 closed, 1 open; half open is open whose time has come.
ALTER TABLE gates ADD COLUMN breaker INTEGER NOT NULL DEFAULT 0;
ALTER TABLE gates ADD COLUMN trips INTEGER NOT NULL DEFAULT 0;
ALTER TABLE gates ADD COLUMN tripped INTEGER NOT NULL DEFAULT 0;
ALTER TABLE gates ADD COLUMN probe INTEGER NOT NULL DEFAULT 0;

-- keep: a parked run keeps the turn. ordered: the run waits for it from its beginning, whatever else it waits for.
ALTER TABLE turns ADD COLUMN keep INTEGER NOT NULL DEFAULT 0;
ALTER TABLE turns ADD COLUMN ordered INTEGER NOT NULL DEFAULT 0;

-- An event is kept while a task that it woke is open.
CREATE INDEX tasks_woken ON tasks (woken) WHERE woken > 0;

-- The name of the destination whose failure parked the run, 0 for none.
ALTER TABLE runs ADD COLUMN destination INTEGER NOT NULL DEFAULT 0;
-- The parked runs, so that of a million those of one pipeline, destination or reason are found at once. They are no indexes of runs: each
-- of those costs every run that never parks, too.
CREATE TABLE parked (run INTEGER PRIMARY KEY, pipeline INTEGER NOT NULL, destination INTEGER NOT NULL, reason TEXT NOT NULL);
CREATE INDEX parked_pipeline ON parked (pipeline);
CREATE INDEX parked_destination ON parked (destination);
CREATE INDEX parked_reason ON parked (reason);
INSERT INTO parked (run, pipeline, destination, reason) SELECT id, pipeline, 0, reason FROM runs WHERE state IN (0, 2) AND state = 2;
-- The runs that replays made; ref is Cause.Ref.
CREATE TABLE replays (run INTEGER PRIMARY KEY, ref TEXT NOT NULL);
CREATE INDEX replays_ref ON replays (ref);
INSERT INTO replays (run, ref) SELECT id, coalesce(json_extract(CAST(info AS TEXT), '$.cause.ref'), '') FROM runs
	WHERE json_extract(CAST(info AS TEXT), '$.cause.kind') = 'replay';

-- What waits behind another task or for a turn is in the index too, so that it can be counted for its gate.
DROP INDEX tasks_ready;
CREATE INDEX tasks_waiting ON tasks (stage, queue, due) WHERE stage <> 1;

-- What people did; doc is the store.AuditEntry as JSON, digest and all.
CREATE TABLE audit (id INTEGER PRIMARY KEY, action TEXT NOT NULL, subject TEXT NOT NULL, doc BLOB NOT NULL);
CREATE INDEX audit_subject ON audit (subject);

-- doc is the store.Job as JSON, but for its ids. ended: 0 while it may go on.
CREATE TABLE jobs (made INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, ended INTEGER NOT NULL, state TEXT NOT NULL, doc BLOB NOT NULL);
CREATE INDEX jobs_ended ON jobs (ended);
-- The ids that a job names, as JSON: written once, though how far the job is is written often, and read with that job alone.
CREATE TABLE job_ids (job INTEGER PRIMARY KEY, ids BLOB NOT NULL);

-- doc is the store.Subscription as JSON, sealed what is secret of it.
CREATE TABLE subscriptions (made INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, doc BLOB NOT NULL, sealed BLOB NOT NULL);

-- trimmed: retention has taken the attempts.
ALTER TABLE runs ADD COLUMN trimmed INTEGER NOT NULL DEFAULT 0;
-- The replays that wait, by event: cause 2 is "replay".
CREATE INDEX tasks_replayed ON tasks (event) WHERE run = 0 AND cause = 2;
-- How many bytes the bodies have that are kept.
INSERT INTO ledger (term, pipeline, n) SELECT 'bodies.bytes', '', sum(size) FROM events HAVING count(*) > 0;
`

// Schema is the schema number of the files that this version writes.
func Schema() int { return len(migrations()) }

// ErrNewerSchema refuses a file that a newer version has written.
var ErrNewerSchema = errors.New("the file was written by a newer version of Headgate")

// migrate brings the file to the newest schema, each step in a transaction of its own.
func migrate(c *conn) (int, error) {
	have, err := c.one("PRAGMA user_version")
	if err != nil {
		return 0, fmt.Errorf("reading the schema number: %w", err)
	}
	steps := migrations()
	if have > int64(len(steps)) {
		return 0, fmt.Errorf("schema %d, and this version knows %d: %w", have, len(steps), ErrNewerSchema)
	}
	for i := int(have); i < len(steps); i++ {
		script := fmt.Sprintf("BEGIN IMMEDIATE; %s; PRAGMA user_version = %d; COMMIT;", steps[i], i+1)
		if _, _, err := c.exec(script); err != nil {
			_, _, _ = c.exec("ROLLBACK")
			return 0, fmt.Errorf("moving the file to schema %d: %w", i+1, err)
		}
	}
	return len(steps), nil
}
