package sqlite

import (
	"fmt"
)

// migrations are run in order; the count of those that a file has seen is its schema number. A step is never changed once released.
func migrations() []string {
	return []string{schema1}
}

const schema1 = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

-- Words that come again and again: providers, event names, pipelines, gates, content types, digests.
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

CREATE TABLE events (
	id INTEGER PRIMARY KEY, provider INTEGER NOT NULL, name INTEGER NOT NULL, state INTEGER NOT NULL, received INTEGER NOT NULL,
	duplicates INTEGER NOT NULL, routes INTEGER NOT NULL, size INTEGER NOT NULL, crc INTEGER NOT NULL,
	request TEXT NOT NULL, delivery TEXT NOT NULL, info BLOB NOT NULL
);
CREATE TABLE bodies (event INTEGER PRIMARY KEY, body BLOB NOT NULL);

-- Delivery ids seen. day is that of the window's end, so that what expires together lies together.
CREATE TABLE keys (
	hash BLOB PRIMARY KEY, event INTEGER NOT NULL, state INTEGER NOT NULL, size INTEGER NOT NULL, crc INTEGER NOT NULL,
	expires INTEGER NOT NULL, day INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX keys_day ON keys (day, event);

-- queue is gate * 4 + lane; token is 0 while nobody holds the task.
CREATE TABLE tasks (
	id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, event INTEGER NOT NULL, run INTEGER NOT NULL, path TEXT NOT NULL,
	cause INTEGER NOT NULL, ref TEXT NOT NULL, queue INTEGER NOT NULL, ord INTEGER NOT NULL, due INTEGER NOT NULL, n INTEGER NOT NULL,
	lost INTEGER NOT NULL, first INTEGER NOT NULL, token INTEGER NOT NULL, lease INTEGER NOT NULL, claimed INTEGER NOT NULL,
	reclaimed INTEGER NOT NULL
);
CREATE INDEX tasks_waiting ON tasks (queue, due, id) WHERE token = 0;
CREATE INDEX tasks_held ON tasks (lease) WHERE token > 0;
CREATE INDEX tasks_out ON tasks (ord) WHERE ord > 0 AND token > 0;
CREATE INDEX tasks_run ON tasks (run) WHERE run > 0;

CREATE TABLE runs (
	id INTEGER PRIMARY KEY, event INTEGER NOT NULL, key INTEGER NOT NULL, pipeline INTEGER NOT NULL, revision INTEGER NOT NULL,
	cause INTEGER NOT NULL, ref TEXT NOT NULL, state INTEGER NOT NULL, outcome INTEGER NOT NULL, version INTEGER NOT NULL,
	round INTEGER NOT NULL, now INTEGER NOT NULL, created INTEGER NOT NULL, finished INTEGER NOT NULL,
	reason TEXT NOT NULL, message TEXT NOT NULL, trace TEXT NOT NULL, labels BLOB NOT NULL
);
CREATE UNIQUE INDEX runs_id ON runs (event, key);
CREATE INDEX runs_unfinished ON runs (state, id) WHERE state IN (0, 2);

-- What each settlement added to a run: steps and attempts.
CREATE TABLE additions (id INTEGER PRIMARY KEY, run INTEGER NOT NULL, doc BLOB NOT NULL);
CREATE INDEX additions_run ON additions (run, id);

CREATE TABLE gates (name INTEGER PRIMARY KEY, state INTEGER NOT NULL, reason TEXT NOT NULL, since INTEGER NOT NULL, version INTEGER NOT NULL);

-- Requests of people and programs that must count once.
CREATE TABLE requests (event INTEGER NOT NULL, run INTEGER NOT NULL, what TEXT NOT NULL, request TEXT NOT NULL,
	PRIMARY KEY (event, run, what, request)) WITHOUT ROWID;

CREATE TABLE revisions (digest INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, put INTEGER NOT NULL, stored INTEGER NOT NULL,
	files BLOB NOT NULL);
CREATE TABLE sources (hash BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE ledger (term TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
`

// migrate brings the file to the newest schema, each step in a transaction of its own. A file of a newer Headgate is refused.
func migrate(c *conn) (int, error) {
	var have int64
	if _, err := c.first(func(r row) error { have = r.int(0); return nil }, "PRAGMA user_version"); err != nil {
		return 0, fmt.Errorf("reading the schema number: %w", err)
	}
	steps := migrations()
	if have > int64(len(steps)) {
		return 0, fmt.Errorf("the file has schema %d, and this version knows %d: it was written by a newer Headgate", have, len(steps))
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
