//go:build linux && !race

package script_test

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/script"
)

// inChild is set in the process that TestBombsLeaveTheProcessAlive starts.
const inChild = "HEADGATE_TEST_BOMBS"

// TestBombsLeaveTheProcessAlive runs all bombs in a process of their own and looks at the memory that the system gives it: what isolated
// languages allocate is not in Go's heap. The race detector's own memory would hide it. It does not run in parallel, because it measures. With -v it prints a table.
func TestBombsLeaveTheProcessAlive(t *testing.T) {
	if os.Getenv(inChild) != "" {
		explodeAll(t)
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestBombsLeaveTheProcessAlive$", "-test.v")
	child.Env = append(os.Environ(), inChild+"=1")
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("the process did not live: %v\n%s", err, out)
	}
	seen := 0
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		_, line, ok := strings.Cut(lines.Text(), "bomb\t")
		if !ok {
			continue
		}
		seen++
		f := strings.Split(line, "\t") // name, language, code, ms, KiB
		t.Logf("%-24s %-10s %-22s %4s ms %6s KiB", f[0], f[1], f[2], f[3], f[4])
		if rise, err := strconv.Atoi(f[4]); err != nil || rise > bombMemory>>10 {
			t.Errorf("%s in %s takes %s KiB from the system, want at most %d", f[0], f[1], f[4], bombMemory>>10)
		}
	}
	if seen < 120 {
		t.Errorf("%d bombs exploded, want at least 120\n%s", seen, out)
	}
}

func explodeAll(t *testing.T) {
	shared := scope()
	for _, lang := range script.ConditionLanguages() {
		compileValueOK(lang, shared) // so that what is made once a process is not counted
	}
	for _, b := range bombs(t) {
		env := environment(t)
		env.Payload = b.payload
		for _, lang := range script.ConditionLanguages() {
			text, ok := b.texts[lang]
			if !ok {
				continue
			}
			debug.FreeOSMemory()
			m := watchMemory(t)
			start := time.Now()
			got := outcome(t, lang, text, shared, env)
			took := time.Since(start)
			t.Logf("bomb\t%s\t%s\t%s\t%d\t%d", b.name, lang, strings.Fields(got)[0], took.Milliseconds(), m.rise())
		}
	}
}

// memory watches how much the system gives the process.
type memory struct {
	t           *testing.T
	before, top int // KiB
	stop        chan struct{}
	watcher     sync.WaitGroup
}

func watchMemory(t *testing.T) *memory {
	m := &memory{t: t, before: resident(t), stop: make(chan struct{})}
	m.top = m.before
	m.watcher.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			m.top = max(m.top, resident(t))
			select {
			case <-tick.C:
			case <-m.stop:
				return
			}
		}
	})
	return m
}

// rise gives by how many KiB it rose at most since watchMemory.
func (m *memory) rise() int {
	close(m.stop)
	m.watcher.Wait()
	return max(m.top, resident(m.t)) - m.before
}

func resident(t *testing.T) int {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Error(err)
		return 0
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		t.Error(err)
	}
	return pages * os.Getpagesize() >> 10
}
