package payload

import (
	"bytes"
	"mime/multipart"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

const formKind = "multipart/form-data; boundary=xYz"

// form joins lines with CRLF.
func form(lines ...string) []byte { return []byte(strings.Join(lines, "\r\n")) }

func TestMultipartFormsAreReadField(t *testing.T) {
	t.Parallel()
	body := form("--xYz", `Content-Disposition: form-data; name="json"`, "", `{"a":1}`,
		"--xYz", `content-disposition: form-data; name="two"`, "Content-Type: text/plain; charset=utf-8", "", "x--xYz", "--xY",
		"--xYz", `Content-Disposition: form-data; name="two"`, "Content-Transfer-Encoding: 8bit", "", "",
		"--xYz", `Content-Disposition: form-data; name="file"; filename="a.pdf"`, "Content-Type: application/pdf", "", "%PDF",
		"--xYz--", "")
	got, err := DecodeMultipart(body, formKind)
	want := map[string]any{"json": `{"a":1}`, "two": []any{"x--xYz\r\n--xY", ""}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, %v, want %#v", got, err, want)
	}
	parts, err := ReadMultipart(body, formKind)
	if err != nil || len(parts) != 4 || !parts[3].File || string(parts[3].Content) != "%PDF" {
		t.Errorf("got %+v, %v, want four parts, the last a file", parts, err)
	}
	if v, err := New(body, formKind).Value(); err != nil || !reflect.DeepEqual(v, want) {
		t.Errorf("a Document gives %#v, %v, want %#v", v, err, want)
	}
	if got, err := DecodeMultipart([]byte("--xYz--\r\n"), formKind); err != nil || len(got) != 0 {
		t.Errorf("an empty form: got %v, %v", got, err)
	}
}

func TestMultipartFormsThatCouldBeReadInTwoWaysAreRefused(t *testing.T) {
	t.Parallel()
	head := `Content-Disposition: form-data; name="a"`
	for name, c := range map[string]struct {
		body string
		kind string
	}{
		"a preamble":                         {"x\r\n--xYz\r\n" + head + "\r\n\r\n1\r\n--xYz--", formKind},
		"another boundary":                   {"--xYzzy\r\n" + head + "\r\n\r\n1\r\n--xYzzy--", formKind},
		"a boundary from inside":             {"--out\r\n" + head + "\r\n\r\n\r\n--xYz\r\n" + head + "\r\n\r\n1\r\n--xYz--\r\n\r\n--out--", formKind},
		"text after the end":                 {"--xYz\r\n" + head + "\r\n\r\n1\r\n--xYz--\r\nx", formKind},
		"no end":                             {"--xYz\r\n" + head + "\r\n\r\n1\r\n", formKind},
		"a header without end":               {"--xYz\r\n" + head, formKind},
		"a longer boundary inside":           {"--xYz\r\n" + head + "\r\n\r\n1\r\n--xYzX\r\n--xYz--", formKind},
		"line feeds alone":                   {"--xYz\n" + head + "\n\n1\n--xYz--", formKind},
		"a line feed before a boundary":      {"--xYz\r\n" + head + "\r\n\r\n1\n--xYz\r\n" + head + "\r\n\r\n2\r\n--xYz--", formKind},
		"a carriage return before one":       {"--xYz\r\n" + head + "\r\n\r\n1\r--xYz\r\n--xYz--", formKind},
		"a part without a name":              {"--xYz\r\nContent-Disposition: form-data\r\n\r\n1\r\n--xYz--", formKind},
		"a part without a disposition":       {"--xYz\r\nContent-Type: text/plain\r\n\r\n1\r\n--xYz--", formKind},
		"two dispositions":                   {"--xYz\r\n" + head + "\r\n" + head + "\r\n\r\n1\r\n--xYz--", formKind},
		"two names":                          {"--xYz\r\n" + head + "; name=\"b\"\r\n\r\n1\r\n--xYz--", formKind},
		"another disposition":                {"--xYz\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\n1\r\n--xYz--", formKind},
		"a folded header":                    {"--xYz\r\nContent-Disposition: form-data;\r\n name=\"a\"\r\n\r\n1\r\n--xYz--", formKind},
		"a header line that is none":         {"--xYz\r\n" + head + "\r\nx\r\n\r\n1\r\n--xYz--", formKind},
		"a transfer encoding":                {"--xYz\r\n" + head + "\r\nContent-Transfer-Encoding: base64\r\n\r\nMQ==\r\n--xYz--", formKind},
		"a long header":                      {"--xYz\r\n" + head + "\r\nX: " + strings.Repeat("x", 5000) + "\r\n\r\n1\r\n--xYz--", formKind},
		"no boundary in the type":            {"--xYz--", "multipart/form-data"},
		"an empty boundary":                  {"----", `multipart/form-data; boundary=""`},
		"two boundaries":                     {"--xYz--", "multipart/form-data; boundary=xYz; boundary=y"},
		"a boundary that is too long":        {"--" + strings.Repeat("x", 71) + "--", "multipart/form-data; boundary=" + strings.Repeat("x", 71)},
		"a type that is no form":             {"--xYz--", "multipart/mixed; boundary=xYz"},
		"an empty body":                      {"", formKind},
		"more parts than anybody would send": {strings.Repeat("--xYz\r\n"+head+"\r\n\r\n1\r\n", 1001) + "--xYz--", formKind},
	} {
		if got, err := ReadMultipart([]byte(c.body), c.kind); err == nil {
			t.Errorf("%s: got %+v, want an error", name, got)
		}
	}
}

// FuzzMultipart reads any body. What it reads, the standard library reads alike, and what the standard library writes it reads.
func FuzzMultipart(f *testing.F) {
	f.Add([]byte("--xYz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--xYz--"), "a", "1")
	f.Add([]byte("--xYz--"), "n\"\\", "\r\n--xYz")
	f.Add([]byte("--xYz\r\n\r\n\r\n--xYz--\r\n"), "é", "--xYz--")
	f.Fuzz(func(t *testing.T, body []byte, name, content string) {
		if parts, err := ReadMultipart(body, formKind); err == nil {
			r := multipart.NewReader(bytes.NewReader(body), "xYz")
			for _, p := range parts {
				theirs, err := r.NextRawPart()
				if err != nil {
					t.Fatalf("the standard library does not read %q: %v", body, err)
				}
				var b bytes.Buffer
				if _, err := b.ReadFrom(theirs); err != nil {
					t.Fatal(err)
				}
				if theirs.FormName() != p.Name || b.String() != string(p.Content) {
					t.Fatalf("got %q=%q, the standard library has %q=%q", p.Name, p.Content, theirs.FormName(), b.String())
				}
			}
		}
		if name == "" || strconv.Quote(name) != `"`+name+`"` {
			return
		}
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		if err := w.WriteField(name, content); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		parts, err := ReadMultipart(b.Bytes(), w.FormDataContentType())
		if err != nil || len(parts) != 1 || parts[0].Name != name || string(parts[0].Content) != content {
			t.Errorf("got %+v, %v, want %q=%q", parts, err, name, content)
		}
	})
}
