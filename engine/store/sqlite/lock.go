package sqlite

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/headgate/headgate/engine/store"
)

// lockFile takes an exclusive lock beside the database, which the system drops when the process ends however it ends.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", path, store.ErrLocked)
		}
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return f, nil
}

// ErrFileSystem refuses a place where SQLite's locks or fsync do not work.
var ErrFileSystem = errors.New("the store must lie on a local file system")

// fileSystem names the file system of a directory. warning is set where an acknowledged event may not outlive the machine; ErrFileSystem
// refuses what cannot hold a database at all.
func fileSystem(dir string) (name, warning string, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "", "", fmt.Errorf("asking for the file system of %s: %w", dir, err)
	}
	name, refused, warning := judge(int64(st.Type))
	if refused != "" {
		return name, "", fmt.Errorf("%s lies on %s, which %s: %w", dir, name, refused, ErrFileSystem)
	}
	return name, warning, nil
}

// judge knows file systems by the numbers of statfs(2).
func judge(magic int64) (name, refused, warning string) {
	const network = "is a network file system: its locks and fsync cannot be relied on"
	const passing = "keeps files in memory or in a layer that goes with the container: acknowledged events are lost with it"
	switch uint32(magic) {
	case 0xef53:
		return "ext4", "", ""
	case 0x58465342:
		return "xfs", "", ""
	case 0x9123683e:
		return "btrfs", "", ""
	case 0x2fc12fc1:
		return "zfs", "", ""
	case 0x6969:
		return "nfs", network, ""
	case 0x517b:
		return "smb", network, ""
	case 0xff534d42, 0xfe534d42:
		return "cifs", network, ""
	case 0x01021997:
		return "9p", network, ""
	case 0x00c36400:
		return "ceph", network, ""
	case 0x65735546:
		return "fuse", "is served by another program (FUSE): its fsync cannot be relied on", ""
	case 0x01021994:
		return "tmpfs", "", passing
	case 0x858458f6:
		return "ramfs", "", passing
	case 0x794c7630:
		return "overlay", "", passing
	}
	return fmt.Sprintf("type 0x%x", uint32(magic)), "", ""
}
