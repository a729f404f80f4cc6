package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// exitWithin is how long the process may live after the first failed fsync.
const exitWithin = time.Second

// tracer is strace on a running process: it makes calls fail with EIO, and notes when each did.
type tracer struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
}

// failSync lets every fsync and fdatasync of a process fail from now on; errLeftOut says that there is no strace or that it may not trace.
func failSync(ctx context.Context, pid int, log string) (*tracer, error) {
	if _, err := exec.LookPath("strace"); err != nil {
		return nil, fmt.Errorf("%w: %w", errLeftOut, err)
	}
	t := &tracer{log: log, done: make(chan struct{})}
	t.cmd = exec.CommandContext(ctx, "strace", "-f", "-ttt", "-o", log, "-e", "trace=fsync,fdatasync",
		"-e", "inject=fsync,fdatasync:error=EIO", "-p", strconv.Itoa(pid))
	if err := t.cmd.Start(); err != nil {
		return nil, fmt.Errorf("tracing the gateway: %w", err)
	}
	go func() {
		_ = t.cmd.Wait()
		close(t.done)
	}()
	return t, nil
}

// first gives when the first call was made to fail; zero where none was.
func (t *tracer) first() (time.Time, error) {
	f, err := os.Open(t.log)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading what was traced: %w", err)
	}
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(f); s.Scan(); {
		if !strings.Contains(s.Text(), "sync(") { // a line: thread, seconds since 1970, call
			continue
		}
		if fields := strings.Fields(s.Text()); len(fields) > 1 {
			seconds, err := strconv.ParseFloat(fields[1], 64)
			if err != nil {
				return time.Time{}, fmt.Errorf("reading what was traced: %w", err)
			}
			return time.UnixMicro(int64(seconds * 1e6)), nil
		}
	}
	return time.Time{}, nil
}

func (t *tracer) stop() {
	_ = t.cmd.Process.Signal(syscall.SIGTERM)
	<-t.done
}

// eioMode lets fsync fail under load. The process must acknowledge nothing more and end, and the next one must find everything.
func eioMode(ctx context.Context, b *bench, rounds int) (*row, error) {
	dir, err := b.folder("eio")
	if err != nil {
		return nil, err
	}
	d, err := b.makeBed(dir, "", "eio", 8, 400)
	if err != nil {
		return nil, err
	}
	defer d.clear()
	r := &row{Rounds: rounds}
	if err := d.g.startReady(ctx); err != nil {
		return nil, err
	}
	d.load.start(ctx)
	var exits []time.Duration
	from := 0
	for n := range rounds {
		if err := pause(ctx, b.within(100*time.Millisecond, 500*time.Millisecond)); err != nil {
			return nil, err
		}
		took, err := d.failFsync(ctx, r, n, filepath.Join(dir, "trace"))
		if err != nil {
			return nil, err
		}
		exits = append(exits, took)
		if took, err = d.restart(ctx); err != nil {
			return nil, err
		}
		r.recovered(took)
		if from, err = d.lookBack(ctx, r, n, from); err != nil {
			return nil, err
		}
		b.progress("eio %d/%d, %d lost", n+1, rounds, r.Lost)
	}
	r.remark("it ended %s after the first EIO at the median, %s at most; %d sent after it were acknowledged", short(quantile(exits, 0.5)), short(quantile(exits, 1)), d.after)
	return r, d.finish(ctx, r)
}

// failFsync does the harm of one round and gives how long the process lived after the first failure.
func (d *bed) failFsync(ctx context.Context, r *row, round int, log string) (time.Duration, error) {
	trace, err := failSync(ctx, d.g.cmd.Process.Pid, log)
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	defer trace.stop()
	select {
	case <-d.g.exited:
	case <-trace.done:
		// The tracer ends with the process, or because it may not trace.
		select {
		case <-d.g.exited:
		case <-time.After(5 * time.Second):
			return 0, fmt.Errorf("%w: strace ended with %s", errLeftOut, trace.cmd.ProcessState)
		}
	case <-time.After(30 * time.Second):
		d.g.kill()
		r.fault("round %d: the process goes on although fsync fails", round+1)
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	d.book.freeze()
	d.trial.harms = append(d.trial.harms, harm{begun, time.Now()})
	first, err := trace.first()
	if err != nil {
		return 0, err
	}
	if first.IsZero() {
		r.fault("round %d: no fsync was seen to fail", round+1)
		return 0, nil
	}
	lived := d.g.ended.Sub(first)
	if lived > exitWithin {
		r.fault("round %d: the process lived for %s after the first EIO", round+1, short(lived))
	}
	if code := d.g.cmd.ProcessState.ExitCode(); code == 0 {
		r.fault("round %d: the process ended with 0 although fsync failed", round+1)
	}
	acked, _ := d.book.acknowledged(0)
	for _, l := range acked {
		if l.begun.After(first) {
			d.after++
			r.fault("round %d: %s was sent %s after the first EIO and acknowledged", round+1, l.delivery, short(l.begun.Sub(first)))
		}
	}
	return lived, nil
}
