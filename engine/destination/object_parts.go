package destination

import (
	"time"

	"github.com/headgate/headgate/engine/field"
	"github.com/headgate/headgate/hooks"
)

// The keys inside of others.
const (
	keyEnabled     = "enabled"
	keyStrategy    = "strategy"
	keyMaxAttempts = "max_attempts"
	keyDelay       = "delay"
	keyInitial     = "initial"
	keyMax         = "max"
	keyFactor      = "factor"
	keyJitter      = "jitter"

	keyRate  = "rate"
	keyBurst = "burst"

	keyFailures = "failures"
	keyRatio    = "ratio"
	keySample   = "sample"
	keyWindow   = "window"
	keyPause    = "pause"
	keyMaxPause = "max_pause"

	keyBy          = "by"
	keyOnExhausted = "on_exhausted"

	keyBearer   = "bearer"
	keyBasic    = "basic"
	keyHeader   = "header"
	keyOAuth2   = "oauth2"
	keyUsername = "username"
	keyPassword = "password"
	keyName     = "name"
	keyValue    = "value"

	keyTokenURL     = "token_url"
	keyClientID     = "client_id"
	keyClientSecret = "client_secret"
	keyScopes       = "scopes"
	keyAudience     = "audience"
	keyStyle        = "style"
	keyParams       = "params"

	keyCert = "cert"
	keyKey  = "key"
	keyCA   = "ca"
)

// DefaultMaxAge is how long attempts are begun, far longer than the default schedule takes where no breaker is open.
const DefaultMaxAge = 96 * time.Hour

const (
	minMaxAge = int64(time.Second)
	maxMaxAge = int64(30 * 24 * time.Hour)
	// minDelay keeps a schedule from hammering; below it nothing heals.
	minDelay   = int64(100 * time.Millisecond)
	longest    = int64(7 * 24 * time.Hour)
	maxSecrets = 8
)

// defaultJitter spreads what failed together over 40 % of each delay.
const defaultJitter = 0.2

func retryObject() *field.Object {
	return &field.Object{
		Name: "retry",
		Doc: "`strategy` says how the delays go. Without it, `delay` means fixed, `initial`, `max` or `factor` mean exponential, and with the other keys alone " +
			"the default schedule is kept and ends sooner, or goes on with its last delay.",
		Fields: []field.Field{
			{Name: keyEnabled, Type: field.Bool, Default: "true", Doc: "`false` makes one attempt."},
			{Name: keyStrategy, Type: field.Enum, Enum: strategies(), Doc: "`standard` is the default schedule; `exponential` is initial, initial x factor, initial x factor^2, … up to max; `linear` is delay, 2 x delay, 3 x delay, … up to max; `fixed` is always delay; `none` makes one attempt."},
			{Name: keyMaxAttempts, Type: field.Int, Default: "10", Min: 1, Max: hooks.MaxAttempts, Doc: "How many attempts are made; it counts the first."},
			{Name: keyDelay, Type: field.Duration, Default: "5s", Min: minDelay, Max: longest, Doc: "The delay of `fixed`, and the first of `linear`."},
			{Name: keyInitial, Type: field.Duration, Default: "5s", Min: minDelay, Max: longest, Doc: "The first delay of `exponential`."},
			{Name: keyMax, Type: field.Duration, Default: "1h", Min: minDelay, Max: longest, Doc: "No delay is longer."},
			{Name: keyFactor, Type: field.Number, Default: "2", Min: 1, Max: 100, Doc: "How many times longer each delay of `exponential` is."},
			{Name: keyJitter, Type: field.Number, Default: "0.2", Min: 0, Max: 1, Doc: "How much each delay is varied: 0.2 is 80 % to 120 % of it."},
		},
		Hints: map[string]string{
			"attempts": "write `max_attempts`", "count": "write `max_attempts`", "max_delay": "write `max`", "initial_delay": "write `initial`", "interval": "write `delay`",
			"type": "write `strategy`", "backoff": "write `strategy`",
		},
	}
}

func retryAfterObject() *field.Object {
	return &field.Object{
		Name: keyRetryAfter,
		Doc:  "A receiver that is busy may say when to come again, in a Retry-After header or as its type does. It makes a delay longer, never shorter.",
		Fields: []field.Field{
			{
				Name: keyMax, Type: field.Duration, Default: field.FormatDuration(hooks.MaxRetryAfter), Min: int64(time.Second), Max: int64(hooks.MaxRetryAfter),
				Doc: "Of a longer time only so much is kept to.",
			},
		},
	}
}

func rateObject() *field.Object {
	return &field.Object{
		Name: keyRateLimit,
		Doc:  "A bucket of tokens: `burst` attempts may begin at once after a pause, `rate` over time.",
		Fields: []field.Field{
			{Name: keyRate, Type: field.String, Required: true, Shown: true, Doc: "How many over time, such as `10/s`, `5/2s`, `600/m` or `5000/h`.", Example: "10/s"},
			{Name: keyBurst, Type: field.Int, Min: 1, Max: maxBurst, Doc: "How many at once after a pause. Default: the number in `rate`."},
		},
	}
}

func breakerObject() *field.Object {
	return &field.Object{
		Name: keyBreaker,
		Doc: "It opens after `failures` in a row, or where `ratio` of at least `sample` attempts within `window` failed. Open, it makes no attempts for `pause`; " +
			"then one attempt tries, whose success closes it and whose failure doubles the pause, up to `max_pause`. A 4xx is an answer, not a failure.",
		Fields: []field.Field{
			{Name: keyFailures, Type: field.Int, Default: "10", Min: 1, Max: 10_000, Doc: "How many failures in a row open it."},
			{Name: keyRatio, Type: field.Number, Default: "0.5", Min: 0, Max: 1, Doc: "Which part of the attempts within `window`."},
			{Name: keySample, Type: field.Int, Default: "20", Min: 1, Max: 10_000, Doc: "Of fewer attempts within `window` no part is taken."},
			{Name: keyWindow, Type: field.Duration, Default: "1m", Min: int64(time.Second), Max: int64(time.Hour), Doc: "How far back attempts count."},
			{Name: keyPause, Type: field.Duration, Default: "30s", Min: int64(time.Second), Max: int64(time.Hour), Doc: "How long it stays open the first time."},
			{Name: keyMaxPause, Type: field.Duration, Default: "10m", Min: int64(time.Second), Max: int64(24 * time.Hour), Doc: "How long it stays open at most."},
		},
		Hints: map[string]string{"threshold": "write `failures`", "timeout": "write `pause`", "cooldown": "write `pause`"},
	}
}

func orderingObject() *field.Object {
	return &field.Object{
		Name: keyOrdering,
		Doc:  "Runs of one key hold a lane from their beginning to their end, so that none overtakes another.",
		Fields: []field.Field{
			{Name: keyBy, Type: field.Expression, Required: true, Doc: "The key of a run, over event, payload, headers, query and vars; null binds a run to no order.", Example: "payload.customer.id"},
			{
				Name: keyOnExhausted, Type: field.Enum, Enum: []string{onExhaustedPark, onExhaustedSkip}, Required: true, Example: onExhaustedPark,
				Doc: "When a run is parked: `park` keeps those behind it waiting until somebody retries or drops it, `skip` lets the next one go.",
			},
		},
	}
}

func authObject() *field.Object {
	return &field.Object{
		Name: keyAuth,
		Doc:  "One of them.",
		Fields: []field.Field{
			{Name: keyBearer, Type: field.Text, Secret: true, Doc: "A token, sent as `Authorization: Bearer …`.", Example: "<<env.TOKEN>>"},
			{Name: keyBasic, Type: field.Map, Object: basicObject(), Doc: "A user and a password.", Example: "{username: gate, password: <<env.PASSWORD>>}"},
			{Name: keyHeader, Type: field.Map, Object: headerObject(), Doc: "A header of the receiver's own.", Example: "{name: X-Api-Key, value: <<env.KEY>>}"},
			{Name: keyOAuth2, Type: field.Map, Object: oauthObject(), Doc: "A token that we fetch by the client credentials grant of OAuth 2.0 (RFC 6749, section 4.4), keep, and fetch anew when it ends or is refused."},
		},
		Hints: map[string]string{"token": "write `bearer`", "api_key": "write `header: {name: X-Api-Key, value: <<env.KEY>>}`", "oauth": "write `oauth2`"},
	}
}

func basicObject() *field.Object {
	return &field.Object{Name: keyBasic, Doc: "Basic authentication (RFC 7617).", Fields: []field.Field{
		{Name: keyUsername, Type: field.Text, Required: true, Doc: "The user, without a colon."},
		{Name: keyPassword, Type: field.Text, Required: true, Secret: true, Doc: "The password.", Example: "<<env.PASSWORD>>"},
	}, Hints: map[string]string{"user": "write `username`"}}
}

func headerObject() *field.Object {
	return &field.Object{Name: keyHeader, Doc: "A header with a secret.", Fields: []field.Field{
		{Name: keyName, Type: field.String, Required: true, Shown: true, Doc: "The header's name.", Example: "X-Api-Key"},
		{Name: keyValue, Type: field.Text, Required: true, Secret: true, Doc: "Its value; text may stand around the reference.", Example: "<<env.KEY>>"},
	}}
}

func oauthObject() *field.Object {
	return &field.Object{
		Name: keyOAuth2, Doc: "The client credentials grant.",
		Fields: []field.Field{
			{Name: keyTokenURL, Type: field.Text, Required: true, Doc: "The endpoint that gives tokens. What holds for `url` holds for it.", Example: "https://login.example.com/oauth2/token"},
			{Name: keyClientID, Type: field.Text, Required: true, Doc: "Our name there."},
			{Name: keyClientSecret, Type: field.Text, Required: true, Secret: true, Doc: "Our secret there.", Example: "<<env.CLIENT_SECRET>>"},
			{Name: keyScopes, Type: field.Strings, Shown: true, Doc: "What the token is to allow."},
			{Name: keyAudience, Type: field.String, Shown: true, Doc: "The parameter `audience`, where the endpoint wants one."},
			{Name: keyStyle, Type: field.Enum, Enum: []string{string(hooks.TokenBasic), string(hooks.TokenBody)}, Default: string(hooks.TokenBasic), Doc: "Where name and secret stand: in the Authorization header, or in the form."},
			{Name: keyParams, Type: field.StringMap, Shown: true, Max: 20, Doc: "Further parameters of the form.", Example: "{resource: \"https://api.example.com\"}"},
		},
		Hints: map[string]string{"scope": "write `scopes`", "url": "write `token_url`"},
	}
}

func tlsObject() *field.Object {
	return &field.Object{
		Name: keyTLS, Doc: "PEM texts, best as `<<file.PATH>>`. `cert` and `key` come together.",
		Fields: []field.Field{
			{Name: keyCert, Type: field.Text, Doc: "Our certificate, with those between it and its authority.", Example: "<<file.client.pem>>"},
			{Name: keyKey, Type: field.Text, Secret: true, Doc: "Its key.", Example: "<<file.client.key>>"},
			{Name: keyCA, Type: field.Text, Doc: "The authorities that the receiver's certificate is checked against, instead of the system's.", Example: "<<file.ca.pem>>"},
		},
		Hints: map[string]string{"certificate": "write `cert`", "client_cert": "write `cert`", "client_key": "write `key`", "ca_cert": "write `ca`"},
	}
}
