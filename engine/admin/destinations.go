package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/destination"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/subscription"
	"github.com/headgate/headgate/hooks"
)

// Destination is a destination as the API writes it: its gate, and what the manifests say of it.
type Destination struct {
	store.GateView
	// Type is that of the manifest (http, …), "subscription" of a registered target, or "pipeline" of a pipeline's own gate; "" for one that
	// is not in the folder any more.
	Type string `json:"type,omitempty"`
	// Live says that it is in the folder, or registered.
	Live bool `json:"live"`
	// Where is file:line of the manifest, Request its method and URL as the manifest writes them.
	Where   string `json:"where,omitempty"`
	Request string `json:"request,omitempty"`
	// Pipelines send to it.
	Pipelines []string `json:"pipelines"`
	// Hold says that the manifest holds back everything that is to be sent.
	Hold bool `json:"hold,omitempty"`
	// Settings are those of the manifest; nil where there is none.
	Settings *DestinationSettings `json:"settings,omitempty"`
}

// DestinationSettings are what a manifest says of how a destination is sent to.
type DestinationSettings struct {
	Concurrency int `json:"concurrency"`
	// RatePerS is how many attempts a second may begin, 0 for any number; Burst how many at once.
	RatePerS float64 `json:"rate_per_s,omitempty"`
	Burst    int     `json:"burst,omitempty"`
	// Attempts is how many are made, over RetryS seconds in all.
	Attempts int     `json:"attempts"`
	RetryS   float64 `json:"retry_s"`
	MaxAgeS  float64 `json:"max_age_s,omitempty"`
	Ordered  bool    `json:"ordered,omitempty"`
	// Breaker is nil where it is off.
	Breaker *BreakerSettings `json:"breaker,omitempty"`
}

// BreakerSettings say when a failing destination is left alone, and for how long.
type BreakerSettings struct {
	Failures  int     `json:"failures"`
	Ratio     float64 `json:"ratio"`
	Sample    int     `json:"sample"`
	WindowS   float64 `json:"window_s"`
	PauseS    float64 `json:"pause_s"`
	MaxPauseS float64 `json:"max_pause_s"`
}

// DestinationList is what GET /api/v1/destinations answers, by name. It has no pages: it holds what the folder and the store hold.
type DestinationList struct {
	Destinations []Destination `json:"destinations"`
}

// DestinationChanged is what a change of a destination answers.
type DestinationChanged struct {
	Destination Destination `json:"destination"`
	// Job opens the runs again that were parked while it was disabled, Gone those whose 410 disabled it; null where there are none.
	Job  *Job `json:"job"`
	Gone *Job `json:"gone_job"`
}

// GateRequest is the body of a change of a destination; all of it may be left out.
type GateRequest struct {
	// Reason is shown wherever the destination is.
	Reason string `json:"reason,omitempty"`
	// For is how long it is paused, such as 2h; until somebody resumes it where it is left out.
	For string `json:"for,omitempty"`
}

const (
	// subscribed begins the gates of registered targets.
	subscribed = "subscription/"
	// ownGate begins the gate of a pipeline's own steps.
	ownGate = "@"
	// maxReason characters of a reason are taken.
	maxReason = 300
	// gateDisabled and answeredGone are why runs are parked that came to a disabled destination, and whose attempt disabled it.
	gateDisabled = "destination_disabled"
	answeredGone = "destination_answered_gone"
	// gateTries bounds how often a gate is read again because the worker wrote it meanwhile.
	gateTries = 10
)

func (a *api) destinations(w http.ResponseWriter, r *http.Request) error {
	if err := readQuery(r).err(); err != nil {
		return err
	}
	all, err := a.gates(r.Context())
	if err != nil {
		return err
	}
	answer(w, a.log, http.StatusOK, DestinationList{Destinations: all})
	return nil
}

// gates joins what is live with what the store knows, by name. The gates of pipelines are among them where they are not simply open.
func (a *api) gates(ctx context.Context) ([]Destination, error) {
	views, err := a.reader.Gates(ctx)
	if err != nil {
		return nil, err
	}
	found := map[string]*Destination{}
	for _, v := range views {
		if strings.HasPrefix(v.Name, ownGate) && v.State == store.GateOpen {
			continue
		}
		found[v.Name] = &Destination{GateView: v, Pipelines: []string{}}
	}
	at := func(name string) *Destination {
		if found[name] == nil {
			g := store.Gate{Name: name}.At(a.now())
			found[name] = &Destination{GateView: store.GateView{Gate: g}, Pipelines: []string{}}
		}
		return found[name]
	}
	if a.folder != nil {
		if s := a.folder.Current(); s != nil {
			describe(s, at)
		}
	}
	out := make([]Destination, 0, len(found))
	for name, d := range found {
		switch {
		case strings.HasPrefix(name, subscribed):
			d.Type = "subscription"
			if sub, ok := a.target(name); ok {
				d.Live, d.Request = true, "POST "+sub.Shown
			}
		case strings.HasPrefix(name, ownGate):
			owner, _ := pipeline.SplitName(name[len(ownGate):])
			d.Type, d.Live = "pipeline", slices.ContainsFunc(a.live(), pipelineNamed(owner))
		}
		out = append(out, *d)
	}
	slices.SortFunc(out, func(a, b Destination) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// target gives the subscription of a gate's name.
func (a *api) target(gate string) (*subscription.Subscription, bool) {
	id, is := strings.CutPrefix(gate, subscribed)
	if !is || a.audience == nil {
		return nil, false
	}
	return a.audience.Find(id)
}

// describe says of each live destination what its manifest says. at gives the record of a gate.
func describe(s *snapshot.Snapshot, at func(gate string) *Destination) {
	for _, name := range s.Destinations() {
		if d, ok := s.Destination(name); ok {
			at(d.Gate).describe(s, d)
		}
	}
	for _, p := range s.Pipelines() {
		for _, key := range p.Destinations() {
			d, ok := s.Destination(key)
			if !ok {
				continue
			}
			doc := at(d.Gate)
			if d.Key == d.Gate {
				doc.describe(s, d)
			}
			if !slices.Contains(doc.Pipelines, p.Name) {
				doc.Pipelines = append(doc.Pipelines, p.Name)
			}
		}
	}
}

func (out *Destination) describe(s *snapshot.Snapshot, d *destination.Destination) {
	if out.Live {
		return
	}
	out.Live, out.Type, out.Request, out.Hold = true, d.Kind(), d.Line(), d.Hold()
	out.Where = placeOf(s, d.Key)
	policy := d.Retry(d.Judge(hooks.Attempt{}, context.DeadlineExceeded)) // the schedule of what may pass, which is the whole one
	set := &DestinationSettings{
		Concurrency: d.Concurrency(), Attempts: policy.Attempts(), RetryS: policy.Total().Seconds(), MaxAgeS: d.MaxAge().Seconds(), Ordered: d.Ordering() != nil,
	}
	if rate, burst, ok := d.Rate(); ok {
		set.RatePerS, set.Burst = rate, burst
	}
	if b := d.Breaker(); !b.Off {
		set.Breaker = &BreakerSettings{
			Failures: b.Failures, Ratio: b.Ratio, Sample: b.Sample, WindowS: b.Window.Seconds(), PauseS: b.Pause.Seconds(), MaxPauseS: b.MaxPause.Seconds(),
		}
	}
	out.Settings = set
}

// placeOf gives file:line of a destination's document, or of the pipeline whose hook carries it itself.
func placeOf(s *snapshot.Snapshot, key string) string {
	doc := s.Bundle().Find(manifest.Destination, key)
	if name, _, inline := strings.Cut(key, "/"); doc == nil && inline {
		doc = s.Bundle().Find(manifest.Pipeline, name)
	}
	if doc == nil || doc.NameSpan.File == nil {
		return ""
	}
	return fmt.Sprintf("%s:%d", doc.NameSpan.File.Name, doc.NameSpan.Start.Line)
}

// pipelineNamed says whether a diagram has a name.
func pipelineNamed(name string) func(*pipeline.Diagram) bool {
	return func(d *pipeline.Diagram) bool { return d.Name == name }
}

// change is what is made of a gate; the error refuses it.
type change func(g *store.Gate, ask GateRequest) error

func (a *api) pauseDestination(w http.ResponseWriter, r *http.Request) error {
	return a.changeGate(w, r, "paused", func(g *store.Gate, ask GateRequest) error {
		if g.State == store.GateDisabled {
			return refuse(http.StatusConflict, "wrong_state", "it is disabled: nothing passes it anyway; enable it first")
		}
		g.State, g.Until, g.For = store.GatePaused, time.Time{}, 0
		if ask.For != "" {
			d, err := field.ParseDuration(ask.For)
			if err != nil || d <= 0 {
				return refuse(http.StatusBadRequest, "bad_body", fmt.Sprintf("for: %q is no duration such as 30m or 2h", ask.For))
			}
			g.For = d
		}
		return nil
	})
}

func (a *api) resumeDestination(w http.ResponseWriter, r *http.Request) error {
	return a.changeGate(w, r, "resumed", func(g *store.Gate, _ GateRequest) error {
		if g.State == store.GateDisabled {
			return refuse(http.StatusConflict, "wrong_state", "it is disabled, not paused; enable it")
		}
		g.State, g.Until = store.GateOpen, time.Time{}
		g.Breaker.State = store.BreakerClosed // whoever says so knows that it is back
		return nil
	})
}

func (a *api) disableDestination(w http.ResponseWriter, r *http.Request) error {
	return a.changeGate(w, r, "disabled", func(g *store.Gate, ask GateRequest) error {
		if ask.Reason == "" {
			g.Reason = "disabled by hand"
		}
		g.State, g.Until = store.GateDisabled, time.Time{}
		return nil
	})
}

func (a *api) enableDestination(w http.ResponseWriter, r *http.Request) error {
	return a.changeGate(w, r, "enabled", func(g *store.Gate, _ GateRequest) error {
		if g.State == store.GatePaused {
			return refuse(http.StatusConflict, "wrong_state", "it is paused, not disabled; resume it")
		}
		g.State, g.Until, g.Breaker.State = store.GateOpen, time.Time{}, store.BreakerClosed
		return nil
	})
}

// changeGate changes a gate and answers what it is now. One that is enabled lets go what was parked for it, also where it was enabled before:
// the process may have died in between, or too many jobs have been running. From the moment that it is enabled nothing more is parked for it.
func (a *api) changeGate(w http.ResponseWriter, r *http.Request, done string, by change) error {
	if err := readQuery(r).err(); err != nil {
		return err
	}
	var ask GateRequest
	if r.ContentLength != 0 {
		if err := readBody(r, &ask); err != nil {
			return err
		}
	}
	if !printable(ask.Reason, maxReason) {
		return refuse(http.StatusBadRequest, "bad_body", fmt.Sprintf("reason: write one line of at most %d characters", maxReason))
	}
	name := r.PathValue("name")
	if name == "" || name == run.RouteGate {
		return refuse(http.StatusNotFound, "destination_not_found", fmt.Sprintf("there is no destination %.80q", name))
	}
	if err := a.knownGate(r.Context(), name); err != nil {
		return err
	}
	before, now, err := a.setGate(r, name, ask, by)
	if err != nil {
		return err
	}
	if now.State == store.GateDisabled && before != store.GateDisabled {
		a.tellDisabled(r, now)
	}
	a.log.InfoContext(r.Context(), "a destination was changed by hand", "destination", name, "state", done, "reason", ask.Reason)
	out := DestinationChanged{}
	if done == "enabled" {
		if out.Gone, err = a.release(r.Context(), name, answeredGone, By(r)); err != nil {
			return err
		}
		if out.Job, err = a.release(r.Context(), name, gateDisabled, By(r)); err != nil {
			return err
		}
	}
	all, err := a.gates(r.Context())
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(d Destination) bool { return d.Name == name })
	if i < 0 { // the gate of a pipeline that is open
		out.Destination = Destination{GateView: store.GateView{Gate: store.Gate{Name: name}.At(a.now())}, Type: "pipeline", Live: true, Pipelines: []string{}}
	} else {
		out.Destination = all[i]
	}
	answer(w, a.log, http.StatusOK, out)
	return nil
}

// setGate writes a gate, again where the worker wrote it meanwhile, and gives the state that it had and what was written.
func (a *api) setGate(r *http.Request, name string, ask GateRequest, by change) (before store.GateState, now store.Gate, err error) {
	for range gateTries {
		g, err := a.reader.Gate(r.Context(), name)
		if err != nil {
			return "", g, err
		}
		g = g.At(a.now())
		before = g.State
		g.Name, g.Reason, g.Since = name, ask.Reason, a.now().UTC()
		if err := by(&g, ask); err != nil {
			return "", g, err
		}
		if err := a.reader.SetGate(r.Context(), g, By(r)); !errors.Is(err, store.ErrMoved) {
			return before, g, err
		}
	}
	return "", now, refuse(http.StatusServiceUnavailable, "busy", "the destination changes all the time; try again")
}

// tellDisabled lets the pipelines know that want to hear of disabled destinations, as the worker does where it disables one. The gate is
// written by then: what cannot be told stands in the log.
func (a *api) tellDisabled(r *http.Request, g store.Gate) {
	if len(a.starts(event.Internal, event.DestinationDisabled)) == 0 {
		return
	}
	body, err := json.Marshal(map[string]any{"destination": g.Name, "reason": g.Reason, "at": g.Since})
	if err == nil {
		_, err = a.reader.Append(r.Context(), []store.Arrival{{Route: true, Window: manualWindow, Event: event.Event{
			Request: r.Header.Get(RequestIDHeader), Provider: event.Internal, Name: event.DestinationDisabled, Routes: a.folder.Current().Digest,
			Delivery: fmt.Sprintf("%s/%d/%s", event.DestinationDisabled, g.Version, g.Name), Source: event.Emitted, Cause: By(r).Who,
			ContentType: "application/json", Body: body,
		}}})
	}
	if err != nil {
		a.log.ErrorContext(r.Context(), "that a destination is disabled cannot be told", "destination", g.Name, "error", err)
	}
}

// releasing asks for the runs that are parked for a reason at a destination.
func releasing(gate, reason string, limit int) store.RunQuery {
	return store.RunQuery{State: run.Parked, Reason: reason, Destination: gate, Limit: limit}
}

// knownGate refuses the name of a destination that is not live and of which nothing is on record.
func (a *api) knownGate(ctx context.Context, name string) error {
	if name == "" || a.folder == nil || a.folder.Current() == nil {
		return nil
	}
	all, err := a.gates(ctx)
	if err != nil {
		return err
	}
	var names []string
	for i := range all {
		if all[i].Name == name {
			return nil
		}
		names = append(names, all[i].Name)
	}
	if pipeline, own := strings.CutPrefix(name, ownGate); own && slices.ContainsFunc(a.live(), pipelineNamed(pipeline)) {
		return nil
	}
	if _, is := a.target(name); is {
		return nil
	}
	page, err := a.reader.Runs(ctx, store.RunQuery{Destination: name, State: run.Parked, Limit: 1})
	if err != nil || len(page.Runs) > 0 {
		return err
	}
	return refuse(http.StatusNotFound, "destination_not_found", strings.TrimSuffix(fmt.Sprintf(
		"there is no destination %.80q, and nothing on record of one; %s", name, diag.DidYouMean(name, names)), "; "))
}
