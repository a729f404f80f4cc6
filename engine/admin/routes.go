package admin

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// route is one line of the table from which the router, the access rule and the OpenAPI page are made.
type route struct {
	method  string
	path    string // as http.ServeMux writes it
	summary string
	params  []param
	body    string // of a write: what its JSON body holds, for the OpenAPI page; "" for none
	// open routes need no token.
	open bool
	// probe routes are on the health listener too.
	probe  bool
	handle func(w http.ResponseWriter, r *http.Request) error
}

// param is one query or path parameter.
type param struct {
	name string
	in   string // "query" or "path"
	doc  string
	enum []string
}

// api holds what the handlers need.
type api struct {
	reader        Reader
	gateway       Gateway
	jobs          Jobs
	learned       Learned
	audience      Audience
	folder        Folder
	metrics       http.Handler
	alive         func() error
	log           *slog.Logger
	now           func() time.Time
	metricsPublic bool
	backingUp     atomic.Bool
}

// routes is the whole table.
func (a *api) routes() []route {
	return slices.Concat(a.generalRoutes(), a.peopleRoutes(), a.subscriptionRoutes(), a.backupRoutes())
}

// idParam is the id in a path, queryParam a parameter of a query; pageParams are those of every list.
func idParam(doc string) param { return param{name: "id", in: "path", doc: doc} }

func queryParam(name, doc string, enum ...string) param {
	return param{name: name, in: "query", doc: doc, enum: enum}
}

func pageParams() []param {
	return []param{
		queryParam("since", "Only what is newer: a duration back from now (1h, 3d) or a time (RFC 3339)."),
		queryParam("until", "Only what is older: as `since`."),
		queryParam("limit", "How many at most, 1 to 1000; 50 where not given."),
		queryParam("cursor", "Go on where the page before ended: its `next`."),
	}
}

// generalRoutes are those of what runs here, and of what came.
func (a *api) generalRoutes() []route {
	id, query, page := idParam, queryParam, pageParams()
	return []route{
		{
			method: http.MethodGet, path: "/healthz", open: true, probe: true, handle: a.healthz,
			summary: "Whether the process is alive and makes progress.",
		},
		{
			method: http.MethodGet, path: "/readyz", open: true, probe: true, handle: a.readyz,
			summary: "Whether requests should be sent here, with the parts that this depends on.",
		},
		{
			method: http.MethodGet, path: "/metrics", open: a.metricsPublic, probe: true, handle: a.prometheus,
			summary: "Metrics in the Prometheus text format.",
		},
		{
			method: http.MethodGet, path: "/api/v1/openapi.json", handle: a.openapi,
			summary: "This API as an OpenAPI document.",
		},
		{
			method: http.MethodGet, path: "/api/v1/status", handle: a.status,
			summary: "What runs here: version, manifests, last reload, store, counters, addresses.",
		},
		{
			method: http.MethodGet, path: "/api/v1/events", handle: a.events,
			summary: "Events, newest first, without bodies.",
			params: append([]param{
				query("provider", "Only events of this provider."),
				query("event", "Only events of this name."),
				query("status", "Only events in this state.", eventStatuses()...),
			}, page...),
		},
		{
			method: http.MethodGet, path: "/api/v1/events/{id}", handle: a.event,
			summary: "One event with its runs.",
			params: []param{
				id("An event's id, or the execution_id that its sender got."),
				query("body", "`true` adds the body to the document, `raw` answers the body's bytes alone.", "true", "false", "raw"),
			},
		},
		{
			method: http.MethodGet, path: "/api/v1/runs", handle: a.runs,
			summary: "Runs, newest first.",
			params: append([]param{
				query("event", "Only runs of this event: its id, or its execution_id."),
				query("pipeline", "Only runs of this pipeline."),
				query("state", "Only runs in this state, or done with this outcome.", runStates()...),
				query("reason", "Only runs that are parked, or limited, for this reason: a code such as retries_spent."),
				query("destination", "Only runs that are parked because of this destination."),
				query("job", "Only runs that this replay made: a job's id."),
			}, page...),
		},
		{
			method: http.MethodGet, path: "/api/v1/runs/{id}", handle: a.run,
			summary: "One run whole: its steps with what they read, its attempts, and where it waits.",
			params:  []param{id("A run's id.")},
		},
		{
			method: http.MethodGet, path: "/api/v1/pipelines", handle: a.pipelines,
			summary: "The pipelines that are live: what starts them, and their limits.",
		},
		{
			method: http.MethodGet, path: "/api/v1/pipelines/{name}", handle: a.picture,
			summary: "A pipeline as it is drawn: its nodes and connections. With a run, as it was when the run began, and what became of each node.",
			params:  []param{{name: "name", in: "path", doc: "A pipeline's name."}, query("run", "A run of the pipeline.")},
		},
		{
			method: http.MethodPost, path: "/api/v1/pipelines/{name}/run", handle: a.runPipeline,
			summary: "Runs a pipeline by hand, from its start node, and answers with the ids of the event and the run before it has begun. With an " +
				"Idempotency-Key header, asking twice is asking once. 404 where there is no such pipeline, 409 where it has no start node.",
			params: []param{{name: "name", in: "path", doc: "A pipeline's name."}},
			body:   "optionally input, an object: what the run gets as its payload",
		},
		{
			method: http.MethodGet, path: "/api/v1/rejections", handle: a.rejections,
			summary: "Refused requests, newest first: why, and how many alike. Without bodies and without the values of their headers.",
			params: append([]param{
				query("provider", "Only requests for this provider."),
				query("code", "Only requests refused with this code, e.g. invalid_signature."),
				query("request", "Only the request with this X-Request-Id."),
			}, slices.DeleteFunc(page, func(p param) bool { return p.name == "until" })...),
		},
		{
			method: http.MethodGet, path: "/api/v1/explain/{id}", handle: a.explain,
			summary: "What became of a request: why it was refused, or its events with what each pipeline made of them, and what each run read.",
			params:  []param{id("A request's id (X-Request-Id), an event's id, the execution_id that its sender got, or a run's id.")},
		},
		{
			method: http.MethodGet, path: "/api/v1/learned", handle: a.listLearned,
			summary: "The secrets that providers handed over in handshakes, by provider, the oldest first: a digest of each, never the secret.",
		},
		{
			method: http.MethodPost, path: "/api/v1/learned/{provider}/reveal", handle: a.revealLearned,
			summary: "The newest secret that a provider handed over, in the clear, for its settings page. 410 when more than ten minutes have " +
				"passed since; 404 where there is none that can be read. Each time is logged.",
			params: []param{{name: "provider", in: "path", doc: "A provider's name; it need not be in the manifests any more."}},
		},
		{
			method: http.MethodDelete, path: "/api/v1/learned/{provider}", handle: a.dropLearned,
			summary: "Drops all that a provider handed over, for good and at once. 404 where there is nothing of that provider.",
			params:  []param{{name: "provider", in: "path", doc: "A provider's name; it need not be in the manifests any more."}},
		},
		{
			method: http.MethodPost, path: "/api/v1/reload", handle: a.reload,
			summary: "Loads the manifests again. 422 with findings where they are refused; 409 where the folder is empty and this was " +
				"not confirmed. The running manifests then serve on.",
			params: []param{query("confirm", "`true` accepts a folder without manifests.", "true", "false")},
		},
		{
			method: http.MethodPost, path: "/api/v1/sign", handle: a.sign,
			summary: "Makes the request that a provider would send, signed with its secret.",
			body: "provider, event, and optionally delivery and body (text) or body_base64; the event's example where there is no body. Or " +
				"provider and handshake, its name or number",
		},
	}
}

func healthRoutes(all []route) []route {
	return slices.DeleteFunc(slices.Clone(all), func(rt route) bool { return !rt.probe })
}

// wrap makes the handler of one listener's routes.
func (g *guard) wrap(a *api, routes []route) http.Handler {
	byPath := map[string][]route{}
	for _, rt := range routes {
		byPath[rt.path] = append(byPath[rt.path], rt)
	}
	mux := http.NewServeMux()
	for path, methods := range byPath {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { g.serve(a, w, r, methods) })
	}
	// Paths that nobody knows are behind the token too: the list of routes is nobody else's business.
	unknown := route{method: http.MethodGet, handle: func(http.ResponseWriter, *http.Request) error { return unknownPath(routes) }}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { g.answer(a, w, r, unknown) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := g.checkHost(r); p != nil {
			a.answerError(w, r, p)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (g *guard) serve(a *api, w http.ResponseWriter, r *http.Request, methods []route) {
	var allowed []string
	for _, rt := range methods {
		if r.Method == rt.method || r.Method == http.MethodHead && rt.method == http.MethodGet {
			g.answer(a, w, r, rt)
			return
		}
		allowed = append(allowed, rt.method)
		if rt.method == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	g.answer(a, w, r, route{method: http.MethodGet, open: methods[0].open, handle: func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return refuse(http.StatusMethodNotAllowed, "method_not_allowed", "use "+strings.Join(allowed, " or "))
	}})
}

func (g *guard) answer(a *api, w http.ResponseWriter, r *http.Request, rt route) {
	identify(w, r)
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	if p := g.allow(r, rt); p != nil {
		if p.status == http.StatusUnauthorized {
			h.Set("WWW-Authenticate", `Bearer realm="headgate"`)
		}
		a.answerError(w, r, p)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, MaxBodyBytes)
	if err := rt.handle(w, r); err != nil {
		a.answerError(w, r, err)
	}
}

func unknownPath(routes []route) *problem {
	p := refuse(http.StatusNotFound, "not_found", "there is nothing at this path")
	for _, rt := range routes {
		p.Routes = append(p.Routes, rt.method+" "+rt.path)
	}
	return p
}
