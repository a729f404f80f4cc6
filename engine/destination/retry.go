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

// The strategies of `retry`.
const (
	standard    = "standard"
	exponential = "exponential"
	linear      = "linear"
	fixed       = "fixed"
	none        = "none"
)

func strategies() []string { return []string{standard, exponential, linear, fixed, none} }

// strategyKeys gives the keys of `retry` that a strategy reads besides those that all do.
func strategyKeys(strategy string) []string {
	switch strategy {
	case exponential:
		return []string{keyInitial, keyMax, keyFactor}
	case linear:
		return []string{keyDelay, keyMax}
	case fixed:
		return []string{keyDelay}
	}
	return nil
}

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
	case n.Kind == source.String && n.Text == standard:
		return hooks.DefaultPolicy()
	case n.Kind == source.String && n.Text == none, n.Kind == source.Bool && n.Text == "false":
		return hooks.Policy{}
	}
	hint := "write a map such as {max_attempts: 5}, a list such as [0s, 5s, 5m], `standard` or `none`"
	switch n.Kind {
	case source.Int:
		hint = fmt.Sprintf("write {max_attempts: %s}; it counts the first", n.Text)
	case source.Bool:
		hint = "leave the key out for the default schedule"
	case source.String:
		if slices.Contains(strategies(), n.Text) {
			hint = fmt.Sprintf("write {strategy: %s, max_attempts: 5}", n.Text)
		}
	}
	c.out.Errorf(diag.WrongType, n.Span, hint, "`%s` takes a map, a list of durations, `standard` or `none`, not %s", c.v.Path(keyRetry), n.Kind.WithArticle())
	return hooks.Policy{}
}

func (c *compiler) mappedPolicy(n *source.Node) hooks.Policy {
	v := retryObject().DecodeAt(c.v.Path(keyRetry), n, c.out)
	strategy := c.strategy(v)
	attempts, jitter := int(v.Int(keyMaxAttempts)), v.Number(keyJitter)
	if !v.Bool(keyEnabled) {
		return hooks.Policy{}
	}
	var policy hooks.Policy
	var err error
	switch strategy {
	case none:
	case exponential:
		policy, err = hooks.ExponentialPolicy(hooks.Exponential{
			MaxAttempts: attempts, Initial: v.Duration(keyInitial), Max: longestDelay(v, keyInitial), Factor: v.Number(keyFactor), Jitter: jitter,
		})
	case linear:
		policy, err = hooks.ListPolicy(growing(attempts, v.Duration(keyDelay), longestDelay(v, keyDelay)), jitter)
	case fixed:
		policy, err = hooks.ListPolicy(growing(attempts, v.Duration(keyDelay), v.Duration(keyDelay)), jitter)
	default:
		policy, err = hooks.ListPolicy(standardDelays(attempts), jitter)
	}
	if err != nil {
		c.out.Errorf(diag.BadValue, n.Span, "", "`%s`: %v", c.v.Path(keyRetry), err)
	}
	return policy
}

// strategy gives the strategy that is written, or that the other keys mean, and finds keys that it does not read.
func (c *compiler) strategy(v *field.Values) string {
	strategy := v.String(keyStrategy)
	if strategy == "" {
		switch {
		case v.Has(keyInitial) || v.Has(keyFactor):
			strategy = exponential
		case v.Has(keyDelay) && v.Has(keyMax):
			strategy = linear
		case v.Has(keyDelay):
			strategy = fixed
		case v.Has(keyMax):
			strategy = exponential
		default:
			return standard
		}
	}
	for _, key := range []string{keyDelay, keyInitial, keyMax, keyFactor} {
		if v.Has(key) && v.Good(key) && v.Good(keyStrategy) && !slices.Contains(strategyKeys(strategy), key) {
			c.out.Errorf(diag.BadValue, v.KeySpan(key), "leave it out, or choose another `strategy`", "`%s` means nothing to the strategy `%s`", v.Path(key), strategy)
		}
	}
	return strategy
}

// longestDelay is `max`, which where it is not written follows a first delay that is longer.
func longestDelay(v *field.Values, first string) time.Duration {
	if !v.Has(keyMax) {
		return max(v.Duration(keyMax), v.Duration(first))
	}
	return v.Duration(keyMax)
}

// growing gives delays that grow by the first each time, up to a longest.
func growing(attempts int, first, longest time.Duration) []time.Duration {
	delays := make([]time.Duration, attempts)
	for i := 1; i < attempts; i++ {
		delays[i] = min(delays[i-1]+first, longest)
	}
	return delays
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
		text, known := scalar(item)
		if !known { // while manifests are only checked
			return hooks.DefaultPolicy()
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

// longestWait reads `retry_after`.
func (c *compiler) longestWait() time.Duration {
	if v := c.v.Object(keyRetryAfter); v != nil {
		return v.Duration(keyMax)
	}
	return hooks.MaxRetryAfter
}
