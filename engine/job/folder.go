package job

import (
	"context"

	"github.com/headgate/headgate/engine/pipeline"
)

// Keeper is the running configuration; *snapshot.Keeper is one.
type Keeper interface {
	Pipelines(provider, name string) []*pipeline.Diagram
	Pipeline(name string) (*pipeline.Diagram, bool)
	Diagram(ctx context.Context, name, revision string) (*pipeline.Diagram, error)
}

// FolderOf gives the running configuration as a Service needs it.
func FolderOf(k Keeper) Folder { return folder{k} }

type folder struct{ keeper Keeper }

// Starting implements Folder.
func (f folder) Starting(provider, name string) (names []string) {
	for _, d := range f.keeper.Pipelines(provider, name) {
		names = append(names, d.Name)
	}
	return names
}

// Revision implements Folder.
func (f folder) Revision(name string) (string, bool) {
	d, ok := f.keeper.Pipeline(name)
	if !ok {
		return "", false
	}
	return d.Revision, true
}

// Order implements Folder.
func (f folder) Order(ctx context.Context, name, revision string) func(a, b string) int {
	d, err := f.keeper.Diagram(ctx, name, revision)
	if err != nil || d == nil {
		return nil
	}
	return d.Compare()
}
