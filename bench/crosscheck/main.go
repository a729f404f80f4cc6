// Command crosscheck holds the provider catalogue against the official SDKs: what an SDK signs the gateway must accept, what the gateway
// signs an SDK must accept, and both must refuse it with one byte changed. It writes the table of docs/providers.md.
//
//	make crosscheck
//
// It needs Node and the packages of package.json, which `make crosscheck` installs without running their scripts. The SDKs' code runs
// on made-up requests and asks the network for nothing.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir := flag.String("dir", "bench/crosscheck", "the folder of answer.mjs and node_modules")
	page := flag.String("write", "", "the page whose table is to be written, such as docs/providers.md")
	only := flag.String("only", "", "check this provider alone")
	flag.Parse()
	if err := run(ctx, *dir, *page, *only); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run checks every case, prints a line for each, and writes the table where all hold.
func run(ctx context.Context, dir, page, only string) error {
	sdks, err := startSDKs(ctx, dir)
	if err != nil {
		return err
	}
	defer sdks.close()
	cases, err := sdks.list()
	if err != nil {
		return err
	}
	var results []result
	failed, providers := 0, map[string]bool{}
	for i, c := range cases {
		if only != "" && c.Provider != only {
			continue
		}
		r := check(ctx, sdks, i, c)
		results = append(results, r)
		if r.err != nil {
			failed++
			fmt.Printf("FAIL  %-20s %s %s: %v\n", c.Provider, c.SDK, c.Version, r.err)
			continue
		}
		providers[c.Provider] = true
		fmt.Printf("ok    %-20s %s %s: %s\n", c.Provider, c.SDK, c.Version, r.directions())
	}
	fmt.Printf("%d of %d SDKs agree, %d providers\n", len(results)-failed, len(results), len(providers))
	if failed > 0 {
		return fmt.Errorf("%d SDKs disagree with the catalogue", failed)
	}
	if page == "" {
		return nil
	}
	return writeTable(page, results)
}
