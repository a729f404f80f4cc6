package cli

import (
	"encoding"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/hooks"
)

// set reads a text into a field as envconfig does.
func set(v reflect.Value, text string) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(b)
	default:
		return fmt.Errorf("a setting of type %s cannot be read", v.Type())
	}
	return nil
}

// duration is written as in manifests: 5s, 1h5m, a bare number of seconds.
type duration struct{ time.Duration }

// UnmarshalText reads it.
func (d *duration) UnmarshalText(b []byte) error {
	v, err := field.ParseDuration(string(b))
	d.Duration = v
	return quoting(b, err)
}

// size is written as in manifests: 64KiB, 25MiB, a bare number of bytes.
type size int64

// UnmarshalText reads it.
func (s *size) UnmarshalText(b []byte) error {
	v, err := field.ParseSize(string(b))
	*s = size(v)
	return quoting(b, err)
}

// number is a count.
type number int64

// UnmarshalText reads it.
func (n *number) UnmarshalText(b []byte) error {
	v, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is no count; write a number such as 100000", b)
	}
	*n = number(v)
	return nil
}

// words are parted by commas; blanks around them are no part of them.
type words []string

// UnmarshalText reads them.
func (w *words) UnmarshalText(b []byte) error {
	*w = nil
	for part := range strings.SplitSeq(string(b), ",") {
		if part = strings.TrimSpace(part); part != "" {
			*w = append(*w, part)
		}
	}
	return nil
}

// prefixes are networks; a single address is a network of one.
type prefixes []netip.Prefix

// UnmarshalText reads them.
func (p *prefixes) UnmarshalText(b []byte) error {
	var list words
	_ = list.UnmarshalText(b) // never fails
	*p = nil
	for _, text := range list {
		if addr, err := netip.ParseAddr(text); err == nil {
			*p = append(*p, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		v, err := netip.ParsePrefix(text)
		if err != nil {
			return fmt.Errorf("%q is no network; write 10.0.0.0/8 or 192.0.2.7", text)
		}
		*p = append(*p, v)
	}
	return nil
}

// allowance is what hooks may reach besides the open internet.
type allowance []hooks.AllowRule

// UnmarshalText reads it.
func (a *allowance) UnmarshalText(b []byte) error {
	rules, err := hooks.ParseAllow(string(b))
	*a = rules
	return err
}

// secretOf is a setting that must not be seen.
type secretOf struct{ secret.Value }

// UnmarshalText reads it.
func (s *secretOf) UnmarshalText(b []byte) error {
	s.Value = secret.New(strings.TrimSpace(string(b)))
	return nil
}

type (
	hooksMode string
	logLevel  string
	logFormat string
)

// The forms of the log.
const (
	logAuto    = "auto"
	logConsole = "console"
	logText    = "text"
	logJSON    = "json"
)

// UnmarshalText reads it.
func (m *hooksMode) UnmarshalText(b []byte) error { return choose((*string)(m), b, "send", "log") }

// UnmarshalText reads it.
func (l *logLevel) UnmarshalText(b []byte) error {
	return choose((*string)(l), b, "debug", "info", "warn", "error")
}

// UnmarshalText reads it.
func (f *logFormat) UnmarshalText(b []byte) error {
	return choose((*string)(f), b, logAuto, logConsole, logText, logJSON)
}

func choose(into *string, b []byte, allowed ...string) error {
	*into = string(b)
	if !slices.Contains(allowed, *into) {
		return fmt.Errorf("%q is none of %s", *into, strings.Join(allowed, ", "))
	}
	return nil
}

func quoting(b []byte, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%q: %w", b, err)
}
