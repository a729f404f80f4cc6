package signature

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"hash"
	"hash/crc32"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/payload"
)

// function is one word of the language that turns bytes into bytes.
type function struct {
	name string
	doc  string
	// keyed functions use the provider's first key, so they may stand in few places.
	keyed bool
	// binary says that the result is no text, so something must follow where text is needed.
	binary bool
	apply  transform
}

// transform appends its result to dst; in and dst never overlap. False refuses, as a missing source does.
type transform func(e *env, dst, in []byte) ([]byte, bool)

const (
	// maxFunctions bounds a chain, and with it how much larger than the request a result can get: 16 times.
	maxFunctions = 4
	// maxChallengeBytes is how long a text may be that a reply is made of with the provider's key.
	maxChallengeBytes = 512
	// pairsOfHeaders is the function whose list is held against the header that it stands in.
	pairsOfHeaders = "headerpairs"
	// maxPairs bounds lists that functions sort or look up.
	maxPairs = 10_000
)

// functions is the whole list.
func functions() []function {
	return []function{
		{"sha256", "SHA-256, 32 raw bytes", false, true, func(_ *env, dst, in []byte) ([]byte, bool) {
			sum := sha256.Sum256(in)
			return append(dst, sum[:]...), true
		}},
		{"sha1", "SHA-1, 20 raw bytes", false, true, func(_ *env, dst, in []byte) ([]byte, bool) {
			sum := sha1.Sum(in)
			return append(dst, sum[:]...), true
		}},
		{"crc32", "CRC-32 (IEEE) as a decimal number", false, false, func(_ *env, dst, in []byte) ([]byte, bool) {
			return strconv.AppendUint(dst, uint64(crc32.ChecksumIEEE(in)), 10), true
		}},
		{"hmac-sha256", "HMAC-SHA256 with the first secret, 32 raw bytes; in replies only of a plain token", true, true, keyed(sha256.New)},
		{"hmac-sha1", "HMAC-SHA1 with the first secret, 20 raw bytes; in replies only of a plain token", true, true, keyed(sha1.New)},
		{"hex", "lower-case hexadecimal", false, false, func(_ *env, dst, in []byte) ([]byte, bool) {
			return hex.AppendEncode(dst, in), true
		}},
		{"base64", "base64 with padding", false, false, func(_ *env, dst, in []byte) ([]byte, bool) {
			return base64.StdEncoding.AppendEncode(dst, in), true
		}},
		{"base64url", "base64 of the URL alphabet, without padding", false, false, func(_ *env, dst, in []byte) ([]byte, bool) {
			return base64.RawURLEncoding.AppendEncode(dst, in), true
		}},
		{"unbase64", "decodes base64 of either alphabet, with padding or without; line ends are passed over", false, true, unbase64},
		{"urldecode", "decodes %XX and +", false, false, func(_ *env, dst, in []byte) ([]byte, bool) {
			s, err := url.QueryUnescape(string(in))
			return append(dst, s...), err == nil
		}},
		{"json", "a JSON string literal with its quotes; bytes that are no UTF-8 refuse", false, false, jsonString},
		{"lower", "A-Z in lower case", false, false, func(_ *env, dst, in []byte) ([]byte, bool) {
			for _, c := range in {
				if c >= 'A' && c <= 'Z' {
					c += 'a' - 'A'
				}
				dst = append(dst, c)
			}
			return dst, true
		}},
		{"port", "a URL with the port of its scheme written out (:443, :80), or without it where it was", false, false, togglePort},
		{
			"sortedkv", "the different name+value pairs of an urlencoded text, decoded, sorted by name and value, without separators", false, false,
			sortedPairs,
		},
		{
			pairsOfHeaders, "of a header that holds a list of header names `a,b`: `a:value;b:value`, names in lower case, in the order of the list. " +
				"A list that does not name its own header refuses, as does a value with `;a:` inside", false, false,
			headerPairs(""),
		},
	}
}

// Function is one word of the language, for the documentation.
type Function struct {
	Name, Doc string
	// Keyed says that it uses the provider's key.
	Keyed bool
}

// Functions gives every function, in the order in which the documentation tells them.
func Functions() []Function {
	var out []Function
	for _, f := range functions() {
		out = append(out, Function{Name: f.name, Doc: f.doc, Keyed: f.keyed})
	}
	return out
}

func keyed(h func() hash.Hash) transform {
	return func(e *env, dst, in []byte) ([]byte, bool) {
		if len(e.key) == 0 {
			return dst, false
		}
		mac := hmac.New(h, e.key)
		mac.Write(in)
		return mac.Sum(dst), true
	}
}

// ofToken holds a keyed function to plain tokens. Replies answer requests that nobody signed: without this, who asks for the HMAC of
// a body that he wrote has a genuine signature. Forms, objects, lists and strings with a timestamp before them all hold characters that
// no token has, and what is JSON by itself (a number, true, null) is no token either; what is left to sign is a bare word, which is no
// event.
func ofToken(apply transform) transform {
	return func(e *env, dst, in []byte) ([]byte, bool) {
		text := bytes.TrimRight(in, "=")
		if len(in) > maxChallengeBytes || len(in)-len(text) > 2 {
			return dst, false
		}
		for _, c := range text {
			if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && strings.IndexByte("-_.+/", c) < 0 {
				return dst, false
			}
		}
		if json.Valid(in) {
			return dst, false
		}
		return apply(e, dst, in)
	}
}

func unbase64(_ *env, dst, in []byte) ([]byte, bool) {
	plain := make([]byte, 0, len(in))
	for _, c := range in {
		switch c {
		case '\r', '\n':
			continue
		case '-':
			c = '+'
		case '_':
			c = '/'
		}
		plain = append(plain, c)
	}
	text := bytes.TrimRight(plain, "=")
	if pad := len(plain) - len(text); pad > 0 && len(plain)%4 != 0 || pad > 2 {
		return dst, false
	}
	out, err := base64.RawStdEncoding.Strict().AppendDecode(dst, text)
	return out, err == nil
}

func jsonString(_ *env, dst, in []byte) ([]byte, bool) {
	if !utf8.Valid(in) {
		return dst, false
	}
	out, err := payload.Encode(string(in))
	return append(dst, out...), err == nil
}

// togglePort adds or removes the default port. Everything else stays byte for byte.
func togglePort(_ *env, dst, in []byte) ([]byte, bool) {
	scheme, rest, ok := strings.Cut(string(in), "://")
	port := map[string]string{"https": ":443", "http": ":80"}[scheme]
	if !ok || port == "" {
		return dst, false
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host, path := rest[:end], rest[end:]
	bare, had := strings.CutSuffix(host, port)
	switch {
	case had:
		host = bare
	case strings.LastIndexByte(host, ':') > strings.LastIndexByte(host, ']'): // another port: there is nothing to add
	default:
		host += port
	}
	return append(dst, scheme+"://"+host+path...), true
}

// sortedPairs is what forms are signed as by those who sign URL and form together.
func sortedPairs(_ *env, dst, in []byte) ([]byte, bool) {
	type pair struct{ name, value string }
	var pairs []pair
	for text := range bytes.SplitSeq(in, []byte("&")) {
		if len(text) == 0 {
			continue
		}
		if len(pairs) == maxPairs {
			return dst, false
		}
		name, val, _ := bytes.Cut(text, []byte("="))
		n, err := unescape(name)
		if err != nil {
			return dst, false
		}
		v, err := unescape(val)
		if err != nil {
			return dst, false
		}
		pairs = append(pairs, pair{n, v})
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		if by := strings.Compare(a.name, b.name); by != 0 {
			return by
		}
		return strings.Compare(a.value, b.value)
	})
	for _, p := range slices.Compact(pairs) {
		dst = append(append(dst, p.name...), p.value...)
	}
	return dst, true
}

// headerPairs writes the headers that a list names, which the header `list` holds. One that is not there, or twice, refuses.
//
// Nobody can divide the text that it makes in another way. With a ";" before it, the text holds ";name:" exactly once for each name of
// the list: names differ, and a value with such a piece inside refuses. (A piece begins with the only ";" and ends with the only ":" in
// it, so it cannot lie across the end of a value.) The header of the list is one of them, so that in every way of reading the text the list begins at the
// same byte, and as names hold no ";" it ends at the next one: there is one list. With the list each name has one place, and each
// value goes on to the place of the next name. Nor can a value reach over the line on which the pairs stand.
func headerPairs(list string) transform {
	const most = 64 // headers that one request may sign
	own := strings.ToLower(list)
	return func(e *env, dst, in []byte) ([]byte, bool) {
		names := strings.Split(strings.ToLower(string(in)), ",")
		if len(names) > most {
			return dst, false
		}
		seen := make(map[string]bool, len(names))
		for i, name := range names {
			name = strings.TrimSpace(name)
			if names[i] = name; !isToken(name) || seen[name] {
				return dst, false
			}
			seen[name] = true
		}
		if !seen[own] {
			return dst, false
		}
		for i, name := range names {
			values := e.req.Header[textproto.CanonicalMIMEHeaderKey(name)]
			if len(values) != 1 || strings.ContainsAny(values[0], "\r\n") || holdsPair(values[0], seen) {
				return dst, false
			}
			if i > 0 {
				dst = append(dst, ';')
			}
			dst = append(append(append(dst, name...), ':'), strings.TrimSpace(values[0])...)
		}
		return dst, true
	}
}

// holdsPair says whether ";name:" with one of the names stands in a value. Parameters such as "; charset=utf-8" do not look like it.
func holdsPair(value string, names map[string]bool) bool {
	_, rest, more := strings.Cut(value, ";")
	for more {
		var piece string
		piece, rest, more = strings.Cut(rest, ";")
		if name, _, ok := strings.Cut(piece, ":"); ok && names[name] {
			return true
		}
	}
	return false
}

// pairs says whether the alternative is a list of headers that is written out.
func (a *alternative) pairs() bool {
	return slices.ContainsFunc(a.apply, func(f function) bool { return f.name == pairsOfHeaders })
}
