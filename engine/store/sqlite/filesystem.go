package sqlite

import (
	"errors"
	"fmt"
)

// ErrFileSystem refuses a place where SQLite's locks or fsync do not work.
var ErrFileSystem = errors.New("the store must lie on a local file system")

// fileSystem names the file system of a directory. warning is set where an acknowledged event may not outlive the machine; ErrFileSystem
// refuses what cannot hold a database at all.
func fileSystem(dir string) (name, warning string, err error) {
	if name, err = fileSystemName(dir); err != nil {
		return "", "", fmt.Errorf("asking for the file system of %s: %w", dir, err)
	}
	refused, warning := judge(name)
	if refused != "" {
		return name, "", fmt.Errorf("%s lies on %s, which %s: %w", dir, name, refused, ErrFileSystem)
	}
	return name, warning, nil
}

// judge says what keeps a file system from holding a database, and what an operator should know of it.
func judge(name string) (refused, warning string) {
	switch name {
	case "nfs", "smb", "smbfs", "cifs", "9p", "ceph", "afs", "afpfs", "webdav":
		return "is a network file system: its locks and fsync cannot be relied on", ""
	case "fuse":
		return "is served by another program: its fsync cannot be relied on", ""
	case "tmpfs", "ramfs":
		return "", "the store lies on " + name + ", in memory: acknowledged events are lost when the machine stops"
	case "overlay":
		return "", "the store lies on overlay, a layer of the container: acknowledged events are lost when it is removed"
	}
	return "", ""
}
