package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/engine/trial"
	"github.com/headgate/headgate/manifests"
)

// TestEveryProviderOfTheCatalogueIsSentTo runs one gateway with a manifest for each provider of the catalogue, as an operator writes it,
// and has `headgate send` play the providers: each event that has an example, and each handshake.
func TestEveryProviderOfTheCatalogueIsSentTo(t *testing.T) {
	t.Parallel()
	dir, addr := t.TempDir(), freeAddress(t)
	env := map[string]string{}
	bundle, err := catalogue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	docs := bundle.Documents(manifest.Provider)
	for _, doc := range docs {
		text := operatorsManifest(doc, addr, env)
		if err := os.WriteFile(filepath.Join(dir, doc.Name+".yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	look := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	e, err := engine.New(engine.Options{
		Dirs: []string{dir}, Catalogue: manifests.FS(), Env: look, Addr: addr, AdminAddr: "127.0.0.1:0", Store: "memory:", DataDir: t.TempDir(),
		SealKey: secret.New("a key for the secrets of handshakes"), NoWatch: true, Dev: true, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatalf("starting the gateway with %d providers: %v", len(docs), err)
	}
	defer func() { _ = e.Stop(t.Context()) }()

	sent := 0
	for _, doc := range docs {
		for _, args := range sendable(doc) {
			sent++
			status, answer := sendTo(t, e.AdminAddr(), args)
			switch {
			case status >= 200 && status < 300:
			case status == 503 && strings.HasPrefix(args[1], "--handshake") && doc.Root.Get("challenge") != nil && strings.Contains(answer, "handshake_failed"):
				// The handshake asks an address of the provider's own, which no test does.
				if !asks(doc) {
					t.Errorf("headgate send %s: got %d %s, want 2xx", strings.Join(args, " "), status, answer)
				}
			default:
				t.Errorf("headgate send %s: got %d %s, want 2xx", strings.Join(args, " "), status, answer)
			}
		}
	}
	if sent < 2*len(docs) {
		t.Errorf("got %d requests for %d providers, want at least two for each", sent, len(docs))
	}
	t.Logf("%d requests to %d providers", sent, len(docs))
}

// operatorsManifest is what an operator writes who takes a provider from the catalogue.
func operatorsManifest(doc *manifest.Document, addr string, env map[string]string) string {
	variable := "P_" + strings.ToUpper(strings.ReplaceAll(doc.Name, "-", "_"))
	text := fmt.Sprintf("kind: provider\nuse: %s\npath_token: <<env.%s_PATH>>\npublic_url: http://%s/webhooks/%s/%s\n", doc.Name, variable, addr, doc.Name, pathToken)
	env[variable+"_PATH"] = pathToken
	if made := trial.Secrets(doc, "send"); len(made) > 0 {
		env[variable+"_SECRET"] = made[0]
		text += fmt.Sprintf("secret: <<env.%s_SECRET>>\n", variable)
	}
	if vars := doc.Root.Get("vars"); vars != nil {
		text += "vars:\n"
		for _, v := range vars.Entries {
			if v.Value.Kind == source.Null {
				text += fmt.Sprintf("  %s: made-up-%s\n", v.Key.Text, strings.ReplaceAll(v.Key.Text, "_", "-"))
			}
		}
		text = strings.TrimSuffix(text, "vars:\n")
	}
	return text
}

const pathToken = "0123456789-made-up-path-token"

// sendable are the arguments of each `headgate send` that the manifest gives an example for.
func sendable(doc *manifest.Document) [][]string {
	var out [][]string
	for _, e := range itemsOf(doc.Root.Get("events")) {
		if e.Get("example") != nil {
			out = append(out, []string{doc.Name, e.Get("name").Text})
		}
	}
	challenges := itemsOf(doc.Root.Get("challenge"))
	if n := doc.Root.Get("challenge"); n != nil && n.Kind == source.Map {
		challenges = []*source.Node{n}
	}
	for i, c := range challenges {
		name := fmt.Sprint(i)
		if n := c.Get("name"); n != nil {
			name = n.Text
		}
		if c.Get("example") != nil {
			out = append(out, []string{doc.Name, "--handshake=" + name})
		}
	}
	return out
}

// asks says whether a handshake of the provider calls an address.
func asks(doc *manifest.Document) bool {
	n := doc.Root.Get("challenge")
	return n.Get("get") != nil || slices.ContainsFunc(n.Items, func(c *source.Node) bool { return c.Get("get") != nil })
}

// sendTo runs `headgate send` and gives what the gateway answered.
func sendTo(t *testing.T, admin string, args []string) (status int, answer string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	Run(t.Context(), Process{
		Args: append([]string{"send", "--json", "--server", "http://" + admin}, args...), Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
		LookupEnv: func(string) (string, bool) { return "", false }, Environ: func() []string { return nil },
		Setenv: func(string, string) error { return nil },
	})
	var got struct{ Status int }
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Errorf("headgate send %s printed %q, %s", strings.Join(args, " "), stdout.String(), stderr.String())
	}
	return got.Status, stdout.String() + stderr.String()
}

// freeAddress is an address that nothing listens on. URLs that are signed must be known before the gateway starts.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
