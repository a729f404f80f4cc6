package trial

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/headgate/headgate/engine/pipeline"
	"github.com/headgate/headgate/engine/provider"
)

// Payloads, for tests of the catalogue, sends an event's example to its provider and gives the payloads of the events that come of it, decoded as pipelines see
// them.
func Payloads(ctx context.Context, p *provider.Provider, name string) ([]any, error) {
	now, err := time.Parse(time.RFC3339, Now)
	if err != nil {
		return nil, fmt.Errorf("reading the clock of tests: %w", err)
	}
	signed, err := p.Compose(provider.Message{Event: name, Delivery: "", Keep: true, Now: now, Rule: -1}, "")
	if err != nil {
		return nil, fmt.Errorf("making a request of the example: %w", err)
	}
	o := observe(ctx, p, sentOf(signed), now, nil, "")
	if len(o.events) == 0 {
		return nil, fmt.Errorf("the example is %s (%s %s)", o.verdict, o.code, o.diagnosis)
	}
	out := make([]any, len(o.events))
	for i := range o.events {
		out[i] = pipeline.Decode(&o.events[i])
	}
	return out, nil
}

// Received, for tests of the catalogue, signs a body as a provider would and gives the names and payloads of the events that come of it;
// none where it is refused. An event's name counts where the body does not tell it.
func Received(ctx context.Context, p *provider.Provider, name string, header http.Header, body []byte) (names []string, payloads []any) {
	now, err := time.Parse(time.RFC3339, Now)
	if err != nil {
		return nil, nil
	}
	var requests []*sent
	request := &provider.Request{}
	request.Method, request.PathQuery, request.Header, request.Body, request.Now = http.MethodPost, p.Path(), header, body, now
	if err := p.SignRequest(request, -1); err == nil {
		requests = append(requests, &sent{method: request.Method, path: p.Path(), query: request.Query, header: request.Header, body: request.Body})
	}
	if signed, err := p.Sign(provider.Message{Event: name, Body: body, Keep: true, Now: now, Rule: -1}); err == nil && name != "" {
		requests = append(requests, sentOf(signed))
	}
	for _, r := range requests {
		for _, e := range observe(ctx, p, r, now, nil, "").events {
			if e.Name != "" {
				names, payloads = append(names, e.Name), append(payloads, pipeline.Decode(&e))
			}
		}
		if len(names) > 0 {
			return names, payloads
		}
	}
	return nil, nil
}
