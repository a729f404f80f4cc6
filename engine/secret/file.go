package secret

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// within finds the folder of Dirs that holds a path.
func (r *Resolver) within(abs string) (root, rel string, ok bool) {
	for _, dir := range r.o.Dirs {
		rel, err := filepath.Rel(dir, abs)
		if err == nil && filepath.IsLocal(rel) && rel != "." {
			return dir, rel, true
		}
	}
	return "", "", false
}

// readSecret reads through os.Root, so that no symlink leads out of the folder. Its errors name no absolute path.
func readSecret(dir, rel string) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", inner(err)
	}
	defer func() { _ = root.Close() }()
	// A named pipe would block in Open until somebody writes to it.
	info, err := root.Stat(rel)
	if err != nil {
		return "", inner(err)
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("it is no regular file")
	}
	f, err := root.Open(rel)
	if err != nil {
		return "", inner(err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxSecretBytes+1))
	if err != nil {
		return "", inner(err)
	}
	if len(data) > maxSecretBytes {
		return "", fmt.Errorf("it is larger than %d bytes", maxSecretBytes)
	}
	text := string(data)
	if cut, ok := strings.CutSuffix(text, "\n"); ok {
		text = strings.TrimSuffix(cut, "\r")
	}
	return text, nil
}

func inner(err error) error {
	if pe := (*os.PathError)(nil); errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
