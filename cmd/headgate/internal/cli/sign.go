package cli

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/admin"
)

func (a *app) signCommand() *cobra.Command {
	var o sendFlags
	cmd := &cobra.Command{
		Use:     "sign PROVIDER EVENT|--handshake[=NAME]",
		Short:   "Print a signed request as a curl command",
		GroupID: groupTry,
		Long: `Print the request that a provider would send, signed, as a curl command. Nothing is sent.

As with send, the running gateway is asked to sign; with --manifests this command signs by itself.
Where the time is signed, the command is good for as long as the provider's manifest believes it.`,
		Example: `  headgate sign github push
  headgate sign github push --url https://hooks.example.com/webhooks/github
  headgate sign slack --handshake
  headgate sign github push --manifests examples/quickstart --env-file .env --json`,
		Args: cobra.ArbitraryArgs,
	}
	conn := a.connectFlags(cmd)
	o.bind(cmd)
	cmd.Flags().Var(&flagString{&o.url, "URL"}, "url", "address it there (default: where the gateway receives)")
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		m, err := a.message("headgate sign", o.messageFlags, args)
		if err != nil {
			return err
		}
		sign, err := a.signer(ctx, conn, o.manifests)
		if err != nil {
			return err
		}
		signed, err := sign(ctx, m)
		if err != nil {
			return err
		}
		if o.url != "" {
			signed.URL = withQuery(o.url, signed.URL)
		}
		return a.printSigned(signed)
	})
	return cmd
}

func (a *app) printSigned(s admin.SignedRequest) error {
	if a.json {
		return a.printJSON(admin.SignedDocument(s))
	}
	fmt.Fprintln(a.Stdout, curl(s))
	return nil
}

// curl writes a request as a command for a POSIX shell. The body's bytes arrive as they are: a text stands in quotes, anything else
// goes through base64.
func curl(s admin.SignedRequest) string {
	var b strings.Builder
	text := utf8.Valid(s.Body) && !strings.ContainsRune(string(s.Body), 0)
	if !text {
		fmt.Fprintf(&b, "printf %%s %s | base64 -d | ", shellQuote(base64.StdEncoding.EncodeToString(s.Body)))
	}
	method := "-X " + s.Method
	if s.Method == http.MethodHead {
		method = "--head" // -X HEAD would wait for a body
	}
	fmt.Fprintf(&b, "curl %s %s", method, shellQuote(s.URL))
	for _, name := range slices.Sorted(maps.Keys(s.Header)) {
		for _, v := range s.Header[name] {
			header := name + ": " + v
			if v == "" {
				header = name + ";" // with a colon curl would leave it out
			}
			fmt.Fprintf(&b, " \\\n  -H %s", shellQuote(header))
		}
	}
	switch {
	case !text:
		b.WriteString(" \\\n  --data-binary @-")
	case len(s.Body) > 0:
		fmt.Fprintf(&b, " \\\n  --data-raw %s", shellQuote(string(s.Body)))
	}
	return b.String()
}

// shellQuote puts a text into single quotes.
func shellQuote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
