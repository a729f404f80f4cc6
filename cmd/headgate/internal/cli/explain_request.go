package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/explain"
	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/signature"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/trial"
)

// requestFlags say which saved request is explained, by which manifests and as of when.
type requestFlags struct {
	file, now string
	manifests []string
}

func (o *requestFlags) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Var(&flagString{&o.file, "file"}, "request", "explain the request in this file; - is stdin")
	f.StringArrayVar(&o.manifests, "manifests", nil, "with --request: the `folder` whose manifests judge it; may be repeated")
	f.Var(&flagString{&o.now, "time"}, "now", "with --request: judge it as of this time (RFC 3339), for signatures that grow old")
}

// explainRequest explains a saved request in this process.
func (a *app) explainRequest(ctx context.Context, conn *connection, o requestFlags, args []string) error {
	now := time.Now()
	switch {
	case len(args) > 0:
		return misused("name an id, or a saved request with --request, not both")
	case o.file == "":
		return misused("--manifests and --now belong to --request FILE")
	case len(o.manifests) == 0:
		return misused("--request needs the manifests that judge it: --manifests DIR")
	case o.now != "":
		t, err := time.Parse(time.RFC3339, o.now)
		if err != nil {
			return misused("--now: write a time such as 2026-01-02T15:04:05Z")
		}
		now = t
	}
	data, err := a.readRequest(o.file)
	if err != nil {
		return err
	}
	saved, err := trial.ReadRequest(data)
	if err != nil {
		return refusedFile(fmt.Errorf("%s: %w", o.file, err))
	}
	machines := script.NewMachines(script.MachineOptions{})
	defer func() { _ = machines.Close(context.WithoutCancel(ctx)) }()
	snap, err := a.localSnapshot(ctx, conn.envFile, o.manifests, machines)
	if err != nil {
		return err
	}
	e := judge(ctx, snap, &saved, now.UTC())
	if a.json {
		return a.printJSON(e)
	}
	a.printExplanation(&e, now)
	if e.Rejection != nil && e.Rejection.Code == string(signature.StaleTimestamp) {
		a.talk("%s --now TIME judges the request as of when it was sent", a.talkPaint("36", "try:"))
	}
	return nil
}

// refusedFile is a file whose line was named.
func refusedFile(err error) error { return &exitError{code: exitFindings, err: err} }

func (a *app) readRequest(file string) ([]byte, error) {
	in := a.Stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, unusable(fmt.Errorf("reading the request: %w", err), "")
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxSendBody+1))
	switch {
	case err != nil:
		return nil, unusable(fmt.Errorf("reading the request: %w", err), "")
	case len(data) > maxSendBody:
		return nil, unusable(fmt.Errorf("the request in %s has more than %d bytes", file, maxSendBody), "")
	}
	return data, nil
}

// localSnapshot compiles folders with their secrets.
func (a *app) localSnapshot(ctx context.Context, envFile string, dirs []string, machines *script.Machines) (*snapshot.Snapshot, error) {
	env, err := a.environment(envFile)
	if err != nil {
		return nil, err
	}
	s, err := a.settings(nil)
	if err != nil {
		return nil, err
	}
	load := s.loadOptions(dirs, env)
	load.Machines = machines
	snap, list := snapshot.Load(ctx, load)
	if snap == nil {
		if err := printFindings(a.Stderr, list, a.talkColor); err != nil {
			return nil, err
		}
		return nil, refused(list.Err())
	}
	return snap, nil
}

// judge tells what a gateway would make of a request.
func judge(ctx context.Context, snap *snapshot.Snapshot, saved *trial.SavedRequest, now time.Time) admin.Explanation {
	p, why := addressed(snap, saved.Path)
	if p == nil {
		return refusal(saved, &provider.Refusal{Status: http.StatusNotFound, Code: "provider_not_found", Detail: why}, why, now)
	}
	r := provider.Request{Routes: snap.Digest}
	r.Method, r.Query, r.Header, r.Body, r.Now = saved.Method, saved.Query, saved.Header, saved.Body, now
	if r.PathQuery = saved.Path; saved.Query != "" {
		r.PathQuery += "?" + saved.Query
	}
	d := p.Receive(ctx, &r)
	switch d.Verdict {
	case provider.Refused:
		reason := d.Refusal.Detail
		if more := p.Explain(&r); d.Refusal.Signature && more != "" {
			reason = more
		}
		return refusal(saved, d.Refusal, reason, now)
	case provider.Answered:
		h := d.Handshake
		return admin.Explanation{Verdict: d.Verdict.String(), Rehearsed: true, Handshake: &admin.Handshake{
			Name: h.Name, Status: h.Reply.Status, Stores: !h.Store.IsZero(), Confirms: h.Confirm != "",
		}}
	}
	out := admin.Explanation{Verdict: "processed", Rehearsed: true}
	for i := range d.Arrivals {
		ev := &d.Arrivals[i].Event
		ev.ID = event.NewID(now, int64(i))
		out.Events = append(out.Events, rehearsed(ctx, snap, ev, d.Arrivals[i].Route, now))
	}
	if first := out.Events[0].State; first == event.Ignored || first == event.Quarantined {
		out.Verdict = string(first)
	}
	return out
}

// addressed finds the provider of a path, or says why there is none.
func addressed(snap *snapshot.Snapshot, path string) (*provider.Provider, string) {
	rest, ok := strings.CutPrefix(path, "/webhooks/")
	name, token, _ := strings.Cut(rest, "/")
	if !ok || name == "" {
		return nil, "requests come to /webhooks/PROVIDER"
	}
	p, ok := snap.Provider(name)
	if !ok {
		var names []string
		for _, p := range snap.Providers() {
			names = append(names, p.Name())
		}
		return nil, fmt.Sprintf("there is no provider %q%s", name, semicolon(diag.DidYouMean(name, names)))
	}
	if !p.Token(token) || token != "" && !p.HasToken() {
		return nil, "the address does not hold the path token"
	}
	return p, ""
}

// refusal explains a request that is refused, with what a gateway would have on record.
func refusal(saved *trial.SavedRequest, why *provider.Refusal, reason string, now time.Time) admin.Explanation {
	rest := strings.TrimPrefix(saved.Path, "/webhooks/")
	name, _, deeper := strings.Cut(rest, "/")
	path := saved.Path
	if deeper {
		path = "/webhooks/" + name + "/" + secret.Mask
	}
	var headers []string
	for _, h := range slices.Sorted(maps.Keys(saved.Header)) {
		headers = append(headers, strings.ToLower(h))
	}
	record := store.Rejection{
		Provider: name, Status: why.Status, Code: why.Code, Reason: reason, Rule: why.Rule, Method: saved.Method, Path: path, At: now, Count: 1,
		ContentType: saved.Header.Get("Content-Type"), UserAgent: saved.Header.Get("User-Agent"), BodySize: int64(len(saved.Body)), Headers: headers,
	}
	if why.Reply != nil {
		record.Status = why.Reply.Status
	}
	return admin.Explanation{Verdict: "rejected", Rehearsed: true, Rejection: &record}
}

// rehearsed explains an event that was not stored.
func rehearsed(ctx context.Context, snap *snapshot.Snapshot, ev *event.Event, route bool, now time.Time) admin.ExplainedEvent {
	if route {
		ev.State = event.Routed
	}
	out := admin.ExplainedEvent{
		Event: admin.Event{Event: *ev, Status: "processed"}, Identity: explain.Identify(snap, ev), Runs: []admin.ExplainedRun{},
	}
	if ev.Name != "" {
		out.Name = &ev.Name
	}
	if !route {
		out.Status = string(ev.State)
	}
	var runs []run.Run
	if route {
		for _, r := range explain.Rehearse(ctx, snap, ev, now) {
			one := admin.ExplainedRun{
				Run: admin.Run{Run: r.Run}, Steps: []admin.Step{}, Attempts: []admin.Attempt{}, Tasks: []run.Task{}, Waits: []admin.Wait{}, Next: r.Next,
			}
			for _, s := range r.Steps {
				one.Steps = append(one.Steps, admin.Step{Step: s})
			}
			runs = append(runs, r.Run)
			out.Runs = append(out.Runs, one)
		}
	}
	out.Decisions = explain.Decide(snap, ev, runs, nil)
	for i := range out.Decisions {
		if d := &out.Decisions[i]; d.Verdict == explain.Started {
			d.Why = "" // the run tells how far it would come
		}
	}
	return out
}
