package cli

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// helpRoot is the tree of commands of an app that is not run.
func helpRoot() *cobra.Command {
	a := &app{Process: Process{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, LookupEnv: os.LookupEnv}}
	root := a.root()
	root.InitDefaultHelpFlag()
	return root
}

func walk(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, child := range c.Commands() {
		walk(child, f)
	}
}

func TestEveryExampleInTheHelpIsRight(t *testing.T) {
	t.Parallel()
	comment := regexp.MustCompile(` {3,}\S.*$| > \S+$`)
	count := 0
	walk(helpRoot(), func(owner *cobra.Command) {
		for line := range strings.Lines(owner.Example) {
			line = comment.ReplaceAllString(strings.TrimSpace(line), "")
			words := strings.Fields(line)
			if len(words) == 0 || words[0] != "headgate" {
				t.Errorf("%s: the example %q does not begin with the program's name", owner.CommandPath(), line)
				continue
			}
			count++
			cmd, rest, err := helpRoot().Find(words[1:])
			if err == nil {
				err = cmd.ParseFlags(rest)
			}
			if err == nil {
				err = cmd.ValidateArgs(cmd.Flags().Args())
			}
			if err != nil {
				t.Errorf("%s: the example %q is wrong: %v", owner.CommandPath(), line, err)
			}
		}
	})
	if count < 30 {
		t.Errorf("got %d examples, want 30 and more: the test looks in the wrong place", count)
	}
}

func TestEveryCommandSaysWhatItDoes(t *testing.T) {
	t.Parallel()
	walk(helpRoot(), func(c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: the line %q is none for a list of commands", c.CommandPath(), c.Short)
		}
		if c.Runnable() && !c.Hidden && !(c.HasParent() && c.Parent().Hidden) && c.Name() != "help" && c.Example == "" {
			t.Errorf("%s: no example", c.CommandPath())
		}
	})
}
