package provider

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/signature"
)

// formats are the words of `body.format`.
func formats() []payload.Format {
	return []payload.Format{payload.JSON, payload.Form, payload.XML, payload.Raw}
}

// document reads what `body` and `each` say of the form of a request; its template comes later.
func (c *compiler) document() {
	c.p.formats = []payload.Format{payload.JSON}
	if body := c.v.Object("body"); body != nil {
		c.p.formats = nil
		for _, word := range body.Strings("format") {
			f := payload.Format(word)
			switch {
			case !slices.Contains(formats(), f):
				c.out.Errorf(diag.BadValue, body.Span("format"), "it takes `json`, `form`, `xml` or `text`, or a list of them", "`body.format` cannot be `%s`", word)
			case slices.Contains(c.p.formats, f):
				c.out.Errorf(diag.BadValue, body.Span("format"), "", "`body.format` has `%s` twice", word)
			default:
				c.p.formats = append(c.p.formats, f)
			}
		}
		if len(c.p.formats) == 0 {
			c.p.formats = []payload.Format{payload.JSON}
		}
	}
	if !c.v.Has("each") || !c.v.Good("each") {
		return
	}
	n := c.v.Node("each")
	where, path, whole := text(n), payload.Path{}, false
	if where, whole = strings.CutPrefix(where, "json:"); whole {
		var err error
		if path, err = payload.ParsePath(where); err != nil {
			c.out.Errorf(diag.BadValue, n.Span, "write json:PATH, such as json:events", "`each`: %s", err)
		}
	} else if where != "json" {
		c.out.Errorf(diag.BadValue, n.Span, "write json:PATH with the place of the list, or json where the document is the list", "`each` cannot be `%s`", where)
	}
	if c.p.formats[0] != payload.JSON || len(c.p.formats) > 1 {
		c.out.Errorf(diag.BadValue, n.Span, "leave `body.format` out", "only JSON has lists of events")
	}
	c.p.each = &path
}

// from compiles `body.from`.
func (c *compiler) from() {
	body := c.v.Object("body")
	if body == nil || !body.Has("from") || !body.Good("from") {
		return
	}
	n := body.Node("from")
	if c.p.source = signature.Parse(n, signature.BodyFrom, c.scope, c.out); c.p.source == nil {
		return
	}
	if c.p.source.Constant() {
		c.out.Errorf(diag.BadTemplate, n.Span, "name the piece of the body, such as {form:payload}", "%q names nothing of the request", text(n))
	}
	c.p.sourceClaims = c.p.source.Uses("claim")
	where, _, _ := c.p.source.Sole()
	c.p.bare = where == "form" && c.p.source.Optional()
}

// unpack puts the document of a request beside its body, where `body.from` says that it is not the body itself. What the template
// lacks makes an empty document, in which nothing is found: what the body holds must not stand in for it, for the signature may not
// speak of it. The one exception is a form that may lack its field.
func (p *Provider) unpack(r *Request) {
	if p.source == nil {
		return
	}
	r.missing, r.Document = nil, nil
	doc, err := p.source.Bytes(&r.Request, int(p.maxBody))
	switch {
	case err != nil:
		r.missing, r.Document = err, []byte{}
	case len(doc) > 0:
		r.Document = doc
	case !p.bare:
		r.Document = []byte{}
	}
}

// content gives the bytes of a request's document.
func (r *Request) content() []byte {
	if r.Document != nil {
		return r.Document
	}
	return r.Body
}

// Format is how documents are read; where the manifest names several, the one that counts where a Content-Type means none of them.
func (p *Provider) Format() payload.Format { return p.formats[0] }

// formatOf says how the document of a request is read: the format that the manifest names, of several that which the Content-Type means.
// It says nothing of a document that was taken out of its body. Nor is it believed of a body that is JSON or XML by how it begins: nobody
// signs it, and who has recorded a request could have its text read as a form that says something else.
func (p *Provider) formatOf(r *Request) payload.Format {
	if len(p.formats) == 1 || r.Document != nil {
		return p.formats[0]
	}
	if begins := guessFormat(r.Body); begins != payload.Form && slices.Contains(p.formats, begins) {
		return begins
	}
	media := mediaOf(r.Header)
	if media != "" {
		if f := payload.FormatOf(media); slices.Contains(p.formats, f) {
			return f
		}
	}
	return p.formats[0]
}

// onlyForm says that every body is a form, whatever its Content-Type says.
func (p *Provider) onlyForm() bool {
	return len(p.formats) == 1 && p.formats[0] == payload.Form && p.source == nil
}

// mediaOf gives the Content-Type without its parameters, in lower case.
func mediaOf(h http.Header) string {
	media, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(media))
}

// readable looks whether the document can be what the manifest says it is, and every other piece of the request that was believed on
// the way to it.
func (p *Provider) readable(r *Request, f payload.Format) *Refusal {
	if r.missing != nil {
		return unfit(http.StatusUnprocessableEntity, "schema_mismatch", "The body does not hold what is expected.", "body.from: "+r.missing.Error(), r.missing)
	}
	if r.Claims != nil {
		if err := payload.Check(r.Claims, payload.Limits{}); err != nil {
			return unfit(http.StatusBadRequest, "invalid_json", "The token's claims are not valid JSON.", "the claims: "+err.Error(), err)
		}
	}
	media := ""
	if r.Document == nil {
		if media = mediaOf(r.Header); strings.HasPrefix(media, "multipart/") && f != payload.Raw && f != payload.Form {
			return unsupported(f, media)
		}
	} else if p.readsOuter {
		if err := payload.Check(r.Body, payload.Limits{}); err != nil {
			return unfit(http.StatusBadRequest, "invalid_json", "The body is not valid JSON.", err.Error(), err)
		}
	}
	switch f {
	case payload.JSON:
		err := payload.Check(r.content(), payload.Limits{})
		switch {
		case err == nil:
		case media == "application/x-www-form-urlencoded":
			return unsupported(f, media) // the sender is set to send forms
		default:
			return unfit(http.StatusBadRequest, "invalid_json", "The body is not valid JSON.", err.Error(), err)
		}
	case payload.XML:
		if err := payload.CheckXML(r.content(), payload.Limits{}); err != nil {
			return unfit(http.StatusBadRequest, "invalid_xml", "The body is not valid XML.", err.Error(), err)
		}
	case payload.Form:
		if media == "application/json" || strings.HasSuffix(media, "+json") {
			return unsupported(f, media)
		}
	}
	return nil
}

// unfit is the refusal of a body that cannot be read.
func unfit(status int, code, message, detail string, cause error) *Refusal {
	if errors.Is(cause, signature.ErrTooLong) {
		status, code, message = http.StatusRequestEntityTooLarge, "body_too_large", "The body is too large."
	}
	return &Refusal{Status: status, Code: code, Message: message, Detail: detail}
}

func unsupported(f payload.Format, media string) *Refusal {
	return &Refusal{
		Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type", Message: "This content type is not accepted here.",
		Detail: fmt.Sprintf("the body is to be %s and came as %.100q", f, media),
	}
}

// contentType is what a sender of that format says.
func contentType(f payload.Format) string {
	switch f {
	case payload.Form:
		return "application/x-www-form-urlencoded"
	case payload.Raw:
		return "text/plain; charset=utf-8"
	case payload.XML:
		return "application/xml"
	}
	return "application/json"
}

// kindOf is the Content-Type that events of a request carry: the sender's, unless the event's body is only a piece of what was sent, or
// the type would have it read in another way than the manifest says.
func (p *Provider) kindOf(r *Request, f payload.Format) string {
	sent := r.Header.Get("Content-Type")
	if sent == "" || r.Document != nil || p.each != nil {
		return contentType(f)
	}
	if read := payload.FormatOf(sent); read != f && (read == payload.Form || read == payload.XML || f == payload.Form || f == payload.XML) {
		return contentType(f)
	}
	return sent
}

// formatOfText guesses the format of an example by how it begins, among those that the provider takes.
func (p *Provider) formatOfText(body []byte) payload.Format {
	if guess := guessFormat(body); slices.Contains(p.formats, guess) {
		return guess
	}
	return p.formats[0]
}

// guessFormat tells JSON and XML by how they begin, and takes all else for a form.
func guessFormat(body []byte) payload.Format {
	switch begins := bytes.TrimLeft(body, " \t\r\n"); {
	case bytes.HasPrefix(begins, []byte("{")) || bytes.HasPrefix(begins, []byte("[")):
		return payload.JSON
	case bytes.HasPrefix(begins, []byte("<")):
		return payload.XML
	}
	return payload.Form
}
