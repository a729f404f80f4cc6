package manifest

import (
	"context"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/source"
)

// Find reads the manifest files of folders, or single files, as Load does, without looking into them: dotfiles, testdata/ and what
// .headgateignore names are passed over. File.Name is the path from where dirs are. The list says what could not be read.
func Find(ctx context.Context, dirs []string) ([]*source.File, *diag.List) {
	w := walker{out: &diag.List{}}
	w.folders(ctx, dirs)
	files := make([]*source.File, len(w.files))
	for i, m := range w.files {
		files[i] = m.file
	}
	return files, w.out
}
