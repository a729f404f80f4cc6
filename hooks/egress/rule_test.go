package egress

import (
	"fmt"
	"strings"
	"testing"
)

func TestRulesAreReadAndPrinted(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                            "[]",
		" ,, ":                        "[]",
		"10.0.0.0/8":                  "[10.0.0.0/8]",
		"10.1.2.3":                    "[10.1.2.3/32]",
		"127.0.0.1:9000":              "[127.0.0.1/32:9000]",
		"10.0.0.0/8:443":              "[10.0.0.0/8:443]",
		"::1":                         "[::1/128]",
		"[::1]":                       "[::1/128]",
		"[::1]:9000":                  "[[::1/128]:9000]",
		"fd00::/8":                    "[fd00::/8]",
		"[fd00::/8]:443":              "[[fd00::/8]:443]",
		"0.0.0.0/0,::/0":              "[0.0.0.0/0 ::/0]",
		"10.0.0.0/8, 127.0.0.1:9000,": "[10.0.0.0/8 127.0.0.1/32:9000]",
		"10.0.0.0/8 192.168.0.0/16":   "[10.0.0.0/8 192.168.0.0/16]",
	} {
		rules, err := ParseRules(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := fmt.Sprint(rules); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
		for _, r := range rules {
			again, err := ParseRules(r.String())
			if err != nil || len(again) != 1 || again[0] != r {
				t.Errorf("%v read again: got %v, %v", r, again, err)
			}
		}
	}
}

func TestWrongRulesSayWhatToWrite(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"*":                         "address or a CIDR",
		"localhost":                 "address or a CIDR",
		"intern.example:443":        "address or a CIDR",
		"10.1.2.3/8":                "write 10.0.0.0/8",
		"10.0.0.0/33":               "address or a CIDR",
		"10.0.0.0/8:0":              "port",
		"10.0.0.0/8:70000":          "port",
		"10.0.0.0/8:http":           "port",
		"10.0.0.0/8:":               "port",
		"[::1":                      "bracket",
		"[::1]9000":                 "bracket",
		"fe80::1%eth0":              "zone",
		"::ffff:10.0.0.0/104":       "IPv4",
		"::ffff:10.0.0.1":           "IPv4",
		"0177.0.0.1":                "address or a CIDR",
		"10.0.0.0/8, 2130706433":    `"2130706433"`,
		"10.0.0.0/8;192.168.0.0/16": "address or a CIDR",
	} {
		if rules, err := ParseRules(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, %v, want an error with %q", text, rules, err, want)
		}
	}
}

func FuzzParseRules(f *testing.F) {
	for _, s := range []string{"10.0.0.0/8:443", "[fd00::/8]:1", "::1", "[", "]:", "1.2.3.4/", "::/0:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		rules, err := ParseRules(s)
		if err != nil {
			return
		}
		for _, r := range rules {
			if again, err := ParseRules(r.String()); err != nil || len(again) != 1 || again[0] != r {
				t.Fatalf("%q gave %v, which reads as %v, %v", s, r, again, err)
			}
		}
	})
}
