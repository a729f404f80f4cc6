package destination

import (
	"slices"

	"github.com/headgate/headgate/hooks"
)

// maxShownBytes of a header's value are shown.
const maxShownBytes = 200

// Shown gives the headers of a request that may be recorded, by their canonical names: ours, those of the form that signs and of the
// type, and what the manifest writes out. Never among them are signatures, credentials, what references hold, and what templates of the
// manifest made of an event.
func (d *Destination) Shown(req hooks.Request) map[string]string {
	names := []string{
		headerContentType, headerIdempotency, headerTraceparent, headerAttempt, headerFirst,
	}
	for _, h := range slices.Concat(d.headers, d.kind.headers) {
		if h.shown {
			names = append(names, h.name)
		}
	}
	if d.sign != nil {
		names = append(names, d.sign.shown...)
	}
	shown := make(map[string]string, len(names))
	for _, name := range names {
		values := req.Header[name]
		if len(values) != 1 || d.sign != nil && name == d.sign.header || d.hides(name) {
			continue
		}
		shown[name] = cutBytes(d.scrubber.Scrub(values[0]), maxShownBytes)
	}
	return shown
}

// hides says that the manifest gives the header a value that is not shown.
func (d *Destination) hides(name string) bool {
	return slices.ContainsFunc(d.headers, func(h header) bool { return h.name == name && !h.shown })
}
