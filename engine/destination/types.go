package destination

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/engine/fault"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/hooks"
)

// kind is what speaks at the other end.
type kind struct {
	name string
	// message makes of a rendered value what is sent as JSON; nil sends any value as it is. It tells note what it had to cut.
	message func(v any, note func(string)) (map[string]any, error)
	// read looks into an answer for what its status does not say; nil reads nothing.
	read func(v *Verdict, status int, a answer)
	// secretURL says that whoever knows the URL may post, so that it must not be written into a manifest.
	secretURL bool
	// webhooks are the hosts and paths with which such URLs begin, whatever type the destination says it is of.
	webhooks []string
}

// kinds lists the types of destinations; the first is the default.
func kinds() []kind {
	return []kind{
		{name: "http"},
		{name: "slack", message: slackMessage, read: readSlack, secretURL: true, webhooks: []string{"hooks.slack.com/services/"}},
		{
			name: "discord", message: discordMessage, read: readDiscord, secretURL: true,
			webhooks: []string{"discord.com/api/webhooks/", "discordapp.com/api/webhooks/"},
		},
	}
}

func kindOf(name string) kind {
	for _, k := range kinds() {
		if k.name == name {
			return k
		}
	}
	return kinds()[0]
}

// What Slack and Discord take, by their documentation. What is longer they refuse, and with it the whole message.
const (
	slackTextRunes      = 40_000
	slackBlocks         = 50
	discordContentRunes = 2000
	discordEmbeds       = 10
)

// slackMessage makes a message for an incoming webhook: text alone is its `text`, a map is sent as it is. What is longer than Slack
// takes is cut.
func slackMessage(v any, note func(string)) (map[string]any, error) {
	m, err := messageMap(v, "text")
	if err != nil {
		return nil, err
	}
	if !hasAny(m, "text", "blocks", "attachments") {
		return nil, badMessage("a Slack message has a `text`, `blocks` or `attachments`")
	}
	cutText(m, "text", slackTextRunes, note)
	cutList(m, "blocks", slackBlocks, note)
	return m, nil
}

// discordMessage makes a message for a webhook: text alone is its `content`, a map is sent as it is. What is longer than Discord
// takes is cut. Where the message does not say whom it may notify, it notifies nobody: text from an event that says @everyone stays
// text.
func discordMessage(v any, note func(string)) (map[string]any, error) {
	m, err := messageMap(v, "content")
	if err != nil {
		return nil, err
	}
	if !hasAny(m, "content", "embeds", "components", "poll") {
		return nil, badMessage("a Discord message has `content` or `embeds`")
	}
	cutText(m, "content", discordContentRunes, note)
	cutList(m, "embeds", discordEmbeds, note)
	if _, ok := m["allowed_mentions"]; !ok {
		m["allowed_mentions"] = map[string]any{"parse": []any{}}
	}
	return m, nil
}

// messageMap gives a message as a map of its own, that may be changed.
func messageMap(v any, textKey string) (map[string]any, error) {
	switch x := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(x)+1)
		for k, v := range x {
			m[k] = v
		}
		return m, nil
	case string:
		return map[string]any{textKey: x}, nil
	case bool:
		return map[string]any{textKey: strconv.FormatBool(x)}, nil
	case int64, int, float64, json.Number:
		return map[string]any{textKey: fmt.Sprint(x)}, nil
	case nil:
		return nil, badMessage("the message is null")
	case []any:
		return nil, badMessage("the message is a list; write text or a map")
	}
	return nil, badMessage(fmt.Sprintf("the message is of type %T; write text or a map", v))
}

// hasAny says whether one of the keys holds something.
func hasAny(m map[string]any, keys ...string) bool {
	for _, k := range keys {
		switch x := m[k].(type) {
		case nil:
		case string:
			if x != "" {
				return true
			}
		case []any:
			if len(x) > 0 {
				return true
			}
		default:
			return true
		}
	}
	return false
}

func badMessage(why string) error { return fault.New(fault.Permanent, CodeBadMessage, why, nil) }

// cutText holds a text within a number of characters, the last of which then shows that it was cut.
func cutText(m map[string]any, key string, limit int, note func(string)) {
	text, ok := m[key].(string)
	if !ok || len(text) <= limit || utf8.RuneCountInString(text) <= limit {
		return
	}
	runes := []rune(text)
	m[key] = string(runes[:limit-1]) + "…"
	note(fmt.Sprintf("%s was cut from %d to %d characters", key, len(runes), limit))
}

func cutList(m map[string]any, key string, limit int, note func(string)) {
	list, ok := m[key].([]any)
	if !ok || len(list) <= limit {
		return
	}
	m[key] = list[:limit:limit]
	note(fmt.Sprintf("%s were cut from %d to %d", key, len(list), limit))
}

// readSlack looks into a 2xx: an incoming webhook answers the plain text `ok`, workflows and the Web API JSON with a field ok.
// Receivers that only look like Slack answer nothing or JSON of their own, which is taken for a success. Other text comes from
// something else on the way.
func readSlack(v *Verdict, status int, a answer) {
	if hooks.Classify(status) != hooks.OK {
		return
	}
	text := strings.TrimSpace(a.text)
	m, isMap := a.value.(map[string]any)
	if !isMap {
		if text != "" && !strings.EqualFold(text, "ok") && a.value == any(a.text) {
			v.fail(run.AttemptUnknown, CodeUnexpectedAnswer)
		}
		return
	}
	if ok, has := m["ok"].(bool); !has || ok {
		return
	}
	switch m["error"] {
	case "ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout":
		v.fail(run.AttemptTemporary, CodeRefusedMessage)
	default:
		v.fail(run.AttemptPermanent, CodeRefusedMessage)
	}
}

// readDiscord looks into a 429, whose JSON says more exactly than its header how long to wait.
func readDiscord(v *Verdict, status int, a answer) {
	m, ok := a.value.(map[string]any)
	if status != 429 || !ok {
		return
	}
	var seconds float64
	switch x := m["retry_after"].(type) {
	case int64:
		seconds = float64(x)
	case float64:
		seconds = x
	case json.Number:
		seconds, _ = x.Float64() // digits that no float holds exactly
	}
	if seconds > 0 {
		wait := hooks.MaxRetryAfter
		if seconds < wait.Seconds() {
			wait = time.Duration(seconds * float64(time.Second))
		}
		v.RetryAfter = max(v.RetryAfter, wait)
	}
}
