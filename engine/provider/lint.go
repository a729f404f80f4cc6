package provider

import (
	"fmt"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/signature"
	"github.com/headgate/headgate/engine/source"
)

// lint tells what is weak about a provider by design. The findings stand where the operator wrote, because the catalogue is not the
// operator's to change.
func (c *compiler) lint() {
	if !c.doc.Enabled || c.doc.Partial {
		return
	}
	replayable := false
	accepted := c.v.String("accept_weak") != ""
	for _, note := range c.p.scheme.Lint() {
		f := diag.Finding{Severity: diag.Warning, Rule: diag.WeakSignature, Span: c.own(note.Span), Message: note.Message, Hint: note.Hint}
		switch note.Kind {
		case signature.Unsigned:
			if c.p.token != nil {
				continue // nobody knows the address
			}
		case signature.NoTimestamp:
			replayable = c.p.delivery == nil && !c.doc.DiPeO // whose documents have no word for it
			switch {
			case replayable:
				f.Hint = "add `delivery: {header: …}`, or `delivery: body` for a hash of the body"
			case !c.renewable(note):
				continue // what is sent again is known by its delivery id
			default:
				f.Severity, f.Span = diag.Hint, c.deliverySpan(note)
				f.Message = "nothing signed tells a repeated request: neither the delivery id nor a time is signed, so who has recorded one can send it again as a new one"
				f.Hint = c.signedID()
			}
		case signature.Deprecated:
			f.Severity, f.Rule = diag.Hint, diag.DeprecatedScheme
		}
		if f.Rule == diag.WeakSignature && accepted {
			continue
		}
		c.out.Add(f)
	}
	if c.p.retriesParked && c.p.delivery == nil && c.v.Good("delivery") {
		c.out.Add(diag.Finding{
			Severity: diag.Warning, Rule: diag.NoDelivery, Span: c.own(c.v.Span("redeliver")),
			Hint:    "add `delivery: {header: …}`, or `delivery: body` for a hash of the body",
			Message: "`redeliver: retry_parked` never does anything: without `delivery` no request is known to come again",
		})
		return
	}
	if c.p.delivery == nil && c.v.Good("delivery") && !replayable {
		c.out.Add(diag.Finding{
			Severity: diag.Hint, Rule: diag.NoDelivery, Span: c.doc.NameSpan, Hint: "add `delivery: {header: …}`, or `delivery: body` for a hash of the body",
			Message: fmt.Sprintf("without `delivery`, what provider %q sends twice is processed twice", c.p.name),
		})
	}
}

// renewable says whether a request that somebody has recorded can be sent again under another delivery id. Of a rule of the catalogue's it
// is not said: there `headgate catalog` tells it, and the operator who uses it has no better id to name.
func (c *compiler) renewable(note signature.Note) bool {
	if file := note.Span.File; file != c.doc.File && (file == nil || strings.HasPrefix(file.Name, manifest.CataloguePrefix)) {
		return false
	}
	return c.p.delivery != nil && c.p.scheme.Renewable(c.p.delivery, c.p.source)
}

// signedID says where a delivery id could be taken from that nobody can change.
func (c *compiler) signedID() string {
	body := signature.Parse(source.NewString("{body}", c.doc.NameSpan), signature.Identity, c.scope, &diag.List{})
	if body == nil || c.p.scheme.Renewable(body, nil) {
		return "take the id from the pieces that are signed, such as `delivery: \"{form:data|sha256|hex}\"`"
	}
	return "take the id from what is signed: `delivery: {body: id}`, or `delivery: body` for a hash of the body"
}

// deliverySpan is where the operator would mend a delivery id that is not signed: where it is written, or else where the rule is.
func (c *compiler) deliverySpan(note signature.Note) source.Span {
	if n := c.v.Node("delivery"); n != nil && n.Span.File == c.doc.File {
		return n.Span
	}
	return c.own(note.Span)
}
