package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
	"unsafe"
)

// disk is an ext4 file system in an image file, mounted through a loop device.
type disk struct {
	image string
	mount string
}

// newDisk makes and mounts one. It needs root, mkfs.ext4, and a free loop device; errLeftOut says what is missing.
func newDisk(ctx context.Context, dir string, size int64) (*disk, error) {
	switch _, err := exec.LookPath("mkfs.ext4"); {
	case os.Geteuid() != 0:
		return nil, fmt.Errorf("%w: mounting needs root", errLeftOut)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errLeftOut, err)
	}
	d := &disk{image: filepath.Join(dir, "disk.img"), mount: filepath.Join(dir, "disk")}
	if err := os.MkdirAll(d.mount, 0o755); err != nil {
		return nil, fmt.Errorf("making a mount point: %w", err)
	}
	f, err := os.Create(d.image)
	if err != nil {
		return nil, fmt.Errorf("making an image: %w", err)
	}
	if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
		return nil, fmt.Errorf("making an image: %w", err)
	}
	if out, err := exec.CommandContext(ctx, "mkfs.ext4", "-q", "-m", "0", d.image).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("making a file system: %w\n%s", err, out)
	}
	if err := d.attach(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", errLeftOut, err)
	}
	return d, nil
}

func (d *disk) attach(ctx context.Context) error {
	if out, err := exec.CommandContext(ctx, "mount", "-o", "loop", d.image, d.mount).CombinedOutput(); err != nil {
		return fmt.Errorf("mounting %s: %w\n%s", d.image, err, out)
	}
	return nil
}

func (d *disk) detach(ctx context.Context) error {
	// Whoever was killed may still be dying.
	return until(ctx, 10*time.Second, 10*time.Millisecond, func() (bool, error) {
		err := syscall.Unmount(d.mount, 0)
		if err != nil {
			return false, fmt.Errorf("unmounting %s: %w", d.mount, err)
		}
		return true, nil
	})
}

// remove ends the file system, whatever state it is in.
func (d *disk) remove() {
	_ = d.detach(context.Background()) // it may be detached already
	_ = os.Remove(d.image)
}

// The ioctl that shuts an ext4 file system down, _IOR('X', 125, __u32), and its flag that leaves the journal where it is: what was not
// fsynced until now never reaches the image, and every later access fails with EIO.
const (
	ext4Shutdown   = 0x8004587d
	withoutJournal = 2
)

// cut takes the power away.
func (d *disk) cut() error {
	f, err := os.Open(d.mount)
	if err != nil {
		return fmt.Errorf("opening the mount point: %w", err)
	}
	defer func() { _ = f.Close() }()
	flag := uint32(withoutJournal)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), ext4Shutdown, uintptr(unsafe.Pointer(&flag))); errno != 0 {
		return fmt.Errorf("shutting the file system down: %w", errno)
	}
	return nil
}

// fill takes all the space that is left, again and again until the file cannot grow, into a file that empty removes.
func (d *disk) fill() error {
	f, err := os.OpenFile(filepath.Join(d.mount, "filler"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("filling the disk: %w", err)
	}
	defer func() { _ = f.Close() }()
	size, err := f.Seek(0, 2)
	if err != nil {
		return fmt.Errorf("filling the disk: %w", err)
	}
	for step := int64(64 << 20); step >= 4096; {
		err := syscall.Fallocate(int(f.Fd()), 0, size, step)
		switch {
		case err == nil:
			size += step
		case errors.Is(err, syscall.ENOSPC):
			step /= 2
		case !errors.Is(err, syscall.EINTR):
			return fmt.Errorf("filling the disk: %w", err)
		}
	}
	return nil
}

func (d *disk) empty() error {
	if err := os.Remove(filepath.Join(d.mount, "filler")); err != nil {
		return fmt.Errorf("emptying the disk: %w", err)
	}
	return nil
}
