package provider

// SignRequest signs a request that is whole but for its signature, at the time r.Now, by the rule of that index; -1 is the first rule
// that can sign. It may change the query, the headers and the body of r. Unlike [Provider.Sign] it puts neither a name nor a delivery id
// anywhere.
func (p *Provider) SignRequest(r *Request, rule int) error {
	r.Form = p.onlyForm()
	if r.URL, r.Endpoint = p.publicURL, p.publicURL; r.URL != "" && r.Query != "" {
		r.URL += "?" + r.Query
	}
	p.unpack(r)
	d := draft{p: p, r: r}
	return d.sign(rule)
}

// holdsDelivery says whether the document, which is not signed yet, gives the delivery id by itself.
func (d *draft) holdsDelivery() bool {
	t := d.p.delivery
	return t != nil && len(t.Args("header"))+len(t.Args("query")) == 0 && d.p.deliveryOf(d.r) != ""
}

// Compose is Sign, or SignHandshake where a handshake is named. A nil Body stands for the event's example.
func (p *Provider) Compose(m Message, handshake string) (Signed, error) {
	if handshake != "" {
		return p.SignHandshake(handshake, m.Now)
	}
	if m.Body == nil {
		var err error
		if m.Body, m.ContentType, err = p.Example(m.Event); err != nil {
			return Signed{}, err
		}
	}
	return p.Sign(m)
}
