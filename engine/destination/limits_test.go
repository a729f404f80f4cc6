package destination

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/payload"
)

func TestTextsDeepInAMessageAreCut(t *testing.T) {
	t.Parallel()
	d := target(t, "type: discord\nurl: <<env.SLACK_URL>>")
	fields := make([]any, 30)
	for i := range fields {
		fields[i] = map[string]any{"name": "n", "value": "v"}
	}
	embed := map[string]any{"title": strings.Repeat("t", 300), "author": map[string]any{"name": strings.Repeat("a", 300)}, "fields": fields}
	message := map[string]any{"embeds": []any{map[string]any{"title": "fine"}, embed}}
	var notes []string
	r := build(t, d, Delivery{Message: message, Note: func(s string) { notes = append(notes, s) }})
	v, err := payload.Decode(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	cut := v.(map[string]any)["embeds"].([]any)[1].(map[string]any)
	if len(cut["fields"].([]any)) != 25 || utf8.RuneCountInString(cut["title"].(string)) != 256 || utf8.RuneCountInString(cut["author"].(map[string]any)["name"].(string)) != 256 {
		t.Errorf("got %v", cut)
	}
	want := "embeds.1.fields were cut from 30 to 25;embeds.1.title was cut from 300 to 256 characters;embeds.1.author.name was cut from 300 to 256 characters"
	if got := strings.Join(notes, ";"); got != want {
		t.Errorf("got notes %q, want %q", got, want)
	}
	if len(embed["title"].(string)) != 300 || len(embed["fields"].([]any)) != 30 {
		t.Error("the node's output was changed")
	}
}

func TestTheTextsOfAllEmbedsTogetherAreCut(t *testing.T) {
	t.Parallel()
	d := target(t, "type: discord\nurl: <<env.SLACK_URL>>")
	embed := func(n int) any {
		return map[string]any{"title": "keep", "description": strings.Repeat("d", n)}
	}
	for _, c := range []struct {
		sizes []int
		want  []int // of the descriptions
	}{
		{[]int{2996, 2996}, []int{2996, 2996}},
		{[]int{2997, 2996}, []int{2997, 2995}},
		{[]int{4096, 4096}, []int{4096, 1896}},
		{[]int{4096, 4096, 1000}, []int{4096, 1891, 1}},
	} {
		var embeds []any
		for _, n := range c.sizes {
			embeds = append(embeds, embed(n))
		}
		r := build(t, d, Delivery{Message: map[string]any{"embeds": embeds}})
		v, err := payload.Decode(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for i, e := range v.(map[string]any)["embeds"].([]any) {
			m := e.(map[string]any)
			n := utf8.RuneCountInString(m["description"].(string))
			total += n + 4
			if n != c.want[i] || m["title"] != "keep" {
				t.Errorf("%v: embed %d has %d characters and the title %v, want %d", c.sizes, i, n, m["title"], c.want[i])
			}
		}
		if total > 6000 {
			t.Errorf("%v: %d characters together", c.sizes, total)
		}
	}
}

func TestAMessageThatNoCutMakesFitIsRefused(t *testing.T) {
	t.Parallel()
	message := map[string]any{"a": []any{"x", "y", "z"}}
	_, err := hold(message, []limit{{total: [][]string{{"a", "*"}}, runes: 2}}, func(string) {})
	if err == nil || !strings.Contains(err.Error(), "3 characters together, the receiver takes 2") {
		t.Errorf("got %v", err)
	}
}

func FuzzMessagesStayWithinTheirLimits(f *testing.F) {
	f.Add([]byte(`{"embeds":[{"title":"x","fields":[{"name":"a","value":"b"}]}],"content":"c"}`))
	f.Add([]byte(`{"embeds":[[],null,5,{"title":[1]}],"content":{"a":1}}`))
	f.Add([]byte(`{"embeds":{"0":"x"}}`))
	limits := []limit{
		{at: []string{"content"}, runes: 3},
		{at: []string{"embeds"}, items: 2},
		{at: []string{"embeds", "*", "title"}, runes: 2},
		{total: [][]string{{"embeds", "*", "fields", "*", "value"}, {"embeds", "*", "title"}}, runes: 8},
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := payload.Decode(data)
		m, ok := v.(map[string]any)
		if err != nil || !ok {
			return
		}
		before, err := payload.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		held, err := hold(m, limits, func(string) {})
		if after, _ := payload.Encode(m); string(after) != string(before) {
			t.Fatalf("the message was changed from %s to %s", before, after)
		}
		if err != nil {
			return
		}
		for _, l := range limits {
			if l.total != nil {
				var places []place
				for _, path := range l.total {
					places = find(held, path, places)
				}
				if n := runesOf(places); n > l.runes {
					t.Fatalf("%s: %d characters together, want at most %d", data, n, l.runes)
				}
				continue
			}
			for _, p := range find(held, l.at, nil) {
				if p.over(l) {
					t.Fatalf("%s: %s is %v", data, p.name, p.value)
				}
			}
		}
	})
}
