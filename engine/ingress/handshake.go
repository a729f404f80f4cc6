package ingress

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/headgate/headgate/engine/provider"
)

// confirmLimit is how long the confirmation of a handshake may take: the senders that ask for one wait ten seconds and more.
const confirmLimit = 8 * time.Second

// shake answers a handshake. What it is to change is changed before the answer: a sender that hears of a failure tries again.
func (x *exchange) shake(p *provider.Provider, r *provider.Request, h *provider.Handshake) {
	if h.Store.IsZero() && h.Confirm == "" {
		x.reply(&h.Reply, answerHandshake)
		return
	}
	// Each costs a write or a request of ours, and a stranger may ask for it.
	if !x.quota.take(x.name+"/"+answerHandshake, x.arrived) {
		x.limited(p, r, time.Second/quotaRate)
		return
	}
	if err := x.complete(p, h); err != nil {
		if n, ok := x.quiet.say(x.name+"/"+answerHandshake, x.arrived); ok {
			x.log.Error("a handshake could not be completed", "request_id", x.id, "provider", x.name, "reason", "handshake "+h.Name, "error", err, "count", n)
		}
		x.w.Header().Set("Retry-After", retryAfter)
		x.refuse(http.StatusServiceUnavailable, "handshake_failed", "The handshake cannot be completed now; try again later.")
		return
	}
	x.log.Info("handshake completed", "request_id", x.id, "provider", x.name, "reason", "handshake "+h.Name)
	x.reply(&h.Reply, answerHandshake)
}

// answerHandshake is what Observer is told of a handshake.
const answerHandshake = "handshake"

// complete does what a handshake asks for.
func (x *exchange) complete(p *provider.Provider, h *provider.Handshake) error {
	if !h.Store.IsZero() {
		if x.o.Learner == nil {
			return errors.New("nothing keeps the secrets of handshakes here")
		}
		if err := x.o.Learner.Learn(x.deadline.context(), p.Name(), h.Store); err != nil {
			return fmt.Errorf("keeping the secret: %w", err)
		}
	}
	if h.Confirm == "" {
		return nil
	}
	if x.o.Confirmer == nil {
		return errors.New("nothing confirms handshakes here")
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), confirmLimit)
	defer cancel()
	if err := x.o.Confirmer.Confirm(ctx, h.Confirm); err != nil {
		return fmt.Errorf("confirming: %w", err)
	}
	return nil
}

// limited answers what comes too often.
func (x *exchange) limited(p *provider.Provider, r *provider.Request, wait time.Duration) {
	x.w.Header().Set("Retry-After", strconv.Itoa(seconds(wait)))
	x.w.Header().Set("Connection", "close") // what there is of a body is not waited for
	x.turnAway(p, r, refusal(http.StatusTooManyRequests, "rate_limited", "Too many requests; try again later.", fmt.Sprintf("again in %s", wait.Round(time.Millisecond))))
}
