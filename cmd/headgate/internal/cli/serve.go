package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/diag"
)

// serveFlags are the flags of serve that are no settings.
type serveFlags struct {
	envFile     string
	skipUnknown bool
	readyFile   string
}

func (a *app) serveCommand() *cobra.Command {
	var o serveFlags
	cmd := &cobra.Command{
		Use:     "serve DIR...",
		Short:   "Run the gateway with the manifests of one or more folders",
		GroupID: groupServe,
		Long: `Run the gateway with the manifests of one or more folders; without any, those of HEADGATE_MANIFESTS.
It follows changes of the folders by itself; SIGHUP and 'headgate reload' load them at once.

SIGTERM and SIGINT end it in order: /readyz says no, the public listener stays open for the drain
delay, work under way ends. Nothing that was accepted is lost. A second signal ends it on the spot.

Every setting has a variable, the common ones a flag, which wins: docs/settings.md.`,
		Example: `  headgate serve --dev examples/quickstart
  headgate serve --env-file .env manifests/
  headgate serve --addr :80 --admin-addr 127.0.0.1:9081 --data-dir /var/lib/headgate /etc/headgate`,
	}
	settings := addFlags(cmd)
	f := cmd.Flags()
	f.Var(&flagString{&o.envFile, "file"}, "env-file", "a file of NAME=VALUE lines for settings and manifests; the environment wins")
	f.BoolVar(&o.skipUnknown, "skip-unknown", false, "pass over documents of no known kind")
	f.StringVar(&o.readyFile, "ready-file", "", "write the addresses to this file when requests are accepted")
	_ = f.MarkHidden("ready-file")
	cmd.RunE = does(func(ctx context.Context, args []string) error { return a.serve(ctx, o, settings, args) })
	return cmd
}

func (a *app) serve(ctx context.Context, o serveFlags, flags *overrides, args []string) error {
	env, err := a.environment(o.envFile)
	if err != nil {
		return err
	}
	s, err := a.settings(flags)
	if err != nil {
		return err
	}
	dirs, err := folders(args, s)
	if err != nil {
		return err
	}
	log, err := a.logger(s)
	if err != nil {
		return unusable(err, "")
	}
	options := s.options(env)
	options.Dirs, options.Logger, options.Version, options.SkipUnknown = dirs, log, a.build().Version, o.skipUnknown
	if _, set := env.Lookup(prefix + "_DRAIN_DELAY"); s.Dev && !set && !flags.cmd.Flags().Changed("drain-delay") {
		options.DrainDelay = 0 // there is no load balancer, only a person who waits for the prompt
	}
	e, err := engine.New(options)
	if err != nil {
		return err
	}
	var hangups <-chan os.Signal
	if a.Hangups != nil {
		hangups = a.Hangups() // before the start, so that none ends the process meanwhile
	}
	if err := e.Start(ctx); err != nil {
		return a.notStarted(ctx, err)
	}
	if warning := a.build().Warning; warning != "" {
		log.Warn("this binary should be built again", "reason", warning)
	}
	err = a.announce(ctx, e, s, dirs)
	if err == nil {
		err = writeReady(o.readyFile, map[string]any{"public": e.PublicAddr(), "admin": e.AdminAddr(), "health": e.HealthAddr()})
	}
	if err == nil {
		err = untilTheEnd(ctx, e, hangups, log)
	}
	log.Info("stopping", "wait", options.DrainDelay)
	if stopErr := e.Stop(context.WithoutCancel(ctx)); stopErr != nil {
		return errors.Join(err, failed(fmt.Errorf("stopping: %w", stopErr)))
	}
	log.Info("stopped")
	return err
}

// notStarted prints findings, and says what to try where it is known.
func (a *app) notStarted(ctx context.Context, err error) error {
	var findings *diag.FindingsError
	if errors.As(err, &findings) {
		if err := printFindings(a.Stderr, findings.List, a.talkColor); err != nil {
			return err
		}
		a.talk("%s %s", a.talkPaint("31;1", "refused:"), summary(findings.List))
		return refused(findings)
	}
	if ctx.Err() != nil {
		return failed(errors.New("stopped before the start was done"))
	}
	return err
}

// untilTheEnd waits for the signal to stop, reloads when it is asked to, and gives the error that makes going on impossible.
func untilTheEnd(ctx context.Context, e *engine.Engine, hangups <-chan os.Signal, log *slog.Logger) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-e.Fatal():
			return failed(fmt.Errorf("going on is impossible: %w", err))
		case <-hangups:
			log.Info("reloading", "signal", "SIGHUP")
			_, _, _ = e.Reload(ctx, false) // how it went is logged, counted and shown by status
		}
	}
}
