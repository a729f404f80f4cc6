package provider

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/headgate/headgate/engine/payload"
)

// maxItems bounds the events of one request: ten times what the largest sender puts into one, and few enough for one commit.
const maxItems = 5000

// items gives the items of a request that holds several events: the exact bytes of each.
func (p *Provider) items(r *Request) ([][]byte, *Refusal) {
	none := func(detail string) *Refusal {
		return &Refusal{Status: http.StatusUnprocessableEntity, Code: "schema_mismatch", Message: "The body does not hold what is expected.", Detail: "each: " + detail}
	}
	list, ok, err := p.each.Find(r.content())
	if err != nil || !ok {
		return nil, none("there is no " + p.eachText())
	}
	if string(list) == "null" && !p.each.IsZero() {
		return nil, nil // how some write an empty list
	}
	out, ok, err := payload.Items(list, maxItems)
	switch {
	case errors.Is(err, payload.ErrTooManyItems):
		return nil, &Refusal{
			Status: http.StatusRequestEntityTooLarge, Code: "body_too_large", Message: "The body is too large.",
			Detail: fmt.Sprintf("each: more than %d events in one request", maxItems),
		}
	case err != nil || !ok:
		return nil, none(p.eachText() + " is neither a list nor an object")
	}
	return out, nil
}

func (p *Provider) eachText() string {
	if p.each.IsZero() {
		return "json"
	}
	return "json:" + p.each.String()
}
