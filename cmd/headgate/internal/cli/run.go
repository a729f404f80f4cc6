package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/diag"
)

// Process is what a command has of the process that it runs in. Every field but Args and Version is required.
type Process struct {
	// Args are the arguments without the program's name.
	Args           []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// LookupEnv and Environ read the environment. The HEADGATE_ settings themselves are read by envconfig, which knows the
	// process's own environment only.
	LookupEnv func(string) (string, bool)
	Environ   func() []string
	// Setenv puts the settings of an --env-file where envconfig finds them.
	Setenv func(name, value string) error
	// Version is the linker's, "" for a build without one.
	Version string
	// Hangups takes SIGHUP over and gives a channel of its signals; serve calls it once. To the other commands SIGHUP means what it
	// means to every program.
	Hangups func() <-chan os.Signal
}

// app is one run of the program.
type app struct {
	Process
	json bool
	// color of stdout and stderr.
	color, talkColor bool
}

// Run runs the command that p.Args names and gives its exit code. It returns early when ctx ends. Several Runs at once need
// processes whose Setenv do not share an environment.
func Run(ctx context.Context, p Process) int {
	a := &app{Process: p, color: colored(p, p.Stdout), talkColor: colored(p, p.Stderr)}
	root := a.root()
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	var e *exitError
	if !errors.As(err, &e) { // cobra's own complaints are about the command line
		e = &exitError{code: exitUsage, err: err}
	}
	a.complain(cmd, e)
	return e.code
}

// complain prints an error and what to try.
func (a *app) complain(cmd *cobra.Command, e *exitError) {
	if e.silent {
		return
	}
	fmt.Fprintf(a.Stderr, "%s %s\n", a.talkPaint("31;1", "error:"), e.err)
	if e.hint != "" {
		fmt.Fprintf(a.Stderr, "%s %s\n", a.talkPaint("36", "try:"), e.hint)
	}
	if e.code == exitUsage {
		fmt.Fprintf(a.Stderr, "%s %s --help\n", a.talkPaint("36", "see:"), cmd.CommandPath())
	}
}

// talk writes a line for people to stderr.
func (a *app) talk(format string, args ...any) { fmt.Fprintf(a.Stderr, format+"\n", args...) }

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "headgate",
		Short: "A webhook gateway whose whole configuration is a folder of YAML",
		Long: `Headgate receives webhooks, checks their signatures, keeps them on disk before it answers,
and sends on what your pipelines make of them. Its whole configuration is a folder of YAML.

Exit codes: 0 ok, 1 a failure while running, 2 findings in files, 3 the environment
(settings, store, ports, no gateway to talk to), 64 usage.`,
		Example: `  headgate serve --dev examples/quickstart    serve a folder on this machine
  headgate validate examples/quickstart       check a folder
  headgate sink                               receive on 127.0.0.1:9000 and print what comes
  headgate send github pull_request           sign an example and send it
  headgate runs list                          what became of it`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print the result as JSON")
	root.CompletionOptions.HiddenDefaultCmd = false
	root.SetHelpCommand(helpCommand())
	root.AddGroup(
		&cobra.Group{ID: groupServe, Title: "The gateway:"},
		&cobra.Group{ID: groupTry, Title: "Trying it out:"},
		&cobra.Group{ID: groupTalk, Title: "Talking to a running gateway:"},
		&cobra.Group{ID: groupKeep, Title: "Keeping the store safe:"},
	)
	for _, c := range a.commands() {
		root.AddCommand(c)
	}
	return root
}

// commands are all of them, in the order of the manual.
func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		a.serveCommand(), a.validateCommand(), a.fmtCommand(), a.schemaCommand(), // the gateway
		a.testCommand(), a.runCommand(), a.catalogCommand(), a.newCommand(), a.signCommand(), a.sendCommand(), a.sinkCommand(), a.graphCommand(), // trying it out
		a.statusCommand(), a.explainCommand(), a.eventsCommand(), a.runsCommand(), a.parkedCommand(), a.jobsCommand(),
		a.destinationsCommand(), a.subscriptionsCommand(), a.auditCommand(), a.learnedCommand(), a.reloadCommand(), // talking to a running one
		a.backupCommand(), a.restoreCommand(), a.verifyCommand(), a.doctorCommand(), // keeping the store safe
		a.versionCommand(), a.docsCommand(),
	}
}

// The groups of commands in the help.
const (
	groupServe = "serve"
	groupTry   = "try"
	groupTalk  = "talk"
	groupKeep  = "keep"
)

// helpCommand is cobra's, which would answer an unknown topic with exit 0.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		RunE: func(cmd *cobra.Command, args []string) error {
			target, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return misused("there is no command %q", strings.Join(args, " "))
			}
			target.InitDefaultHelpFlag()
			return target.Help()
		},
	}
}

// group makes a command that only holds others: alone or with a name that it does not have, it is misused.
func group(c *cobra.Command, children ...*cobra.Command) *cobra.Command {
	c.AddCommand(children...)
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return misused("say what to do: %s %s", cmd.CommandPath(), strings.Join(childNames(cmd), "|"))
		}
		return unknownCommand(cmd, args[0])
	}
	return c
}

func childNames(cmd *cobra.Command) []string {
	var names []string
	for _, child := range cmd.Commands() {
		if child.IsAvailableCommand() {
			names = append(names, child.Name())
		}
	}
	slices.Sort(names)
	return names
}

func unknownCommand(cmd *cobra.Command, name string) error {
	names := childNames(cmd)
	hint := diag.DidYouMean(name, names)
	if hint == "" {
		hint = "there are " + strings.Join(names, ", ")
	}
	return misused("there is no command %q; %s", cmd.CommandPath()+" "+name, hint)
}

// exactly wants one argument for each name.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return misused("%s wants %s, and got %s", cmd.CommandPath(), strings.Join(names, " "), count(len(args), "argument"))
	}
}

// does makes a command's function: errors get their exit code, and an end that was asked for is not an error of the command line.
func does(f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := f(cmd.Context(), args); err != nil {
			return sorted(err)
		}
		return nil
	}
}

// colored says whether a stream is a terminal that wants colour.
func colored(p Process, w io.Writer) bool {
	if _, no := p.LookupEnv("NO_COLOR"); no {
		return false
	}
	if term, _ := p.LookupEnv("TERM"); term == "dumb" {
		return false
	}
	return terminal(w)
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && info.Mode()&os.ModeDevice != 0
}

func paint(on bool, code, text string) string {
	if !on || text == "" || code == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (a *app) paint(code, text string) string     { return paint(a.color, code, text) }
func (a *app) talkPaint(code, text string) string { return paint(a.talkColor, code, text) }
