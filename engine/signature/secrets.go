package signature

import (
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/secret"
)

// Learned are the secrets that a provider handed over in handshakes. It must be safe for concurrent use.
type Learned interface {
	// Version changes whenever Secrets does. It is asked for at every request.
	Version() uint64
	// Secrets gives all that are live, in a stable order, the oldest first. Of more than 32 the newest 32 count.
	Secrets() []secret.Value
}

// Bounds of what is tried for one request.
const (
	maxSecrets = 8
	maxLearned = 32
	// maxTriedKeys bounds the keys of a set where nothing says which of them signed.
	maxTriedKeys = 8
)

// heldKey is one key that a rule checks with.
type heldKey struct {
	checker checker
	// secret is the index of the secret that the key was made of, learned says of which list.
	secret  int
	learned bool
	// text is what {secret} stands for.
	text string
	// id is the key's name in a JWKS, from and until bound the life of its certificate.
	id          string
	from, until time.Time
}

// compileSecrets decodes the secrets for every rule. No finding ever quotes one.
func (c *Config) compileSecrets(s *Scheme, out *diag.List) {
	if len(c.Secrets) > maxSecrets {
		out.Errorf(diag.BadSignature, c.Secrets[maxSecrets].Span, "leave those that are live", "there are more than %d secrets", maxSecrets)
		return
	}
	fits := make([]error, len(c.Secrets)) // nil where a rule takes the secret
	tried := false
	for i := range s.rules {
		r := &s.rules[i]
		if r.algorithm.family == unsigned {
			continue
		}
		for j, sec := range c.Secrets {
			held, err := r.hold(sec.Value.Reveal(), j, false)
			if err != nil && sec.Placeholder {
				continue
			}
			switch {
			case !tried || fits[j] != nil && err == nil:
				fits[j] = err
			}
			if err != nil {
				continue
			}
			if r.first == nil && r.algorithm.family != public {
				r.first = []byte(held[0].text)
			}
			r.keys = append(r.keys, held...)
		}
		tried = true
		if len(c.Secrets) == 0 && r.remote == nil && c.Learned == nil {
			out.Errorf(diag.BadSignature, r.span, "add `secret: <<env.NAME>>`", "there is no secret to check %s with", r.algorithm.name)
		}
		if len(r.keys) > 0 {
			r.remote = nil // the operator has pinned the key
		}
	}
	for j, err := range fits {
		var form *formError
		switch {
		case err == nil:
		case errors.Is(err, errEmpty):
			out.Errorf(diag.BadSignature, c.Secrets[j].Span, "set it to the secret that the provider signs with", "the secret is empty")
		case errors.As(err, &form):
			out.Errorf(diag.BadSignature, c.Secrets[j].Span, "copy it again from the provider's settings, or check `key` and `strip`", "the secret is not %s", form.form.doc)
		default:
			out.Errorf(diag.BadSignature, c.Secrets[j].Span, "", "%s", err)
		}
	}
}

// formError says which form a secret has not.
type formError struct{ form keyForm }

func (e *formError) Error() string { return "the key is not " + e.form.doc }

// errEmpty says that nothing is left of a secret.
var errEmpty = errors.New("the secret is empty")

// hold makes the keys of one secret, or of a fetched document.
func (r *rule) hold(plain string, index int, learned bool) ([]heldKey, error) {
	for _, prefix := range r.strip {
		plain = strings.TrimPrefix(plain, prefix)
	}
	if plain == "" {
		return nil, errEmpty
	}
	found, err := r.form.keys(plain)
	if err != nil {
		return nil, &formError{r.form}
	}
	var out []heldKey
	for _, k := range found {
		if k.public == nil && len(k.bytes) == 0 {
			return nil, errEmpty
		}
		check, e := r.algorithm.key(k)
		if e != nil {
			err = e // of a set of keys those that do not fit are for others
			continue
		}
		out = append(out, heldKey{checker: check, secret: index, learned: learned, text: string(k.bytes), id: k.id, from: k.from, until: k.until})
	}
	if len(out) == 0 {
		return nil, err
	}
	return out, nil
}

// learnt keeps the keys that were made of the learned secrets.
type learnt struct {
	source Learned
	rules  []rule
	kept   atomic.Pointer[learntKeys]
}

// learntKeys are the keys of one version, by rule.
type learntKeys struct {
	version uint64
	keys    [][]heldKey
}

// newLearnt gives nil where nothing is learned.
func newLearnt(source Learned, rules []rule) *learnt {
	if source == nil {
		return nil
	}
	return &learnt{source: source, rules: rules}
}

// keys gives the learned keys of a rule. It is safe on nil.
func (l *learnt) keys(rule int) []heldKey {
	if l == nil {
		return nil
	}
	version := l.source.Version()
	if kept := l.kept.Load(); kept != nil && kept.version == version {
		return kept.keys[rule]
	}
	// The version was read before the secrets: what is learned in between is seen by the next call.
	secrets := l.source.Secrets()
	made := &learntKeys{version: version, keys: make([][]heldKey, len(l.rules))}
	for i := range l.rules {
		for j := max(0, len(secrets)-maxLearned); j < len(secrets); j++ {
			// One that has not the form that the rule needs verifies nothing; it came from outside, so nobody can be told.
			held, err := l.rules[i].hold(secrets[j].Reveal(), j, true)
			if err == nil {
				made.keys[i] = append(made.keys[i], held...)
			}
		}
	}
	l.kept.Store(made)
	return made.keys[rule]
}
