package secret

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"sync"
)

// ResolverOptions bound what references may read.
type ResolverOptions struct {
	// Env looks a variable up; nil means that none is set.
	Env func(name string) (value string, set bool)
	// EnvAllow are globs of the variables that may be read; none allows all. HEADGATE_* is never read.
	EnvAllow []string
	// Dirs are the absolute folders below which <<file…>> may read.
	Dirs []string
	// Placeholders resolves nothing: every reference gets a made-up value, for checking manifests without their secrets.
	Placeholders bool
	// Dev lets the default text "dev-secret" pass as no default, so that it is not warned about.
	Dev bool
}

// DevSecret is the default that --dev accepts without a warning.
const DevSecret = "dev-secret"

// maxSecretBytes of a file are a secret; the largest keys in use are a few KiB.
const maxSecretBytes = 64 << 10

// The codes of a Problem. Each is a rule of engine/diag.
const (
	CodeUnset   = "unset-variable"
	CodeBad     = "bad-reference"
	CodeRefused = "refused-reference"
	CodeFile    = "secret-file"
)

// Problem is what is wrong with a reference at a byte offset of a text.
type Problem struct {
	Offset, Len         int
	Code, Message, Hint string
}

// Resolver turns the references of texts into values: <<env.X>>, <<env.X:-default>>, <<file.PATH>>; `\<<` is a literal "<<". It
// reads each variable and file once, so that all texts of one load see one state. It may be used concurrently.
type Resolver struct {
	o ResolverOptions

	mu     sync.Mutex
	values map[string]string      // by "env.X" or "file." and the absolute path; also the defaults that were taken
	files  map[string]fileContent // by absolute path
}

type fileContent struct {
	text    string
	problem Problem
}

// NewResolver makes a Resolver; it opens nothing.
func NewResolver(o ResolverOptions) *Resolver {
	return &Resolver{
		o:      o,
		values: map[string]string{},
		files:  map[string]fileContent{},
	}
}

// Resolve gives text with its references resolved. Relative paths are relative to baseDir, an absolute folder. Every broken
// reference is a Problem, and a placeholder in the Text.
func (r *Resolver) Resolve(text, baseDir string) (Text, []Problem) {
	if !strings.Contains(text, "<<") {
		return Literal(text), nil
	}
	var parts []Part
	var problems []Problem
	var literal strings.Builder
	for i := 0; i < len(text); {
		rest := text[i:]
		switch {
		case strings.HasPrefix(rest, `\<<`):
			literal.WriteString("<<")
			i += 3
			continue
		case !strings.HasPrefix(rest, "<<"):
			literal.WriteByte(text[i])
			i++
			continue
		}
		ref, p := parseReference(rest)
		if ref.len == 0 && p.Code == "" {
			literal.WriteString("<<")
			i += 2
			continue
		}
		part := Part{Ref: rest[:ref.len], Placeholder: true, Value: New(placeholder(ref.name))}
		if p.Code == "" {
			part, p = r.resolve(ref, part, baseDir)
		}
		if p.Code != "" {
			p.Offset, p.Len = i, ref.len
			problems = append(problems, p)
		}
		if literal.Len() > 0 {
			parts = append(parts, Part{Literal: literal.String()})
			literal.Reset()
		}
		parts = append(parts, part)
		i += ref.len
	}
	if literal.Len() > 0 {
		parts = append(parts, Part{Literal: literal.String()})
	}
	return Text{parts: parts}, problems
}

// placeholder is a made-up value: not empty, and long enough for the keys that have a least length.
func placeholder(name string) string { return "placeholder-" + name + "-0000000000000000" }

func (r *Resolver) resolve(ref reference, part Part, baseDir string) (Part, Problem) {
	part.Default = ref.hasDefault && (!r.o.Dev || ref.fallback != DevSecret)
	if ref.space == "env" {
		if p := r.allowed(ref.name); p.Code != "" || r.o.Placeholders {
			return part, p
		}
		value, set := "", false
		if r.o.Env != nil {
			value, set = r.o.Env(ref.name)
		}
		switch {
		case ref.hasDefault && value == "":
			value = ref.fallback
		case !set:
			return part, Problem{
				Code: CodeUnset, Message: fmt.Sprintf("the environment variable `%s` is not set", ref.name),
				Hint: fmt.Sprintf("set it, or give a default: <<env.%s:-…>>", ref.name),
			}
		}
		r.remember("env."+ref.name+":-"+ref.fallback, value)
		part.Value, part.Placeholder = New(value), false
		return part, Problem{}
	}
	if r.o.Placeholders {
		return part, Problem{}
	}
	value, p := r.file(ref.name, baseDir)
	if p.Code == "" {
		part.Value, part.Placeholder = New(value), false
	}
	return part, p
}

func (r *Resolver) allowed(name string) Problem {
	if strings.HasPrefix(name, "HEADGATE_") {
		return Problem{
			Code: CodeRefused, Message: fmt.Sprintf("`%s` is a setting of the gateway itself; manifests cannot read it", name),
		}
	}
	for _, glob := range r.o.EnvAllow {
		if ok, _ := path.Match(glob, name); ok {
			return Problem{}
		}
	}
	if len(r.o.EnvAllow) == 0 {
		return Problem{}
	}
	return Problem{
		Code: CodeRefused, Message: fmt.Sprintf("manifests may not read the environment variable `%s`", name),
		Hint: "HEADGATE_ENV_ALLOW lists those that they may",
	}
}

func (r *Resolver) remember(key, value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.values[key] = value
}

// file gives the content of a secret's file without its last newline.
func (r *Resolver) file(name, baseDir string) (string, Problem) {
	abs := name
	if !filepath.IsAbs(name) {
		abs = filepath.Join(baseDir, filepath.FromSlash(name))
	}
	abs = filepath.Clean(abs)
	root, rel, ok := r.within(abs)
	if !ok {
		return "", Problem{
			Code: CodeRefused, Message: fmt.Sprintf("manifests may not read the file `%s`", name),
			Hint: "it must lie in the manifest folder, or in a folder of HEADGATE_SECRET_DIRS",
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	content, known := r.files[abs]
	if !known {
		text, err := readSecret(root, rel)
		if err != nil {
			content.problem = Problem{Code: CodeFile, Message: fmt.Sprintf("the file `%s` cannot be read: %v", name, err)}
		}
		content.text = text
		r.files[abs] = content
	}
	if content.problem.Code == "" {
		r.values["file."+abs] = content.text
	}
	return content.text, content.problem
}

// Files gives the absolute paths of the files that references name, sorted, those that could not be read too: all are to be
// watched.
func (r *Resolver) Files() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]string, 0, len(r.files))
	for name := range r.files {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

// Values gives every value that was resolved, for a Scrubber.
func (r *Resolver) Values() []Value {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Value, 0, len(r.values))
	for _, v := range r.values {
		out = append(out, New(v))
	}
	return out
}

// Hash gives a keyed hash of all resolved values: it changes when one of them does, and tells nothing to who lacks the key.
func (r *Resolver) Hash(key []byte) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := make([]string, 0, len(r.values))
	for name := range r.values {
		names = append(names, name)
	}
	sort.Strings(names)
	mac := hmac.New(sha256.New, key)
	for _, name := range names {
		fmt.Fprintf(mac, "%d:%s%d:%s", len(name), name, len(r.values[name]), r.values[name])
	}
	return hex.EncodeToString(mac.Sum(nil))
}
