package provider

import (
	"fmt"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/signature"
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
			if !replayable {
				continue // what is sent again is known by its delivery id
			}
			f.Hint = "add `delivery: {header: …}`, or `delivery: body` for a hash of the body"
		case signature.Deprecated:
			f.Severity, f.Rule = diag.Hint, diag.DeprecatedScheme
		}
		if f.Rule == diag.WeakSignature && accepted {
			continue
		}
		c.out.Add(f)
	}
	if c.p.delivery == nil && c.v.Good("delivery") && !replayable {
		c.out.Add(diag.Finding{
			Severity: diag.Hint, Rule: diag.NoDelivery, Span: c.doc.NameSpan, Hint: "add `delivery: {header: …}`, or `delivery: body` for a hash of the body",
			Message: fmt.Sprintf("without `delivery`, what provider %q sends twice is processed twice", c.p.name),
		})
	}
}
