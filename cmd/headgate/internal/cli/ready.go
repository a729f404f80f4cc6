package cli

import (
	"encoding/json"
	"fmt"
	"os"
)

// writeReady tells programs that a command is up: the file appears whole, with the values and the process's id. A path "" is
// nobody to tell.
func writeReady(path string, values map[string]any) error {
	if path == "" {
		return nil
	}
	values["pid"] = os.Getpid()
	b, err := json.Marshal(values)
	if err == nil {
		err = os.WriteFile(path+".new", append(b, '\n'), 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return unusable(fmt.Errorf("writing the ready file: %w", err), "")
	}
	return nil
}
