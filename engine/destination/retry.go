package destination

import (
	"fmt"
	"slices"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/engine/source"
	"github.com/headgate/headgate/hooks"
)

// policy compiles `retry`.
func (c *compiler) policy() hooks.Policy {
	n := c.v.Node(keyRetry)
	switch {
	case n == nil:
		return hooks.DefaultPolicy()
	case n.Kind == source.Map:
		return c.mappedPolicy(n)
	case n.Kind == source.List:
		return c.listedPolicy(n)
	}
	hint := "write a map such as {max_attempts: 5}, or a list such as [0s, 5s, 5m]"
	switch n.Kind {
	case source.Int:
		hint = fmt.Sprintf("write {max_attempts: %s}; it counts the first", n.Text)
	case source.Bool:
		hint = "write {max_attempts: 1} for no repetition; leave the key out for the default"
	}
	c.out.Errorf(diag.WrongType, n.Span, hint, "`%s` takes a map or a list of durations, not %s", c.v.Path(keyRetry), n.Kind.WithArticle())
	return hooks.Policy{}
}

func (c *compiler) mappedPolicy(n *source.Node) hooks.Policy {
	v := retryObject().DecodeAt(c.v.Path(keyRetry), n, c.out)
	var policy hooks.Policy
	var err error
	if v.Has(keyInitial) || v.Has(keyMax) || v.Has(keyFactor) {
		policy, err = hooks.ExponentialPolicy(hooks.Exponential{
			MaxAttempts: int(v.Int(keyMaxAttempts)), Initial: v.Duration(keyInitial), Max: c.longest(v), Factor: v.Number(keyFactor), Jitter: v.Number(keyJitter),
		})
	} else {
		policy, err = hooks.ListPolicy(standardDelays(int(v.Int(keyMaxAttempts))), v.Number(keyJitter))
	}
	if err != nil {
		c.out.Errorf(diag.BadValue, n.Span, "", "`%s`: %v", c.v.Path(keyRetry), err)
	}
	return policy
}

// longest is `max`, which where it is not written follows an `initial` that is longer.
func (c *compiler) longest(v *field.Values) time.Duration {
	if !v.Has(keyMax) {
		return max(v.Duration(keyMax), v.Duration(keyInitial))
	}
	return v.Duration(keyMax)
}

// standardDelays gives the default schedule for another number of attempts.
func standardDelays(attempts int) []time.Duration {
	delays := append([]time.Duration{0}, hooks.DefaultPolicy().Delays()...)
	for len(delays) < attempts {
		delays = append(delays, delays[len(delays)-1])
	}
	return slices.Clip(delays[:attempts])
}

func (c *compiler) listedPolicy(n *source.Node) hooks.Policy {
	delays := make([]time.Duration, 0, len(n.Items))
	for i, item := range n.Items {
		text := item.Text
		if item.Value != nil {
			text = item.Value.Reveal()
		}
		d, err := field.ParseDuration(text)
		if !item.IsScalar() || err != nil {
			c.out.Errorf(diag.BadValue, item.Span, "write a duration such as 30s or 1h5m", "`%s[%d]` is no duration", c.v.Path(keyRetry), i)
			return hooks.Policy{}
		}
		delays = append(delays, d)
	}
	policy, err := hooks.ListPolicy(delays, defaultJitter)
	if err != nil {
		c.out.Errorf(diag.BadValue, n.Span, "for example [0s, 5s, 5m]", "`%s`: %v", c.v.Path(keyRetry), err)
	}
	return policy
}
