package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/snapshot"
)

func (a *app) reloadCommand() *cobra.Command {
	var confirm bool
	cmd := &cobra.Command{
		Use:     "reload",
		Short:   "Load the manifests of a running gateway again",
		GroupID: groupTalk,
		Long: `Load the manifests of a running gateway again, now. A gateway follows its folders by itself;
this is for file systems that tell nobody about changes, and for scripts that want the answer.

Manifests that are refused change nothing: the findings are printed, the exit code is 2.
A folder that holds no manifests any more is not believed until --confirm.`,
		Example: "  headgate reload\n  headgate reload --confirm\n  headgate reload --json",
		Args:    cobra.NoArgs,
	}
	conn := a.connectFlags(cmd)
	cmd.Flags().BoolVar(&confirm, "confirm", false, "take a folder without manifests")
	cmd.RunE = does(func(ctx context.Context, _ []string) error {
		c, err := conn.dial()
		if err != nil {
			return err
		}
		path := "/api/v1/reload"
		if confirm {
			path += "?confirm=true"
		}
		var raw json.RawMessage
		if err := c.post(ctx, path, nil, &raw); err != nil {
			return a.reloadRefused(err)
		}
		if a.json {
			return a.printJSON(raw)
		}
		var done struct {
			Report   snapshot.Report `json:"report"`
			Findings []admin.Finding `json:"findings"`
		}
		if err := c.decode(raw, &done); err != nil {
			return err
		}
		for _, f := range done.Findings {
			a.talk("%s", visible(f.String()))
		}
		what := "reloaded"
		if !done.Report.Changed {
			what = "unchanged"
		}
		r := done.Report
		fmt.Fprintf(a.Stdout, "%s: %.12s, %s, %s, %s\n", what, r.Digest,
			count(r.Providers, "provider"), count(r.Pipelines, "pipeline"), count(r.Destinations, "destination"))
		return nil
	})
	return cmd
}

// reloadRefused prints findings as the result that they are.
func (a *app) reloadRefused(err error) error {
	var answer *answerError
	if !errors.As(err, &answer) {
		return err
	}
	switch {
	case answer.status == http.StatusConflict:
		return &exitError{code: exitRuntime, err: answer, hint: "headgate reload --confirm"}
	case answer.status != http.StatusUnprocessableEntity:
		return err
	case a.json:
		if err := a.printJSON(answer.ErrorAnswer); err != nil {
			return err
		}
	default:
		for _, f := range answer.Findings {
			fmt.Fprintln(a.Stdout, visible(f.String()))
		}
	}
	a.talk("%s", answer.Error())
	return refused(answer)
}
