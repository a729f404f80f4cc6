package signature

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/headgate/headgate/engine/payload"
)

// What is written with indentation: in the worst case 64 times as much as it was.
const (
	maxIndentBody  = 128 << 10
	maxIndentDepth = 32
)

// secrets tries the configured secrets in the other forms that people take them for.
func (x *explainer) secrets() {
	a := x.rule.algorithm
	if a.family != mac && a.family != constant && a.family != digest {
		return
	}
	form := func(name string) keyForm {
		for _, f := range keyForms() {
			if f.name == name {
				return f
			}
		}
		return x.rule.form
	}
	for i, configured := range x.scheme.secrets {
		plain := configured.Reveal()
		_, after, marked := strings.Cut(plain, "whsec_")
		for _, try := range []struct {
			what  string
			text  string
			form  keyForm
			strip bool
			skip  bool
		}{
			{what: "without the white space around it", text: strings.TrimSpace(plain), form: x.rule.form, strip: true, skip: strings.TrimSpace(plain) == plain},
			{what: "without `whsec_` and decoded from base64 (`strip: whsec_`, `key: base64`)", text: after, form: form("base64"), skip: !marked},
			{what: "as it is written, neither stripped nor decoded (no `strip`, `key: utf8`)", text: plain, form: form("utf8")},
			{what: "decoded from base64 (`key: base64`)", text: plain, form: form("base64")},
			{what: "decoded from hexadecimal (`key: hex`)", text: plain, form: form("hex")},
		} {
			if try.skip || a.family == constant && try.form.name != x.rule.form.name {
				continue
			}
			other := *x.rule
			other.form, other.remote, other.keys = try.form, nil, nil
			if !try.strip {
				other.strip = nil
			}
			held, err := other.hold(try.text, i, false)
			if err != nil {
				continue
			}
			if other.keys = held; x.holds(&other, x.r) {
				x.remark("it matches with the secret %s", try.what)
				return
			}
		}
	}
}

// bodies tries the body in the forms that proxies and frameworks make of it.
func (x *explainer) bodies() {
	body := x.r.Body
	if len(body) == 0 {
		return
	}
	rule := x.pinned(x.rule)
	for _, try := range []struct {
		what string
		make func() []byte
	}{
		{"without the line end after it", func() []byte { return bytes.TrimRight(body, "\r\n") }},
		{"with a line end after it", func() []byte { return append(bytes.Clone(body), '\n') }},
		{"with plain line ends", func() []byte { return bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n")) }},
		{"written as compact JSON", func() []byte { return compact(body) }},
		{"written as JSON with two blanks of indentation", func() []byte { return indented(body, "  ") }},
		{"written as JSON with four blanks of indentation", func() []byte { return indented(body, "    ") }},
		{"written as JSON with a blank after each comma and colon", func() []byte { return spaced(body) }},
	} {
		made := try.make()
		if made == nil || bytes.Equal(made, body) {
			continue
		}
		other := *x.r
		other.Body = made
		if x.holds(rule, &other) {
			x.remark("the body was changed on the way: %s it matches", try.what)
			return
		}
	}
}

// compact gives JSON without blanks, nil for what is no JSON.
func compact(body []byte) []byte {
	var out bytes.Buffer
	if json.Compact(&out, body) != nil {
		return nil
	}
	return out.Bytes()
}

// indented gives JSON on many lines. Deep or long ones are left alone: their indentation would be many times their size.
func indented(body []byte, indent string) []byte {
	var out bytes.Buffer
	if len(body) > maxIndentBody || payload.Check(body, payload.Limits{Depth: maxIndentDepth}) != nil || json.Indent(&out, body, "", indent) != nil {
		return nil
	}
	return out.Bytes()
}

// spaced writes JSON the way Python does.
func spaced(body []byte) []byte {
	plain := compact(body)
	if plain == nil {
		return nil
	}
	out := make([]byte, 0, len(plain)+len(plain)/8)
	quoted, escaped := false, false
	for _, c := range plain {
		out = append(out, c)
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ',' || c == ':'):
			out = append(out, ' ')
		}
	}
	return out
}
