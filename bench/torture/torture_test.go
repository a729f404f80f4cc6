package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestNothingAcknowledgedIsLostByForce is the short form of the program: a few kills, and a few power cuts where this machine allows them.
// What it does not allow is said aloud, and nothing else is left out.
func TestNothingAcknowledgedIsLostByForce(t *testing.T) {
	t.Parallel()
	b, err := newBench(t.Context(), settings{dir: t.TempDir(), seed: uint64(time.Now().UnixNano())}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	leftOut := 0
	for _, rung := range []struct {
		mode   string
		rounds int
	}{{"kill", 5}, {"power", 3}} {
		chosen, err := choose(rung.mode)
		if err != nil {
			t.Fatal(err)
		}
		r, err := chosen[0].run(t.Context(), b, rung.rounds)
		if errors.Is(err, errLeftOut) {
			leftOut++
			t.Logf("LEFT OUT: %d rounds of %q: %v", rung.rounds, rung.mode, err)
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", rung.mode, err)
		}
		r.Mode = rung.mode
		t.Log(r.line())
		if r.Acked == 0 {
			t.Errorf("%s: nothing was acknowledged, which proves nothing", rung.mode)
		}
		if r.broken() {
			t.Errorf("%s: %d acknowledged events are lost: %q", rung.mode, r.Lost, r.Faults)
		}
	}
	t.Logf("%d of 2 rungs left out", leftOut)
}

// TestThePowerCutForgetsWhatWasNotFsynced is the control of the power cuts: a cut that forgets nothing would prove nothing.
func TestThePowerCutForgetsWhatWasNotFsynced(t *testing.T) {
	t.Parallel()
	d, err := newDisk(t.Context(), t.TempDir(), 64<<20)
	if errors.Is(err, errLeftOut) {
		t.Logf("LEFT OUT: the control of the power cuts: %v", err)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.remove)
	write := func(name string, sync bool) {
		t.Helper()
		f, err := os.Create(filepath.Join(d.mount, name))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		if _, err := f.WriteString("text"); err != nil {
			t.Fatal(err)
		}
		if sync {
			if err := f.Sync(); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("kept", true)
	write("forgotten", false)
	if err := errors.Join(d.cut(), d.detach(t.Context()), d.attach(t.Context())); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(d.mount, "kept")); err != nil || string(text) != "text" {
		t.Errorf("what was fsynced reads %q, %v after the cut, want %q", text, err, "text")
	}
	if text, err := os.ReadFile(filepath.Join(d.mount, "forgotten")); err == nil && len(text) > 0 {
		t.Errorf("what was not fsynced reads %q after the cut, want nothing", text)
	}
}

func TestABodyThatWasAlteredIsSeen(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 256, 2000} {
		body := bodyOf("kill-0000007", size)
		if id, ok := read(body); id != "kill-0000007" || !ok {
			t.Errorf("a body of %d bytes reads as %q, %t", len(body), id, ok)
		}
		for i := range body {
			body[i] ^= 1
			if _, ok := read(body); ok {
				t.Errorf("a bit flipped in byte %d of %d is not seen", i, len(body))
			}
			body[i] ^= 1
		}
	}
}

func TestAnAnswerThatComesAfterTheCutDoesNotCount(t *testing.T) {
	t.Parallel()
	k, err := newBook(t.TempDir(), "x")
	if err != nil {
		t.Fatal(err)
	}
	before, during := k.write("one", 0), k.write("one", 0)
	begun := time.Now()
	if !k.ack(before, begun, "a") {
		t.Error("an answer before the cut does not count")
	}
	k.freeze()
	if k.ack(during, begun, "b") {
		t.Error("an answer between cut and restart counts")
	}
	first := k.thaw()
	if k.ack(during, begun, "b") {
		t.Error("an answer to a request of before the cut counts after the restart")
	}
	if !k.ack(during, time.Now(), "c") {
		t.Error("an answer to a request of after the restart does not count")
	}
	if len(first) != 1 {
		t.Errorf("%d first answers are told, want 1", len(first))
	}
	if acked, n := k.acknowledged(0); len(acked) != 2 || n != 2 {
		t.Errorf("%d of %d letters are acknowledged, want 2 of 2", len(acked), n)
	}
	if err := k.close(); err != nil {
		t.Error(err)
	}
}

func TestEachModeIsChosenByItsName(t *testing.T) {
	t.Parallel()
	for _, m := range modes() {
		if got, err := choose(m.name); err != nil || len(got) != 1 || got[0].name != m.name {
			t.Errorf("choosing %s: got %d modes, error %v", m.name, len(got), err)
		}
	}
	all, err := choose("all")
	if err != nil || len(all) != 9 {
		t.Errorf("choosing all: got %d modes, error %v; want the 9 that do harm", len(all), err)
	}
	if _, err := choose("flood"); err == nil {
		t.Error("a mode that does not exist is chosen")
	}
}
