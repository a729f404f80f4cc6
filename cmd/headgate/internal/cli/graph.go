package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/drawing"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/snapshot"
)

// graphFlags say what is drawn, and how.
type graphFlags struct {
	manifests   []string
	format, out string
	run         string
}

// The formats of pictures, as the flag names them.
const (
	graphFormats = "text|mermaid|dot|svg"
	graphText    = "text"
	graphMermaid = "mermaid"
	graphDOT     = "dot"
	graphSVG     = "svg"
)

func (a *app) graphCommand() *cobra.Command {
	var o graphFlags
	cmd := &cobra.Command{
		Use:     "graph [PIPELINE]",
		Short:   "Draw a pipeline, or a run of it, as text, Mermaid, DOT or SVG",
		GroupID: groupTry,
		Long: `Draw a pipeline as an outline, as Mermaid, as DOT for Graphviz, or as an SVG that needs no other program.
Without a name all pipelines are drawn.

The running gateway is asked; with --manifests a folder is drawn without one, and without secrets.
With --run the picture shows what became of each node in a run, and which way it went; the pipeline is
drawn as it was when the run began.

-o names a file where one pipeline is drawn, and a folder where several are: it gets a file for each.`,
		Example: `  headgate graph --manifests examples/quickstart
  headgate graph big-pull-requests --manifests examples/quickstart --format mermaid
  headgate graph big-pull-requests -o picture.svg
  headgate graph --run 01jx3k9d2c0r4-0a1b2c3d4e`,
		Args: cobra.MaximumNArgs(1),
	}
	conn := a.connectFlags(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&o.manifests, "manifests", nil, "draw this `folder`'s pipelines instead of asking the gateway; may be repeated")
	f.Var(&flagString{&o.format, graphFormats}, "format", "how it is drawn (default text, or what the name of the file says)")
	f.VarP(&flagString{&o.out, "file"}, "output", "o", "write to this file; several pipelines: to this folder, a file for each")
	f.Var(&flagString{&o.run, "id"}, "run", "show this run")
	cmd.RunE = does(func(ctx context.Context, args []string) error {
		if err := o.settle(); err != nil {
			return err
		}
		name := ""
		if len(args) > 0 {
			name = args[0]
		}
		pictures, err := a.pictures(ctx, conn, o, name)
		if err != nil {
			return err
		}
		return a.draw(pictures, o, name)
	})
	return cmd
}

// settle finds the format.
func (o *graphFlags) settle() error {
	if o.format == "" {
		o.format = graphText
		if by, ok := map[string]string{".svg": graphSVG, ".mmd": graphMermaid, ".dot": graphDOT, ".gv": graphDOT}[filepath.Ext(o.out)]; ok {
			o.format = by
		}
	}
	if !slices.Contains(strings.Split(graphFormats, "|"), o.format) {
		return misused("--format: %q is none of %s", o.format, strings.ReplaceAll(graphFormats, "|", ", "))
	}
	if o.run != "" {
		if _, err := run.ParseID(o.run); err != nil {
			return misused("--run: %v", err)
		}
	}
	return nil
}

// pictures gets what is to be drawn: one pipeline, or all.
func (a *app) pictures(ctx context.Context, conn *connection, o graphFlags, name string) ([]admin.PipelinePicture, error) {
	var shown *admin.PicturedRun
	if o.run != "" && (name == "" || len(o.manifests) > 0) {
		var d admin.RunDetail
		if _, err := conn.ask(ctx, "/api/v1/runs/"+url.PathEscape(o.run), nil, &d); err != nil {
			return nil, err
		}
		if name == "" {
			name = d.Run.Pipeline
		}
		if d.Run.Pipeline != name {
			return nil, failed(fmt.Errorf("the run is one of pipeline %q", d.Run.Pipeline))
		}
		steps := make([]run.Step, 0, len(d.Steps))
		for _, s := range d.Steps {
			steps = append(steps, s.Step)
		}
		shown = &admin.PicturedRun{Run: d.Run, Nodes: drawing.Show(steps, d.Tasks).Marks}
	}
	if len(o.manifests) > 0 {
		return a.localPictures(ctx, conn.envFile, o.manifests, name, shown)
	}
	names := []string{name}
	c, err := conn.dial()
	if err != nil {
		return nil, err
	}
	if name == "" {
		var list admin.PipelineList
		if err := c.get(ctx, "/api/v1/pipelines", nil, &list); err != nil {
			return nil, err
		}
		names = names[:0]
		for _, p := range list.Pipelines {
			names = append(names, p.Name)
		}
	}
	query := url.Values{}
	setAll(query, "run", o.run)
	var out []admin.PipelinePicture
	for _, n := range names {
		var p admin.PipelinePicture
		err := c.get(ctx, "/api/v1/pipelines/"+url.PathEscape(n), query, &p)
		var e *answerError
		if errors.As(err, &e) && e.status == http.StatusNotFound && len(names) > 1 {
			continue // taken away meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// localPictures draws the pipelines of folders. Their secrets are not needed.
func (a *app) localPictures(ctx context.Context, envFile string, dirs []string, name string, shown *admin.PicturedRun) ([]admin.PipelinePicture, error) {
	env, err := a.environment(envFile)
	if err != nil {
		return nil, err
	}
	s, err := a.settings(nil)
	if err != nil {
		return nil, err
	}
	load := s.loadOptions(dirs, env)
	load.Manifest.NoEnv = true
	snap, list := snapshot.Load(ctx, load)
	if snap == nil {
		if err := printFindings(a.Stderr, list, a.talkColor); err != nil {
			return nil, err
		}
		return nil, refused(list.Err())
	}
	var out []admin.PipelinePicture
	var names []string
	for _, d := range snap.Pipelines() {
		names = append(names, d.Name)
		if name == "" || name == d.Name {
			out = append(out, admin.PictureOf(d, shown))
		}
	}
	if name != "" && len(out) == 0 {
		return nil, failed(fmt.Errorf("there is no pipeline %q%s", name, semicolon(diag.DidYouMean(name, names))))
	}
	return out, nil
}

// draw writes pictures to stdout, or to files.
func (a *app) draw(pictures []admin.PipelinePicture, o graphFlags, name string) error {
	if a.json {
		if name != "" || o.run != "" {
			return a.printJSON(pictures[0])
		}
		return a.printJSON(struct {
			Pipelines []admin.PipelinePicture `json:"pipelines"`
		}{append([]admin.PipelinePicture{}, pictures...)})
	}
	if len(pictures) == 0 {
		a.talk("no pipelines")
		return nil
	}
	if o.out != "" {
		if err := o.fits(len(pictures)); err != nil {
			return err
		}
		if len(pictures) > 1 {
			return a.drawFolder(pictures, o)
		}
		return a.drawFile(o.out, a.picture(&pictures[0], o))
	}
	if len(pictures) > 1 && o.format != graphText {
		return misused("there are %s: name one, or give a folder for their files with -o", count(len(pictures), "pipeline"))
	}
	var b strings.Builder
	for i := range pictures {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(a.picture(&pictures[i], o))
	}
	fmt.Fprint(a.Stdout, b.String())
	return nil
}

// fits says why -o cannot take so many pictures: it names a file for one, and a folder for several.
func (o *graphFlags) fits(n int) error {
	info, err := os.Stat(o.out)
	there := err == nil
	folder := there && info.IsDir() || strings.HasSuffix(o.out, "/") || strings.HasSuffix(o.out, string(filepath.Separator))
	switch {
	case n == 1 && folder:
		return misused("-o %s: that is a folder, and one pipeline is drawn to a file", o.out)
	case n > 1 && (there && !info.IsDir() || !folder && slices.Contains(append(slices.Collect(maps.Values(graphExtensions())), ".gv"), filepath.Ext(o.out))):
		return misused("-o %s: that is a file, and there are %s: name one, or give a folder, which gets a file for each", o.out, count(n, "pipeline"))
	}
	return nil
}

// graphExtensions are the endings of files, by format.
func graphExtensions() map[string]string {
	return map[string]string{graphText: ".txt", graphMermaid: ".mmd", graphDOT: ".dot", graphSVG: ".svg"}
}

func (a *app) drawFolder(pictures []admin.PipelinePicture, o graphFlags) error {
	if err := os.MkdirAll(o.out, 0o755); err != nil { //nolint:gosec // pictures are for everybody who reads the manifests
		return unusable(fmt.Errorf("writing the pictures: %w", err), "")
	}
	extension := graphExtensions()[o.format]
	for i := range pictures {
		if err := a.drawFile(filepath.Join(o.out, pictures[i].Name+extension), a.picture(&pictures[i], o)); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) drawFile(file, text string) error {
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil { //nolint:gosec // likewise
		return unusable(fmt.Errorf("writing the picture: %w", err), "")
	}
	a.talk("%s %s", a.talkPaint("32;1", "written:"), file)
	return nil
}

// picture draws one pipeline.
func (a *app) picture(p *admin.PipelinePicture, o graphFlags) string {
	d := drawing.Options{Title: p.Name, Note: p.Title}
	if p.Run != nil {
		state := runState(p.Run.Run.Run)
		d.Run = &drawing.Run{Marks: p.Run.Nodes}
		d.Note = "run " + p.Run.ID.String() + ", " + state.text
		if p.Run.Reason != "" {
			d.Note += ": " + p.Run.Reason
		}
	}
	switch o.format {
	case graphMermaid:
		return drawing.Mermaid(&p.Picture, d)
	case graphDOT:
		return drawing.DOT(&p.Picture, d)
	case graphSVG:
		return drawing.SVG(&p.Picture, d)
	}
	if o.out == "" {
		d.Paint = func(kind drawing.Kind, text string) string { return a.paint(graphColour(kind), text) }
	}
	return drawing.Text(&p.Picture, d)
}

// graphColour is how a piece of an outline is shown on a terminal.
func graphColour(kind drawing.Kind) string {
	switch kind {
	case drawing.KindTitle, drawing.KindLabel:
		return "1"
	case drawing.KindFaint, drawing.Kind(drawing.Skipped), drawing.Kind(drawing.Filtered):
		return "2"
	case drawing.KindHandle:
		return "36"
	case drawing.Kind(drawing.Done):
		return "32"
	case drawing.Kind(drawing.Failed):
		return "31"
	case drawing.Kind(drawing.Waiting):
		return "33"
	}
	return ""
}
