package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// docsCommand writes pages of docs/ from the declarations that the program itself goes by.
func (a *app) docsCommand() *cobra.Command {
	return group(&cobra.Command{Use: "docs", Short: "Write pages of the documentation", Hidden: true},
		&cobra.Command{
			Use:   "settings",
			Short: "Write docs/settings.md",
			Args:  cobra.NoArgs,
			RunE: does(func(context.Context, []string) error {
				_, err := fmt.Fprint(a.Stdout, settingsPage())
				return err
			}),
		},
		&cobra.Command{
			Use:   "sections PAGE...",
			Short: "Write the generated parts of pages, in place",
			RunE:  does(a.writeSections),
		})
}

// settingsPage is docs/settings.md.
func settingsPage() string {
	var b strings.Builder
	b.WriteString(`# Settings

<!-- Written by "go generate ./cmd/headgate/...": change cmd/headgate/internal/cli/settings.go or limits.go instead. -->

Settings come from the environment; the common ones have a flag of ` + "`headgate serve`" + `, which wins. ` + "`--env-file FILE`" + ` reads
NAME=VALUE lines for settings and for the variables that manifests refer to; what the environment sets already stays. A name that
begins with HEADGATE_ and is none of these is told at start. Durations are written ` + "`5s`, `1h5m`, `3d`" + `, a bare number is seconds;
sizes ` + "`64KiB`, `25MiB`" + `, a bare number is bytes.

| setting | flag | value | default | what it does |
|---|---|---|---|---|
`)
	for _, s := range allSettings() {
		flag := ""
		if s.Flag != "" {
			flag = "`--" + s.Flag + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", s.Name, flag, orWord(s.Form, "text"), code(s.Default), prose(s.Doc))
	}
	b.WriteString(`
## Fixed limits

These have no setting. A manifest may ask for less where its own key says so (docs of providers and destinations).

| what | limit | why |
|---|---|---|
`)
	for _, l := range fixedLimits() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", l.what, l.limit, l.why)
	}
	return b.String()
}

func orWord(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

// prose writes 'quoted' words of a struct tag as Markdown code.
func prose(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, "'", "`"), "|", `\|`) }
