package destination

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/script"
	"github.com/headgate/headgate/engine/source"
)

// gate is what decides when attempts may begin.
type gate struct {
	concurrency int
	rate        float64 // a second; 0 for any number
	burst       int
	breaker     Breaker
	maxAge      time.Duration
	hold        bool
	ordering    *Ordering
}

// Breaker says when a failing destination is left alone. The zero Breaker is not one; Off is said in words.
type Breaker struct {
	Off bool
	// Failures in a row open it, or Ratio (0 to 1) of at least Sample attempts within Window.
	Failures int
	Ratio    float64
	Sample   int
	Window   time.Duration
	// Pause is how long it stays open the first time; each time that the attempt after it fails the pause doubles, up to MaxPause.
	Pause, MaxPause time.Duration
}

// Ordering binds runs to lanes.
type Ordering struct {
	// By gives the key of a run's lane; null binds it to none. It names no outputs of nodes.
	By script.Program
	// Keep says that a parked run keeps its lane closed behind it.
	Keep bool
}

const (
	onExhaustedPark = "park"
	onExhaustedSkip = "skip"
)

// Concurrency is how many attempts may be under way at a time.
func (d *Destination) Concurrency() int { return d.gate.concurrency }

// Rate is how many attempts may begin a second over time, and how many at once after a pause; not ok is any number.
func (d *Destination) Rate() (perSecond float64, burst int, ok bool) {
	return d.gate.rate, d.gate.burst, d.gate.rate > 0
}

// Breaker says when the destination is left alone.
func (d *Destination) Breaker() Breaker { return d.gate.breaker }

// MaxAge is how long after its node was reached an attempt may still be begun.
func (d *Destination) MaxAge() time.Duration { return d.gate.maxAge }

// Hold says that the manifest holds back everything that is to be sent.
func (d *Destination) Hold() bool { return d.gate.hold }

// Ordering gives the lanes of its runs; nil where they are bound to no order.
func (d *Destination) Ordering() *Ordering { return d.gate.ordering }

func (c *compiler) compileGate() {
	g := gate{concurrency: int(c.v.Int(keyConcurrency)), maxAge: c.maxAge(), hold: c.v.Bool(keyHold)}
	if !c.v.Has(keyMaxAge) && c.d.policy.Total() > g.maxAge*4/5 { // a longer schedule that somebody has written is not to be cut short
		g.maxAge = 2 * c.d.policy.Total() // delays are varied
	}
	g.rate, g.burst = c.rate()
	g.breaker = c.breaker()
	g.ordering = c.ordering()
	c.d.gate = g
}

// maxAge is `max_age`. Where that is not written, a schedule that takes longer is not cut off by it: what somebody wrote in days counts
// twice, for its jitter and for the waits that a receiver asks for.
func (c *compiler) maxAge() time.Duration {
	age, total := c.v.Duration(keyMaxAge), c.d.policy.Total()
	if !c.v.Has(keyMaxAge) && total+total/4 > age {
		return 2 * total
	}
	return age
}

// rate reads `rate_limit`: a map, or its rate alone. Without it the type's counts.
func (c *compiler) rate() (perSecond float64, burst int) {
	n := c.v.Node(keyRateLimit)
	if n == nil {
		return c.d.kind.rate, c.d.kind.burst
	}
	if n.Kind == source.Map {
		v := rateObject().DecodeAt(c.v.Path(keyRateLimit), n, c.out)
		if !v.Has(keyRate) || !v.Good(keyRate) {
			return 0, 0
		}
		perSecond, burst = c.parseRate(v.Node(keyRate), v.Path(keyRate), v.String(keyRate))
		if v.Has(keyBurst) && v.Good(keyBurst) {
			burst = int(v.Int(keyBurst))
		}
		return perSecond, burst
	}
	text, ok := scalar(n)
	switch {
	case !n.IsScalar() || n.Kind != source.String:
		c.out.Errorf(diag.WrongType, n.Span, "write a rate such as 10/s, or a map such as {rate: 10/s, burst: 20}", "`%s` takes a rate or a map, not %s", c.v.Path(keyRateLimit), n.Kind.WithArticle())
		return 0, 0
	case !ok: // a reference that is not known while manifests are only checked
		return 0, 0
	}
	return c.parseRate(n, c.v.Path(keyRateLimit), text)
}

func (c *compiler) parseRate(n *source.Node, path, text string) (perSecond float64, burst int) {
	burst, perSecond, err := parseRate(text)
	if err != nil {
		c.out.Errorf(diag.BadValue, n.Span, err.Error(), "`%s` cannot be `%s`", path, n.Text)
	}
	return perSecond, burst
}

// Bounds of a rate: beyond them it limits nothing that this process could do.
const (
	maxBurst = 1_000_000
	maxRate  = 1_000_000
)

// parseRate reads a rate such as 10/s, 5/2s or 600/m: the count as written, and what it is a second. The error says what to write.
func parseRate(text string) (count int, perSecond float64, err error) {
	number, period, _ := strings.Cut(text, "/")
	period = strings.TrimSpace(period)
	if period != "" && (period[0] < '0' || period[0] > '9') {
		period = "1" + period
	}
	count, err = strconv.Atoi(strings.TrimSpace(number))
	per, errPeriod := field.ParseDuration(period)
	if err != nil || errPeriod != nil || strings.TrimLeft(period, "0123456789.") == "" {
		return 0, 0, errors.New("write a rate such as 10/s, 5/2s, 600/m or 5000/h")
	}
	perSecond = float64(count) / per.Seconds()
	if count < 1 || count > maxBurst || per <= 0 || perSecond > maxRate || math.IsInf(perSecond, 0) {
		return 0, 0, fmt.Errorf("a rate is between 1 and %d", maxRate)
	}
	return count, perSecond, nil
}

// scalar gives a scalar's text with its references resolved; not ok where one is not known while manifests are only checked.
func scalar(n *source.Node) (text string, ok bool) {
	if n.Value == nil {
		return n.Text, true
	}
	return n.Value.Reveal(), !isPlaceholder(*n.Value)
}

func (c *compiler) breaker() Breaker {
	n := c.v.Node(keyBreaker)
	decoded := n
	switch {
	case n == nil:
	case n.Kind == source.Map:
	case n.Kind == source.Bool && strings.EqualFold(n.Text, "false"), n.Kind == source.String && n.Text == "off":
		return Breaker{Off: true}
	default:
		c.out.Errorf(diag.WrongType, n.Span, "write `off`, or a map such as {failures: 5, pause: 1m}", "`%s` takes `off` or a map, not %s", c.v.Path(keyBreaker), n.Kind.WithArticle())
		decoded = nil
	}
	v := breakerObject().DecodeAt(c.v.Path(keyBreaker), orEmpty(decoded), c.out)
	b := Breaker{
		Failures: int(v.Int(keyFailures)), Ratio: v.Number(keyRatio), Sample: int(v.Int(keySample)), Window: v.Duration(keyWindow),
		Pause: v.Duration(keyPause), MaxPause: v.Duration(keyMaxPause),
	}
	if v.Has(keyRatio) && v.Good(keyRatio) && b.Ratio == 0 {
		c.out.Errorf(diag.BadValue, v.Span(keyRatio), "write 1 to open it by `failures` alone, or `breaker: off`", "`%s` cannot be `0`: every attempt would open it", v.Path(keyRatio))
	}
	if b.MaxPause < b.Pause {
		if v.Has(keyMaxPause) && v.Good(keyMaxPause) && v.Good(keyPause) {
			c.out.Errorf(diag.BadValue, v.Span(keyMaxPause), "write at least `pause`", "`%s` is shorter than `%s`", v.Path(keyMaxPause), v.Path(keyPause))
		}
		b.MaxPause = b.Pause
	}
	return b
}

// orEmpty gives an empty map in the place of nil, whose fields then have their defaults.
func orEmpty(n *source.Node) *source.Node {
	if n == nil {
		return source.NewMap(source.Span{})
	}
	return n
}

func (c *compiler) ordering() *Ordering {
	v := c.v.Object(keyOrdering)
	if v == nil || !v.Has(keyBy) || !v.Good(keyBy) {
		return nil
	}
	scope := c.scope
	scope.Labels = nil // the key is worked out before any node has run
	by := script.CompileValue(script.Default, script.FromNode(v.Node(keyBy)), scope, c.out)
	if by == nil {
		return nil
	}
	return &Ordering{By: by, Keep: v.String(keyOnExhausted) == onExhaustedPark}
}
