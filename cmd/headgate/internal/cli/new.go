package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// newFlags say where a skeleton is written and what it starts from.
type newFlags struct {
	dir  string
	from string
}

func (a *app) newCommand() *cobra.Command {
	var o newFlags
	provider := &cobra.Command{
		Use:   "provider NAME",
		Short: "Write a provider's manifest to start from",
		Long: `Write a provider's manifest to start from: a folder of that name with provider.yaml, a schema, an
example and tests. It validates and its tests pass; the comments tell what to look up and change.
With --from it starts from a provider of the catalogue (headgate catalog lists them).

stdout gets the variables to set, with a fresh secret and path token: NAME=VALUE lines as an env
file has them. Where the provider makes the secret itself, put its one there. Nothing that is there
already is overwritten.`,
		Example: `  headgate new provider acme
  headgate new provider acme --dir manifests > acme.env
  headgate new provider shop-github --from github`,
		Args: exactly("NAME"),
	}
	f := provider.Flags()
	f.Var(&flagString{&o.dir, "folder"}, "dir", "the manifest folder (default: the first of HEADGATE_MANIFESTS, else this one)")
	f.Var(&flagString{&o.from, "name"}, "from", "start from this provider of the catalogue")
	provider.RunE = does(func(ctx context.Context, args []string) error { return a.newProvider(ctx, args[0], o) })
	return group(&cobra.Command{
		Use: "new", Short: "Write manifests to start from", GroupID: groupTry,
		Long: "Write manifests to start from.", Example: "  headgate new provider acme",
	}, provider)
}

// skeleton is what `new` writes: files by their path below the manifest folder, and the variables that they refer to.
type skeleton struct {
	files     []skeletonFile
	variables []newVariable
	// notes are for people: what to look up, what to do next.
	notes []string
}

type skeletonFile struct{ name, text string }

// newVariable is an environment variable to set.
type newVariable struct{ Name, Value string }

func (a *app) newProvider(ctx context.Context, name string, o newFlags) error {
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,99}$`).MatchString(name) {
		return misused("the name %q cannot be taken: names are lower-case letters, digits, '-', '_' and '.'", name)
	}
	dir := o.dir
	if dir == "" {
		s, err := a.settings(nil)
		if err != nil {
			return err
		}
		dir = "."
		if len(s.Manifests) > 0 {
			dir = s.Manifests[0]
		}
	}
	s := newSkeleton(name)
	if o.from != "" {
		var err error
		if s, err = a.fromCatalogue(ctx, name, o.from); err != nil {
			return err
		}
	}
	if err := s.write(dir); err != nil {
		return err
	}
	return a.printSkeleton(s, dir)
}

// write makes the files. Where one is there already none is written.
func (s skeleton) write(dir string) error {
	for _, f := range s.files {
		if _, err := os.Lstat(filepath.Join(dir, f.name)); !errors.Is(err, fs.ErrNotExist) {
			if err != nil {
				return unusable(fmt.Errorf("looking for %s: %w", filepath.Join(dir, f.name), err), "")
			}
			return failed(fmt.Errorf("%s is there already; nothing was written", filepath.Join(dir, f.name)))
		}
	}
	for _, f := range s.files {
		if err := writeNew(filepath.Join(dir, filepath.FromSlash(f.name)), f.text); err != nil {
			return unusable(fmt.Errorf("writing the manifest: %w", err), "")
		}
	}
	return nil
}

func writeNew(name, text string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func (a *app) printSkeleton(s skeleton, dir string) error {
	if a.json {
		out := struct {
			Files []string          `json:"files"`
			Env   map[string]string `json:"env"`
		}{Files: []string{}, Env: map[string]string{}}
		for _, f := range s.files {
			out.Files = append(out.Files, filepath.Join(dir, f.name))
		}
		for _, v := range s.variables {
			out.Env[v.Name] = v.Value
		}
		return a.printJSON(out)
	}
	for _, f := range s.files {
		a.talk("%s %s", a.talkPaint("32", "wrote"), filepath.Join(dir, f.name))
	}
	for _, v := range s.variables {
		fmt.Fprintf(a.Stdout, "%s=%s\n", v.Name, v.Value)
	}
	for _, note := range s.notes {
		a.talk("%s %s", a.talkPaint("36", "next:"), note)
	}
	return nil
}

// variablePrefix begins the names of a provider's variables: ACME of acme. HEADGATE_ is the gateway's own, and no name begins with a
// digit.
func variablePrefix(name string) string {
	text := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
	text = strings.ToUpper(text)
	if strings.HasPrefix(text, prefix) || text[0] >= '0' && text[0] <= '9' {
		text = "FROM_" + text
	}
	return text
}

// inWords writes a provider's name for people, or for a header: "my-shop" is "My Shop", or "My-Shop".
func inWords(name, between string) string {
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == '-' || r == '_' || r == '.' })
	for i, p := range parts {
		parts[i] = strings.ToUpper(p[:1]) + p[1:]
	}
	return strings.Join(parts, between)
}

// randomHex gives n random bytes as hex.
func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}

// newSkeleton is a provider that is in no catalogue.
func newSkeleton(name string) skeleton {
	fill := strings.NewReplacer("NAME", name, "TITLE", inWords(name, " "), "HEADER", inWords(name, "-"), "VARIABLE", variablePrefix(name))
	file := func(where, text string) skeletonFile {
		return skeletonFile{name: filepath.Join(name, where), text: fill.Replace(text)}
	}
	return skeleton{
		files: []skeletonFile{
			file("provider.yaml", providerSkeleton), file("tests.yaml", testsSkeleton),
			file("schemas/order.created.json", schemaSkeleton), file("examples/order.created.json", exampleSkeleton),
		},
		variables: []newVariable{{variablePrefix(name) + "_WEBHOOK_SECRET", randomHex(32)}, {variablePrefix(name) + "_PATH_TOKEN", randomHex(16)}},
		notes: []string{
			"look up in the provider's documentation what the comments of " + filepath.Join(name, "provider.yaml") + " ask for",
			"headgate test DIR   runs its tests; docs/adding-a-provider.md leads through the rest",
		},
	}
}

const providerSkeleton = `# How TITLE signs and names its webhooks. docs/adding-a-provider.md tells where each answer stands.
kind: provider
name: NAME
title: TITLE
description: Webhooks of TITLE.
# docs: https://docs.NAME.example/webhooks            # the provider's page on webhooks
# settings_page: https://app.NAME.example/webhooks    # where a person sets the webhook up
version: 1.0.0

# How a request is known to be genuine: which algorithm, over which bytes, and where the signature stands.
signature:
  algorithm: hmac-sha256            # or hmac-sha1, hmac-sha512, ed25519, ecdsa-sha256, rsa-sha256, jwt-hs256, token, …
  header: X-HEADER-Signature
  prefix: "sha256="                 # what stands before the signature; leave it out where nothing does
  encoding: hex                     # or base64, base64url
  signed: "{ts}.{body}"             # the bytes that are signed; "{body}" alone is the default
  # split: ","                      # where the header holds several signatures
  # key: base64                     # where the secret is not used as the text that it is

# When it was signed. Leave it out, and {ts} above, where the provider signs no time.
timestamp: {header: X-HEADER-Timestamp, unit: s, tolerance: 5m}

# The operator's: what the provider shows once, or what you enter in its settings.
secret: <<env.VARIABLE_WEBHOOK_SECRET>>
# path_token: <<env.VARIABLE_PATH_TOKEN>>    # makes /webhooks/NAME/TOKEN the only address

# What the event is called, and the id by which a repetition is known. In the body: {body: type}, {body: id}.
event: {header: X-HEADER-Event}
delivery: {header: X-HEADER-Delivery, window: 72h}

# Some providers ask first whether the address is ours.
# challenge:
#   - name: verification
#     when: {json:type: url_verification}
#     reply: {json: {challenge: "{json:challenge}"}}
#     example: {json: {type: url_verification, challenge: abc}}

events:
  - name: order.created
    title: Order created
    description: An order was placed
    schema: schemas/order.created.json
    example: examples/order.created.json
`

const testsSkeleton = `# What the manifest beside this file is to make of requests: headgate test DIR
kind: test
cases:
  - name: a genuine request is accepted
    send: order.created
    expect: {verdict: accepted, status: 200, event: order.created}
  - name: a changed body is refused
    send: order.created
    change: {body: flip}
    expect: {verdict: refused, status: 401, code: invalid_signature}
  - name: another secret is refused
    send: order.created
    change: {secret: wrong}
    expect: {verdict: refused, status: 401, code: invalid_signature}
  - name: an old request is refused
    send: order.created
    change: {clock: 10m}
    expect: {verdict: refused, status: 401, code: stale_timestamp}
  - name: a request without a signature is refused
    send: order.created
    change: {signature: removed}
    expect: {verdict: refused, status: 401, code: missing_signature}
  # A request that the provider's documentation shows proves that the manifest is right, not only that it agrees with itself.
  # - name: the request of the documentation is accepted
  #   request:
  #     headers: {X-HEADER-Signature: "sha256=…", X-HEADER-Timestamp: "1700000000"}
  #     body: '{"id": 1}'
  #   expect: {verdict: accepted}
`

const schemaSkeleton = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "order.created",
  "type": "object",
  "required": ["id", "total", "currency"],
  "properties": {
    "id": {"type": "string"},
    "total": {"type": "number"},
    "currency": {"type": "string"}
  }
}
`

const exampleSkeleton = `{
  "id": "ord_1001",
  "total": 49.9,
  "currency": "EUR"
}
`
