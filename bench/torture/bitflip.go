package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

const (
	// flipEvents are stored and not yet delivered when the bits are flipped, flipsPerRound of which get one bit each.
	flipEvents    = 300
	flipsPerRound = 10
)

// bitflipMode stores events that nobody takes, ends the gateway, and in each round flips bits in a copy of its file: in every second
// round one in each of some stored bodies, else anywhere in the file. Then it starts a gateway on the copy, and a receiver that takes
// everything. What arrives must be what was sent, to the byte.
func bitflipMode(ctx context.Context, b *bench, rounds int) (*row, error) {
	dir, err := b.folder("bitflip")
	if err != nil {
		return nil, err
	}
	d, err := b.makeBed(dir, "", "bitflip", 8, 0)
	if err != nil {
		return nil, err
	}
	defer d.clear()
	if err := d.g.write(fill(waiting, "RECEIVER", d.receiver.address)); err != nil {
		return nil, err
	}
	if err := b.storeUndelivered(ctx, d); err != nil {
		return nil, err
	}
	whole, err := os.ReadFile(filepath.Join(d.g.data, "headgate.db"))
	if err != nil {
		return nil, fmt.Errorf("reading the store: %w", err)
	}
	places := bodies(whole)
	acked, _ := d.book.acknowledged(0)
	if len(places) < len(acked)/2 {
		return nil, fmt.Errorf("only %d of %d bodies are found in the file", len(places), len(acked))
	}
	r := &row{Rounds: rounds, Acked: len(acked)}
	f := &flips{b: b, d: d, dir: dir, whole: whole, places: places, letters: acked, row: r}
	for n := range rounds {
		if err := f.round(ctx, n); err != nil {
			return nil, err
		}
		b.progress("bitflip %d/%d, %d lost", n+1, rounds, r.Lost)
	}
	r.remark("%d bits in as many bodies: %d found by `verify`, %d runs parked, %d sent; %d bits anywhere in %d files: %d files refused or found damaged, %d harmless",
		f.inBodies, f.verified, f.parked, f.sent, f.anywhere, rounds/2, f.found, f.harmless)
	return r, nil
}

// waiting has a hook whose receiver refuses long enough for the events to pile up, and which is tried again soon.
const waiting = sender + `---
kind: pipeline
name: one
nodes:
  - {label: In, type: receive, props: {provider: torture, event: one}}
  - label: Tell
    type: hook
    props: {url: "http://RECEIVER/one/Tell", headers: {X-Whole: "yes"}, breaker: off, concurrency: 32, retry: {max_attempts: 60, initial: 1s, max: 1s}}
`

// storeUndelivered fills the store and ends the gateway.
func (b *bench) storeUndelivered(ctx context.Context, d *bed) error {
	d.receiver.answer = func(w http.ResponseWriter, _ *http.Request, p place, _ int) {
		d.receiver.refuse(w, p, http.StatusServiceUnavailable)
	}
	d.load.next = func(k *book, n int) *letter { return k.write("one", 1024+512*(n%16)) }
	if err := d.g.startReady(ctx); err != nil {
		return err
	}
	d.load.start(ctx)
	err := until(ctx, time.Minute, 5*time.Millisecond, func() (bool, error) {
		acked, _ := d.book.acknowledged(0)
		return len(acked) >= flipEvents, fmt.Errorf("%d events are stored", len(acked))
	})
	d.load.stop()
	if err != nil {
		return err
	}
	if err := until(ctx, time.Minute, 20*time.Millisecond, func() (bool, error) {
		s, err := d.g.status(ctx)
		return err == nil && s.Ledger.total().Open == s.Ledger.Requests.Processed, err
	}); err != nil {
		return err
	}
	return d.g.terminate() // which copies the log into the file
}

// stretchOf is a run of bytes of a file that belong to one body.
type stretchOf struct {
	delivery string
	from, to int
}

// bodies finds the bodies in a database file by the marks in them: a mark and what follows it on the same page are of one body.
func bodies(file []byte) map[string][]stretchOf {
	page := int(binary.BigEndian.Uint16(file[16:18]))
	if page == 1 {
		page = 65536
	}
	out := map[string][]stretchOf{}
	for _, m := range regexp.MustCompile(`<([a-z]+-[0-9]{7})>`).FindAllSubmatchIndex(file, -1) {
		end := min(m[0]+padBytes, (m[0]/page+1)*page)
		if next := bytes.IndexByte(file[m[1]:end], '"'); next >= 0 { // the end of the body
			end = m[1] + next
		}
		delivery := string(file[m[2]:m[3]])
		out[delivery] = append(out[delivery], stretchOf{delivery, m[0], end})
	}
	return out
}

// flips is what the rounds share.
type flips struct {
	b       *bench
	d       *bed
	dir     string
	whole   []byte
	places  map[string][]stretchOf
	letters []letter
	row     *row

	inBodies, verified, parked, sent int // of the rounds that damage bodies
	anywhere, found, harmless        int // of the others
}

// round flips bits in a copy and looks at what is sent.
func (f *flips) round(ctx context.Context, n int) error {
	file := bytes.Clone(f.whole)
	hit := map[string]bool{}
	if n%2 == 0 {
		for len(hit) < flipsPerRound {
			l := f.letters[f.b.rng.IntN(len(f.letters))]
			spots := f.places[l.delivery]
			if hit[l.delivery] || len(spots) == 0 {
				continue
			}
			s := spots[f.b.rng.IntN(len(spots))]
			file[s.from+f.b.rng.IntN(s.to-s.from)] ^= 1 << f.b.rng.IntN(8)
			hit[l.delivery] = true
		}
		f.inBodies += len(hit)
	} else {
		for range flipsPerRound {
			file[f.b.rng.IntN(len(file))] ^= 1 << f.b.rng.IntN(8)
		}
		f.anywhere += flipsPerRound
	}
	copied := filepath.Join(f.dir, "copy")
	if err := f.copyData(copied, file); err != nil {
		return err
	}
	found, err := verify(ctx, f.d.g.bin, copied)
	if err != nil {
		return err
	}
	damaged := map[string]bool{}
	for _, d := range found.Findings {
		damaged[d.Subject] = true
	}
	for _, l := range f.letters {
		switch {
		case hit[l.delivery] && damaged[l.id]:
			f.verified++
		case hit[l.delivery]:
			f.row.fault("round %d: verify has not found that the body of %s is damaged: %+v", n+1, l.id, found)
		}
	}
	return f.deliver(ctx, n, copied, hit, found.damaged())
}

// copyData makes a data directory with another database file.
func (f *flips) copyData(to string, file []byte) error {
	if err := os.RemoveAll(to); err != nil {
		return fmt.Errorf("copying the store: %w", err)
	}
	if err := os.CopyFS(to, os.DirFS(f.d.g.data)); err != nil {
		return fmt.Errorf("copying the store: %w", err)
	}
	if err := os.WriteFile(filepath.Join(to, "headgate.db"), file, 0o600); err != nil {
		return fmt.Errorf("copying the store: %w", err)
	}
	return nil
}

// deliver starts a gateway on the copy with a receiver that takes everything.
func (f *flips) deliver(ctx context.Context, n int, data string, hit map[string]bool, known bool) error {
	dir := filepath.Join(f.dir, "round")
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("emptying %s: %w", dir, err)
	}
	rcv, err := newReceiver("", nil)
	if err != nil {
		return err
	}
	defer func() { _ = rcv.close() }()
	g, err := f.b.newGateway(dir, data, fill(waiting, "RECEIVER", rcv.address), []string{rcv.address})
	if err != nil {
		return err
	}
	defer g.kill()
	err = g.startReady(ctx)
	if errors.Is(err, errExited) && n%2 == 1 {
		f.found++ // it was seen at the start
		return nil
	}
	if err != nil {
		return err
	}
	t := trial{g: g, book: f.d.book, receiver: rcv, patience: 20 * time.Second}
	rest := t.settled(ctx)
	parcels, wrong := rcv.all()
	for _, w := range wrong {
		f.row.fault("round %d: an altered body was sent: %s", n+1, w)
	}
	if !g.alive() && n%2 == 1 {
		f.found++ // it ended when it met the damage
		return nil
	}
	runs, err := g.runs(ctx)
	if err != nil {
		if n%2 == 1 {
			f.found++ // it says so when it is asked
			return nil
		}
		return err
	}
	reasons, parked := map[string]string{}, 0
	for _, r := range runs {
		if r.State == "parked" {
			parked++
		}
		reasons[r.Event] = r.State + " " + r.Reason
	}
	missing := 0
	for _, l := range f.letters {
		arrived := len(parcels[place{"/one/Tell", l.delivery}].arrivals) > 0
		switch {
		case hit[l.delivery] && arrived:
			f.sent++
			f.row.fault("round %d: %s was sent although its body is damaged", n+1, l.delivery)
		case hit[l.delivery] && reasons[l.id] == "parked body_corrupt":
			f.parked++
		case hit[l.delivery]:
			f.row.fault("round %d: the run of %s, whose body is damaged, is %q", n+1, l.delivery, reasons[l.id])
		case !hit[l.delivery] && !arrived:
			missing++
			if n%2 == 0 {
				f.row.Lost++
				f.row.fault("round %d: %s was not damaged and has not arrived: %q", n+1, l.delivery, reasons[l.id])
			}
		}
	}
	if n%2 == 0 {
		if rest != nil {
			f.row.fault("round %d: it does not come to rest: %v", n+1, rest)
		}
		return g.terminate()
	}
	switch {
	case missing == 0:
		f.harmless++
	case known || parked >= missing:
		f.found++
	default:
		f.row.Lost += missing
		f.row.fault("round %d: %d events have not arrived, and nothing tells so", n+1, missing)
	}
	return nil
}
