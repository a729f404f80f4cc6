package payload

import (
	"net/url"
	"strings"
	"sync"
)

// Format tells how a body is read.
type Format string

// The formats of a body.
const (
	JSON Format = "json"
	Form Format = "form" // application/x-www-form-urlencoded or multipart/form-data
	XML  Format = "xml"
	Raw  Format = "text" // the body as one string
	// Auto is JSON where the body is JSON, and text otherwise.
	Auto Format = "auto"
)

// FormatOf gives the format that a manifest names (`json`, `form`, `text`, `xml`) or that a Content-Type means. Senders are careless
// with the latter (JSON travels as text/plain, too), so every type but those of JSON, XML and forms is Auto; none is JSON.
func FormatOf(s string) Format {
	switch f := Format(s); f {
	case JSON, Form, XML, Raw, Auto:
		return f
	}
	media, _, _ := strings.Cut(s, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	switch {
	case media == "" || media == "application/json" || strings.HasSuffix(media, "+json"):
		return JSON
	case media == "application/x-www-form-urlencoded" || media == "multipart/form-data":
		return Form
	case media == "application/xml" || media == "text/xml" || strings.HasSuffix(media, "+xml"):
		return XML
	}
	return Auto
}

// Document is a body whose value is decoded when it is first asked for. It may be used by many goroutines at once.
type Document struct {
	body   []byte
	format Format
	kind   string // as it was given: a multipart form is read by the boundary in it
	once   sync.Once
	value  any
	err    error
}

// New makes a Document of a body, which the caller must not change afterwards. Kind is a format or a Content-Type, see [FormatOf]; a
// multipart form needs the latter, for its boundary.
func New(body []byte, kind string) *Document {
	return &Document{body: body, format: FormatOf(kind), kind: kind}
}

// Body gives the bytes; the caller must not change them.
func (d *Document) Body() []byte { return d.body }

// Value gives the decoded body, the same value to every caller: nobody may change it. JSON is read by [Decode], XML by
// [DecodeXML], a form by [DecodeForm] or [DecodeMultipart], text is a string.
func (d *Document) Value() (any, error) {
	d.once.Do(func() { d.value, d.err = d.decode() })
	return d.value, d.err
}

func (d *Document) decode() (any, error) {
	switch d.format {
	case Form:
		form, err := d.form()
		if err != nil {
			return nil, err
		}
		return form, nil
	case XML:
		return DecodeXML(d.body)
	case Auto:
		if v, err := Decode(d.body); err == nil {
			return v, nil
		}
		return text(d.body), nil
	case Raw:
		return text(d.body), nil
	}
	return Decode(d.body)
}

func (d *Document) form() (map[string]any, error) {
	if IsMultipart(d.kind) {
		return DecodeMultipart(d.body, d.kind)
	}
	return DecodeForm(d.body)
}

func text(body []byte) string { return strings.ToValidUTF8(string(body), "\uFFFD") }

// DecodeForm reads an urlencoded form: a key that occurs once gives a string, one that occurs more often a list of strings in the
// order sent. The error is an *Error.
func DecodeForm(body []byte) (map[string]any, error) {
	out := map[string]any{}
	rest, offset := string(body), 0
	for tokens := 1; rest != ""; tokens++ {
		pair, after, _ := strings.Cut(rest, "&")
		if tokens > DefaultTokens {
			return nil, errorAt(offset, TooManyTokens, "more than %d form fields", DefaultTokens)
		}
		if pair != "" {
			name, value, _ := strings.Cut(pair, "=")
			n, err := formText(name)
			if err != nil {
				return nil, errorAt(offset, Syntax, "invalid percent encoding in a form")
			}
			v, err := formText(value)
			if err != nil {
				return nil, errorAt(offset, Syntax, "invalid percent encoding in a form")
			}
			addField(out, n, v)
		}
		offset += len(rest) - len(after)
		rest = after
	}
	return out, nil
}

func formText(s string) (string, error) {
	text, err := url.QueryUnescape(s)
	return strings.ToValidUTF8(text, "\uFFFD"), err
}

func addField(form map[string]any, name, value string) {
	switch have := form[name].(type) {
	case nil:
		form[name] = value
	case string:
		form[name] = []any{have, value}
	case []any:
		form[name] = append(have, value)
	}
}
