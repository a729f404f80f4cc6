package ingress

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/store"
)

// refusal is a refusal that this package decides about; a provider's own come from Receive.
func refusal(status int, code, message, detail string) *provider.Refusal {
	return &provider.Refusal{Status: status, Code: code, Message: message, Detail: detail}
}

// turnAway answers a request that is refused, and tells the operator why. Somebody who knocks a thousand times a second fills neither
// log nor store, and has nothing explained that often: each kind of refusal is told once in a while, with a count of the others. The
// answer goes out first, so that how long an explanation takes tells the sender nothing. R is what the provider looked at, nil where it
// looked at nothing.
func (x *exchange) turnAway(p *provider.Provider, r *provider.Request, why *provider.Refusal) {
	kind := why.Code
	if p != nil {
		kind = p.Name() + "/" + why.Code
	}
	said, say := x.quiet.say(kind, x.arrived)
	record := x.o.Rejections != nil && x.quota.take(kind, x.arrived)
	x.early = (say || record) && why.Signature
	if why.Status == http.StatusServiceUnavailable {
		x.w.Header().Set("Retry-After", retryAfter)
	}
	if why.Reply != nil {
		x.reply(why.Reply, why.Code)
	} else {
		x.refuse(why.Status, why.Code, why.Message)
	}
	reason := why.Detail
	if (say || record) && p != nil && r != nil && why.Signature {
		if more := p.Explain(r); more != "" {
			reason = more
		}
	}
	if say {
		x.tell(p, why, reason, said)
	}
	switch {
	case x.o.Rejections == nil:
	case record:
		one := x.rejection(r, why, reason)
		one.Headers = headerNames(x.r.Header)
		x.o.Rejections.Reject(one)
	default:
		x.o.Rejections.Count(x.rejection(r, why, reason))
	}
}

// tell logs a refusal.
func (x *exchange) tell(p *provider.Provider, why *provider.Refusal, reason string, count int) {
	if p == nil {
		x.log.Warn("request for a provider that does not exist", "request_id", x.id, "path", fmt.Sprintf("%.80q", x.path()), "address", x.remote(), "count", count)
		return
	}
	x.log.Warn("request refused", "request_id", x.id, "provider", x.name, "code", why.Code, "reason", reason, "address", x.remote(), "count", count)
}

// rejection is the record of a refusal: nothing of the body, of the query or of the values of headers that might be secret.
func (x *exchange) rejection(r *provider.Request, why *provider.Refusal, reason string) store.Rejection {
	out := store.Rejection{
		Request: x.id, Provider: x.asked, Status: why.Status, Code: why.Code, Reason: reason, Rule: why.Rule, Address: x.remote(),
		Method: x.r.Method, Path: x.path(), ContentType: x.r.Header.Get("Content-Type"), UserAgent: x.r.UserAgent(),
		BodySize: max(0, x.r.ContentLength), At: x.arrived, Count: 1,
	}
	if why.Reply != nil {
		out.Status = why.Reply.Status
	}
	if r != nil && len(r.Body) > 0 {
		out.BodySize = int64(len(r.Body))
	}
	return out
}

// headerNames gives the names of headers in lower case, sorted.
func headerNames(h http.Header) []string {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, strings.ToLower(name))
	}
	slices.Sort(names)
	return names
}

// path is the path that was asked for, for logs and records: what stands behind a provider's name may be a token, or somebody's
// misspelling of one.
func (x *exchange) path() string {
	rest, ok := strings.CutPrefix(x.r.URL.Path, root)
	if !ok {
		return x.r.URL.Path
	}
	name, tail, deeper := strings.Cut(rest, "/")
	switch {
	case !deeper:
		return root + name
	case tail == "test":
		return root + name + "/test"
	case strings.HasSuffix(tail, "/test"):
		return root + name + "/" + secret.Mask + "/test"
	}
	return root + name + "/" + secret.Mask
}

// notFound answers a request whose address leads to no provider: for a stranger one that lacks the token of an address is the same.
func (x *exchange) notFound(p *provider.Provider, detail string) {
	x.turnAway(p, nil, refusal(http.StatusNotFound, "provider_not_found", "There is no such provider.", detail))
}

// notAllowed answers a method that nothing here takes.
func (x *exchange) notAllowed(p *provider.Provider, allow ...string) {
	x.w.Header().Set("Allow", strings.Join(allow, ", "))
	x.turnAway(p, nil, refusal(http.StatusMethodNotAllowed, "method_not_allowed", "This method is not accepted here.", strconv.Quote(x.r.Method)+" is none of "+strings.Join(allow, ", ")))
}

// unread answers a request whose body could not be read.
func (x *exchange) unread(p *provider.Provider, err error) {
	x.w.Header().Set("Connection", "close") // what is left of the body is not waited for
	why := refusal(http.StatusBadRequest, "incomplete_body", "The body did not arrive whole.", err.Error())
	switch {
	case errors.Is(err, errTooLarge):
		why = refusal(http.StatusRequestEntityTooLarge, "body_too_large", "The body is too large.", err.Error())
	case errors.Is(err, errNoRoom):
		why = refusal(http.StatusServiceUnavailable, "store_unavailable", "Too much is being received now; try again later.", err.Error())
	}
	x.turnAway(p, nil, why)
}
