// Command headgate is a declarative webhook gateway: one binary and a folder of YAML.
//
// main knows signals, the version and the exit code; what the commands do stands in internal/cli.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/headgate/headgate/cmd/headgate/internal/cli"
)

// version is set by the linker in releases.
var version string

func main() { os.Exit(run()) }

// run ends the commands' context at the first SIGINT or SIGTERM, so that they finish in order; the second ends the process on the
// spot, with 128 and the signal's number, as shells do.
func run() int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ends := make(chan os.Signal, 2)
	signal.Notify(ends, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-ends
		cancel()
		if n, ok := (<-ends).(syscall.Signal); ok {
			os.Exit(128 + int(n))
		}
	}()
	return cli.Run(ctx, cli.Process{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, LookupEnv: os.LookupEnv, Environ: os.Environ,
		Setenv: os.Setenv, Version: version, Hangups: hangups,
	})
}

func hangups() <-chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c
}
