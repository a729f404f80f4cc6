package worker

import (
	"testing"
	"time"
)

func TestARateLetsSoManyBeginInATime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		perSecond float64
		burst     int
		want      int // in 10 s
	}{{10, 1, 100}, {10, 20, 120}, {0.5, 1, 5}, {3, 3, 33}, {1000, 1, 10_000}} {
		now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
		end := now.Add(10 * time.Second)
		var b bucket
		begun, looks := 0, 0
		for now.Before(end) {
			n, wait := b.free(now, tt.perSecond, tt.burst)
			looks++
			if n == 0 {
				if wait <= 0 {
					t.Fatalf("nothing may begin, and it is not said when")
				}
				now = now.Add(wait)
				continue
			}
			begun += n
			b.take(n)
		}
		if begun < tt.want-1 || begun > tt.want+1 {
			t.Errorf("at %v/s with a burst of %d, %d began in 10 s, want %d", tt.perSecond, tt.burst, begun, tt.want)
		}
		if looks > 2*begun+tt.burst+10 {
			t.Errorf("for %d that began it was asked %d times", begun, looks)
		}
	}
}

func TestATokenThatIsNotUsedIsGivenBack(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	var b bucket
	b.free(now, 1, 2)
	b.take(2)
	if n, wait := b.free(now, 1, 2); n != 0 || wait.Round(time.Millisecond) != time.Second {
		t.Errorf("of an empty bucket come %d, the next in %v", n, wait)
	}
	b.give()
	if n, _ := b.free(now, 1, 2); n != 1 {
		t.Errorf("with one token given back %d may begin, want 1", n)
	}
	b.give()
	b.give()
	if n, _ := b.free(now, 1, 2); n != 2 {
		t.Errorf("a bucket of 2 holds %d", n)
	}
}
