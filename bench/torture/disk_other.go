//go:build !linux

package main

import (
	"context"
	"fmt"
)

// disk is a file system that can be harmed; only Linux has one here.
type disk struct{ mount string }

func newDisk(context.Context, string, int64) (*disk, error) {
	return nil, fmt.Errorf("%w: it needs ext4 on Linux", errLeftOut)
}

func (*disk) attach(context.Context) error { return errLeftOut }
func (*disk) detach(context.Context) error { return errLeftOut }
func (*disk) remove()                      {}
func (*disk) cut() error                   { return errLeftOut }
func (*disk) fill() error                  { return errLeftOut }
func (*disk) empty() error                 { return errLeftOut }
