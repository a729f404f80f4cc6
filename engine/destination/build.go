package destination

import (
	"context"
	"strconv"

	"github.com/headgate/headgate/engine/fault"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/hooks"
)

// Delivery is what one attempt is about.
type Delivery struct {
	// Env holds what templates may name.
	Env *script.Env
	// Message is the output of the node before the hook: a plain value, sent where no body is stated.
	Message any
	// Raw and RawType are the event's original bytes and content type, where the hook stands directly behind a receive; nil elsewhere.
	Raw     []byte
	RawType string
	// Body, where HasBody, is the stated body as RenderBody gave it; else Build renders the destination's own.
	Body    any
	HasBody bool
	// IdempotencyKey is the same over all attempts.
	IdempotencyKey string
	// Attempt counts from 1.
	Attempt     int
	Traceparent string
	// Note, where it is not nil, hears in a sentence of everything that was cut from a message.
	Note func(text string)
}

// Build renders the request of one attempt. The error is a *fault.Error whose code is one of this package's, and says nothing of
// references; a later attempt would fail the same way. Only where ctx ended it is the cause of that.
func (d *Destination) Build(ctx context.Context, in Delivery) (hooks.Request, error) {
	if in.Env == nil {
		in.Env = &script.Env{}
	}
	url, err := d.address.render(ctx, in.Env)
	if err != nil {
		return hooks.Request{}, ended(ctx, err)
	}
	header, err := d.renderHeaders(ctx, in.Env)
	if err != nil {
		return hooks.Request{}, ended(ctx, err)
	}
	body, contentType, err := d.content(ctx, in)
	if err != nil {
		return hooks.Request{}, ended(ctx, err)
	}
	setDefault := func(name, value string) {
		if _, set := header[name]; !set && value != "" {
			header[name] = []string{value}
		}
	}
	setDefault(headerContentType, contentType)
	setDefault(headerIdempotency, in.IdempotencyKey)
	setDefault(headerTraceparent, in.Traceparent)
	if in.Attempt > 0 {
		setDefault(headerAttempt, strconv.Itoa(in.Attempt))
	}
	return hooks.Request{
		Method: d.method, URL: url, Header: header, Body: body, Timeout: d.timeout, Insecure: d.insecure, Line: d.line,
	}, nil
}

func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// content gives the body and the content type that it has unless the manifest says another.
func (d *Destination) content(ctx context.Context, in Delivery) (body []byte, contentType string, err error) {
	value := in.Body
	switch {
	case in.HasBody:
	case d.body != nil:
		if value, err = d.body.render(ctx, in.Env); err != nil {
			return nil, "", err
		}
	case !d.sendsByDefault():
		return nil, "", nil
	case in.Raw != nil && d.kind.message == nil:
		return in.Raw, in.RawType, nil
	default:
		value = in.Message
	}
	if d.kind.message != nil {
		note := in.Note
		if note == nil {
			note = func(string) {}
		}
		if value, err = d.kind.message(value, note); err != nil {
			return nil, "", err
		}
	}
	if text, ok := value.(string); ok {
		if text == "" {
			return nil, "", nil
		}
		return []byte(text), "text/plain; charset=utf-8", nil
	}
	body, err = payload.Encode(value)
	if err != nil {
		return nil, "", fault.New(fault.Invalid, CodeBadBody, "the body has no JSON form", err)
	}
	return body, "application/json", nil
}
