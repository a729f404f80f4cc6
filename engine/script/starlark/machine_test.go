package starlark

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/script/language"
	"github.com/headgate/headgate/engine/script/value"
)

// TestNothingIsLeftFromOneProgramToTheNext runs programs that leave as much behind as they can, on one guest.
func TestNothingIsLeftFromOneProgramToTheNext(t *testing.T) {
	t.Parallel()
	m, err := newMachine(shared.cacheDir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close(context.WithoutCancel(t.Context())) })
	m.slots = make(chan struct{}, 1)
	var out diag.List
	p, ok := Compile(language.Source{Text: `print(len(json.encode(["some", "secret"] * 1000)))` + "\npayload.n + 1"}, scope(t), false, &out).(*program)
	if !ok {
		t.Fatal(out.Sorted())
	}
	message, err := p.message(environment(t))
	if err != nil {
		t.Fatal(err)
	}
	var first []byte
	for range 5 {
		answer, err := m.run(t.Context(), message)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = answer
		}
		if !bytes.Equal(answer, first) {
			t.Errorf("answer %q, want %q", answer, first)
		}
		if len(m.idle) != 1 {
			t.Fatalf("%d guests are kept, want 1", len(m.idle))
		}
		g := m.idle[0]
		now := g.state()
		if !bytes.Equal(now.memory, m.initial.memory) || g.ticks != 0 {
			t.Error("the guest's memory is not what it was")
		}
		for i, v := range now.globals {
			if v != m.initial.globals[i] {
				t.Errorf("global %d is %d, was %d", i, v, m.initial.globals[i])
			}
		}
		if len(now.globals) != 9 {
			t.Errorf("%d globals are looked at, want the 8 that Go has and the count", len(now.globals))
		}
		if memory, _ := g.module.Memory().Read(0, g.module.Memory().Size()); bytes.Contains(memory, []byte("secretsome")) || bytes.Contains(memory, []byte(`"secret"`)) {
			t.Error("the guest still holds what the program made")
		}
	}
	// A guest that ended, or that grew, is not used again.
	for _, text := range []string{`[0] * (1 << 29)`, "x = ['a' * 1000000 for i in range(5)]\nlen(x)"} {
		p := Compile(language.Source{Text: text}, scope(t), false, &out).(*program)
		message, err := p.message(environment(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.run(t.Context(), message); err != nil {
			t.Log(err)
		}
		if len(m.idle) != 0 {
			t.Errorf("after `%s` the guest is kept", text)
		}
		if answer, err := m.run(t.Context(), first); err != nil || len(answer) == 0 {
			t.Errorf("the next program after `%s`: %v", text, err)
		}
	}
}

func TestManyProgramsRunAtOnce(t *testing.T) {
	t.Parallel()
	good := compiled(t, Compile, "[payload.n + i for i in range(100)][99]")
	bad := compiled(t, CompilePython, `"a" * (1 << 29)`)
	env := environment(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 10 {
				if i%5 == 4 {
					var e *value.Error
					if _, err := bad.Eval(t.Context(), env); !errors.As(err, &e) || e.Code != value.TooLarge {
						t.Errorf("the bad one: %v, want %s", err, value.TooLarge)
					}
					continue
				}
				if r, err := good.Eval(t.Context(), env); err != nil || r.Value != int64(124) {
					t.Errorf("the good one: %v, %v, want 124", r.Value, err)
				}
			}
		})
	}
	group.Wait()
}

func TestTheCompiledGuestIsKeptOnDisk(t *testing.T) {
	t.Parallel()
	if list, err := filepath.Glob(filepath.Join(shared.cacheDir, "*", "*")); err != nil || len(list) == 0 {
		t.Errorf("%v, %v, want files", list, err)
	}
	m := language.NewMachines(language.MachineOptions{CacheDir: shared.cacheDir, Ahead: true})
	var out diag.List
	p := Compile(language.Source{Text: "1 + 1"}, language.Scope{Machines: m}, false, &out)
	if r, err := p.Eval(t.Context(), environment(t)); err != nil || r.Value != int64(2) {
		t.Errorf("%v, %v, want 2", r.Value, err)
	}
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := p.Eval(t.Context(), environment(t)); err == nil {
		t.Error("a program runs on machines that are closed")
	}
}

func TestACacheThatCannotBeWrittenIsDoneWithout(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if cacheIn(filepath.Join(file, "cache")) != nil || cacheIn("") != nil {
		t.Error("there is a cache where there cannot be one")
	}
}
