package language

import (
	"errors"
	"slices"
	"testing"

	"github.com/headgate/headgate/engine/script/value"
)

func TestNamesAreNames(t *testing.T) {
	t.Parallel()
	for _, name := range Names() {
		if !IsName(name) {
			t.Errorf("IsName(%s) is false", name)
		}
		if c := NewChain(name); c.Len() != 0 || c.String() != name {
			t.Errorf("the chain of %s is %s with %d members", name, c, c.Len())
		}
	}
	for _, field := range EventFields() {
		if value.Kind(NewChain("event").Member(value.Key{Name: field}).Value(&Env{Event: map[string]any{"name": "n", "id": "i", "provider": "p", "delivery": "d", "received": "r", "source": "live"}, Payload: "x", Body: []byte("x")})) == "null" {
			t.Errorf("event.%s is null", field)
		}
	}
}

func TestLabelsThatCanBeWrittenAsNames(t *testing.T) {
	t.Parallel()
	s := Scope{Labels: []string{"Message", "Message", "is_big", "Is big", "payload", "len", "map", "filter", "in", "null", "size", "int", "Größe", "3rd", "_x", "__x", "a-b", ""}}
	want := []string{"Message", "is_big", "_x"}
	if got := s.Identifiers(); !slices.Equal(got, want) {
		t.Errorf("Identifiers = %q, want %q", got, want)
	}
	if s.IsLabel("Other") {
		t.Error("a label of nobody is a name")
	}
}

func TestChainsAreWrittenOneWay(t *testing.T) {
	t.Parallel()
	c := NewChain("payload").Member(value.Key{Name: "a"}).Member(value.Key{Index: -1, IsIndex: true}).Member(value.Key{Name: `b "c"`})
	if want := `payload.a[-1]["b \"c\""]`; c.String() != want {
		t.Errorf("chain %s, want %s", c, want)
	}
	headers := NewChain("event").Member(value.Key{Name: "headers"}).Member(value.Key{Name: "X-A"})
	if want := `event.headers["x-a"]`; headers.String() != want {
		t.Errorf("chain %s, want %s", headers, want)
	}
	// Two chains from one beginning do not share what follows.
	base := NewChain("payload").Member(value.Key{Name: "a"})
	x, y := base.Member(value.Key{Name: "x"}), base.Member(value.Key{Name: "y"})
	env := &Env{Payload: map[string]any{"a": map[string]any{"x": 1, "y": 2}}}
	if x.Value(env) != 1 || y.Value(env) != 2 {
		t.Errorf("%s is %v and %s is %v, want 1 and 2", x, x.Value(env), y, y.Value(env))
	}
}

func TestTextLiteralsAndCommentsAreSteppedOver(t *testing.T) {
	t.Parallel()
	expr, cel := Quotes{Raw: true, Block: true}, Quotes{Prefixed: true}
	for _, c := range []struct {
		q    Quotes
		text string
		at   int
		want int
	}{
		{expr, `"a\"b"c`, 0, 6},
		{expr, `'a"b'c`, 0, 5},
		{expr, "`a\\`c", 0, 4},
		{expr, `"open`, 0, 5},
		{expr, `"open\`, 0, 6},
		{expr, "// c\nx", 0, 5},
		{expr, "// c", 0, 4},
		{expr, "/* c */x", 0, 7},
		{expr, "/* c", 0, 4},
		{expr, "a", 0, 0},
		{expr, "/ 2", 0, 0},
		{cel, "`a`", 0, 0},
		{cel, "/* c */", 0, 0},
		{cel, `r"a\"b`, 1, 4},
		{cel, `br"a\"b`, 2, 4},
		{cel, `xr"a\"b"`, 2, 6},
		{cel, `"""a"b"""c`, 0, 9},
		{cel, `'''a`, 0, 4},
		{cel, `""x`, 0, 2},
	} {
		if got := c.q.Skip(c.text, c.at); got != c.want {
			t.Errorf("Skip(%q, %d) = %d, want %d", c.text, c.at, got, c.want)
		}
	}
}

func TestSharedThingsAreMadeOnce(t *testing.T) {
	t.Parallel()
	s, made := NewShared(), 0
	build := func() (int, error) { made++; return made, nil }
	for range 3 {
		if v, err := Keep(s, "a", build); v != 1 || err != nil {
			t.Errorf("Keep = %d, %v, want 1", v, err)
		}
	}
	broken := errors.New("broken")
	if _, err := Keep(s, "b", func() (int, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Errorf("Keep of what cannot be made: %v", err)
	}
	if v, err := Keep(s, "b", func() (int, error) { return 7, nil }); v != 7 || err != nil {
		t.Errorf("Keep after a failure = %d, %v, want 7", v, err)
	}
	if v, err := Keep(nil, "a", build); v != 2 || err != nil {
		t.Errorf("Keep without a Shared = %d, %v, want a new one", v, err)
	}
}
