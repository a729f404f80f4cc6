package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/job"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/store"
)

func (a *app) jobsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "jobs",
		Short: "List replays, retries and drops of many, and stop or resume them",
		Long: `List replays, retries and drops of many, and stop or resume them.

headgate events replay, parked retry and parked drop begin jobs. A job goes on after a restart of the
gateway, where it was.`,
		GroupID: groupTalk,
		Example: "  headgate jobs list\n  headgate jobs get k3v9x2m7q4w8z1ab\n  headgate jobs cancel k3v9x2m7q4w8z1ab",
	}
	conn := a.connectFlags(cmd)
	return group(cmd, a.jobsList(conn), a.jobsGet(conn),
		a.jobsMove(conn, "cancel", "Stop a job; what it has done stays done"), a.jobsMove(conn, "resume", "Go on with a job that was canceled or has failed"))
}

func (a *app) jobsList(conn *connection) *cobra.Command {
	var state string
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List jobs: those that go on, then the newest",
		Example: "  headgate jobs list\n  headgate jobs list --state running --json",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().Var(&flagString{&state, "state"}, "state", "only jobs in this state: running, done, canceled or failed")
	cmd.Flags().IntVar(&limit, "limit", 0, "how many at most, 1 to 1000 (default 50)")
	cmd.RunE = does(func(ctx context.Context, _ []string) error {
		page := &pageFlags{limit: limit}
		query, err := page.query()
		if err != nil {
			return err
		}
		setAll(query, "state", state)
		var raw json.RawMessage
		c, err := conn.ask(ctx, "/api/v1/jobs", query, &raw)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(raw)
		}
		var list admin.JobPage
		if err := c.decode(raw, &list); err != nil {
			return err
		}
		a.printJobs(list.Jobs, time.Now())
		return nil
	})
	return cmd
}

func (a *app) printJobs(jobs []admin.Job, now time.Time) {
	if len(jobs) == 0 {
		a.talk("no jobs")
		return
	}
	var rows [][]cell
	for _, j := range jobs {
		rows = append(rows, []cell{
			{text: j.ID},
			{text: string(j.Kind)},
			jobState(j),
			{text: progress(j)},
			{text: age(j.Created, now)},
			{text: j.By.Who},
			{text: short(aboutJob(j), 40), color: "2"},
		})
	}
	a.table(a.Stdout, []string{"JOB", "KIND", "STATE", "DONE", "BEGUN", "BY", "OF"}, rows)
}

func jobState(j admin.Job) cell {
	colors := map[store.JobState]string{store.JobDone: "32", store.JobRunning: "33", store.JobFailed: "31", store.JobCanceled: "2", store.JobPaused: "33"}
	return cell{string(j.State), colors[j.State]}
}

// progress says how far a job is, and what it could not do.
func progress(j admin.Job) string {
	text := fmt.Sprintf("%d/%d", j.Done, j.Total)
	if j.Skipped > 0 {
		text += fmt.Sprintf(", %d skipped", j.Skipped)
	}
	if j.Failed > 0 {
		text += fmt.Sprintf(", %d failed", j.Failed)
	}
	return text
}

// aboutJob says which events or runs a job is about.
func aboutJob(j admin.Job) string {
	if j.Named > 0 {
		return count(j.Named, "id")
	}
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+" "+value)
		}
	}
	add("provider", j.Events.Provider)
	add("event", j.Events.Name)
	add("status", j.Events.Status)
	add("pipeline", j.Runs.Pipeline)
	add("reason", j.Runs.Reason)
	add("destination", j.Runs.Destination)
	since := j.Events.Since
	if since.IsZero() {
		since = j.Runs.Since
	}
	if !since.IsZero() {
		add("since", since.UTC().Format(time.RFC3339))
	}
	if len(parts) == 0 {
		return "all"
	}
	return strings.Join(parts, ", ")
}

func (a *app) jobsGet(conn *connection) *cobra.Command {
	var limit int
	var cursor string
	cmd := &cobra.Command{
		Use:   "get JOB",
		Short: "Show how far a job is; of a replay, what differs from the first time",
		Long: `Show how far a job is. Of a replay, show for each event what its pipelines made of it now beside what
they made of it the first time: same; differs, and where; pending; added, where the pipeline made
nothing of it before; without, where the replay started nothing.`,
		Example: "  headgate jobs get k3v9x2m7q4w8z1ab\n  headgate jobs get k3v9x2m7q4w8z1ab --limit 100 --json",
		Args:    exactly("JOB"),
	}
	cmd.Flags().IntVar(&limit, "limit", 0, "of how many events at most, 1 to 100 (default 20)")
	cmd.Flags().Var(&flagString{&cursor, "cursor"}, "cursor", "go on where the list before ended")
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		query := url.Values{}
		if limit > 0 {
			query.Set("limit", strconv.Itoa(limit))
		}
		setAll(query, "cursor", cursor)
		var raw json.RawMessage
		c, err := conn.ask(ctx, jobPath(args[0]), query, &raw)
		if err != nil {
			return conflict(err, "job "+args[0], "")
		}
		if a.json {
			return a.printJSON(raw)
		}
		var detail admin.JobDetail
		if err := c.decode(raw, &detail); err != nil {
			return err
		}
		a.printJob(detail.Job, time.Now())
		a.printOutcomes(detail.Outcomes)
		a.more(detail.Next)
		return nil
	})
	return cmd
}

func jobPath(id string) string { return "/api/v1/jobs/" + url.PathEscape(id) }

func (a *app) printJob(j admin.Job, now time.Time) {
	state := jobState(j)
	fmt.Fprintf(a.Stdout, "%s  %s  %s\n", a.paint("1", j.ID), j.Kind, a.paint(state.color, state.text))
	if j.Message != "" {
		a.field("why", "%s", visible(j.Message))
	}
	a.field("of", "%s", visible(aboutJob(j)))
	a.field("done", "%s at %s/s", progress(j), strconv.FormatFloat(j.Rate, 'g', -1, 64))
	if j.LeftS > 0 {
		a.field("left", "about %s", span(time.Duration(j.LeftS*float64(time.Second))))
	}
	if len(j.Pipelines) > 0 {
		a.field("starts", "%s", visible(strings.Join(j.Pipelines, ", ")))
	}
	if j.Pinned {
		a.field("revision", "those of the first runs")
	}
	a.field("begun", "%s (%s) by %s", j.Created.UTC().Format(time.RFC3339), age(j.Created, now), visible(orDash(j.By.Who)))
}

// printOutcomes prints a line for each run of a replay, and below it what differs.
func (a *app) printOutcomes(outcomes []job.Outcome) {
	if len(outcomes) == 0 {
		return
	}
	fmt.Fprintln(a.Stdout)
	names, kept := 0, 0
	for _, o := range outcomes {
		names, kept = max(names, len(o.Pipeline)), max(kept, len(briefText(o.First)))
	}
	colors := map[job.Verdict]string{job.Same: "32", job.Differs: "33", job.Pending: "2", job.Added: "33", job.Without: "33"}
	for _, o := range outcomes {
		fmt.Fprintf(a.Stdout, "  %s  %-*s  %s  %-*s -> %s\n", o.Event, names, visible(o.Pipeline), a.paint(colors[o.Verdict], fmt.Sprintf("%-7s", o.Verdict)),
			kept, briefText(o.First), briefText(o.Replayed))
		for _, d := range o.Differences {
			if d.Path == "" {
				continue // the line above says it
			}
			fmt.Fprintf(a.Stdout, "      %s %s: %s -> %s\n", visible(d.Path), d.What, short(orDash(d.First), 50), short(orDash(d.Replayed), 50))
		}
		if o.More {
			fmt.Fprintln(a.Stdout, "      and more")
		}
	}
}

func briefText(b *job.Brief) string {
	if b == nil {
		return "-"
	}
	if b.State == run.Done {
		return string(b.Outcome)
	}
	return strings.TrimSpace(string(b.State) + " " + b.Reason)
}

func (a *app) jobsMove(conn *connection, verb, short string) *cobra.Command {
	cmd := &cobra.Command{
		Use:     verb + " JOB",
		Short:   short,
		Example: "  headgate jobs " + verb + " k3v9x2m7q4w8z1ab",
		Args:    exactly("JOB"),
	}
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		c, err := conn.dial()
		if err != nil {
			return err
		}
		var raw json.RawMessage
		if err := c.post(ctx, jobPath(args[0])+"/"+verb, nil, &raw); err != nil {
			return conflict(err, "job "+args[0], "headgate jobs get "+args[0])
		}
		return a.showJob(c, raw)
	})
	return cmd
}

func (a *app) showJob(c *client, raw json.RawMessage) error {
	if a.json {
		return a.printJSON(raw)
	}
	var detail admin.JobDetail
	if err := c.decode(raw, &detail); err != nil {
		return err
	}
	a.printJob(detail.Job, time.Now())
	return nil
}

// jobFlags are the flags of every command that begins a job.
type jobFlags struct {
	since, until    string
	rate            float64
	all, dry, wait  bool
	pinned, current bool
}

func (f *jobFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.Var(&flagString{&f.since, "since"}, "since", "only what is newer: 30m, 1h, 3d, or 2026-01-02T15:04:05Z")
	fs.Var(&flagString{&f.until, "until"}, "until", "only what is older: as --since")
	fs.BoolVar(&f.all, "all", false, "all of them, without a filter")
	fs.Float64Var(&f.rate, "rate", 0, "how many a second at most, up to 1000 (default 10)")
	fs.BoolVar(&f.dry, "dry-run", false, "only count, and say what they are")
	fs.BoolVar(&f.wait, "wait", false, "wait until it is through")
}

// fill checks the flags and puts them into a request.
func (f *jobFlags) fill(ask *admin.JobRequest, filters int) error {
	for name, text := range map[string]string{"since": f.since, "until": f.until} {
		if text == "" {
			continue
		}
		filters++
		if _, err := admin.ParseSince(text, time.Now()); err != nil {
			return misused("--%s: %v", name, err)
		}
	}
	switch {
	case f.rate < 0 || f.rate > job.MaxRate:
		return misused("--rate: %v is not above 0 and at most %d", f.rate, job.MaxRate)
	case len(ask.IDs) > 0 && (filters > 0 || f.all):
		return misused("name ids, or say which by filters, not both")
	case f.all && filters > 0:
		return misused("--all means without a filter")
	case len(ask.IDs) == 0 && filters == 0 && !f.all:
		return misused("say which: ids, a filter such as --since 1h, or --all")
	case f.pinned && f.current:
		return misused("--pinned or --current, not both")
	}
	ask.Since, ask.Until, ask.All, ask.Rate, ask.DryRun, ask.Pinned, ask.Current = f.since, f.until, f.all, f.rate, f.dry, f.pinned, f.current
	return nil
}

// nonEmpty counts the texts that say something.
func nonEmpty(texts ...string) int {
	n := 0
	for _, text := range texts {
		if text != "" {
			n++
		}
	}
	return n
}

// beginJob asks for a job, or what it would do, prints that and waits for it where that is asked for.
func (a *app) beginJob(ctx context.Context, c *client, ask admin.JobRequest, f *jobFlags) error {
	var raw json.RawMessage
	if err := c.post(ctx, "/api/v1/jobs", ask, &raw); err != nil {
		return err
	}
	if f.dry {
		return a.showPlan(c, raw)
	}
	if f.wait {
		var detail admin.JobDetail
		if err := c.decode(raw, &detail); err != nil {
			return err
		}
		return a.awaitJob(ctx, c, detail.Job)
	}
	if err := a.showJob(c, raw); err != nil || a.json {
		return err
	}
	var detail admin.JobDetail
	if err := c.decode(raw, &detail); err != nil {
		return err
	}
	a.talk("%s headgate jobs get %s", a.talkPaint("36", "follow it:"), detail.Job.ID)
	return nil
}

func (a *app) showPlan(c *client, raw json.RawMessage) error {
	if a.json {
		return a.printJSON(raw)
	}
	var doc admin.JobPlan
	if err := c.decode(raw, &doc); err != nil {
		return err
	}
	p := doc.Plan
	what, more := "parked run", ""
	if p.Kind == store.JobReplay {
		what = "event"
	}
	if p.More {
		more = " or more"
	}
	about := ""
	if p.Count > 0 {
		about = ", in about " + span(time.Duration(p.TookS*float64(time.Second)))
	}
	fmt.Fprintf(a.Stdout, "%s%s to %s%s\n", count(int(p.Count), what), more, p.Kind, about)
	if p.Missing > 0 {
		a.talk("%d of the ids are not there, or not parked", p.Missing)
	}
	if p.Count == 0 {
		return nil
	}
	now := time.Now()
	a.field("oldest", "%s (%s)", p.Oldest.UTC().Format(time.RFC3339), age(p.Oldest, now))
	a.field("newest", "%s (%s)", p.Newest.UTC().Format(time.RFC3339), age(p.Newest, now))
	fmt.Fprintln(a.Stdout)
	var rows [][]cell
	if p.Kind == store.JobReplay {
		for _, part := range p.Parts {
			starts := strings.Join(part.Starts, ", ")
			if starts == "" {
				starts = "nothing"
			}
			rows = append(rows, []cell{{text: strconv.FormatInt(part.Count, 10)}, {text: part.Provider}, {text: orDash(part.Event)}, {text: short(starts, 50), color: "2"}})
		}
		a.table(a.Stdout, []string{"COUNT", "PROVIDER", "EVENT", "STARTS"}, rows)
		return nil
	}
	for _, part := range p.Parts {
		rows = append(rows, []cell{{text: strconv.FormatInt(part.Count, 10)}, {text: part.Pipeline}, {text: orDash(part.Reason)}, {text: orDash(part.Destination)}})
	}
	a.table(a.Stdout, []string{"COUNT", "PIPELINE", "REASON", "DESTINATION"}, rows)
	return nil
}

// lookAgain is how long we wait between two looks at a job.
const lookAgain = 500 * time.Millisecond

// awaitJob waits until a job has ended, of a replay until all its runs have, and prints what came of it.
func (a *app) awaitJob(ctx context.Context, c *client, j admin.Job) error {
	told := time.Now()
	for j.State == store.JobRunning {
		if err := pause(ctx, lookAgain); err != nil {
			return err
		}
		var detail admin.JobDetail
		if err := c.get(ctx, jobPath(j.ID), url.Values{"limit": {"1"}}, &detail); err != nil {
			return err
		}
		if j = detail.Job; time.Since(told) > 5*time.Second {
			a.talk("%s of job %s", progress(j), j.ID)
			told = time.Now()
		}
	}
	var outcomes []job.Outcome
	var raw json.RawMessage
	if j.Kind == store.JobReplay && (j.State == store.JobDone) {
		var err error
		if outcomes, err = a.awaitOutcomes(ctx, c, j.ID); err != nil {
			return err
		}
	}
	if a.json {
		var err error
		if raw, err = json.Marshal(admin.JobDetail{Job: j, Outcomes: outcomes}); err != nil {
			return failed(fmt.Errorf("encoding a job: %w", err))
		}
		if err := a.printJSON(json.RawMessage(raw)); err != nil {
			return err
		}
	} else {
		a.printJob(j, time.Now())
		a.printOutcomes(outcomes)
	}
	return ended(j, outcomes)
}

// ended says whether a job did all that was asked of it.
func ended(j admin.Job, outcomes []job.Outcome) error {
	parked := 0
	for _, o := range outcomes {
		if o.Replayed != nil && o.Replayed.State == run.Parked {
			parked++
		}
	}
	switch {
	case j.State != store.JobDone:
		return failed(fmt.Errorf("job %s: %s", j.ID, j.State))
	case j.Failed > 0:
		return failed(fmt.Errorf("job %s: %d failed: %s", j.ID, j.Failed, j.Message))
	case parked > 0:
		return &exitError{code: exitRuntime, err: fmt.Errorf("%s of the replay parked", count(parked, "run")), hint: "headgate parked list"}
	}
	return nil
}

// awaitOutcomes waits until each run of a replay is over, and gives what differs, or all where they are few.
func (a *app) awaitOutcomes(ctx context.Context, c *client, id string) ([]job.Outcome, error) {
	var out []job.Outcome
	for cursor := ""; ; {
		query := url.Values{"limit": {strconv.Itoa(job.MaxEvents)}}
		setAll(query, "cursor", cursor)
		var detail admin.JobDetail
		if err := c.get(ctx, jobPath(id), query, &detail); err != nil {
			return nil, err
		}
		pending := 0
		for _, o := range detail.Outcomes {
			if o.Verdict == job.Pending {
				pending++
			}
		}
		if pending > 0 {
			if err := pause(ctx, lookAgain); err != nil {
				return nil, err
			}
			continue
		}
		out = append(out, detail.Outcomes...)
		if cursor = detail.Next; cursor == "" {
			return out, nil
		}
		if len(out) >= maxAwaited {
			a.talk("there are more than %d: headgate jobs get %s --cursor %s", maxAwaited, id, cursor)
			return out, nil
		}
	}
}

// maxAwaited outcomes are waited for and printed: beyond that nobody reads them.
const maxAwaited = 1000

// pause waits, or gives the error of an interrupted command.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return failed(errors.New("interrupted; the job goes on"))
	}
}

// conflict adds what to look at to the refusal of a change, and what was to be changed unless the answer names it.
func conflict(err error, what, hint string) error {
	var answer *answerError
	if !errors.As(err, &answer) {
		return err
	}
	id := what[strings.LastIndexByte(what, ' ')+1:]
	if answer.status == http.StatusNotFound && !strings.Contains(answer.Error(), id) {
		return failed(fmt.Errorf("%s: %w", what, answer))
	}
	if answer.status == http.StatusConflict {
		refusal := error(answer)
		if what != "" {
			refusal = fmt.Errorf("%s: %w", what, answer)
		}
		return &exitError{code: exitRuntime, err: refusal, hint: hint}
	}
	return err
}
