package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/headgate/headgate/engine/event"
)

// VerifyOptions is what Verify needs.
type VerifyOptions struct {
	// Path is the store's file: one that no gateway has open, or a backup.
	Path string
	// Max is how many findings are kept, 1000 where 0; all are counted.
	Max int
}

// What a finding is about, beside the invariants I1 to I9 (docs/backup.md has them).
const (
	FindingFile  = "file"  // the file's structure
	FindingAudit = "audit" // the chain of the audit log
)

// Finding is something that is not as it should be.
type Finding struct {
	// Check is "I1" to "I9", FindingFile or FindingAudit.
	Check string `json:"check"`
	// Subject is what it is about: an event's id, a run's, …; "" for the store as a whole.
	Subject string `json:"subject,omitempty"`
	Message string `json:"message"`
}

// Verification is what Verify found out.
type Verification struct {
	Path     string   `json:"path"`
	Contents Contents `json:"contents"`
	// Bodies were checked, Dropped ones are no more; Attempts were counted.
	Bodies   int64 `json:"bodies"`
	Dropped  int64 `json:"dropped"`
	Attempts int64 `json:"attempts"`
	Audit    int64 `json:"audit"`
	// Findings are the first of the Found ones, by check.
	Findings []Finding `json:"findings"`
	Found    int       `json:"found"`
	// Notes say what is no fault and yet worth knowing.
	Notes []string      `json:"notes,omitempty"`
	Took  time.Duration `json:"-"`
}

// Verify reads a whole store and says what is wrong with it: bodies that do not match their checksum, a file that SQLite finds malformed, and
// records that contradict each other (the invariants I1 to I9, as far as one file can tell). It changes nothing. What is damaged in one place
// does not keep it from looking at the others. The error says that the file could not be looked at, and wraps store.ErrLocked where a gateway has it open.
func Verify(ctx context.Context, o VerifyOptions) (_ Verification, err error) {
	started := time.Now()
	if _, err := os.Stat(o.Path); err != nil {
		return Verification{}, fmt.Errorf("looking for the store: %w", err)
	}
	if _, err := os.Stat(o.Path + ".lock"); err == nil { // a backup has none, and gets none
		lock, err := lockFile(o.Path)
		if err != nil {
			return Verification{}, err
		}
		defer func() { err = errors.Join(err, unlock(lock)) }()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return Verification{}, fmt.Errorf("looking for the lock: %w", err)
	}
	v := &verifier{o: o, out: Verification{Path: o.Path, Findings: []Finding{}}}
	if v.o.Max <= 0 {
		v.o.Max = 1000
	}
	if err := v.run(ctx); err != nil {
		return Verification{}, err
	}
	slices.SortStableFunc(v.out.Findings, func(a, b Finding) int { return order(a.Check) - order(b.Check) })
	v.out.Took = time.Since(started)
	return v.out, nil
}

// order puts the file's structure first: what is wrong there explains the rest.
func order(check string) int {
	return slices.Index([]string{FindingFile, "I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", FindingAudit}, check)
}

// verifier is one Verify. Two connections read at the same time: one for the structure, one for the contents.
type verifier struct {
	o VerifyOptions

	mu  sync.Mutex
	out Verification

	c      *conn // of the contents
	view   view
	high   int64 // the latest time that the store knows of
	said   int64 // the bytes of all bodies that are kept, as their events say
	schema int64
}

func (v *verifier) find(check, subject, format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.out.Found++; len(v.out.Findings) < v.o.Max {
		v.out.Findings = append(v.out.Findings, Finding{check, subject, fmt.Sprintf(format, args...)})
	}
}

func (v *verifier) note(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.out.Notes = append(v.out.Notes, fmt.Sprintf(format, args...))
}

// connect opens the file for reading only.
func (v *verifier) connect(ctx context.Context) (*conn, error) {
	c, err := open(v.o.Path, true, "busy_timeout(5000)", fmt.Sprintf("cache_size(-%d)", readCacheKiB))
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	c.ctx = ctx
	return c, nil
}

func (v *verifier) run(ctx context.Context) (err error) {
	structure, err := v.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, structure.close()) }()
	if v.c, err = v.connect(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.c.close()) }()
	v.view = view{c: v.c, names: newNames()}
	if v.schema, err = v.c.one("PRAGMA user_version"); err != nil {
		v.find(FindingFile, "", "it cannot be read: %v", err)
		return ctxErr(ctx)
	}
	if known := int64(len(migrations())); v.schema != known {
		if v.schema > known {
			return fmt.Errorf("schema %d, and this version knows %d: %w", v.schema, known, ErrNewerSchema)
		}
		return fmt.Errorf("schema %d, and this version verifies %d: start a gateway with the file once, which brings it up to date", v.schema, known)
	}
	var structural sync.WaitGroup
	structural.Go(func() { v.structure(structure) })
	v.contents()
	structural.Wait()
	return ctxErr(ctx)
}

func ctxErr(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// structure lets SQLite look at every page and every index.
func (v *verifier) structure(c *conn) {
	err := c.query(func(r row) error {
		if text := r.text(0); text != "ok" {
			v.find(FindingFile, "", "%s", text)
		}
		return nil
	}, "PRAGMA integrity_check(100)")
	if err != nil {
		v.find(FindingFile, "", "it cannot be read to its end: %v", err)
	}
}

// contents looks at what the tables hold. A check that cannot read its rows is a finding, and the others go on.
func (v *verifier) contents() {
	for _, check := range []struct {
		name, what string
		do         func() error
	}{
		{FindingFile, "the clock", v.clock},
		{"I8", "the bodies", v.bodies},
		{"I1", "the ledger", v.ledger},
		{"I3", "the attempts", v.attempts},
		{"I4", "events, runs and tasks", v.belonging},
		{"I5", "the delivery ids", v.deliveries},
		{"I6", "the queue", v.queue},
		{"I7", "the claims", v.claims},
		{"I9", "the revisions", v.revisions},
		{FindingAudit, "the audit log", v.audit},
	} {
		if err := check.do(); err != nil {
			v.find(check.name, "", "%s cannot be read: %v", check.what, err)
		}
	}
}

func (v *verifier) clock() (err error) {
	v.high, err = v.c.one("SELECT value FROM meta WHERE key = 'high'")
	if ahead := time.Until(at(v.high)); err == nil && ahead > time.Minute {
		v.note("the store's clock is %s ahead of this machine's: it stands still until then", ahead.Round(time.Second))
	}
	return err
}

// verifyStep events are read at once.
const verifyStep = 500

// stored is what an event's row says of its body.
type stored struct {
	id, size int64
	crc      uint32
}

// bodies compares every body with its checksum (I8), and looks for those that belong to no event, or are missing (I4).
func (v *verifier) bodies() error {
	for after := int64(-1); ; {
		var events []stored
		if err := v.c.query(func(r row) error {
			events = append(events, stored{r.int(0), r.int(1), uint32(r.int(2))})
			return nil
		}, "SELECT id, size, crc FROM events WHERE id > ? ORDER BY id LIMIT ?", after, verifyStep); err != nil {
			return err
		}
		last := int64(1<<63 - 1)
		if len(events) == verifyStep {
			last = events[len(events)-1].id
		}
		for i := range events {
			v.said += events[i].size
		}
		v.compare(events, after, last)
		v.out.Contents.Events += int64(len(events))
		if len(events) < verifyStep {
			return nil
		}
		after = last
	}
}

// compare holds the bodies of some events, those with ids above after up to last, against their checksums.
func (v *verifier) compare(events []stored, after, last int64) {
	next := 0
	skip := func(before int64) {
		for ; next < len(events) && events[next].id < before; next++ {
			v.find("I4", event.ID(events[next].id).String(), "the event has no body")
		}
	}
	err := v.c.query(func(r row) error {
		id := r.int(0)
		skip(id)
		if next == len(events) || events[next].id != id {
			v.find("I4", event.ID(id).String(), "a body without an event")
			return nil
		}
		v.body(&events[next], r)
		next++
		return nil
	}, "SELECT event, body FROM bodies WHERE event > ? AND event <= ? ORDER BY event", after, last)
	if err == nil {
		skip(1<<63 - 1)
		return
	}
	for ; next < len(events); next++ { // one cannot be read: which, and are the others sound?
		e := &events[next]
		found, err := v.c.first(func(r row) error { v.body(e, r); return nil }, "SELECT event, body FROM bodies WHERE event = ?", e.id)
		switch {
		case err != nil:
			v.find("I8", event.ID(e.id).String(), "the body cannot be read: %v", err)
		case !found:
			v.find("I4", event.ID(e.id).String(), "the event has no body")
		}
	}
}

// body holds one body against its checksum.
func (v *verifier) body(e *stored, r row) {
	if isDropped(r[1]) {
		v.out.Dropped++
		v.said -= e.size
		return
	}
	v.out.Bodies++
	body := r.bytes(1)
	v.out.Contents.Bytes += int64(len(body))
	switch sum := checksum(body); {
	case int64(len(body)) != e.size:
		v.find("I8", event.ID(e.id).String(), "the body has %d bytes, and had %d when it was stored", len(body), e.size)
	case sum != e.crc:
		v.find("I8", event.ID(e.id).String(), "the body has the CRC32C %08x, and had %08x when it was stored", sum, e.crc)
	}
}
