package admin

import "net/http"

// peopleRoutes are those of what people do: parked runs, jobs, destinations, and the account of it all.
func (a *api) peopleRoutes() []route {
	id, query := idParam, queryParam
	name := param{name: "name", in: "path", doc: "A destination's name as the list has it, `pipeline/label` for one that a hook carries itself, " +
		"`subscription/id` for a registered target, `@pipeline` for a pipeline's own steps; a slash in it is written %2F."}
	runFilters := []param{
		query("pipeline", "Only runs of this pipeline."), query("reason", "Only runs that are parked for this reason: a code such as retries_spent."),
		query("destination", "Only runs that are parked because of this destination."),
	}
	return []route{
		{
			method: http.MethodPost, path: "/api/v1/runs/{id}/retry", handle: a.retry,
			summary: "Opens a parked run again: what failed is done anew, under the revision that it began with. With an " +
				"Idempotency-Key header, asking twice is asking once.",
			params: []param{id("A run's id."), query("current", "`true` goes on under the live revision of its pipeline.", "true", "false")},
		},
		{
			method: http.MethodPost, path: "/api/v1/runs/{id}/drop", handle: a.drop,
			summary: "Ends a parked run for good; its record stays. With an Idempotency-Key header, asking twice is asking once.",
			params:  []param{id("A run's id.")},
		},
		{
			method: http.MethodGet, path: "/api/v1/parked", handle: a.parked,
			summary: "Parked runs, newest first: those that wait for a person.", params: append(runFilters, pageParams()...),
		},
		{
			method: http.MethodGet, path: "/api/v1/jobs", handle: a.listJobs,
			summary: "Jobs: those that go on first, then the newest. Of those that have ended the newest 1000 are kept.",
			params: []param{
				query("state", "Only jobs in this state.", jobStates()...), query("limit", "How many at most, 1 to 1000; 50 where not given."),
			},
		},
		{
			method: http.MethodPost, path: "/api/v1/jobs", handle: a.beginJob,
			summary: "Replays events, or retries or drops parked runs: many, at a rate, oldest first. It goes on after a restart. With an " +
				"Idempotency-Key header, which becomes the job's id, asking twice is asking once. With `dry_run` it only counts.",
			body: "kind (replay, retry, drop); ids, or a filter, or all: true; a filter of events is provider, event, status, of parked runs " +
				"pipeline, reason, destination, of both since and until; optionally rate, pipelines, pinned, current, dry_run",
		},
		{
			method: http.MethodGet, path: "/api/v1/jobs/{id}", handle: a.job,
			summary: "One job: how far it is; of a replay, what each pipeline made of the events, beside what it made of them first.",
			params: []param{
				id("A job's id."), query("limit", "Of how many events at most, 1 to 100; 20 where not given."),
				query("cursor", "Go on where the page before ended: its `next`."),
			},
		},
		{
			method: http.MethodPost, path: "/api/v1/jobs/{id}/cancel", handle: a.cancelJob,
			summary: "Stops a job; what it has done stays done. It can be resumed.", params: []param{id("A job's id.")},
		},
		{
			method: http.MethodPost, path: "/api/v1/jobs/{id}/resume", handle: a.resumeJob,
			summary: "Goes on with a job that was canceled or has failed, where it was.", params: []param{id("A job's id.")},
		},
		{
			method: http.MethodGet, path: "/api/v1/destinations", handle: a.destinations,
			summary: "Destinations by name: whether attempts pass, how many wait, and what the manifests say.",
		},
		{
			method: http.MethodPost, path: "/api/v1/destinations/{name}/pause", handle: a.pauseDestination,
			summary: "Holds back what is to be sent, until it is resumed or for a time.", params: []param{name},
			body: "optionally reason, and for: a duration such as 2h",
		},
		{
			method: http.MethodPost, path: "/api/v1/destinations/{name}/resume", handle: a.resumeDestination,
			summary: "Lets pass again what a pause, or an open breaker, holds back.", params: []param{name}, body: "optionally reason",
		},
		{
			method: http.MethodPost, path: "/api/v1/destinations/{name}/disable", handle: a.disableDestination,
			summary: "Sends nothing any more: runs that come to it are parked.", params: []param{name}, body: "optionally reason",
		},
		{
			method: http.MethodPost, path: "/api/v1/destinations/{name}/enable", handle: a.enableDestination,
			summary: "Sends again, and opens the runs again that were parked because it was disabled, in a job.", params: []param{name},
			body: "optionally reason",
		},
		{
			method: http.MethodGet, path: "/api/v1/audit", handle: a.audit,
			summary: "What people did, newest first: who, what, when, to what.",
			params: append([]param{
				query("action", "Only this action, or those that begin with it: `run` for run.retry and run.drop."),
				query("subject", "Only what was done to this: a run's or a job's id, a destination's name."),
			}, pageParams()...),
		},
		{
			method: http.MethodGet, path: "/api/v1/ledger", handle: a.ledger,
			summary: "The account of requests and of runs, by pipeline, and whether it adds up.",
		},
	}
}
