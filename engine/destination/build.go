package destination

import (
	"context"
	"strconv"
	"time"

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
	// IdempotencyKey is the same over all attempts, and ID, which templates and signatures have as `delivery.id`, is the same as
	// IdempotencyKey where it is "".
	IdempotencyKey string
	ID             string
	// Attempt counts from 1. First is when the first was made, Now when this one is: the time that is signed. Now is the present where it
	// is zero, and First is Now.
	Attempt     int
	First, Now  time.Time
	Traceparent string
	// Note, where it is not nil, hears in a sentence of everything that was cut from a message.
	Note func(text string)
}

// Build renders the request of one attempt. The error is a *fault.Error whose code is one of this package's, and says nothing of
// references; a later attempt would fail the same way. Only where ctx ended it is the cause of that.
func (d *Destination) Build(ctx context.Context, in Delivery) (hooks.Request, error) {
	if d.address == nil {
		return hooks.Request{}, badURL("the destination has no address")
	}
	env := d.attemptEnv(&in)
	address, err := d.address.render(ctx, env)
	if err != nil {
		return hooks.Request{}, ended(ctx, err)
	}
	header, err := d.renderHeaders(ctx, env)
	if err != nil {
		return hooks.Request{}, ended(ctx, err)
	}
	body, contentType, err := d.content(ctx, env, in)
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
		setDefault(headerFirst, in.First.UTC().Format(time.RFC3339))
	}
	if d.sign != nil {
		if err := d.sign.render(ctx, env, header); err != nil {
			return hooks.Request{}, ended(ctx, err)
		}
		if err := d.sign.sign(d.method, address, header, body, in.Now); err != nil {
			return hooks.Request{}, err
		}
	}
	return hooks.Request{
		Method: d.method, URL: address, Header: header, Body: body, Timeout: d.timeout, Insecure: d.insecure, Line: d.line,
		Token: d.auth.token, Certificate: d.auth.certificate,
	}, nil
}

// attemptEnv fills in what a delivery leaves out, and gives what templates see of it.
func (d *Destination) attemptEnv(in *Delivery) *script.Env {
	if in.Env == nil {
		in.Env = &script.Env{}
	}
	if in.ID == "" {
		in.ID = in.IdempotencyKey
	}
	if in.Now.IsZero() {
		in.Now = time.Now()
	}
	if in.First.IsZero() {
		in.First = in.Now
	}
	if _, own := in.Env.Outputs[deliveryName]; own {
		return in.Env // a node has that label
	}
	return with(in.Env, deliveryName, deliveryValue(in))
}

func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// content gives the body and the content type that it has unless the manifest says another.
func (d *Destination) content(ctx context.Context, env *script.Env, in Delivery) (body []byte, contentType string, err error) {
	value := in.Body
	switch {
	case in.HasBody:
	case d.body != nil:
		if value, err = d.body.render(ctx, env); err != nil {
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
		return d.message(ctx, env, value, in.Note)
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

// message gives a value in the form that the type's receiver takes.
func (d *Destination) message(ctx context.Context, env *script.Env, value any, note func(string)) (body []byte, contentType string, err error) {
	if note == nil {
		note = func(string) {}
	}
	m, err := d.kind.message.build(ctx, env, value)
	if err != nil {
		return nil, "", err
	}
	if m, err = hold(m, d.kind.limits, note); err != nil {
		return nil, "", err
	}
	if d.kind.member != "" && !d.member.IsZero() {
		m[d.kind.member] = d.member.Reveal()
	}
	if body, err = payload.Encode(m); err != nil {
		return nil, "", fault.New(fault.Invalid, CodeBadBody, "the body has no JSON form", err)
	}
	return body, d.kind.contentType, holdBytes(body, d.kind.limits)
}
