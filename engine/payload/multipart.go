package payload

import (
	"bytes"
	"mime"
	"strings"
)

// The limits of a multipart form, beyond the size of the body.
const (
	// maxParts is far above what any sender of events writes.
	maxParts = 1000
	// maxBoundary is the longest boundary of RFC 2046.
	maxBoundary = 70
	// maxPartHeader bounds the header lines of one part.
	maxPartHeader = 4 << 10
)

// FormPart is one part of a multipart form: a field, or an uploaded file.
type FormPart struct {
	Name string
	// File says that the part has a file name. What is in it is no value of the form.
	File bool
	// Content is a view into the body.
	Content []byte
}

// IsMultipart says whether a Content-Type means a multipart form.
func IsMultipart(kind string) bool {
	media, _, _ := strings.Cut(kind, ";")
	return strings.EqualFold(strings.TrimSpace(media), "multipart/form-data")
}

// ReadMultipart takes a multipart/form-data body apart (RFC 7578), by the boundary in its Content-Type. A body that two readers could
// take apart in two ways is refused: it begins with the boundary and ends with it, what looks like a boundary is one, and each part has
// one name. So a Content-Type, which nobody signs, cannot make another form of a signed body. The error is an *Error.
func ReadMultipart(body []byte, kind string) ([]FormPart, error) {
	_, params, err := mime.ParseMediaType(kind)
	boundary := params["boundary"]
	if err != nil || !IsMultipart(kind) || boundary == "" || len(boundary) > maxBoundary || strings.ContainsAny(boundary, "\r\n") {
		return nil, errorAt(0, Syntax, "a Content-Type without a boundary")
	}
	r := multipartReader{body: body, delimiter: []byte("--" + boundary)}
	parts, bad := r.parts()
	if bad != nil {
		return nil, bad
	}
	return parts, nil
}

type multipartReader struct {
	body      []byte
	i         int
	delimiter []byte
}

func (r *multipartReader) parts() ([]FormPart, *Error) {
	r.i = len(r.body) - len(bytes.TrimPrefix(r.body, []byte("\r\n")))
	if !bytes.HasPrefix(r.body[r.i:], r.delimiter) {
		return nil, errorAt(r.i, Syntax, "the form does not begin with its boundary")
	}
	r.i += len(r.delimiter)
	var parts []FormPart
	for {
		more, err := r.line()
		if err != nil {
			return nil, err
		}
		if !more {
			return parts, nil
		}
		if len(parts) == maxParts {
			return nil, errorAt(r.i, TooManyTokens, "more than %d form fields", maxParts)
		}
		p, err := r.header()
		if err != nil {
			return nil, err
		}
		if p.Content, err = r.content(); err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
}

// line reads what follows a boundary: the end of the line, or the end of the form.
func (r *multipartReader) line() (more bool, err *Error) {
	rest := r.body[r.i:]
	if after, end := bytes.CutPrefix(rest, []byte("--")); end {
		if len(bytes.Trim(after, " \t\r\n")) > 0 {
			return false, errorAt(r.i, Syntax, "text after the form")
		}
		return false, nil
	}
	trimmed := bytes.TrimLeft(rest, " \t")
	if !bytes.HasPrefix(trimmed, []byte("\r\n")) {
		return false, errorAt(r.i, Syntax, "a line that only begins with the boundary")
	}
	r.i += len(rest) - len(trimmed) + len("\r\n")
	return true, nil
}

// header reads the header lines of a part up to the blank one.
func (r *multipartReader) header() (FormPart, *Error) {
	start, p, named := r.i, FormPart{}, false
	for {
		end := bytes.Index(r.body[r.i:], []byte("\r\n"))
		if end < 0 || r.i+end-start > maxPartHeader {
			return p, errorAt(start, Syntax, "a part whose header does not end")
		}
		line := string(r.body[r.i : r.i+end])
		at := r.i
		r.i += end + len("\r\n")
		if line == "" {
			break
		}
		name, text, ok := strings.Cut(line, ":")
		switch {
		case !ok || strings.ContainsAny(line, "\r\n") || line[0] == ' ' || line[0] == '\t':
			return p, errorAt(at, Syntax, "a header line of a part that is none")
		case strings.EqualFold(name, "Content-Disposition"):
			media, params, err := mime.ParseMediaType(text)
			if err != nil || media != "form-data" || named || params["name"] == "" {
				return p, errorAt(at, Syntax, "a part without one Content-Disposition with one name")
			}
			_, p.File = params["filename"]
			p.Name, named = params["name"], true
		case strings.EqualFold(name, "Content-Transfer-Encoding"):
			// RFC 7578 has done away with it; a reader that undoes it sees another value than one that does not.
			if enc := strings.ToLower(strings.TrimSpace(text)); enc != "7bit" && enc != "8bit" && enc != "binary" {
				return p, errorAt(at, Unsupported, "a part in another transfer encoding")
			}
		}
	}
	if !named {
		return p, errorAt(start, Syntax, "a part without a name")
	}
	return p, nil
}

// content reads up to the next line that begins with the boundary, and leaves the reader behind the boundary.
func (r *multipartReader) content() ([]byte, *Error) {
	start := r.i
	for from := start; ; {
		n := bytes.Index(r.body[from:], r.delimiter)
		if n < 0 {
			return nil, errorAt(start, Syntax, "a part that does not end")
		}
		at := from + n
		before := r.body[:at]
		switch {
		case at-start >= 2 && bytes.HasSuffix(before, []byte("\r\n")):
			r.i = at + len(r.delimiter)
			return r.body[start : at-2], nil
		case before[at-1] == '\n' || before[at-1] == '\r':
			return nil, errorAt(at, Syntax, "a boundary without a line of its own")
		}
		from = at + 1
	}
}

// DecodeMultipart reads a multipart form as [DecodeForm] reads an urlencoded one; files are left out. The error is an *Error.
func DecodeMultipart(body []byte, kind string) (map[string]any, error) {
	parts, err := ReadMultipart(body, kind)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for _, p := range parts {
		if !p.File {
			addField(out, strings.ToValidUTF8(p.Name, "\uFFFD"), text(p.Content))
		}
	}
	return out, nil
}
