package engine

import (
	"github.com/headgate/headgate/engine/retention"
	"github.com/headgate/headgate/engine/service"
)

// newRetention makes what deletes old records.
func (e *Engine) newRetention() service.Service {
	s, err := retention.New(retention.Options{Store: e.store, Policy: e.o.Retention, Logger: e.component("retention"), Observer: e.metrics})
	if err != nil {
		return service.Steps{} // it names an option that is missing, and none is
	}
	return s
}
