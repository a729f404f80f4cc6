package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
)

// verification is what `headgate verify` says of a store.
type verification struct {
	Found    int
	Findings []struct{ Check, Subject, Message string }
	// Refused is what it said where it could not read the file at all.
	Refused string
}

func (v verification) damaged() bool { return v.Found > 0 || v.Refused != "" }

// verify lets the command look at the store of a gateway that is stopped. The error says that it could not be run.
func verify(ctx context.Context, bin, data string) (verification, error) {
	var v verification
	cmd := exec.CommandContext(ctx, bin, "verify", "--json", "--data-dir", data)
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit), exit != nil && exit.ExitCode() == 64:
		return v, fmt.Errorf("verifying the store: %w", err)
	case json.Unmarshal(out, &v) != nil:
		v.Refused = fmt.Sprintf("%v: %s", err, exit.Stderr)
	}
	return v, nil
}

// integrity checks the store of a gateway that is stopped.
func (g *gateway) integrity(ctx context.Context) error {
	v, err := verify(ctx, g.bin, g.data)
	if err != nil {
		return err
	}
	if v.damaged() {
		return fmt.Errorf("the store is damaged: %+v", v)
	}
	return nil
}
