package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/trial"
	"github.com/headgate/headgate/hooks"
)

// runFlags say what a pipeline is run with, and where.
type runFlags struct {
	input     []string
	inputFile string
	manifests []string
	dry       bool
	dev       bool
	detach    bool
}

func (a *app) runCommand() *cobra.Command {
	var o runFlags
	cmd := &cobra.Command{
		Use:     "run PIPELINE",
		Short:   "Run a pipeline that begins with a start node",
		GroupID: groupTry,
		Long: `Run a pipeline that begins with a start node, and show what it did and came to.

The running gateway runs it, and keeps the run as any other. With --manifests this process runs it
itself and keeps nothing; requests are really sent. --dry-run prints them instead, and answers each
with 200 and {}: it needs no variables and no secrets, and waits happen in simulated time.

A value of --input that reads as JSON is taken as that (count=3, tags=["a"], version='"1.10"'), any
other as text. A run that is parked is exit 1.`,
		Example: `  headgate run nightly-report
  headgate run nightly-report --input day=2026-01-02 --input channels='["ops"]'
  headgate run nightly-report --manifests manifests/ --dry-run
  headgate run nightly-report --input-file day.json --detach`,
		Args: exactly("PIPELINE"),
	}
	conn := a.connectFlags(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&o.input, "input", nil, "a `key=value` of the input; may be repeated")
	f.Var(&flagString{&o.inputFile, "file"}, "input-file", "the input, a JSON object; - is stdin; --input goes over it")
	f.StringArrayVar(&o.manifests, "manifests", nil, "run it in this process with this `folder`'s manifests; may be repeated")
	f.BoolVar(&o.dry, "dry-run", false, "with --manifests: print what would be sent, and send nothing")
	f.BoolVar(&o.dev, "dev", false, "with --manifests: as under serve --dev, requests may go to loopback addresses")
	f.BoolVar(&o.detach, "detach", false, "do not wait until the run is over")
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		input, err := a.input(o)
		if err != nil {
			return err
		}
		switch local := len(o.manifests) > 0; {
		case o.dry && !local:
			return misused("--dry-run: a gateway always sends; name the folder to run here: --manifests DIR")
		case o.dev && !local:
			return misused("--dev: whether a gateway sends to loopback addresses is its own setting; it is for --manifests DIR")
		case o.detach && local:
			return misused("--detach: with --manifests the run is in this process, and ends with it")
		case local:
			return a.runHere(ctx, o, conn.envFile, args[0], input)
		}
		return a.runThere(ctx, o, conn, args[0], input)
	})
	return cmd
}

// maxInputBytes of an input are read; a step may keep no more.
const maxInputBytes = run.MaxOutputBytes

// input puts the input together.
func (a *app) input(o runFlags) (json.RawMessage, error) {
	in := map[string]json.RawMessage{}
	if o.inputFile != "" {
		b, err := a.readInput(o.inputFile)
		if err != nil {
			return nil, unusable(fmt.Errorf("reading the input: %w", err), "")
		}
		if err := json.Unmarshal(b, &in); err != nil || in == nil {
			return nil, misused("--input-file: %s holds no JSON object", o.inputFile)
		}
	}
	for _, pair := range o.input {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, misused("--input: %q is not of the form key=value", pair)
		}
		if !json.Valid([]byte(value)) {
			quoted, err := json.Marshal(value)
			if err != nil {
				return nil, misused("--input: %q: %v", pair, err)
			}
			value = string(quoted)
		}
		in[key] = json.RawMessage(value)
	}
	b, err := json.Marshal(in)
	if err != nil {
		return nil, misused("--input: %v", err)
	}
	return b, nil
}

func (a *app) readInput(name string) ([]byte, error) {
	from := a.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		from = f
	}
	b, err := io.ReadAll(io.LimitReader(from, maxInputBytes+1))
	if err == nil && len(b) > maxInputBytes {
		err = fmt.Errorf("it has more than %d bytes", maxInputBytes)
	}
	return b, err
}

// runHere runs a pipeline in this process.
func (a *app) runHere(ctx context.Context, o runFlags, envFile, name string, input json.RawMessage) error {
	env, err := a.environment(envFile)
	if err != nil {
		return err
	}
	s, err := a.settings(nil)
	if err != nil {
		return err
	}
	s.Dev = s.Dev || o.dev
	machines := a.machines()
	defer func() { _ = machines.Close(context.WithoutCancel(ctx)) }()
	load := s.loadOptions(o.manifests, env)
	load.Machines, load.Manifest.NoEnv = machines, o.dry
	snap, list := snapshot.Load(ctx, load)
	if snap == nil {
		if err := printFindings(a.Stderr, list, a.talkColor); err != nil {
			return err
		}
		return refused(list.Err())
	}
	options := trial.RunOptions{Snapshot: snap, Pipeline: name, Input: input, Now: time.Now}
	var done *trial.Performed
	if o.dry {
		done, err = trial.Rehearse(ctx, options)
	} else {
		client, failure := a.deliverer(s)
		if failure != nil {
			return failure
		}
		defer client.Close()
		options.Deliverer, options.Logger = client, slog.New(slog.DiscardHandler)
		done, err = trial.Perform(ctx, options)
	}
	if done != nil && len(done.Runs) > 0 {
		if printed := a.printPerformance(name, done, o.dry); printed != nil {
			return printed
		}
	}
	if err != nil {
		return failed(err)
	}
	return parkedRun(done.Runs[0].Run)
}

// deliverer makes the client that sends.
func (a *app) deliverer(s *settings) (*hooks.Client, error) {
	client, err := hooks.New(hooks.Options{
		Allow: s.EgressAllow, AllowLoopback: s.Dev, UserAgent: "Headgate/" + a.build().Version, LogOnly: s.Hooks == engine.HooksLog,
	})
	if err != nil {
		return nil, unusable(err, "")
	}
	return client, nil
}

// parkedRun is the error of a run that is parked.
func parkedRun(r run.Run) error {
	if r.State != run.Parked {
		return nil
	}
	return &exitError{code: exitRuntime, err: errors.New("the run is parked: " + r.Reason), silent: true}
}

// How a run is followed: first often, as most are over at once, then once a second.
const (
	firstLook   = 50 * time.Millisecond
	longestLook = time.Second
)

// runThere has the running gateway run a pipeline, and follows the run.
func (a *app) runThere(ctx context.Context, o runFlags, conn *connection, name string, input json.RawMessage) error {
	c, err := conn.dial()
	if err != nil {
		return err
	}
	var begun admin.Begun
	if err := c.post(ctx, "/api/v1/pipelines/"+url.PathEscape(name)+"/run", admin.RunRequest{Input: input}, &begun); err != nil {
		return err
	}
	if o.detach {
		if a.json {
			return a.printJSON(begun)
		}
		fmt.Fprintln(a.Stdout, begun.Run)
		a.talk("%s headgate runs get %s", a.talkPaint("36", "next:"), begun.Run)
		return nil
	}
	raw, detail, err := a.follow(ctx, c, begun.Run.String())
	if err != nil {
		return err
	}
	if a.json {
		if err := a.printJSON(raw); err != nil {
			return err
		}
		return parkedRun(detail.Run.Run)
	}
	a.printRun(detail, time.Now())
	if detail.Run.State == run.Done {
		a.printResult(detail.Result)
	}
	return parkedRun(detail.Run.Run)
}

// follow asks for a run until it is over.
func (a *app) follow(ctx context.Context, c *client, id string) (json.RawMessage, admin.RunDetail, error) {
	for wait := firstLook; ; wait = min(2*wait, longestLook) {
		var raw json.RawMessage
		var detail admin.RunDetail
		err := c.get(ctx, "/api/v1/runs/"+url.PathEscape(id), nil, &raw)
		var answer *answerError
		switch {
		case errors.As(err, &answer) && answer.status == http.StatusNotFound: // the event is not routed yet
		case err != nil:
			return nil, detail, err
		default:
			if err := c.decode(raw, &detail); err != nil {
				return nil, detail, err
			}
			if detail.Run.State != run.Open {
				return raw, detail, nil
			}
		}
		if wait == longestLook {
			a.talk("the run goes on; Ctrl-C leaves it alone, and `headgate runs get %s` shows it", id)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, detail, failed(fmt.Errorf("no longer following run %s: %w", id, context.Cause(ctx)))
		}
	}
}
