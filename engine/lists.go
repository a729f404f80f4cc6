package engine

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/node/batch"
	"github.com/headgate/headgate/engine/node/call"
	"github.com/headgate/headgate/engine/node/code"
	"github.com/headgate/headgate/engine/node/condition"
	"github.com/headgate/headgate/engine/node/emit"
	"github.com/headgate/headgate/engine/node/end"
	"github.com/headgate/headgate/engine/node/foreach"
	"github.com/headgate/headgate/engine/node/hook"
	"github.com/headgate/headgate/engine/node/metric"
	"github.com/headgate/headgate/engine/node/receive"
	"github.com/headgate/headgate/engine/node/respond"
	"github.com/headgate/headgate/engine/node/start"
	"github.com/headgate/headgate/engine/node/switchnode"
	"github.com/headgate/headgate/engine/node/wait"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/memory"
	"github.com/headgate/headgate/engine/store/sqlite"
)

// NodeTypes is the list of all node types, in the order in which hints and docs name them. A new type is one line here.
func NodeTypes() []node.Type {
	return []node.Type{
		receive.Type(),    // starts a run
		start.Type(),      // begins a pipeline that is called, or run by hand
		condition.Type(),  // yes or no
		switchnode.Type(), // one of several
		code.Type(),       // makes a value
		hook.Type(),       // sends a request
		respond.Type(),    // answers the sender
		wait.Type(),       // for a while, until a time, for an event
		batch.Type(),      // collects items of many runs
		foreach.Type(),    // once for each item of a list
		emit.Type(),       // makes an event for other pipelines
		call.Type(),       // runs another pipeline
		metric.Type(),     // counts and measures
		end.Type(),        // marks the end
	}
}

// openStore is the list of all stores. It makes one; nothing is opened before Start.
func openStore(o Options, clock func() time.Time, observer sqlite.Observer) (store.Store, error) {
	switch o.Store {
	case "":
		return sqlite.New(sqlite.Options{Path: filepath.Join(o.DataDir, "headgate.db"), Logger: o.Logger, Observer: observer, Now: clock})
	case "memory:":
		return memory.New(memory.Options{Now: clock}), nil
	}
	u, err := url.Parse(o.Store)
	if err != nil {
		return nil, fmt.Errorf("reading the store's address: it is no URL")
	}
	switch u.Scheme {
	case "sqlite":
		path := u.Path
		if u.Host != "" || strings.TrimPrefix(path, "/") == "" {
			return nil, fmt.Errorf("reading the store's address: write sqlite:///path/to/file.db, with three slashes")
		}
		return sqlite.New(sqlite.Options{Path: path, Logger: o.Logger, Observer: observer, Now: clock})
	case "postgres", "postgresql":
		return nil, fmt.Errorf("this version has no PostgreSQL store yet; its stores are `memory:` and `sqlite:///path`")
	}
	return nil, fmt.Errorf("there is no store %q; the stores are `memory:` and `sqlite:///path`", u.Scheme)
}
