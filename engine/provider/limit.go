package provider

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/headgate/headgate/engine/diag"
)

// maxBurst and maxRate bound a limit from above: beyond them it limits nothing that this process could do.
const (
	maxBurst = 1_000_000
	maxRate  = 1_000_000
)

// limit reads `rate_limit`.
func (c *compiler) limit() {
	v := c.v.Object("rate_limit")
	if v == nil || !v.Has("rate") || !v.Good("rate") {
		return
	}
	count, rate, err := parseRate(v.String("rate"))
	if err != nil {
		c.out.Errorf(diag.BadValue, v.Span("rate"), err.Error(), "`rate_limit.rate` cannot be `%s`", v.Text("rate"))
		return
	}
	c.p.rate, c.p.burst = rate, count
	if v.Has("burst") && v.Good("burst") {
		c.p.burst = int(v.Int("burst"))
	}
}

// parseRate reads a rate such as 100/s: the count as written and what it is a second. The error says what to write.
func parseRate(text string) (count int, perSecond float64, err error) {
	number, unit, _ := strings.Cut(text, "/")
	seconds := map[string]float64{"s": 1, "m": 60, "h": 3600}[strings.TrimSpace(unit)]
	count, err = strconv.Atoi(strings.TrimSpace(number))
	if err != nil || seconds == 0 {
		return 0, 0, fmt.Errorf("write a rate such as 100/s, 600/m or 5000/h")
	}
	if count < 1 || float64(count)/seconds > maxRate || count > maxBurst {
		return 0, 0, fmt.Errorf("a rate is between 1 and %d", maxRate)
	}
	return count, float64(count) / seconds, nil
}
