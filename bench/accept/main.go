// Command accept measures the way from a signed request to its durable 200, beside a bare net/http handler that only checks the
// HMAC, in one run: both servers stand in this process, take turns, and are driven by the same client.
//
//	go run ./bench/accept [-connections 64] [-seconds 5] [-rounds 3] [-body 10240] [-runs] [-dir .]
//
// It prints a line for each round and the medians with their ratio. Put -dir on the disk that you want to know about: tmpfs has no
// fsync worth the name.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/manifests"
)

const secretText = "a-secret-for-the-benchmark"

const manifest = `
kind: provider
name: bench
signature: {algorithm: hmac-sha256, header: X-Signature, prefix: "sha256="}
secret: <<env.BENCH_SECRET>>
event: {header: X-Event}
delivery: {header: X-Delivery}
events: [{name: thing}]
`

// filtered starts a run for each event and ends it at once.
const filtered = `---
kind: pipeline
name: filtered
nodes:
  - {label: In, type: receive, props: {provider: bench, filter: payload.n < 0}}
`

func main() {
	connections := flag.Int("connections", 64, "connections at once")
	seconds := flag.Float64("seconds", 5, "length of a round")
	rounds := flag.Int("rounds", 3, "rounds of each")
	size := flag.Int("body", 10<<10, "bytes of a body")
	dir := flag.String("dir", "", "where the store is put; a temporary folder by default")
	runs := flag.Bool("runs", false, "let each event also make a run, which its filter ends: routing then competes with accepting")
	profile := flag.String("profile", "", "write a CPU profile of Headgate's rounds to this file")
	flag.Parse()
	if *profile != "" {
		f, err := os.Create(*profile)
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "accept:", err)
			os.Exit(1)
		}
		defer pprof.StopCPUProfile()
	}
	if err := run(*connections, *rounds, *size, time.Duration(*seconds*float64(time.Second)), *dir, *runs); err != nil {
		fmt.Fprintln(os.Stderr, "accept:", err)
		os.Exit(1)
	}
}

func run(connections, rounds, size int, length time.Duration, dir string, runs bool) error {
	work, err := os.MkdirTemp(dir, "headgate-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	body := append([]byte(`{"n": 1, "text": "`), bytes.Repeat([]byte("x"), size)...)
	body = append(body, `"}`...)

	gateway, stop, err := startGateway(work, runs)
	if err != nil {
		return err
	}
	defer stop()
	bare, stopBare, err := startBare()
	if err != nil {
		return err
	}
	defer stopBare()

	fmt.Printf("%d connections, %d B bodies, rounds of %s\n", connections, len(body), length)
	var bareRates, rates []float64
	for i := range rounds {
		for _, target := range []struct {
			name, addr string
			into       *[]float64
		}{{"net/http + HMAC", bare, &bareRates}, {"headgate, durable", gateway, &rates}} {
			r, err := drive(target.addr, connections, body, length)
			if err != nil {
				return fmt.Errorf("%s: %w", target.name, err)
			}
			*target.into = append(*target.into, r.rate)
			fmt.Printf("round %d  %-18s %8.0f requests/s   p50 %6.2f ms   p99 %6.2f ms\n", i+1, target.name, r.rate, r.p50, r.p99)
		}
	}
	b, h := median(bareRates), median(rates)
	fmt.Printf("median   net/http + HMAC %.0f/s   headgate %.0f/s   ratio %.2f\n", b, h, h/b)
	return nil
}

func startGateway(dir string, runs bool) (addr string, stop func(), err error) {
	folder := filepath.Join(dir, "manifests")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", nil, err
	}
	text := manifest
	if runs {
		text += filtered
	}
	if err := os.WriteFile(filepath.Join(folder, "bench.yaml"), []byte(text), 0o644); err != nil {
		return "", nil, err
	}
	e, err := engine.New(engine.Options{
		Dirs: []string{folder}, Catalogue: manifests.FS(), DataDir: filepath.Join(dir, "data"), Addr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0",
		Logger: slog.New(slog.DiscardHandler), NoWatch: true,
		Env: func(name string) (string, bool) { return secretText, name == "BENCH_SECRET" },
	})
	if err != nil {
		return "", nil, err
	}
	if err := e.Start(context.Background()); err != nil {
		return "", nil, err
	}
	return e.PublicAddr(), func() { _ = e.Stop(context.Background()) }, nil
}

func startBare() (addr string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 5<<20))
		if err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		mac := hmac.New(sha256.New, []byte(secretText))
		mac.Write(body)
		got, _ := hex.DecodeString(r.Header.Get("X-Signature")[len("sha256="):])
		if !hmac.Equal(got, mac.Sum(nil)) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"status":"processed"}`))
	})}
	go func() { _ = srv.Serve(l) }()
	return l.Addr().String(), func() { _ = srv.Close() }, nil
}

type result struct{ rate, p50, p99 float64 }

// drive posts over keep-alive connections with a client that costs little, each delivery with an id of its own.
func drive(addr string, connections int, body []byte, length time.Duration) (result, error) {
	mac := hmac.New(sha256.New, []byte(secretText))
	mac.Write(body)
	head := "POST /webhooks/bench HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nX-Event: thing\r\nX-Signature: sha256=" +
		hex.EncodeToString(mac.Sum(nil)) + "\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\nX-Delivery: "
	base := strconv.FormatInt(time.Now().UnixNano(), 36)
	var ids atomic.Int64
	var mu sync.Mutex
	var all []time.Duration
	var failure error
	deadline := time.Now().Add(length)
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			took, err := connection(addr, head, base, body, &ids, deadline)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			failure = errors.Join(failure, err)
		})
	}
	wg.Wait()
	if failure != nil || len(all) == 0 {
		return result{}, failure
	}
	slices.Sort(all)
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return result{rate: float64(len(all)) / length.Seconds(), p50: ms(all[len(all)/2]), p99: ms(all[len(all)*99/100])}, nil
}

func connection(addr, head, base string, body []byte, ids *atomic.Int64, deadline time.Time) ([]time.Duration, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	answers := bufio.NewReader(c)
	var took []time.Duration
	var out []byte
	for time.Now().Before(deadline) {
		out = append(out[:0], head...)
		out = append(out, base...)
		out = strconv.AppendInt(out, ids.Add(1), 10)
		out = append(out, "\r\n\r\n"...)
		out = append(out, body...)
		started := time.Now()
		if _, err := c.Write(out); err != nil {
			return took, err
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			return took, err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return took, fmt.Errorf("answered %s", resp.Status)
		}
		took = append(took, time.Since(started))
	}
	return took, nil
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
