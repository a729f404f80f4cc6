// Command torture harms a real gateway under load and counts what became of everything that it had acknowledged.
//
//	go run ./bench/torture -mode kill|power|enospc|eio|stop|clock|receivers|slowloris|bitflip|all [-rounds N] [-bin FILE] [-dir DIR] [-json FILE]
//	go run ./bench/torture -mode fairness|parked|drain
//
// It builds the gateway (or takes -bin), gives it a folder of manifests, sends signed events over several connections, and receives what
// it delivers. The list of 200s is kept in this process and in a file under -dir, never on the file system that is harmed. A round ends
// with a look whether each acknowledged event is in the store; a mode ends with the whole judgement (judge.go). Each mode prints a line
// of one Markdown table. The exit code is 1 when anything acknowledged was lost or another promise was broken, 2 when a mode could not be
// run at all.
//
// Modes that mount, fill or trace need root; clock needs Linux on amd64. docs/reliability.md says what each mode proves.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// mode is one way of doing harm, or one measurement.
type mode struct {
	name string
	// does says what is done in a round.
	does string
	// rounds are done where nobody says how many.
	rounds int
	// measures says that it is no part of "all": it takes minutes and proves no loss.
	measures bool
	run      func(ctx context.Context, b *bench, rounds int) (*row, error)
}

// modes lists all in the order in which "all" runs them.
func modes() []mode {
	return []mode{
		{name: "kill", does: "SIGKILL at a random time", rounds: 300, run: killMode},
		{name: "power", does: "the file system forgets what was not fsynced", rounds: 300, run: powerMode},
		{name: "enospc", does: "the disk is full for a while", rounds: 20, run: enospcMode},
		{name: "eio", does: "fsync fails", rounds: 20, run: eioMode},
		{name: "stop", does: "SIGSTOP for longer than a lease, SIGCONT", rounds: 20, run: stopMode},
		{name: "clock", does: "the wall clock jumps an hour or a day", rounds: 20, run: clockMode},
		{name: "receivers", does: "receivers hang, drip, break off, send a gigabyte", rounds: 20, run: receiversMode},
		{name: "slowloris", does: "2,000 connections drip headers and bodies", rounds: 20, run: slowlorisMode},
		{name: "bitflip", does: "bits of stored bodies are flipped", rounds: 20, run: bitflipMode},
		{name: "fairness", does: "ten of a hundred destinations hang", rounds: 1, measures: true, run: fairnessMode},
		{name: "parked", does: "a million parked runs are kept", rounds: 1, measures: true, run: parkedMode},
		{name: "drain", does: "100,000 runs wait for a receiver that comes back", rounds: 1, measures: true, run: drainMode},
	}
}

// settings are what the command line says.
type settings struct {
	mode, bin, dir, json string
	rounds, count        int
	seed                 uint64
	keep                 bool
}

func main() {
	var s settings
	names := make([]string, 0, len(modes()))
	for _, m := range modes() {
		names = append(names, m.name)
	}
	flag.StringVar(&s.mode, "mode", "all", "one of "+strings.Join(names, ", ")+"; several parted by commas; all but the measurements")
	flag.IntVar(&s.rounds, "rounds", 0, "rounds of each mode; 0 takes its own number")
	flag.IntVar(&s.count, "count", 0, "how many runs parked and drain make; 0 takes their own number")
	flag.StringVar(&s.bin, "bin", "", "the gateway; built from this module where empty")
	flag.StringVar(&s.dir, "dir", "", "where everything is put; a temporary folder where empty")
	flag.StringVar(&s.json, "json", "", "write the table as JSON to this file, too")
	flag.Uint64Var(&s.seed, "seed", uint64(time.Now().UnixNano()), "of all that is random here")
	flag.BoolVar(&s.keep, "keep", false, "keep the folder, also where nothing is wrong")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, s, os.Stdout)
	stop()
	os.Exit(code)
}

// run does what the command line says and gives the exit code.
func run(ctx context.Context, s settings, out io.Writer) int {
	chosen, err := choose(s.mode)
	if err != nil {
		fmt.Fprintln(out, "torture:", err)
		return 2
	}
	b, err := newBench(ctx, s, out)
	if err != nil {
		fmt.Fprintln(out, "torture:", err)
		return 2
	}
	fmt.Fprintf(out, "seed %d, folder %s\n\n%s\n", s.seed, b.dir, tableHead)
	code := 0
	var rows []*row
	for _, m := range chosen {
		rounds := m.rounds
		if s.rounds > 0 {
			rounds = s.rounds
		}
		begun := time.Now()
		r, err := m.run(ctx, b, rounds)
		if err != nil {
			fmt.Fprintf(out, "| %s | not run: %v |\n", m.name, err)
			code = 2
			if ctx.Err() != nil {
				break
			}
			continue
		}
		r.Mode, r.Does, r.TookS = m.name, m.does, time.Since(begun).Seconds()
		r.conclude()
		rows = append(rows, r)
		fmt.Fprintln(out, r.line())
		for _, f := range r.Faults {
			fmt.Fprintln(out, "  FAULT:", f)
		}
		if code == 0 && r.broken() {
			code = 1
		}
	}
	if s.json != "" {
		if err := writeJSON(s.json, s.seed, rows); err != nil {
			fmt.Fprintln(out, "torture:", err)
			return 2
		}
	}
	if code == 0 && !s.keep {
		b.close()
	}
	return code
}

// choose finds the modes that a text names.
func choose(text string) ([]mode, error) {
	var out []mode
	for name := range strings.SplitSeq(text, ",") {
		found := false
		for _, m := range modes() {
			if m.name == name || name == "all" && !m.measures {
				out, found = append(out, m), true
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no mode %q", name)
		}
	}
	return out, nil
}

// bench is what all modes share.
type bench struct {
	dir, bin string
	count    int
	rng      *rand.Rand // of one goroutine: that of the modes
	out      io.Writer
	made     bool
}

func newBench(ctx context.Context, s settings, out io.Writer) (*bench, error) {
	b := &bench{dir: s.dir, bin: s.bin, count: s.count, rng: rand.New(rand.NewPCG(s.seed, 1)), out: out}
	var err error
	if b.dir == "" {
		if b.dir, err = os.MkdirTemp("", "headgate-torture-"); err != nil {
			return nil, fmt.Errorf("making a folder: %w", err)
		}
		b.made = true
	}
	if b.dir, err = filepath.Abs(b.dir); err != nil {
		return nil, fmt.Errorf("finding the folder: %w", err)
	}
	if b.bin == "" {
		b.bin = filepath.Join(b.dir, "headgate")
		if err := build(ctx, b.bin); err != nil {
			return nil, err
		}
	}
	if b.bin, err = filepath.Abs(b.bin); err != nil {
		return nil, fmt.Errorf("finding the gateway: %w", err)
	}
	return b, nil
}

// build makes the gateway's binary from this module.
func build(ctx context.Context, into string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", into, "github.com/headgate/headgate/cmd/headgate")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the gateway: %w\n%s", err, out)
	}
	return nil
}

// folder makes an empty folder for a mode.
func (b *bench) folder(name string) (string, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.RemoveAll(dir); err != nil {
		return "", fmt.Errorf("emptying %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making %s: %w", dir, err)
	}
	return dir, nil
}

// within gives a random time between two bounds.
func (b *bench) within(least, most time.Duration) time.Duration {
	return least + time.Duration(b.rng.Int64N(int64(most-least)+1))
}

func (b *bench) close() {
	if b.made {
		_ = os.RemoveAll(b.dir)
	}
}

// progress tells whoever watches how far a mode is, on a line that the next one writes over.
func (b *bench) progress(format string, args ...any) {
	if f, ok := b.out.(*os.File); ok && isTerminal(f) {
		fmt.Fprintf(f, "\r\x1b[K"+format+"\r", args...)
	}
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// pause waits, or less where ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// until asks again and again until the answer is yes; the error says that it did not come within the limit.
func until(ctx context.Context, limit, every time.Duration, yes func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errTooLong)
	defer cancel()
	for {
		ok, err := yes()
		if ok {
			return nil
		}
		if wait := pause(ctx, every); wait != nil {
			return errors.Join(wait, err)
		}
	}
}

var errTooLong = errors.New("it did not happen in time")
