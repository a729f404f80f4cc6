package payload

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestXMLBecomesPlainValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body string
		want any
	}{
		{"<a/>", map[string]any{"a": ""}},
		{"<a></a>", map[string]any{"a": ""}},
		{"<a> x </a>", map[string]any{"a": " x "}},
		{"\uFEFF<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<a>1</a>\r\n", map[string]any{"a": "1"}},
		{"<a><b>1</b><c>2</c></a>", map[string]any{"a": map[string]any{"b": "1", "c": "2"}}},
		{"<a>\n <b>1</b>\n <b/>\n <b>3</b></a>", map[string]any{"a": map[string]any{"b": []any{"1", "", "3"}}}},
		{`<a id="7" ns:x='"'/>`, map[string]any{"a": map[string]any{"@id": "7", "@ns:x": `"`}}},
		{`<a type="integer">5</a>`, map[string]any{"a": map[string]any{"@type": "integer", "#text": "5"}}},
		{"<a>x<b/>y</a>", map[string]any{"a": map[string]any{"b": "", "#text": "xy"}}},
		{"<a>&lt;&gt;&amp;&quot;&apos;&#233;&#xE9;&#x1F600;</a>", map[string]any{"a": "<>&\"'éé😀"}},
		{"<a><![CDATA[<b>&amp;]]]]><![CDATA[>]]></a>", map[string]any{"a": "<b>&amp;]]>"}},
		{"<a>one\r\ntwo\rthree</a>", map[string]any{"a": "one\ntwo\nthree"}},
		{"<a x=\"one\r\n\ttwo&#10;three\"/>", map[string]any{"a": map[string]any{"@x": "one  two\nthree"}}},
		{"<!-- - --><?style x?><a><!--x-->1<?y?>2</a><!-- -->", map[string]any{"a": "12"}},
		{"<s:Envelope xmlns:s=\"urn:x\"><s:Body/></s:Envelope>", map[string]any{"s:Envelope": map[string]any{"@xmlns:s": "urn:x", "s:Body": ""}}},
		{"<a.b-c_1 >x</a.b-c_1\n>", map[string]any{"a.b-c_1": "x"}},
		{"<Größe>3</Größe>", map[string]any{"Größe": "3"}},
		{`<a x="a>b">c</a>`, map[string]any{"a": map[string]any{"@x": "a>b", "#text": "c"}}},
	} {
		got, err := DecodeXML([]byte(c.body))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %#v, %v, want %#v", c.body, got, err, c.want)
		}
		if err := CheckXML([]byte(c.body), Limits{}); err != nil {
			t.Errorf("%s: CheckXML says %v", c.body, err)
		}
	}
}

func TestXMLIsRefusedWithCodeAndOffset(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body   string
		code   Code
		offset int
	}{
		{"", Syntax, 0},
		{"  ", Syntax, 2},
		{"x", Syntax, 0},
		{"<a>", Syntax, 3},
		{"<a></b>", Syntax, 3},
		{"</a>", Syntax, 0},
		{"<a/><b/>", Syntax, 4},
		{"<a/>x", Syntax, 4},
		{"<1/>", Syntax, 1},
		{"< a/>", Syntax, 1},
		{"<a", Syntax, 0},
		{"<a x/>", Syntax, 4},
		{"<a x=1/>", Syntax, 5},
		{`<a x="1"y="2"/>`, Syntax, 8},
		{`<a x="1" x="2"/>`, DuplicateName, 12},
		{`<a x="<"/>`, Syntax, 6},
		{`<a x="&b;"/>`, Syntax, 6},
		{"<a>&nbsp;</a>", Syntax, 3},
		{"<a>& </a>", Syntax, 3},
		{"<a>&#0;</a>", Syntax, 3},
		{"<a>&#xD800;</a>", Syntax, 3},
		{"<a>&#x110000;</a>", Syntax, 3},
		{"<a>&#x;</a>", Syntax, 3},
		{"<a>&#+1;</a>", Syntax, 3},
		{"<a>\x01</a>", Syntax, 3},
		{"<a>\xff</a>", InvalidUTF8, 3},
		{"<\xff/>", InvalidUTF8, 1},
		{"<a>]]></a>", Syntax, 3},
		{"<a><![CDATA[x</a>", Syntax, 3},
		{"<![CDATA[x]]><a/>", Syntax, 0},
		{"<!DOCTYPE a><a/>", Syntax, 0},
		{`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`, Syntax, 0},
		{`<a><!ENTITY b SYSTEM "file:///etc/passwd"></a>`, Syntax, 3},
		{"<!-- -- --><a/>", Syntax, 0},
		{"<a><!-- </a>", Syntax, 3},
		{"<?xml version='1.0'?><?xml version='1.0'?><a/>", Syntax, 21},
		{"<a/><?xml version='1.0'?>", Syntax, 4},
		{"<?xml version='1.0' encoding='ISO-8859-1'?><a/>", Unsupported, 30},
		{"<?xml version='1.1'?><a/>", Unsupported, 15},
		{"<?x<a/>", Syntax, 0},
		{"\xfe\xff\x00<\x00a", Syntax, 0},
		{strings.Repeat("<a>", 129) + strings.Repeat("</a>", 129), TooDeep, 128 * 3},
		{"<a>" + strings.Repeat("<b/>", DefaultTokens) + "</a>", TooManyTokens, 3 + 4*(DefaultTokens-1)},
		{"<a " + strings.Repeat(" x='1'", 2) + "/>", DuplicateName, 13},
	} {
		err := CheckXML([]byte(c.body), Limits{})
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%.60s: got %v, want %s at %d", c.body, err, c.code, c.offset)
			continue
		}
		if e.Code != c.code || e.Offset != c.offset {
			if c.code != InvalidUTF8 && strings.HasPrefix(c.body, "\xfe") && e.Code == InvalidUTF8 {
				continue
			}
			t.Errorf("%.60q: got %s at %d (%v), want %s at %d", c.body, e.Code, e.Offset, e, c.code, c.offset)
		}
		if _, again := DecodeXML([]byte(c.body)); again == nil || again.Error() != err.Error() {
			t.Errorf("%.60q: CheckXML says %v and DecodeXML %v", c.body, err, again)
		}
	}
}

func TestPathsFindOneTextInXML(t *testing.T) {
	t.Parallel()
	const body = `<n kind="k">
  <id type="integer">5</id>
  <subject><name>x</name><name>y</name></subject>
  <item><sku>1</sku></item><item><sku>2</sku><note>z</note></item>
  <mixed>a<b/>c</mixed>
  <empty/>
  <a.b>dot</a.b>
</n>`
	for _, c := range []struct {
		path  string
		want  string
		found Found
	}{
		{"n.@kind", "k", OneText},
		{"n.id", "5", OneText},
		{"n.id.#text", "5", OneText},
		{"n.id.@type", "integer", OneText},
		{"n.id.@none", "", Nothing},
		{"n.subject", "", Elements},
		{"n.subject.name", "", Several},
		{"n.subject.name.0", "x", OneText},
		{"n.subject.name[1]", "y", OneText},
		{"n.subject.name.2", "", Nothing},
		{"n.subject.0.name.1", "y", OneText},
		{"n.subject.1.name.1", "", Nothing},
		{"n.item.sku", "", Several},
		{"n.item.1.sku", "2", OneText},
		{"n.item.0.note", "", Nothing},
		{"n.item.note", "", Several},
		{"n.mixed", "", Elements},
		{"n.mixed.#text", "ac", OneText},
		{"n.mixed.b", "", OneText},
		{"n.empty", "", OneText},
		{`n["a.b"]`, "dot", OneText},
		{"id", "", Nothing},
		{"n", "", Elements},
		{"n.none", "", Nothing},
		{"n.@kind.x", "", Nothing},
		{"0", "", Nothing},
		{"n.item.0.0", "", Nothing},
	} {
		p, err := ParsePath(c.path)
		if err != nil {
			t.Fatal(err)
		}
		got, found, err := p.FindXML([]byte(body))
		if got != c.want || found != c.found || err != nil {
			t.Errorf("%s: got %q, %d, %v, want %q, %d", c.path, got, found, err, c.want, c.found)
		}
	}
	p, err := ParsePath("n.id")
	if err != nil {
		t.Fatal(err)
	}
	if got, found, err := p.FindXML([]byte("<n><id>5</id></n")); err == nil {
		t.Errorf("a broken document: got %q, %d, want an error", got, found)
	}
}

// FuzzXML holds the three readers of XML against each other: they refuse the same documents, and a path finds the text that the
// decoded value has there.
func FuzzXML(f *testing.F) {
	for _, seed := range []string{
		"<a/>", "<a b='c'>d<e/>f</a>", "<a><b>1</b><b>2</b><c x=\"&lt;\">&#65;</c></a>", "<?xml version=\"1.0\"?><!-- x --><a><![CDATA[<]]></a>", "<!DOCTYPE a><a/>", "<a>&x;</a>",
		"<a:b xmlns:a='c'/>", "<a", "<a><b></a></b>", "\uFEFF<a>\r\n</a>",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		v, err := DecodeXML(body)
		if bad := CheckXML(body, Limits{}); (bad == nil) != (err == nil) {
			t.Fatalf("CheckXML says %v and DecodeXML %v", bad, err)
		}
		if err != nil {
			return
		}
		root := v.(map[string]any)
		if len(root) != 1 {
			t.Fatalf("got %d root elements, want 1", len(root))
		}
		if _, err := Encode(v); err != nil {
			t.Errorf("the value does not encode: %v", err)
		}
		texts(t, body, Path{}, root)
	})
}

// texts looks for every text of a decoded document by its path.
func texts(t *testing.T, body []byte, p Path, v any) {
	t.Helper()
	if len(p.steps) > 8 {
		return
	}
	switch x := v.(type) {
	case string:
		got, found, err := p.FindXML(body)
		if got != x || found != OneText || err != nil {
			t.Errorf("%+v: got %q, %d, %v, want %q", p.steps, got, found, err, x)
		}
	case map[string]any:
		for name, inner := range x {
			texts(t, body, p.child(step{name: name, index: -1}), inner)
		}
	case []any:
		for i, inner := range x {
			texts(t, body, p.child(step{index: i}), inner)
		}
	}
}

func (p Path) child(s step) Path {
	return Path{steps: append(p.steps[:len(p.steps):len(p.steps)], s)}
}
