package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/headgate/headgate/engine/secret"
)

// sealVersion is the first byte of what is sealed: AES-256-GCM with a random nonce in front.
const sealVersion = 1

// errNotOpened says that a sealed secret was sealed under another key, for another provider, or is damaged: the cipher cannot tell.
var errNotOpened = errors.New("it was not sealed with this key")

// seal encrypts secrets. Every provider's are bound to its name: moved to another row of the store they do not open.
type seal struct {
	aead cipher.AEAD
	mac  []byte // the key of digests
}

// newSeal derives its keys from a text (HKDF, RFC 5869).
func newSeal(key secret.Value) (*seal, error) {
	text := []byte(key.Reveal())
	sealing, err := hkdf.Key(sha256.New, text, nil, "headgate vault: sealing", 32)
	if err != nil {
		return nil, fmt.Errorf("deriving the key: %w", err)
	}
	mac, err := hkdf.Key(sha256.New, text, nil, "headgate vault: digests", 32)
	if err != nil {
		return nil, fmt.Errorf("deriving the key: %w", err)
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return nil, fmt.Errorf("preparing the cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("preparing the cipher: %w", err)
	}
	return &seal{aead: aead, mac: mac}, nil
}

func (s *seal) seal(provider string, text secret.Value) []byte {
	return s.aead.Seal([]byte{sealVersion}, nil, []byte(text.Reveal()), []byte(provider))
}

func (s *seal) open(provider string, sealed []byte) (secret.Value, error) {
	if len(sealed) == 0 || sealed[0] != sealVersion {
		return secret.Value{}, errors.New("it was sealed by another version of Headgate")
	}
	text, err := s.aead.Open(nil, nil, sealed[1:], []byte(provider))
	if err != nil {
		return secret.Value{}, errNotOpened // the cipher's words say less
	}
	return secret.New(string(text)), nil
}

// digest tells secrets apart. It is keyed: from a plain hash a short secret could be guessed.
func (s *seal) digest(provider string, text secret.Value) string {
	h := hmac.New(sha256.New, s.mac)
	h.Write([]byte(provider))
	h.Write([]byte{0})
	h.Write([]byte(text.Reveal()))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Seal seals a text that is not a provider's, bound to a purpose such as "subscription/sub_1": under another purpose it does not open. No
// provider has a name with a slash, which a purpose holds. The key is made where there is none yet; the error is that of the key, or of
// a purpose without a slash.
func (v *Vault) Seal(purpose string, text secret.Value) ([]byte, error) {
	if !strings.Contains(purpose, "/") {
		return nil, fmt.Errorf("sealing for %q: a purpose holds a slash", purpose)
	}
	v.learning.Lock()
	defer v.learning.Unlock()
	s, err := v.openSeal(true)
	if err != nil {
		return nil, fmt.Errorf("sealing for %q: %w", purpose, err)
	}
	return s.seal(purpose, text), nil
}

// Open opens what Seal gave for the same purpose. The error says that there is no key, that it is another one, or that what was sealed is
// damaged; which of the last two the cipher cannot tell.
func (v *Vault) Open(purpose string, sealed []byte) (secret.Value, error) {
	if !strings.Contains(purpose, "/") {
		return secret.Value{}, fmt.Errorf("opening for %q: a purpose holds a slash", purpose)
	}
	v.learning.Lock()
	defer v.learning.Unlock()
	s, err := v.openSeal(false)
	if err != nil {
		return secret.Value{}, fmt.Errorf("opening for %q: %w", purpose, err)
	}
	text, err := s.open(purpose, sealed)
	if err != nil {
		return secret.Value{}, fmt.Errorf("opening for %q: %w", purpose, err)
	}
	return text, nil
}
