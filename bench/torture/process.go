package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// usage is what a process has used, as Linux tells it.
type usage struct {
	at      time.Time
	cpu     time.Duration
	rss     int64 // bytes in memory
	files   int   // open descriptors
	threads int
}

// ticks is how many of its units of CPU time Linux has in a second, on every machine it runs on today.
const ticks = 100

// usage reads /proc, which only Linux has.
func (g *gateway) usage() (usage, error) {
	dir := "/proc/" + strconv.Itoa(g.cmd.Process.Pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return usage{}, fmt.Errorf("reading what the process uses: %w", err)
	}
	// The name stands in parentheses and may hold anything; field 14 and on are counted behind it.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 22 {
		return usage{}, fmt.Errorf("reading what the process uses: %q", stat)
	}
	number := func(i int) int64 { n, _ := strconv.ParseInt(fields[i], 10, 64); return n }
	u := usage{
		at: time.Now(), cpu: time.Duration(number(11)+number(12)) * time.Second / ticks,
		rss: number(21) * int64(os.Getpagesize()), threads: int(number(17)),
	}
	files, err := os.ReadDir(dir + "/fd")
	if err != nil {
		return usage{}, fmt.Errorf("reading what the process uses: %w", err)
	}
	u.files = len(files)
	return u, nil
}

// watched is the most that a process used while it was watched.
type watched struct {
	rss   int64
	files int
}

// watchUsage looks at a process ten times a second until stop is called, which gives the most that was seen.
func (g *gateway) watchUsage(ctx context.Context) (stop func() watched) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan watched)
	go func() {
		var most watched
		for {
			if u, err := g.usage(); err == nil {
				most.rss, most.files = max(most.rss, u.rss), max(most.files, u.files)
			}
			if pause(ctx, 100*time.Millisecond) != nil {
				done <- most
				return
			}
		}
	}()
	return func() watched {
		cancel()
		return <-done
	}
}

// mebibytes writes a count of bytes.
func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", (n+1<<19)>>20) }
