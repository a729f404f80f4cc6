package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/explain"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func (a *app) explainCommand() *cobra.Command {
	var provider, code string
	var file requestFlags
	page := &pageFlags{}
	cmd := &cobra.Command{
		Use:     "explain [ID]",
		Short:   "Tell what became of a request: why it was refused, or what each pipeline made of it",
		GroupID: groupTalk,
		Long: `Tell what became of a request: why it was refused, or how it was verified, what gave the event its name,
and for every pipeline whether it was started, and why not. Of each run it tells the steps with what
they read, the attempts, and what it waits for.

ID is the X-Request-Id of the answer that the sender got, its execution_id, an event's id, or a run's.
Without one the latest refusals are listed; the flags choose among those.

--request explains a request that was saved to a file ("POST /webhooks/acme HTTP/1.1", headers, an empty
line, the body), with the manifests of --manifests and without a gateway: nothing is sent or stored, and
a run goes as far as it comes without that. --now judges it as of another time.

A refusal is explained by what differs in form (hex where base64 was expected, a clock that is off),
never by a secret or by the signature that would have been right. Of requests that are refused alike
in great number most are only counted.`,
		Example: `  headgate explain
  headgate explain --provider github --since 1h
  headgate explain 1hf2k9wq3a0bz5rm
  headgate explain webhook-github-01jx3k9d2c0r4 --json
  headgate explain --request saved.http --manifests examples/quickstart --env-file .env`,
		Args: cobra.MaximumNArgs(1),
	}
	conn := a.connectFlags(cmd)
	f := cmd.Flags()
	f.Var(&flagString{&provider, "name"}, "provider", "only requests for this provider")
	f.Var(&flagString{&code, "code"}, "code", "only requests refused with this code")
	page.add(cmd)
	file.bind(cmd)
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		if file.file != "" || len(file.manifests) > 0 || file.now != "" {
			return a.explainRequest(ctx, conn, file, args)
		}
		if len(args) == 1 {
			return a.explainOne(ctx, conn, args[0])
		}
		query, err := page.query()
		if err != nil {
			return err
		}
		setAll(query, "provider", provider, "code", code)
		var raw json.RawMessage
		c, err := conn.ask(ctx, "/api/v1/rejections", query, &raw)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(raw)
		}
		var list admin.RejectionPage
		if err := c.decode(raw, &list); err != nil {
			return err
		}
		a.printRejections(list, time.Now())
		return nil
	})
	return cmd
}

func (a *app) explainOne(ctx context.Context, conn *connection, id string) error {
	var raw json.RawMessage
	c, err := conn.ask(ctx, "/api/v1/explain/"+url.PathEscape(id), nil, &raw)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(raw)
	}
	var e admin.Explanation
	if err := c.decode(raw, &e); err != nil {
		return err
	}
	a.printExplanation(&e, time.Now())
	return nil
}

// printExplanation tells all of a request.
func (a *app) printExplanation(e *admin.Explanation, now time.Time) {
	if e.Rejection != nil {
		a.printRejection(e.Rejection, e.Alike, now)
	}
	if e.Handshake != nil {
		a.printHandshake(e.Handshake)
	}
	for i := range e.Events {
		if i > 0 {
			fmt.Fprintln(a.Stdout)
		}
		a.printExplainedEvent(&e.Events[i], e.Rehearsed, now)
	}
	if e.MoreEvents {
		a.talk("the request brought more events than are shown")
	}
}

func (a *app) printRejections(list admin.RejectionPage, now time.Time) {
	if len(list.Rejections) == 0 {
		a.talk("no refused requests")
		return
	}
	var rows [][]cell
	for _, r := range list.Rejections {
		rows = append(rows, []cell{
			{text: age(r.At, now)},
			{text: r.Request},
			{text: orDash(r.Provider)},
			{text: r.Code, color: "31"},
			{text: fmt.Sprint(r.Count)},
			{text: short(reasonOf(&r), reasonWidth)},
		})
	}
	a.table(a.Stdout, []string{"TIME", "REQUEST", "PROVIDER", "CODE", "COUNT", "REASON"}, rows)
	a.more(list.Next)
}

// reasonWidth is what of a reason the table shows; it is the last column.
const reasonWidth = 160

// reasonOf is the reason without the rule that it may begin with, which has a place of its own.
func reasonOf(r *store.Rejection) string {
	if r.Rule == "" {
		return r.Reason
	}
	return strings.TrimPrefix(r.Reason, r.Rule+": ")
}

func (a *app) printRejection(r *store.Rejection, alike *admin.Alike, now time.Time) {
	head := visible(orDash(r.Provider)) + "  " + a.paint("31", "refused: "+visible(r.Code))
	if r.Request != "" { // one that was only rehearsed has no id
		head = a.paint("1", visible(r.Request)) + "  " + head
	}
	fmt.Fprintln(a.Stdout, head)
	if r.Reason != "" {
		a.field("why", "%s", visible(reasonOf(r)))
	}
	if r.Rule != "" {
		a.field("rule", "%s", visible(r.Rule))
	}
	if r.Request != "" {
		a.field("came", "%s (%s), from %s", r.At.UTC().Format(time.RFC3339), age(r.At, now), visible(orDash(r.Address)))
	}
	a.field("request", "%s %s, %s, %s", visible(r.Method), visible(r.Path), bytesOf(int(r.BodySize)), visible(orWord(r.ContentType, "no content type")))
	if r.UserAgent != "" {
		a.field("sender", "%s", visible(r.UserAgent))
	}
	if len(r.Headers) > 0 {
		a.field("headers", "%s", visible(strings.Join(r.Headers, ", ")))
	}
	if r.Status != 0 {
		a.field("answered", "%d", r.Status)
	}
	if r.Count > 1 {
		a.field("stands for", "%s", count(r.Count, "request"))
	}
	if alike != nil && alike.Requests > 1 {
		more := ""
		if alike.More {
			more = "at least "
		}
		a.field("alike", "%s%s on record, the first %s, the last %s", more, count(alike.Requests, "request"), age(alike.Since, now), age(alike.Last, now))
	}
}

func (a *app) printExplainedEvent(ev *admin.ExplainedEvent, rehearsed bool, now time.Time) {
	if rehearsed {
		a.printRehearsedHead(&ev.Event)
	} else {
		a.printEventHead(ev.Event, now)
	}
	if id := ev.Identity; id != nil {
		if id.Event != "" {
			a.field("named by", "%s", visible(id.Event))
		}
		if id.Nearest != "" {
			a.field("declared", "%s is not; the nearest that is: %s", visible(nameOf(ev.Event)), visible(id.Nearest))
		}
		switch {
		case id.Delivery == "":
			a.field("known by", "%s", a.paint("33", "nothing: the manifest names no delivery id, so nothing is de-duplicated"))
		case id.Window != "":
			a.field("known by", "%s, for %s", visible(id.Delivery), visible(id.Window))
		default:
			a.field("known by", "%s", visible(id.Delivery))
		}
	}
	if len(ev.Decisions) > 0 {
		fmt.Fprintln(a.Stdout)
		a.printDecisions(ev.Decisions)
	} else if len(ev.Runs) == 0 {
		a.noRuns(ev.Event)
	}
	for _, r := range ev.Runs {
		fmt.Fprintln(a.Stdout)
		a.printExplainedRun(&r, rehearsed, now)
	}
	if ev.MoreRuns {
		a.talk("there are more runs: headgate runs list --event %s", ev.ID)
	}
}

// printRehearsedHead prints what is known of an event that was never stored.
func (a *app) printRehearsedHead(ev *admin.Event) {
	state := cell{"would be " + ev.Status, "32"}
	if ev.Status != "processed" {
		state.color = "33"
	}
	fmt.Fprintf(a.Stdout, "%s  %s\n", a.paint("1", visible(ev.Provider)+" "+visible(nameOf(*ev))), a.paint(state.color, state.text))
	if ev.Reason != "" {
		a.field("reason", "%s", visible(ev.Reason))
	}
	if ev.Verification.Rule == "none" {
		a.field("verified", "%s", a.paint("33", "not at all: the provider is unsigned"))
	} else {
		a.field("verified", "%s, with %s", visible(ev.Verification.Rule), heldSecret(ev.Verification))
	}
	for _, f := range ev.Findings {
		a.field("finding", "%s", a.paint("33", visible(findingText(f))))
	}
	if ev.Delivery != "" {
		a.field("delivery", "%s", visible(ev.Delivery))
	}
}

func (a *app) printExplainedRun(r *admin.ExplainedRun, rehearsed bool, now time.Time) {
	state := runState(r.Run.Run)
	if rehearsed {
		if state.text = "would be " + state.text; len(r.Next) > 0 {
			state.text = "would go on"
		}
	}
	fmt.Fprintf(a.Stdout, "%s  %s", a.paint("1", visible(r.Pipeline)), a.paint(state.color, state.text))
	if r.Reason != "" {
		fmt.Fprintf(a.Stdout, ": %s", visible(r.Reason))
	}
	if r.Cause.Kind != run.Live && r.Cause.Kind != "" {
		fmt.Fprintf(a.Stdout, "  %s", a.paint("2", "by "+string(r.Cause.Kind)+" "+visible(r.Cause.Ref)))
	}
	if !rehearsed {
		fmt.Fprintf(a.Stdout, "  %s", a.paint("2", r.ID.String()))
	}
	fmt.Fprintln(a.Stdout)
	if r.Message != "" {
		a.field("why", "%s", visible(r.Message))
	}
	if len(r.Steps)+len(r.Attempts)+len(r.Tasks) > 0 || len(r.Next) == 0 {
		a.printPlaces(admin.RunDetail{Run: r.Run, Steps: r.Steps, Attempts: r.Attempts, Tasks: r.Tasks, Waits: r.Waits}, now)
	}
	for _, n := range r.Next {
		fmt.Fprintf(a.Stdout, "  %s %s  %s  %s\n", a.paint("36", "→"), a.paint("1", visible(n.Path)), a.paint("2", n.Type), visible(n.What))
	}
}

// decisionWord is how a verdict is told.
func decisionWord(v explain.Verdict) (mark, word, color string) {
	switch v {
	case explain.Started:
		return "✓", "started", "32"
	case explain.Filtered:
		return "∅", "filtered", "33"
	case explain.Limited:
		return "∅", "limited", "33"
	case explain.Gone:
		return "✓", "started, gone since", "33"
	case explain.Woke:
		return "✓", "woke", "32"
	case explain.Awaits:
		return "·", "no run waited", "33"
	case explain.NotRouted, explain.Changed:
		return "·", "not started", "33"
	case explain.Event:
		return "·", "another event", "2"
	case explain.Provider:
		return "·", "another provider", "2"
	case explain.Callable:
		return "·", "not by events", "2"
	case explain.Disabled:
		return "·", "disabled", "2"
	}
	return "·", string(v), "2"
}

// shownOthers is how many pipelines of other providers are told one by one; a folder may have hundreds.
const shownOthers = 5

func (a *app) printDecisions(all []explain.Decision) {
	var others []string
	near := slices.DeleteFunc(slices.Clone(all), func(d explain.Decision) bool {
		far := d.Verdict == explain.Provider
		if far {
			others = append(others, d.Pipeline)
		}
		return far
	})
	if len(others) <= shownOthers {
		near, others = all, nil
	}
	names, words := 0, 0
	for _, d := range near {
		_, word, _ := decisionWord(d.Verdict)
		names, words = max(names, utf8.RuneCountInString(visible(d.Pipeline))), max(words, utf8.RuneCountInString(word))
	}
	for _, d := range near {
		mark, word, color := decisionWord(d.Verdict)
		name := visible(d.Pipeline)
		line := "  " + a.paint(color, mark) + " " + name + strings.Repeat(" ", names-utf8.RuneCountInString(name)) + "  " +
			a.paint(color, word) + strings.Repeat(" ", words-utf8.RuneCountInString(word)) + "  " + visible(d.Why)
		fmt.Fprintln(a.Stdout, strings.TrimRight(line, " "))
	}
	if len(others) > 0 {
		text := strings.Join(others[:shownOthers], ", ")
		fmt.Fprintf(a.Stdout, "  %s %d pipelines of other providers: %s, …\n", a.paint("2", "·"), len(others), visible(text))
	}
}

func (a *app) printHandshake(h *admin.Handshake) {
	fmt.Fprintf(a.Stdout, "%s  it is the handshake %s, answered with %d\n", a.paint("32", "handshake"), visible(h.Name), h.Status)
	if h.Stores {
		a.field("brings", "a secret, which is kept from then on")
	}
	if h.Confirms {
		a.field("needs", "an address to be called before it is answered")
	}
}
