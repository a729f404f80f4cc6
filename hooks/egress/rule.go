package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Rule lists addresses that an operator opens although the table refuses them, and that plain http may go to.
type Rule struct {
	Prefix netip.Prefix
	// Port is the only port that the rule opens; 0 opens all.
	Port uint16
}

// String gives the rule as ParseRules reads it.
func (r Rule) String() string {
	switch {
	case r.Port == 0:
		return r.Prefix.String()
	case r.Prefix.Addr().Is6():
		return "[" + r.Prefix.String() + "]:" + strconv.Itoa(int(r.Port))
	}
	return r.Prefix.String() + ":" + strconv.Itoa(int(r.Port))
}

func (r Rule) holds(a netip.Addr, port uint16) bool {
	return r.Prefix.Contains(a) && (r.Port == 0 || r.Port == port)
}

// ParseRules reads rules parted by commas or spaces: an address or a CIDR, each with an optional port: 10.0.0.0/8,
// 127.0.0.1:9000, 10.1.0.0/16:443, ::1, [::1]:9000, [fd00::/8]:443. The error names the entry that is wrong. Names and
// wildcards are refused, for a rule must mean the same whatever a name server says; 0.0.0.0/0 and ::/0 say "all" in clear.
func ParseRules(s string) ([]Rule, error) {
	var rules []Rule
	for _, entry := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' }) {
		rule, err := parseRule(entry)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", entry, err)
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

func parseRule(entry string) (Rule, error) {
	text, port := entry, ""
	if rest, ok := strings.CutPrefix(entry, "["); ok {
		inside, after, closed := strings.Cut(rest, "]")
		if !closed {
			return Rule{}, errors.New("the bracket is not closed")
		}
		if after != "" && !strings.HasPrefix(after, ":") {
			return Rule{}, errors.New("after the bracket comes :PORT or nothing")
		}
		text, port = inside, after
	} else if i := strings.IndexByte(entry, ':'); i >= 0 && i == strings.LastIndexByte(entry, ':') {
		text, port = entry[:i], entry[i:]
	}

	var rule Rule
	if port != "" {
		n, err := strconv.ParseUint(port[1:], 10, 16)
		if err != nil || n == 0 {
			return Rule{}, errors.New("the port is a number from 1 to 65535")
		}
		rule.Port = uint16(n)
	}
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() != "" {
		return Rule{}, errors.New("an address with a zone cannot be listed")
	} else if err == nil {
		rule.Prefix = netip.PrefixFrom(addr, addr.BitLen())
	} else if rule.Prefix, err = netip.ParsePrefix(text); err != nil {
		return Rule{}, errors.New("write an address or a CIDR with an optional port, such as 10.0.0.0/8, 127.0.0.1:9000 or [fd00::/8]:443")
	}
	addr := rule.Prefix.Addr()
	switch {
	case addr.Is4In6():
		return Rule{}, errors.New("write the IPv4 address that it stands for")
	case rule.Prefix != rule.Prefix.Masked():
		return Rule{}, fmt.Errorf("bits are set outside the range; write %s", rule.Prefix.Masked())
	}
	return rule, nil
}
