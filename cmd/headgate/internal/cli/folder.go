package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/manifests"
)

// folders gives the manifest folders of the command line, or of HEADGATE_MANIFESTS.
func folders(args []string, s *settings) ([]string, error) {
	if len(args) > 0 {
		return args, nil
	}
	if len(s.Manifests) > 0 {
		return s.Manifests, nil
	}
	return nil, misused("name a manifest folder, or set %s_MANIFESTS", prefix)
}

// loadOptions are what every command loads a folder with.
func (s *settings) loadOptions(dirs []string, env environment) snapshot.Options {
	return snapshot.Options{
		Manifest: manifest.Options{
			Dirs: dirs, Catalogue: manifests.FS(), Env: env.Lookup, EnvAllow: s.EnvAllow, SecretDirs: s.SecretDirs, Dev: s.Dev,
		},
		Types: engine.NodeTypes(), PublicURL: s.PublicURL, MaxBody: int64(s.MaxBody), Dev: s.Dev, EgressAllow: s.EgressAllow,
	}
}

// printFindings writes findings for people.
func printFindings(w io.Writer, list *diag.List, color bool) error {
	if err := diag.WriteText(w, list.Sorted(), diag.TextOptions{Color: color}); err != nil {
		return failed(fmt.Errorf("writing the findings: %w", err))
	}
	return nil
}

// summary counts findings: "2 errors, 1 warning".
func summary(list *diag.List) string {
	var parts []string
	for _, s := range []diag.Severity{diag.Error, diag.Warning, diag.Hint} {
		if n := list.Count(s); n > 0 {
			parts = append(parts, count(n, s.String()))
		}
	}
	return strings.Join(parts, ", ")
}

// localSigner signs with the manifests of folders, in this process.
func (a *app) localSigner(ctx context.Context, envFile string, dirs []string) (signFunc, error) {
	env, err := a.environment(envFile)
	if err != nil {
		return nil, err
	}
	s, err := a.settings(nil)
	if err != nil {
		return nil, err
	}
	snap, list := snapshot.Load(ctx, s.loadOptions(dirs, env))
	if snap == nil {
		if err := printFindings(a.Stderr, list, a.talkColor); err != nil {
			return nil, err
		}
		return nil, refused(list.Err())
	}
	base, err := receiving(s)
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, m admin.Message) (admin.SignedRequest, error) {
		p, ok := snap.Provider(m.Provider)
		if !ok {
			var names []string
			for _, p := range snap.Providers() {
				names = append(names, p.Name())
			}
			return admin.SignedRequest{}, failed(fmt.Errorf("there is no provider %q%s", m.Provider, semicolon(diag.DidYouMean(m.Provider, names))))
		}
		signed, err := p.Compose(provider.Message{Event: m.Event, Delivery: m.Delivery, Body: m.Body, Now: time.Now(), Rule: -1}, m.Handshake)
		if err != nil {
			return admin.SignedRequest{}, failed(fmt.Errorf("signing: %w", err))
		}
		out := admin.SignedRequest{Method: signed.Method, URL: base + signed.Target(), Header: signed.Header, Body: signed.Body}
		if m.Handshake == "" {
			out.Starts = []string{}
			for _, d := range snap.Starting(m.Provider, m.Event) {
				out.Starts = append(out.Starts, d.Name)
			}
		}
		return out, nil
	}, nil
}

// receiving is where a gateway of these settings receives.
func receiving(s *settings) (string, error) {
	if s.PublicURL != "" {
		return strings.TrimRight(s.PublicURL, "/"), nil
	}
	base, err := baseURL(s.Addr)
	if err != nil {
		return "", unusable(fmt.Errorf("%s_ADDR: %w", prefix, err), "--url http://127.0.0.1:8080/webhooks/PROVIDER")
	}
	return base, nil
}
