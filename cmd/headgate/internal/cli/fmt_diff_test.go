package cli

import (
	"strings"
	"testing"
)

func TestADiffShowsWhatChanges(t *testing.T) {
	t.Parallel()
	a := &app{}
	lines := func(words string) []byte { return []byte(strings.Join(strings.Fields(words), "\n") + "\n") }
	rows := []struct{ name, was, is, want string }{
		{"a line in the middle", "1 2 3 4 5 6 7 8 9", "1 2 3 4 x 6 7 8 9", "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n"},
		{"the first line", "a b", "c b", "@@ -1,2 +1,2 @@\n-a\n+c\n b\n"},
		{"lines that moved", "a b c d", "a c d b", "@@ -1,4 +1,4 @@\n a\n-b\n c\n d\n+b\n"},
		{
			"two places far apart", "1 2 3 4 5 6 7 8 9 10 11 12 13 14", "x 2 3 4 5 6 7 8 9 10 11 12 13 y",
			"@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n@@ -11,4 +11,4 @@\n 11\n 12\n 13\n-14\n+y\n",
		},
		{"two places near to each other", "1 2 3 4", "x 2 3 y", "@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n-4\n+y\n"},
		{"nothing left", "a", "", "@@ -1,1 +1,1 @@\n-a\n+\n"},
	}
	for _, r := range rows {
		want := "--- f\n+++ f\n" + r.want
		if got := a.diff("f", lines(r.was), lines(r.is)); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", r.name, got, want)
		}
	}
}

func TestEveryDiffLeadsFromOneTextToTheOther(t *testing.T) {
	t.Parallel()
	var words []string
	for i := range 40 {
		words = append(words, string(rune('a'+i*7%11)))
	}
	for cut := range 20 {
		was, is := words[:20+cut], append(append([]string{}, words[cut:]...), words[:cut/2]...)
		var left, right []string
		for _, e := range compareLines(was, is) {
			if e.sign != '+' {
				left = append(left, e.text)
			}
			if e.sign != '-' {
				right = append(right, e.text)
			}
		}
		if strings.Join(left, "") != strings.Join(was, "") || strings.Join(right, "") != strings.Join(is, "") {
			t.Errorf("cut %d: the edits give %q and %q, want %q and %q", cut, left, right, was, is)
		}
	}
}
