package admin

import (
	"net/http"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/drawing"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/run"
)

// PipelinePicture is a pipeline as it is drawn.
type PipelinePicture struct {
	Name        string `json:"name"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	Revision    string `json:"revision"`
	pipeline.Picture
	// Run is the run that was asked for; null where none was.
	Run *PicturedRun `json:"run"`
}

// PicturedRun is what became of the nodes in a run.
type PicturedRun struct {
	Run
	// Nodes are what became of the nodes, by path without the numbers of items.
	Nodes map[string]drawing.Mark `json:"nodes"`
}

func (a *api) picture(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r, "run")
	if err := q.err(); err != nil {
		return err
	}
	if a.folder == nil {
		return refuse(http.StatusNotFound, "not_found", "nothing is running here")
	}
	name := r.PathValue("name")
	snap := a.folder.Current()
	d, ok := snap.Pipeline(name)
	var shown *PicturedRun
	if text := q.text("run"); text != "" {
		id, err := run.ParseID(text)
		if err != nil {
			return err
		}
		rec, err := a.reader.Run(r.Context(), id)
		if err != nil {
			return err
		}
		if rec.Run.Pipeline != name {
			return refuse(http.StatusNotFound, "not_found", "the run is one of pipeline "+rec.Run.Pipeline)
		}
		if d, err = a.folder.Diagram(r.Context(), name, rec.Run.Revision); err != nil {
			return refuse(http.StatusNotFound, "not_found", "the pipeline as it was when the run began cannot be had any more: "+err.Error())
		}
		ok = true
		shown = &PicturedRun{Run: Run{rec.Run}, Nodes: drawing.Show(rec.Steps, rec.Tasks).Marks}
	}
	if !ok {
		var names []string
		for _, live := range snap.Pipelines() {
			names = append(names, live.Name)
		}
		message := "there is no pipeline \"" + name + "\""
		if hint := diag.DidYouMean(name, names); hint != "" {
			message += "; " + hint
		}
		return refuse(http.StatusNotFound, "pipeline_not_found", message)
	}
	answer(w, a.log, http.StatusOK, PictureOf(d, shown))
	return nil
}

// PictureOf draws a diagram; the run may be nil.
func PictureOf(d *pipeline.Diagram, r *PicturedRun) PipelinePicture {
	return PipelinePicture{Name: d.Name, Title: d.Title, Description: d.Document.Description, Revision: d.Revision, Picture: d.Picture(), Run: r}
}
