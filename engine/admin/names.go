package admin

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/store"
)

// unknownName refuses a filter by a name that the folder does not have and of which nothing is on record: it is a typo, and "none" would
// be the wrong answer. It is asked when a list is empty; onRecord says whether the list without its other filters is, too.
func (a *api) unknownName(kind manifest.Kind, name string, onRecord func() (bool, error)) error {
	if a.folder == nil || a.folder.Current() == nil || name == "" || kind == manifest.Provider && name == event.Internal {
		return nil
	}
	bundle := a.folder.Current().Bundle()
	if bundle.Find(kind, name) != nil {
		return nil
	}
	has, err := onRecord()
	if err != nil || has {
		return err
	}
	return refuse(http.StatusNotFound, string(kind)+"_not_found", strings.TrimSuffix(fmt.Sprintf(
		"there is no %s %q, and nothing on record of one; %s", kind, name, diag.DidYouMean(name, bundle.Names(kind))), "; "))
}

// knownProvider refuses the name of a provider that nobody knows.
func (a *api) knownProvider(ctx context.Context, name string) error {
	return a.unknownName(manifest.Provider, name, func() (bool, error) {
		events, err := a.reader.Events(ctx, store.EventQuery{Provider: name, Limit: 1})
		if err != nil || len(events.Events) > 0 {
			return true, err
		}
		refused, err := a.reader.Rejections(ctx, store.RejectionQuery{Provider: name, Limit: 1})
		return len(refused.Rejections) > 0, err
	})
}

// knownPipeline refuses the name of a pipeline that nobody knows.
func (a *api) knownPipeline(ctx context.Context, name string) error {
	if a.folder != nil && a.folder.Current() != nil {
		if _, live := a.folder.Current().Pipeline(name); live { // that of the runs of a hook to subscribers is no document
			return nil
		}
	}
	return a.unknownName(manifest.Pipeline, name, func() (bool, error) {
		page, err := a.reader.Runs(ctx, store.RunQuery{Pipeline: name, Limit: 1})
		return len(page.Runs) > 0, err
	})
}

// gone gives the pipelines of which runs were counted and that the folder does not hold any more, in order.
func (a *api) gone(l store.Ledger) []string {
	out := []string{}
	if a.folder == nil || a.folder.Current() == nil {
		return out
	}
	bundle := a.folder.Current().Bundle()
	for _, name := range slices.Sorted(maps.Keys(l.Runs)) {
		owner, hook := pipeline.SplitName(name)
		_, live := a.folder.Current().Pipeline(name)
		if bundle.Find(manifest.Pipeline, owner) == nil || hook != "" && !live {
			out = append(out, name)
		}
	}
	return out
}

// starts gives the pipelines that receive such events, in file order; nil where that is not known.
func (a *api) starts(provider, name string) []string {
	if a.folder == nil || a.folder.Current() == nil {
		return nil
	}
	out := []string{}
	for _, d := range a.folder.Current().Starting(provider, name) {
		out = append(out, d.Name)
	}
	return out
}
