package vault

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/headgate/headgate/engine/secret"
)

// KeySource gives the text that the seal's keys are made of. With create it makes one where there is none; without it gives an error
// that wraps ErrNoKey then. Equal texts are equal keys: what stands in a key file may be moved into the setting.
type KeySource func(create bool) (secret.Value, error)

// ErrNoKey says that there is no key yet.
var ErrNoKey = errors.New("there is no seal key")

// MinKeyCharacters is the least that a key of an operator's own has: fewer could be guessed by whoever has the store's file.
const MinKeyCharacters = 16

// keyFileBytes are as many as the cipher's key has.
const keyFileBytes = 32

// TextKey is the key that an operator has set.
func TextKey(text secret.Value) (KeySource, error) {
	text = secret.New(strings.TrimSpace(text.Reveal()))
	if n := len(text.Reveal()); n < MinKeyCharacters {
		return nil, fmt.Errorf("the seal key has %d characters, and needs at least %d", n, MinKeyCharacters)
	}
	return func(bool) (secret.Value, error) { return text, nil }, nil
}

// FreshKey is a key that is made once and never written anywhere: for a store that ends with the process, too.
func FreshKey() KeySource {
	text := newKey()
	return func(bool) (secret.Value, error) { return text, nil }
}

// FileKey is the key in a file, which is made at first need, readable by its owner only. It is never written over.
func FileKey(path string) KeySource {
	return func(create bool) (secret.Value, error) {
		text, err := readKey(path)
		if !errors.Is(err, ErrNoKey) || !create {
			return text, err
		}
		text = newKey()
		if err := writeKey(path, text); err != nil {
			return secret.Value{}, fmt.Errorf("making the seal key: %w", err)
		}
		return text, nil
	}
}

func newKey() secret.Value {
	var b [keyFileBytes]byte
	_, _ = rand.Read(b[:]) // it never fails
	return secret.New(hex.EncodeToString(b[:]))
}

func readKey(path string) (secret.Value, error) {
	raw, err := os.ReadFile(path)
	text := strings.TrimSpace(string(raw))
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && text == "":
		return secret.Value{}, fmt.Errorf("%w in %s", ErrNoKey, path)
	case err != nil:
		return secret.Value{}, fmt.Errorf("reading the seal key: %w", err)
	}
	if b, err := hex.DecodeString(text); err != nil || len(b) != keyFileBytes {
		return secret.Value{}, fmt.Errorf("%s holds no seal key, which is %d hexadecimal digits", path, 2*keyFileBytes)
	}
	return secret.New(text), nil
}

// writeKey makes the file and has it on the disk before anything is sealed with it. An empty file is what a crash at this place
// leaves: nothing can have been sealed with it, so that it is filled.
func writeKey(path string, text secret.Value) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		f, err = os.OpenFile(path, os.O_WRONLY, 0o600)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text.Reveal() + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
