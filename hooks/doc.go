// Package hooks sends outgoing HTTP requests as webhooks need it: exactly one attempt in, one [Attempt] out.
//
// A [Client] never retries, follows no redirect, asks no proxy, reads a bounded answer and ends the whole attempt within its
// timeout. Which addresses it may reach is decided in its dialer by hooks/egress. What failed is an [*Error] that says whether a
// later try may help and how long to wait; [Policy] is the schedule of such tries, as a pure function. Who calls when is the
// caller's matter: there is no queue, no breaker and no goroutine here.
//
// A Request may name a [TokenSource] (OAuth 2.0 client credentials) and a [Certificate] (mutual TLS, own authorities). Tokens are
// fetched past the same guard, as part of the attempt that needs one, and kept by the Client; a kept token that the receiver
// refuses with 401 is fetched anew and the request sent once more within the attempt, the only case of a second request.
// Connections of different Certificates are never shared.
//
// A webhook's URL is often its only secret. Errors, attempts and log lines therefore never carry the URL, a header's value or an
// address; they name a request by the Line that its maker gave it.
//
// The package imports nothing of Headgate's engine and can be used as a library. A Client may be used by any number of
// goroutines at once.
package hooks
