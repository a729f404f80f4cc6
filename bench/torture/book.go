package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// letter is one event that is sent until it is acknowledged.
type letter struct {
	delivery string // its delivery id
	event    string // its name
	size     int    // of the padding of its body

	// What follows is guarded by the book.
	begun time.Time // when the try began that was acknowledged
	acked time.Time // when its 200 was read; zero where none was
	id    string    // the event's id, as the gateway said
}

// book is the list of what was sent and what was answered with 200. It lives in this process, and each 200 also goes to a file on a file
// system that nobody harms.
type book struct {
	mu      sync.Mutex
	all     []*letter
	by      map[string]*letter
	prefix  string
	frozen  bool      // an answer that is read now comes too late to count
	since   time.Time // tries that began before count no more
	first   chan time.Time
	stray   []string // answers that break a promise by themselves
	refused map[int]int
	counts  map[string]int // acknowledged letters by event
	file    *os.File
	w       *bufio.Writer
}

func newBook(dir, prefix string) (*book, error) {
	f, err := os.Create(filepath.Join(dir, "acks-"+prefix))
	if err != nil {
		return nil, fmt.Errorf("making the list of acknowledged events: %w", err)
	}
	return &book{by: map[string]*letter{}, prefix: prefix, refused: map[int]int{}, counts: map[string]int{}, file: f, w: bufio.NewWriter(f)}, nil
}

// write makes the next letter.
func (k *book) write(event string, size int) *letter {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := &letter{delivery: fmt.Sprintf("%s-%07d", k.prefix, len(k.all)), event: event, size: size}
	k.all = append(k.all, l)
	k.by[l.delivery] = l
	return l
}

// ack notes a 200 to a try that began at a time; false where it came too late to count.
func (k *book) ack(l *letter, begun time.Time, id string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.frozen || begun.Before(k.since) {
		return false
	}
	if l.id != "" && l.id != id {
		k.stray = append(k.stray, fmt.Sprintf("%s was answered with %s, before with %s", l.delivery, id, l.id))
	}
	now := time.Now()
	if l.acked.IsZero() {
		l.begun, l.acked, l.id = begun, now, id
		k.counts[l.event]++
		_, _ = fmt.Fprintln(k.w, l.delivery, id, now.UnixNano())
	}
	if k.first != nil {
		k.first <- now
		k.first = nil
	}
	return true
}

// noteRefused counts an answer that was no 200.
func (k *book) noteRefused(status int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refused[status]++
}

// freeze lets no answer count any more that has not been read until now.
func (k *book) freeze() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.frozen = true
	_ = k.w.Flush() // close tells
}

// thaw lets answers count again to tries that begin from now on. The channel gets the time of the first of them.
func (k *book) thaw() <-chan time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.frozen, k.since = false, time.Now()
	k.first = make(chan time.Time, 1)
	return k.first
}

// acknowledged gives copies of the letters that are acknowledged, beginning with the from-th letter of all, and the number of all.
func (k *book) acknowledged(from int) ([]letter, int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []letter
	for _, l := range k.all[from:] {
		if !l.acked.IsZero() {
			out = append(out, *l)
		}
	}
	return out, len(k.all)
}

// count gives how many letters of an event are acknowledged.
func (k *book) count(event string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.counts[event]
}

// letter gives a copy of the letter of a delivery id.
func (k *book) letter(delivery string) (letter, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	l, ok := k.by[delivery]
	if !ok {
		return letter{}, false
	}
	return *l, true
}

// refusals gives how many answers had a status, and forgets them.
func (k *book) refusals() map[int]int {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := k.refused
	k.refused = map[int]int{}
	return out
}

func (k *book) strays() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string(nil), k.stray...)
}

func (k *book) close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.w.Flush(); err != nil {
		return fmt.Errorf("writing the list of acknowledged events: %w", err)
	}
	if err := k.file.Close(); err != nil {
		return fmt.Errorf("writing the list of acknowledged events: %w", err)
	}
	return nil
}
