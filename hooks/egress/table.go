package egress

import (
	_ "embed"
	"fmt"
	"net/netip"
	"sort"
	"strings"
)

//go:embed special.csv
var special string

// verdict is what the table says about an address that no Rule lists.
type verdict uint8

const (
	pass verdict = iota + 1
	deny
	never
	wraps
)

// row is one range of the table.
type row struct {
	prefix  netip.Prefix
	verdict verdict
	name    string
}

// table holds the rows, longest prefix first.
type table []row

// parseTable reads the form of special.csv.
func parseTable(text string) (table, error) {
	var t table
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		cells := strings.Split(line, ",")
		if len(cells) != 3 {
			return nil, fmt.Errorf("reading the address table: line %d has %d columns, not 3", i+1, len(cells))
		}
		prefix, err := netip.ParsePrefix(cells[0])
		if err != nil || prefix != prefix.Masked() {
			return nil, fmt.Errorf("reading the address table: line %d: %q is no range", i+1, cells[0])
		}
		v, ok := map[string]verdict{"pass": pass, "deny": deny, "never": never, "wraps": wraps}[cells[1]]
		if !ok {
			return nil, fmt.Errorf("reading the address table: line %d: %q is no verdict", i+1, cells[1])
		}
		t = append(t, row{prefix: prefix, verdict: v, name: cells[2]})
	}
	sort.SliceStable(t, func(i, j int) bool { return t[i].prefix.Bits() > t[j].prefix.Bits() })
	return t, nil
}

// find gives the longest range that holds a. An address that is in no range is refused.
func (t table) find(a netip.Addr) row {
	for _, r := range t {
		if r.prefix.Contains(a) {
			return r
		}
	}
	return row{verdict: never, name: "unknown"}
}
