package admin

import "net/http"

// HandlerOf gives the admin listener's handler, HealthHandlerOf the health listener's.
func HandlerOf(s *Server) http.Handler { return s.admin }

// HealthHandlerOf gives the health listener's handler.
func HealthHandlerOf(s *Server) http.Handler { return s.health }

// RouteOf is what tests may know of a route.
type RouteOf struct {
	Method, Path string
	Open, Probe  bool
	Params       []string
}

// RoutesOf gives the table.
func RoutesOf() []RouteOf {
	var out []RouteOf
	for _, rt := range (&api{}).routes() {
		o := RouteOf{Method: rt.method, Path: rt.path, Open: rt.open, Probe: rt.probe}
		for _, p := range rt.params {
			o.Params = append(o.Params, p.name)
		}
		out = append(out, o)
	}
	return out
}
