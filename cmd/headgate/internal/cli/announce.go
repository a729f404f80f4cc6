package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/store"
)

// announcement is what serve prints when it is ready.
type announcement struct {
	Version   string          `json:"version"`
	Dev       bool            `json:"dev,omitempty"`
	Digest    string          `json:"digest"`
	Folders   []string        `json:"folders"`
	Providers []announced     `json:"providers"`
	Pipelines []string        `json:"pipelines"`
	Store     store.Info      `json:"store"`
	Listen    admin.Listen    `json:"listen"`
	Findings  []admin.Finding `json:"findings"`
	Try       string          `json:"try,omitempty"`

	contents string
}

// announced is one provider and where it sends its webhooks.
type announced struct {
	Name string `json:"name"`
	URL  string `json:"url"`
	// Unsigned says that anybody can send who knows the address.
	Unsigned bool `json:"unsigned,omitempty"`
}

// announce says what is loaded, where it listens, and what to try next.
func (a *app) announce(ctx context.Context, e *engine.Engine, s *settings, dirs []string) error {
	snap := e.Snapshot()
	out := announcement{
		Version: a.build().Version, Dev: s.Dev, Digest: snap.Digest, Folders: dirs, Providers: []announced{}, Pipelines: []string{},
		Store: e.Status(ctx).Store, Listen: admin.Listen{Public: e.PublicAddr(), Admin: e.AdminAddr(), Health: e.HealthAddr()},
		Findings: admin.Findings(e.Warnings()), contents: contents(snap),
	}
	for _, p := range snap.Providers() {
		out.Providers = append(out.Providers, announced{Name: p.Name(), URL: e.WebhookURL(p.Name()), Unsigned: p.Unsigned()})
	}
	for _, d := range snap.Pipelines() {
		out.Pipelines = append(out.Pipelines, d.Name)
	}
	if name, event := suggestion(snap); name != "" {
		out.Try = "headgate send " + name + " " + event
		if e.AdminAddr() != "127.0.0.1:8081" {
			out.Try += " --server " + e.AdminAddr()
		}
	}
	if a.json {
		_, err := a.Stdout.Write(append(oneLine(out), '\n'))
		return err
	}
	if w := e.Warnings(); w != nil && w.Len() > 0 {
		if err := printFindings(a.Stderr, w, a.talkColor); err != nil {
			return err
		}
	}
	a.printAnnouncement(out, s)
	return nil
}

func (a *app) printAnnouncement(out announcement, s *settings) {
	w := a.Stdout
	fmt.Fprintf(w, "\n%s %s %s\n", a.paint("1", "Headgate"), out.Version, a.paint("32;1", "is ready"))
	if out.Dev {
		fmt.Fprintf(w, "%s hooks may reach this machine and default secrets are accepted; not for the internet\n", a.paint("33;1", "DEVELOPMENT MODE:"))
	}
	if s.Hooks == engine.HooksLog {
		fmt.Fprintf(w, "%s outgoing requests are logged, none is sent (HEADGATE_HOOKS=log)\n", a.paint("33;1", "NOTHING IS SENT:"))
	}
	fmt.Fprintln(w)
	a.field("manifests", "%s: %s, digest %.12s", strings.Join(out.Folders, ", "), out.contents, out.Digest)
	storeLine := out.Store.Kind
	if out.Store.Path != "" {
		storeLine += " " + out.Store.Path
	}
	a.field("store", "%s", storeLine)
	if out.Store.Warning != "" {
		a.field("", "%s", a.paint("33", out.Store.Warning))
	}
	a.field("public", "%s", out.Listen.Public)
	token := "with a token"
	if s.AdminToken.IsZero() {
		token = "without a token, this machine only"
	}
	a.field("admin", "%s, %s", out.Listen.Admin, token)
	if out.Listen.Health != "" {
		a.field("probes", "%s", out.Listen.Health)
	}
	if len(out.Providers) > 0 {
		fmt.Fprintln(w, "\n  webhooks come to")
	}
	width := 0
	for _, p := range out.Providers {
		width = max(width, len(p.Name))
	}
	for _, p := range out.Providers {
		open := ""
		if p.Unsigned {
			open = "  " + a.paint("33", "unsigned: anybody who knows the address can send")
		}
		fmt.Fprintf(w, "    %-*s  %s%s\n", width, p.Name, p.URL, open)
	}
	if out.Try != "" {
		fmt.Fprintf(w, "\n  try, in another terminal\n    %s\n", a.paint("36", out.Try))
	}
	fmt.Fprintln(w)
}

// suggestion gives a provider and one of its events that has an example: rather one that starts a pipeline.
func suggestion(snap *snapshot.Snapshot) (name, event string) {
	for _, wanted := range []bool{true, false} {
		for _, p := range snap.Providers() {
			for _, event := range p.Events() {
				ev, ok := p.Event(event)
				if !ok || !ev.HasExample() || wanted && len(snap.Starting(p.Name(), event)) == 0 {
					continue
				}
				if body, kind, err := p.Example(event); err == nil && signable(p, event, body, kind) {
					return p.Name(), event
				}
			}
		}
	}
	return "", ""
}

// signable says whether the gateway can play the provider: where only a public key is known it cannot.
func signable(p *provider.Provider, event string, body []byte, kind string) bool {
	_, err := p.Sign(provider.Message{Event: event, Body: body, ContentType: kind, Now: time.Now(), Rule: -1})
	return err == nil
}
