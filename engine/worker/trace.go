package worker

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/headgate/headgate/engine/event"
	"github.com/headgate/headgate/engine/run"
)

// traceparent gives the W3C trace context that a run's requests carry: it goes on with the sender's, where the provider's manifest keeps
// that header, and begins one else. It is derived, so that a run made twice has one.
func traceparent(ev *event.Event, pipeline string, cause run.Cause) string {
	id := sha256.Sum256([]byte(ev.Request + "\x00" + ev.ID.String() + "\x00" + pipeline + "\x00" + string(cause.Kind) + "\x00" + cause.Ref))
	trace, flags := hex.EncodeToString(id[:16]), "01"
	for _, h := range ev.Headers {
		if h.Name != "traceparent" {
			continue
		}
		if t, f, ok := parseTraceparent(h.Value); ok {
			trace, flags = t, f
		}
	}
	return "00-" + trace + "-" + hex.EncodeToString(id[16:24]) + "-" + flags
}

// parseTraceparent reads version-trace-parent-flags. Of a later version it takes what version 00 has.
func parseTraceparent(text string) (trace, flags string, ok bool) {
	parts := strings.Split(text, "-")
	if len(parts) < 4 || parts[0] == "00" && len(parts) > 4 {
		return "", "", false
	}
	for i, length := range []int{2, 32, 16, 2} {
		if len(parts[i]) != length || strings.Trim(parts[i], "0123456789abcdef") != "" {
			return "", "", false
		}
	}
	if parts[0] == "ff" || strings.Trim(parts[1], "0") == "" || strings.Trim(parts[2], "0") == "" {
		return "", "", false
	}
	return parts[1], parts[3], true
}
