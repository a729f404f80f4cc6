package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// wallClock is the wall clock of one process, which can be set while it runs. The machine's own clock stays as it is: Linux maps a small
// library into each process (the vDSO) from which it reads the time, and the one of this process has been replaced before the first
// instruction of the program ran. The monotonic clock is not touched, as it is not where an administrator sets the date.
type wallClock struct {
	pid  int
	slot int64 // the address of the offset, in seconds
}

// replaced is what stands in the place of the vDSO's clock_gettime: it asks the kernel, and adds the offset to the wall clock.
//
//	mov eax, 228; syscall               clock_gettime(edi, rsi)
//	test edi, edi; jnz done             CLOCK_REALTIME is 0
//	mov rcx, [rip+14]; add [rsi], rcx    the slot, 8 bytes aligned behind the code
//	done: ret
func replaced() []byte {
	return []byte{
		0xb8, 0xe4, 0x00, 0x00, 0x00, // mov eax, 228
		0x0f, 0x05, // syscall
		0x85, 0xff, // test edi, edi
		0x75, 0x0a, // jnz +10
		0x48, 0x8b, 0x0d, 0x0e, 0x00, 0x00, 0x00, // mov rcx, [rip+14]
		0x48, 0x01, 0x0e, // add [rsi], rcx
		0xc3,                                                       // ret
		0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, // to 32
	}
}

// startWithClock starts the process with a wall clock of its own, offset from the machine's.
func (g *gateway) startWithClock(offset time.Duration) (*wallClock, error) {
	cmd, err := g.command()
	if err != nil {
		return nil, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	type result struct {
		clock *wallClock
		err   error
	}
	begun := time.Now()
	c := make(chan result)
	go func() {
		// Only the thread that starts a traced process may let it go.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			c <- result{nil, fmt.Errorf("starting the gateway: %w", err)}
			return
		}
		clock, err := prepare(cmd.Process.Pid, offset)
		if err == nil {
			err = syscall.PtraceDetach(cmd.Process.Pid)
		}
		if err != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		c <- result{clock, err}
	}()
	r := <-c
	_ = cmd.Stderr.(*os.File).Close()
	if r.err != nil {
		return nil, fmt.Errorf("%w: giving the process a clock: %w", errLeftOut, r.err)
	}
	g.watch(cmd, begun)
	return r.clock, nil
}

// prepare waits until the process stands before its first instruction, and replaces its clock.
func prepare(pid int, offset time.Duration) (*wallClock, error) {
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil {
		return nil, fmt.Errorf("waiting for the process: %w", err)
	}
	if !ws.Stopped() {
		return nil, errors.New("the process has not stopped at its beginning")
	}
	base, size, err := vdso(pid)
	if err != nil {
		return nil, err
	}
	mem, err := os.OpenFile("/proc/"+strconv.Itoa(pid)+"/mem", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the process's memory: %w", err)
	}
	defer func() { _ = mem.Close() }()
	image := make([]byte, size)
	if _, err := mem.ReadAt(image, base); err != nil {
		return nil, fmt.Errorf("reading the vDSO: %w", err)
	}
	file, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return nil, fmt.Errorf("reading the vDSO: %w", err)
	}
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return nil, fmt.Errorf("reading the vDSO: %w", err)
	}
	for _, s := range symbols {
		if s.Name != "__vdso_clock_gettime" {
			continue
		}
		code := replaced()
		start := base + int64(s.Value)
		if s.Value%8 != 0 || s.Size < uint64(len(code))+8 {
			return nil, fmt.Errorf("its clock_gettime is %d bytes at %#x, which leaves no room", s.Size, s.Value)
		}
		if _, err := mem.WriteAt(code, start); err != nil {
			return nil, fmt.Errorf("writing the vDSO: %w", err)
		}
		w := &wallClock{pid: pid, slot: start + int64(len(code))}
		return w, w.set(offset)
	}
	return nil, errors.New("the vDSO has no clock_gettime")
}

// vdso finds where a process has its vDSO.
func vdso(pid int) (base, size int64, err error) {
	maps, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/maps")
	if err != nil {
		return 0, 0, fmt.Errorf("reading the process's maps: %w", err)
	}
	for line := range strings.Lines(string(maps)) {
		if !strings.HasSuffix(strings.TrimSpace(line), "[vdso]") {
			continue
		}
		from, rest, _ := strings.Cut(line, "-")
		to, _, _ := strings.Cut(rest, " ")
		b, errFrom := strconv.ParseInt(from, 16, 64)
		e, errTo := strconv.ParseInt(to, 16, 64)
		return b, e - b, errors.Join(errFrom, errTo)
	}
	return 0, 0, errors.New("the process has no vDSO")
}

// set moves the process's wall clock to an offset from the machine's, in whole seconds.
func (w *wallClock) set(offset time.Duration) error {
	mem, err := os.OpenFile("/proc/"+strconv.Itoa(w.pid)+"/mem", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("setting the process's clock: %w", err)
	}
	defer func() { _ = mem.Close() }()
	word := binary.LittleEndian.AppendUint64(nil, uint64(int64(offset/time.Second)))
	if _, err := mem.WriteAt(word, w.slot); err != nil {
		return fmt.Errorf("setting the process's clock: %w", err)
	}
	return nil
}
