package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// commandPages writes the help of all commands as sections of docs/cli.md, in the order in which the root has them.
func (a *app) commandPages() string {
	var b strings.Builder
	root := &cobra.Command{Use: "headgate"}
	for _, c := range a.commands() {
		root.AddCommand(c)
		pages := []*cobra.Command{c}
		if c.HasSubCommands() {
			pages = c.Commands()
		}
		for _, page := range pages {
			if !c.Hidden {
				commandPage(&b, page)
			}
		}
	}
	b.WriteString("### `headgate completion SHELL`\n\nPrint the completion script for `bash`, `zsh`, `fish` or `powershell`.\n")
	return b.String()
}

func commandPage(b *strings.Builder, c *cobra.Command) {
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	use := strings.TrimPrefix(c.UseLine(), c.Root().Name()+" ")
	fmt.Fprintf(b, "### `headgate %s`\n\n%s\n\n", strings.TrimSuffix(use, " [flags]"), marked(strings.TrimSpace(text)))
	if c.Example != "" {
		b.WriteString("```console\n")
		for line := range strings.SplitSeq(strings.Trim(c.Example, "\n"), "\n") {
			b.WriteString(strings.TrimPrefix(line, "  ") + "\n")
		}
		b.WriteString("```\n\n")
	}
	var rows []string
	talks := c.Flag("server") != nil
	c.Flags().VisitAll(func(f *pflag.Flag) {
		shared := f.Name == "json" || f.Name == "help" || talks && slices.Contains([]string{"server", "token", "env-file"}, f.Name)
		if !f.Hidden && !shared {
			rows = append(rows, flagRow(f))
		}
	})
	if len(rows) > 0 {
		b.WriteString("| flag | means |\n|---|---|\n" + strings.Join(rows, "") + "\n")
	}
}

func flagRow(f *pflag.Flag) string {
	value, usage := pflag.UnquoteUsage(f)
	name := "--" + f.Name
	switch {
	case value != "" && f.NoOptDefVal != "" && f.Value.Type() != "bool":
		name += "[=" + value + "]"
	case value != "":
		name += " " + value
	}
	name = code(strings.ReplaceAll(name, "|", `\|`))
	if f.Shorthand != "" {
		name = code("-"+f.Shorthand) + ", " + name
	}
	if zero := slices.Contains([]string{"", "0", "0s", "false", "[]"}, f.DefValue); !zero && !strings.Contains(usage, "default") {
		usage += " (default " + f.DefValue + ")"
	}
	return fmt.Sprintf("| %s | %s |\n", name, strings.ReplaceAll(marked(usage), "|", `\|`))
}

// marked writes what help texts quote, and references, as Markdown code.
func marked(text string) string {
	text = regexp.MustCompile(`(^|[\s(])'([^'\n]+)'`).ReplaceAllString(text, "$1`$2`")
	return regexp.MustCompile(`<<[^>\n]+>>`).ReplaceAllString(text, "`$0`")
}
