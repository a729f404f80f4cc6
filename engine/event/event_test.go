package event_test

import (
	"errors"
	"sort"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/event"
)

func TestIDsSortAsTextLikeTheyDoInTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	var ids []event.ID
	for i := range 200 {
		ids = append(ids, event.NewID(at.Add(time.Duration(i/3)*time.Millisecond), int64(i)))
	}
	text := make([]string, len(ids))
	for i, id := range ids {
		text[i] = id.String()
		if len(text[i]) != 13 {
			t.Fatalf("%d has the text %q of %d characters, want 13", id, text[i], len(text[i]))
		}
	}
	if !sort.StringsAreSorted(text) {
		t.Errorf("texts are not in the order of the ids: %v", text)
	}
	if got := ids[0].Time(); !got.Equal(at) {
		t.Errorf("the id's time is %v, want %v", got, at)
	}
}

func TestWhatAnIDPrintsCanBeParsed(t *testing.T) {
	t.Parallel()
	for _, id := range []event.ID{1, 31, 32, 1 << 40, 1<<63 - 1, event.NewID(time.Now(), 77)} {
		got, err := event.ParseID(id.String())
		if err != nil || got != id {
			t.Errorf("ParseID(%q) = %d, %v, want %d", id, got, err, id)
		}
	}
	for _, bad := range []string{"", "0", "0000000000000", "000000000000i", "zzzzzzzzzzzzz", "00000000000001", "0000000000 01", "000000000000A"} {
		if id, err := event.ParseID(bad); !errors.Is(err, event.ErrBadID) {
			t.Errorf("ParseID(%q) = %d, %v, want ErrBadID", bad, id, err)
		}
	}
}

func TestExecutionIDNamesProviderAndEvent(t *testing.T) {
	t.Parallel()
	if got, want := event.ExecutionID("acme", 33), "webhook-acme-0000000000011"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("0000000000011")
	f.Add("webhook")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := event.ParseID(s)
		if err == nil && id.String() != s {
			t.Errorf("ParseID(%q) gives %d, which prints %q", s, id, id)
		}
	})
}
