package starlark

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "build the guest again")

// TestTheGuestBelongsToItsSources compares the record beside the embedded guest with the sources, and builds the guest again where the Go
// that made it is at hand: the same sources give the same bytes. With -update it writes guest and record.
func TestTheGuestBelongsToItsSources(t *testing.T) {
	t.Parallel()
	made, err := madeOf(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		writeGuest(t, made)
		return
	}
	record, err := os.ReadFile("guest.txt")
	if err != nil {
		t.Fatal(err)
	}
	rest, ok := strings.CutPrefix(string(record), made)
	if !ok {
		t.Fatalf("the guest was made of\n%sand its sources are\n%srun go generate ./engine/script/starlark", record, made)
	}
	wasm, err := unpackGuest()
	if err != nil {
		t.Fatal(err)
	}
	if want := "guest sha256 " + sum(wasm) + "\n"; !strings.HasSuffix(rest, want) {
		t.Errorf("the record is of another guest:\n%swant %s", record, want)
	}
	if version, _, _ := strings.Cut(rest, "\n"); version != "go "+runtime.Version() {
		t.Logf("the guest was built by %s, this is %s: it is not built again", version, runtime.Version())
		return
	}
	again, err := buildGuest(t)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again, wasm) {
		t.Error("building the guest again gives other bytes: run go generate ./engine/script/starlark")
	}
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

func writeGuest(t *testing.T, made string) {
	t.Helper()
	wasm, err := buildGuest(t)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(wasm)
	record := made + "go " + runtime.Version() + "\nguest sha256 " + sum(wasm) + "\n"
	err = errors.Join(err, w.Close(), os.WriteFile("guest.wasm.gz", packed.Bytes(), 0o600), os.WriteFile("guest.txt", []byte(record), 0o600))
	if err != nil {
		t.Fatal(err)
	}
}

// buildGuest compiles the guest, exports its globals, so that the host can set them back, and lets it look up to the host every now and
// then, which is how it is stopped.
func buildGuest(t *testing.T) ([]byte, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "guest.wasm")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared", "-ldflags=-s -w -buildid=", "-o", file, "./guest")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOWASM=", "GOFLAGS=-mod=readonly", "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	wasm, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return prepareModule(wasm)
}

// madeOf gives the lines that name the guest's sources and the library that it holds.
func madeOf(ctx context.Context) (string, error) {
	var files []string
	err := filepath.WalkDir("guest", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	slices.Sort(files)
	hash := sha256.New()
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%s %d\n%s", filepath.ToSlash(path), len(text), text)
	}
	version, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Path}} {{.Version}}", "go.starlark.net").Output()
	if err != nil {
		return "", fmt.Errorf("asking for the library's version: %w", err)
	}
	return "sources sha256 " + hex.EncodeToString(hash.Sum(nil)) + "\n" + string(version), nil
}
