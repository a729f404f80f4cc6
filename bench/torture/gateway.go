package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// gateway is the process under test: the real binary with a folder of manifests. It keeps its addresses over restarts. Its methods are
// for one goroutine.
type gateway struct {
	bin       string
	manifests string // the folder
	data      string // HEADGATE_DATA_DIR
	log       string // a file that all its processes append to
	public    string
	admin     string
	env       []string
	client    *http.Client // of the admin API

	cmd    *exec.Cmd
	exited chan struct{} // closed when the process was waited for
	begun  time.Time
	ended  time.Time // valid once exited is closed
}

// secretText signs the events.
const secretText = "a-secret-for-the-torture-0123456789"

// newGateway prepares one in a folder: its manifests in files of that folder, its data under data or in the folder where data is empty.
// allow are the receivers' addresses. Nothing is started.
func (b *bench) newGateway(dir, data, manifests string, allow []string, env ...string) (*gateway, error) {
	g := &gateway{
		bin: b.bin, manifests: filepath.Join(dir, "manifests"), data: data, log: filepath.Join(dir, "log"),
		client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16}},
	}
	if g.data == "" {
		g.data = filepath.Join(dir, "data")
	}
	if err := os.MkdirAll(g.manifests, 0o755); err != nil {
		return nil, fmt.Errorf("making the manifest folder: %w", err)
	}
	if err := g.write(manifests); err != nil {
		return nil, err
	}
	var err error
	if g.public, err = freeAddress(); err != nil {
		return nil, err
	}
	if g.admin, err = freeAddress(); err != nil {
		return nil, err
	}
	g.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TORTURE_SECRET=" + secretText,
		"HEADGATE_ADDR=" + g.public, "HEADGATE_ADMIN_ADDR=" + g.admin, "HEADGATE_DATA_DIR=" + g.data, "HEADGATE_EGRESS_ALLOW=" + strings.Join(allow, ","),
		"HEADGATE_LOG_FORMAT=json", "HEADGATE_LOG_LEVEL=warn", "HEADGATE_DRAIN_DELAY=0s", "HEADGATE_SHUTDOWN_TIMEOUT=10s",
	}, env...)
	return g, nil
}

// allow opens the way to another receiver.
func (g *gateway) allow(address string) {
	for i, e := range g.env {
		if strings.HasPrefix(e, "HEADGATE_EGRESS_ALLOW=") {
			g.env[i] += "," + address
		}
	}
}

// write replaces the manifests.
func (g *gateway) write(manifests string) error {
	if err := os.WriteFile(filepath.Join(g.manifests, "all.yaml"), []byte(manifests), 0o644); err != nil {
		return fmt.Errorf("writing the manifests: %w", err)
	}
	return nil
}

// freeAddress finds a port of 127.0.0.1 that is free and below those that the kernel gives to outgoing connections, so that none of
// those takes it while the gateway is down.
func freeAddress() (string, error) {
	var last error
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(20000+rand.IntN(12000)))
		if err != nil {
			last = err
			continue
		}
		defer func() { _ = l.Close() }()
		return l.Addr().String(), nil
	}
	return "", fmt.Errorf("finding a free port: %w", last)
}

// command makes the process that start starts.
func (g *gateway) command() (*exec.Cmd, error) {
	log, err := os.OpenFile(g.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	cmd := exec.Command(g.bin, "serve", g.manifests)
	cmd.Env, cmd.Stderr, cmd.Stdout = g.env, log, log
	return cmd, nil
}

// start starts the process; it does not wait until it is ready.
func (g *gateway) start() error {
	cmd, err := g.command()
	if err != nil {
		return err
	}
	begun := time.Now()
	err = cmd.Start()
	_ = cmd.Stderr.(*os.File).Close() // the child has its own
	if err != nil {
		return fmt.Errorf("starting the gateway: %w", err)
	}
	g.watch(cmd, begun)
	return nil
}

// watch takes over a process that was started.
func (g *gateway) watch(cmd *exec.Cmd, begun time.Time) {
	exited := make(chan struct{})
	g.cmd, g.begun, g.exited = cmd, begun, exited
	go func() {
		_ = cmd.Wait()
		g.ended = time.Now()
		close(exited)
	}()
}

// startReady starts the process and waits until it accepts webhooks.
func (g *gateway) startReady(ctx context.Context) error {
	if err := g.start(); err != nil {
		return err
	}
	return g.ready(ctx)
}

var errExited = errors.New("the gateway has ended by itself")

// ready waits until webhooks are accepted.
func (g *gateway) ready(ctx context.Context) error {
	ended := false
	err := until(ctx, 60*time.Second, 10*time.Millisecond, func() (bool, error) {
		select {
		case <-g.exited:
			ended = true
			return true, nil
		default:
		}
		resp, err := g.client.Get("http://" + g.admin + "/readyz")
		if err != nil {
			return false, err
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK, fmt.Errorf("it answers %s", resp.Status)
	})
	if ended {
		return fmt.Errorf("%w: %s; see %s", errExited, g.cmd.ProcessState, g.log)
	}
	if err != nil {
		return fmt.Errorf("waiting for the gateway: %w; see %s", err, g.log)
	}
	return nil
}

// alive says whether the process runs.
func (g *gateway) alive() bool {
	if g.cmd == nil {
		return false
	}
	select {
	case <-g.exited:
		return false
	default:
		return true
	}
}

// kill ends the process with SIGKILL and waits for its end. It is no error where it has ended already.
func (g *gateway) kill() {
	if g.cmd == nil {
		return
	}
	_ = g.cmd.Process.Kill()
	<-g.exited
}

// terminate ends the process in order; the error says that it did not end with 0 in time.
func (g *gateway) terminate() error {
	if !g.alive() {
		return fmt.Errorf("%w: %s", errExited, g.cmd.ProcessState)
	}
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("ending the gateway: %w", err)
	}
	select {
	case <-g.exited:
	case <-time.After(30 * time.Second):
		g.kill()
		return errors.New("ending the gateway: it took more than 30 s")
	}
	if code := g.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("ending the gateway: it ended with %s; see %s", g.cmd.ProcessState, g.log)
	}
	return nil
}
