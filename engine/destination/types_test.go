package destination

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/fault"
	"github.com/headgate/headgate/engine/payload"
)

func TestMessagesHaveTheFormOfTheirType(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind, yaml string
		message    any
		want       string // or the code of the failure
	}{
		{"slack", "", "hi <b>", `{"text":"hi <b>"}`},
		{"slack", "", int64(5), `{"text":"5"}`},
		{"slack", "", 1.5, `{"text":"1.5"}`},
		{"slack", "", true, `{"text":"true"}`},
		{"slack", "", map[string]any{"text": "a", "x": int64(1)}, `{"text":"a","x":1}`},
		{"slack", "", map[string]any{"blocks": []any{map[string]any{"type": "divider"}}}, `{"blocks":[{"type":"divider"}]}`},
		{"slack", "", map[string]any{"attachments": []any{map[string]any{}}}, `{"attachments":[{}]}`},
		{"slack", "", map[string]any{"x": int64(1)}, CodeBadMessage},
		{"slack", "", map[string]any{"text": "", "blocks": []any{}}, CodeBadMessage},
		{"slack", "", "", CodeBadMessage},
		{"slack", "", nil, CodeBadMessage},
		{"slack", "", []any{"a"}, CodeBadMessage},
		{"slack", `body: "New: {{ payload.t }}"`, nil, `{"text":"New: a\"b"}`},
		{"slack", `body: "[ops] {{ payload.t }}"`, nil, `{"text":"[ops] a\"b"}`},
		{"slack", `body: "{{ payload.t }} and {{ payload.t }}"`, nil, `{"text":"a\"b and a\"b"}`},
		{"slack", `body: "{{ payload }}"`, nil, CodeBadMessage},
		{"slack", `body: {text: "{{ payload.t }}"}`, nil, `{"text":"a\"b"}`},
		{"slack", `body: '{"text": "{{ payload.t }}", "n": {{ payload.n }}}'`, nil, `{"n":1,"text":"a\"b"}`},
		{"slack", `body: '{"text": "fixed"}'`, nil, `{"text":"fixed"}`},
		{"slack", `body: fixed`, nil, `{"text":"fixed"}`},

		{"discord", "", "hi @everyone", `{"allowed_mentions":{"parse":[]},"content":"hi @everyone"}`},
		{"discord", "", map[string]any{"content": "a", "allowed_mentions": map[string]any{"parse": []any{"users"}}}, `{"allowed_mentions":{"parse":["users"]},"content":"a"}`},
		{"discord", "", map[string]any{"embeds": []any{map[string]any{"title": "x"}}}, `{"allowed_mentions":{"parse":[]},"embeds":[{"title":"x"}]}`},
		{"discord", "", map[string]any{"text": "a"}, CodeBadMessage},
		{"discord", `body: "{{ payload.t }}!"`, nil, `{"allowed_mentions":{"parse":[]},"content":"a\"b!"}`},
	} {
		d := target(t, "type: "+c.kind+"\nurl: <<env.SLACK_URL>>\n"+c.yaml)
		in := Delivery{Env: env(t, `{"t":"a\"b","n":1}`, nil), Message: c.message, Raw: []byte("never sent"), RawType: "text/x"}
		r, err := d.Build(t.Context(), in)
		got := string(r.Body)
		if err != nil {
			got = fault.Code(err)
		} else if ct := r.Header.Get("Content-Type"); ct != "application/json" {
			t.Errorf("%s %s %v: got content type %q", c.kind, c.yaml, c.message, ct)
		}
		if got != c.want {
			t.Errorf("%s %s %v: got %s (%v), want %s", c.kind, c.yaml, c.message, got, err, c.want)
		}
	}
}

func TestMessagesAreCutToWhatTheReceiverTakes(t *testing.T) {
	t.Parallel()
	list := func(n int) []any {
		l := make([]any, n)
		for i := range l {
			l[i] = map[string]any{"i": int64(i)}
		}
		return l
	}
	for _, c := range []struct {
		kind, key string
		value     any
		want      int // characters or items
		note      string
	}{
		{"slack", "text", strings.Repeat("é", 40_000), 40_000, ""},
		{"slack", "text", strings.Repeat("é", 40_001), 40_000, "text was cut from 40001 to 40000 characters"},
		{"slack", "blocks", list(50), 50, ""},
		{"slack", "blocks", list(51), 50, "blocks were cut from 51 to 50"},
		{"discord", "content", strings.Repeat("😀", 2000), 2000, ""},
		{"discord", "content", strings.Repeat("😀", 2001), 2000, "content was cut from 2001 to 2000 characters"},
		{"discord", "embeds", list(10), 10, ""},
		{"discord", "embeds", list(11), 10, "embeds were cut from 11 to 10"},
	} {
		d := target(t, "type: "+c.kind+"\nurl: <<env.SLACK_URL>>")
		var notes []string
		message := map[string]any{c.key: c.value}
		r := build(t, d, Delivery{Message: message, Note: func(s string) { notes = append(notes, s) }})
		v, err := payload.Decode(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		switch x := v.(map[string]any)[c.key].(type) {
		case string:
			if got = utf8.RuneCountInString(x); c.note != "" && !strings.HasSuffix(x, "…") {
				t.Errorf("%s %s: the cut does not show", c.kind, c.key)
			}
		case []any:
			got = len(x)
		}
		if got != c.want || strings.Join(notes, ";") != c.note {
			t.Errorf("%s %s: got %d and %q, want %d and %q", c.kind, c.key, got, notes, c.want, c.note)
		}
		if fmt.Sprint(message[c.key]) != fmt.Sprint(c.value) || len(message) != 1 {
			t.Errorf("%s %s: the node's output was changed", c.kind, c.key)
		}
		if quiet := build(t, d, Delivery{Message: message}); string(quiet.Body) != string(r.Body) {
			t.Errorf("%s %s: without Note the message is another", c.kind, c.key)
		}
	}
}
