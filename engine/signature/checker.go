package signature

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
	"math/big"
	"sync"
)

// minRSABits is the shortest RSA key that is taken, after NIST SP 800-131A.
const minRSABits = 2048

// errNoPrivateKey says that a key can check and not sign.
var errNoPrivateKey = fmt.Errorf("there is no private key: %w", ErrCannotSign)

// macKey checks HMACs of one secret. Its MACs are pooled with the key already absorbed, so that a check costs the hash and
// nothing else.
type macKey struct{ pool sync.Pool }

func newMAC(h func() hash.Hash) func(key) (checker, error) {
	return func(k key) (checker, error) {
		m := &macKey{}
		m.pool.New = func() any { return hmac.New(h, k.bytes) }
		return m, nil
	}
}

// newDigest makes the checker of plain digests. It is a macKey whose hash has no key: the secret stands in the template.
func newDigest(h func() hash.Hash) func(key) (checker, error) {
	return func(key) (checker, error) {
		m := &macKey{}
		m.pool.New = func() any { return h() }
		return m, nil
	}
}

func (k *macKey) check(signed *Template, c *call) (bool, error) {
	sum, err := k.sign(c.sum[:0], signed, &c.env)
	if err != nil {
		return false, err
	}
	for i := range c.count {
		if hmac.Equal(sum, c.candidate(i)) {
			return true, nil
		}
	}
	return false, nil
}

func (k *macKey) sign(dst []byte, signed *Template, e *env) ([]byte, error) {
	h := k.pool.Get().(hash.Hash)
	defer k.pool.Put(h)
	h.Reset()
	if err := signed.writeTo(h, e); err != nil {
		return nil, err
	}
	return h.Sum(dst), nil
}

// tokenKey compares texts. It compares their hashes, so that not even the length of the secret shows in the time that it takes.
type tokenKey struct {
	text []byte
	sum  [sha256.Size]byte
}

func newToken(k key) (checker, error) {
	return &tokenKey{text: k.bytes, sum: sha256.Sum256(k.bytes)}, nil
}

func (k *tokenKey) check(_ *Template, c *call) (bool, error) {
	held := false
	for i := range c.count {
		sum := sha256.Sum256(c.candidate(i))
		if hmac.Equal(sum[:], k.sum[:]) {
			held = true
		}
	}
	return held, nil
}

func (k *tokenKey) sign(dst []byte, _ *Template, _ *env) ([]byte, error) {
	return append(dst, k.text...), nil
}

// rsaKey checks PKCS #1 v1.5 signatures.
type rsaKey struct {
	public  *rsa.PublicKey
	private crypto.Signer
	hash    crypto.Hash
	sums    hashes
}

// hashes are pooled hash states.
type hashes struct{ pool sync.Pool }

func (h *hashes) sum(dst []byte, signed *Template, e *env) ([]byte, error) {
	state := h.pool.Get().(hash.Hash)
	defer h.pool.Put(state)
	state.Reset()
	if err := signed.writeTo(state, e); err != nil {
		return nil, err
	}
	return state.Sum(dst), nil
}

func newRSA(id crypto.Hash, h func() hash.Hash) func(key) (checker, error) {
	return func(k key) (checker, error) {
		pub, ok := k.public.(*rsa.PublicKey)
		if !ok {
			return nil, errors.New("the key is no RSA key")
		}
		switch bits := pub.N.BitLen(); {
		case bits < minRSABits:
			return nil, fmt.Errorf("the RSA key has %d bits; fewer than %d can be broken", bits, minRSABits)
		case bits > 8*maxRSABytes:
			return nil, fmt.Errorf("the RSA key has %d bits; at most %d are taken", bits, 8*maxRSABytes)
		case pub.E < 3 || pub.E%2 == 0:
			return nil, errors.New("the RSA key's exponent is none")
		}
		r := &rsaKey{public: pub, private: k.private, hash: id}
		r.sums.pool.New = func() any { return h() }
		return r, nil
	}
}

func (k *rsaKey) check(signed *Template, c *call) (bool, error) {
	sum, err := k.sums.sum(c.sum[:0], signed, &c.env)
	if err != nil {
		return false, err
	}
	for i := range c.count {
		if rsa.VerifyPKCS1v15(k.public, k.hash, sum, c.candidate(i)) == nil {
			return true, nil
		}
	}
	return false, nil
}

func (k *rsaKey) sign(dst []byte, signed *Template, e *env) ([]byte, error) {
	if k.private == nil {
		return nil, errNoPrivateKey
	}
	sum, err := k.sums.sum(nil, signed, e)
	if err != nil {
		return nil, err
	}
	out, err := k.private.Sign(rand.Reader, sum, k.hash)
	if err != nil {
		return nil, fmt.Errorf("signing with RSA: %w", err)
	}
	return append(dst, out...), nil
}

// ecdsaKey checks ECDSA signatures on P-256.
type ecdsaKey struct {
	public  *ecdsa.PublicKey
	private crypto.Signer
	form    ecdsaForm
	sums    hashes
}

// ecdsaForm is one way to write the two numbers of a signature.
type ecdsaForm uint8

const (
	// derSignature is an ASN.1 sequence (RFC 3279).
	derSignature ecdsaForm = iota
	// fixedSignature is the numbers one after the other, 32 bytes each (RFC 7518 section 3.4).
	fixedSignature
)

func newECDSA(form ecdsaForm) func(key) (checker, error) {
	return func(k key) (checker, error) {
		pub, ok := k.public.(*ecdsa.PublicKey)
		if !ok || pub.Curve != elliptic.P256() {
			return nil, errors.New("the key is no ECDSA key on P-256")
		}
		e := &ecdsaKey{public: pub, private: k.private, form: form}
		e.sums.pool.New = func() any { return sha256.New() }
		return e, nil
	}
}

func (k *ecdsaKey) check(signed *Template, c *call) (bool, error) {
	sum, err := k.sums.sum(c.sum[:0], signed, &c.env)
	if err != nil {
		return false, err
	}
	for i := range c.count {
		candidate, ok := c.candidate(i), false
		if k.form == fixedSignature {
			ok = len(candidate) == 64 && ecdsa.Verify(k.public, sum, new(big.Int).SetBytes(candidate[:32]), new(big.Int).SetBytes(candidate[32:]))
		} else {
			ok = ecdsa.VerifyASN1(k.public, sum, candidate)
		}
		if ok {
			return true, nil
		}
	}
	return false, nil
}

func (k *ecdsaKey) sign(dst []byte, signed *Template, e *env) ([]byte, error) {
	if k.private == nil {
		return nil, errNoPrivateKey
	}
	sum, err := k.sums.sum(nil, signed, e)
	if err != nil {
		return nil, err
	}
	out, err := k.private.Sign(rand.Reader, sum, crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("signing with ECDSA: %w", err)
	}
	if k.form == derSignature {
		return append(dst, out...), nil
	}
	var numbers struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(out, &numbers); err != nil {
		return nil, fmt.Errorf("signing with ECDSA: %w", err)
	}
	fixed := make([]byte, 64)
	numbers.R.FillBytes(fixed[:32])
	numbers.S.FillBytes(fixed[32:])
	return append(dst, fixed...), nil
}

// ed25519Key checks Ed25519 signatures, which are made over the text itself and not over its hash.
type ed25519Key struct {
	public  ed25519.PublicKey
	private crypto.Signer
}

func newEd25519(k key) (checker, error) {
	pub, ok := k.public.(ed25519.PublicKey)
	if !ok || len(pub) != ed25519.PublicKeySize {
		return nil, errors.New("the key is no Ed25519 key")
	}
	return &ed25519Key{public: pub, private: k.private}, nil
}

func (k *ed25519Key) check(signed *Template, c *call) (bool, error) {
	c.message.Reset()
	if err := signed.writeTo(&c.message, &c.env); err != nil {
		return false, err
	}
	for i := range c.count {
		if ed25519.Verify(k.public, c.message.Bytes(), c.candidate(i)) {
			return true, nil
		}
	}
	return false, nil
}

func (k *ed25519Key) sign(dst []byte, signed *Template, e *env) ([]byte, error) {
	if k.private == nil {
		return nil, errNoPrivateKey
	}
	var message bytes.Buffer
	if err := signed.writeTo(&message, e); err != nil {
		return nil, err
	}
	out, err := k.private.Sign(rand.Reader, message.Bytes(), crypto.Hash(0))
	if err != nil {
		return nil, fmt.Errorf("signing with Ed25519: %w", err)
	}
	return append(dst, out...), nil
}
