package signature

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
)

// encoding is one way to write a signature as text.
type encoding struct {
	name string
	doc  string
	// decode appends the bytes that a text stands for, or says that it is no such text. There is one accepted text for each signature,
	// letter case of hex aside.
	decode func(dst, text []byte) ([]byte, bool)
	encode func(sum []byte) string
}

// encodings is the whole list.
func encodings() []encoding {
	standard, raw, padded := base64.StdEncoding.Strict(), base64.RawURLEncoding.Strict(), base64.URLEncoding.Strict()
	return []encoding{
		{
			"hex", "hexadecimal, in capitals or not",
			func(dst, text []byte) ([]byte, bool) {
				out, err := hex.AppendDecode(dst, text)
				return out, err == nil
			},
			hex.EncodeToString,
		},
		{
			"base64", "base64 with padding",
			func(dst, text []byte) ([]byte, bool) { return decodeBase64(standard, dst, text) },
			base64.StdEncoding.EncodeToString,
		},
		{
			"base64url", "base64 of the URL alphabet, with padding or without", // for senders disagree about it
			func(dst, text []byte) ([]byte, bool) {
				if len(text) > 0 && text[len(text)-1] == '=' {
					return decodeBase64(padded, dst, text)
				}
				return decodeBase64(raw, dst, text)
			},
			base64.RawURLEncoding.EncodeToString,
		},
		{
			"text", "the bytes themselves",
			func(dst, text []byte) ([]byte, bool) { return append(dst, text...), true },
			func(sum []byte) string { return string(sum) },
		},
	}
}

// decodeBase64 refuses line ends, which the library passes over: with them one signature would have many texts. A strict encoding
// refuses loose bits for the same reason.
func decodeBase64(strict *base64.Encoding, dst, text []byte) ([]byte, bool) {
	if bytes.IndexByte(text, '\n') >= 0 || bytes.IndexByte(text, '\r') >= 0 {
		return dst, false
	}
	out, err := strict.AppendDecode(dst, text)
	return out, err == nil
}

// Encodings gives the words of `encoding` with what they mean, in the order in which the documentation tells them.
func Encodings() [][2]string {
	var out [][2]string
	for _, e := range encodings() {
		out = append(out, [2]string{e.name, e.doc})
	}
	return out
}
