package signature

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"
	"sync"

	"github.com/headgate/headgate/engine/diag"
)

// algorithm is one way to check a signature.
type algorithm struct {
	name string
	doc  string
	// size is the length of a signature in bytes.
	size int
	// key makes the checker of one secret, from its decoded bytes; nil for none, which checks nothing.
	key func(material []byte) checker
}

// checker holds one key and knows one algorithm. It is used by many goroutines at once.
type checker interface {
	// check says whether any of the candidates signs what the template renders. The error is a *MissingError.
	check(signed *Template, c *call) (bool, error)
	// sign appends the signature of what the template renders.
	sign(dst []byte, signed *Template, e *env) ([]byte, error)
}

// algorithms is the whole list.
func algorithms() []algorithm {
	return []algorithm{
		{"hmac-sha256", "HMAC with SHA-256", sha256.Size, newMAC(sha256.New)},
		{"hmac-sha1", "HMAC with SHA-1", sha1.Size, newMAC(sha1.New)},
		{"hmac-sha512", "HMAC with SHA-512", sha512.Size, newMAC(sha512.New)},
		{"none", "unsigned: anybody who knows the address can send", 0, nil},
	}
}

// findAlgorithm gives an algorithm by name, or what to write instead.
func findAlgorithm(name string) (algorithm, string, bool) {
	all := algorithms()
	if i := slices.IndexFunc(all, func(a algorithm) bool { return a.name == name }); i >= 0 {
		return all[i], "", true
	}
	var names []string
	for _, a := range all {
		names = append(names, a.name)
	}
	// A bare hash is what people write when they mean an HMAC, and what a forger hopes for: it takes no secret.
	plain := strings.ReplaceAll(strings.ToLower(name), "_", "-")
	bare := strings.NewReplacer("hmac", "", "-", "").Replace(plain)
	for _, n := range names {
		if bare != "" && strings.ReplaceAll(strings.TrimPrefix(n, "hmac-"), "-", "") == bare {
			if !strings.Contains(plain, "hmac") {
				return algorithm{}, fmt.Sprintf("a bare hash needs no secret; did you mean `%s`?", n), false
			}
			return algorithm{}, fmt.Sprintf("did you mean `%s`?", n), false
		}
	}
	if hint := diag.DidYouMean(name, names); hint != "" {
		return algorithm{}, hint, false
	}
	return algorithm{}, "the algorithms are " + strings.Join(names, ", "), false
}

// macKey checks HMACs of one secret. Its MACs are pooled with the key already absorbed, so that a check costs the hash and
// nothing else.
type macKey struct{ pool sync.Pool }

func newMAC(h func() hash.Hash) func([]byte) checker {
	return func(material []byte) checker {
		k := &macKey{}
		k.pool.New = func() any { return hmac.New(h, material) }
		return k
	}
}

func (k *macKey) check(signed *Template, c *call) (bool, error) {
	sum, err := k.sign(c.sum[:0], signed, &c.env)
	if err != nil {
		return false, err
	}
	for i := range c.decoded[:c.candidates] {
		if hmac.Equal(sum, c.decoded[i][:len(sum)]) {
			return true, nil
		}
	}
	return false, nil
}

func (k *macKey) sign(dst []byte, signed *Template, e *env) ([]byte, error) {
	mac := k.pool.Get().(hash.Hash)
	defer k.pool.Put(mac)
	mac.Reset()
	if err := signed.writeTo(mac, e); err != nil {
		return nil, err
	}
	return mac.Sum(dst), nil
}

// encoding is one way to write a signature as text.
type encoding struct {
	name string
	// decode fills dst exactly, or says no. There is one accepted text for each signature, letter case of hex aside.
	decode func(dst, text []byte) bool
	encode func(sum []byte) string
}

// encodings is the whole list.
func encodings() []encoding {
	return []encoding{
		{
			"hex",
			func(dst, text []byte) bool {
				if len(text) != hex.EncodedLen(len(dst)) {
					return false
				}
				_, err := hex.Decode(dst, text)
				return err == nil
			},
			hex.EncodeToString,
		},
		{"base64", decodeBase64(base64.StdEncoding), base64.StdEncoding.EncodeToString},
		{
			"base64url", // senders disagree about the padding, so it may be there or not
			func(dst, text []byte) bool {
				return decodeBase64(base64.RawURLEncoding)(dst, text) || decodeBase64(base64.URLEncoding)(dst, text)
			},
			base64.RawURLEncoding.EncodeToString,
		},
	}
}

// decodeBase64 refuses loose bits and line ends, with which one signature would have many texts.
func decodeBase64(enc *base64.Encoding) func(dst, text []byte) bool {
	strict := enc.Strict()
	return func(dst, text []byte) bool {
		if len(text) != strict.EncodedLen(len(dst)) {
			return false
		}
		var buf [sha512.Size + 3]byte
		if strict.DecodedLen(len(text)) > len(buf) {
			return false
		}
		n, err := strict.Decode(buf[:], text)
		return err == nil && n == len(dst) && copy(dst, buf[:n]) == n
	}
}

// keyForm is one way in which a secret's text stands for key bytes.
type keyForm struct {
	name   string
	doc    string
	decode func(text string) ([]byte, error)
}

// keyForms is the whole list.
func keyForms() []keyForm {
	return []keyForm{
		{"utf8", "the text's own bytes", func(text string) ([]byte, error) { return []byte(text), nil }},
		{"base64", "base64, standard or URL alphabet, padded or not", func(text string) ([]byte, error) {
			text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
			return base64.RawStdEncoding.DecodeString(text)
		}},
		{"hex", "hexadecimal", hex.DecodeString},
	}
}
