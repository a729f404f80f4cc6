// Package admin is the operator's door: probes, metrics and the JSON API under /api/v1, on a listener of its own.
//
// It holds no rules of the business: it reads through [Reader], asks [Gateway] and [Learned], and turns what they say into
// documents ([Event], [Run], [Status]) and codes. Every route stands in one table (routes.go), from which the router, the access rule and
// the OpenAPI page are made; a route that is not in the table does not exist.
//
//	probes (/healthz, /readyz)   open; also on the health listener, which may be reached from elsewhere
//	/metrics                     as the API, or open where Options.MetricsPublic
//	the API                      a bearer token, compared as a digest in constant time; without a token the listener must be
//	                             on a loopback address, and the Host header must name one (a rebinding name does not)
//
// GET changes nothing; a write needs a JSON content type or no body, and must not come from another site's page. The listener is
// no part of the snapshot: no manifest can take it down. Not here: what senders talk to (engine/ingress).
//
// A [Server] is a service.Service; its handlers run concurrently.
package admin
