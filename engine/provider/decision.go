package provider

import (
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/signature"
	"github.com/headgate/headgate/engine/store"
)

// Request is one inbound call with the id that its answer carries. Receive fills in what follows from the provider: URL, Endpoint, Form,
// Document, Item and Claims.
type Request struct {
	signature.Request
	// ID is the X-Request-Id.
	ID string
	// Routes is the digest of the snapshot that received it.
	Routes string

	missing error  // why there is no document where there should be one
	stored  string // what is kept of the query
}

// Verdict is what becomes of a request.
type Verdict uint8

// The verdicts.
const (
	// Refused requests are answered with an error, and nothing of them is stored.
	Refused Verdict = iota
	// Accepted requests become events that start pipelines.
	Accepted
	// Ignored requests become events that are recorded and start nothing.
	Ignored
	// Quarantined requests become events that are kept for a person to look at and start nothing: their schema refuses them.
	Quarantined
	// Answered requests are handshakes: they are answered as the provider wants it, and no event comes of them.
	Answered
)

// String gives "refused", "accepted", "ignored", "quarantined" or "handshake".
func (v Verdict) String() string {
	return [...]string{"refused", "accepted", "ignored", "quarantined", "handshake"}[v]
}

// Decision is what Receive makes of a request.
type Decision struct {
	Verdict Verdict
	// Genuine says that the signature held, or that the provider signs nothing: it is false of what a stranger could have sent.
	Genuine bool
	// Arrivals are the events to append, their ids still to be given; none where refused.
	Arrivals []store.Arrival
	// Refusal is set where refused.
	Refusal *Refusal
	// Batch says that the request is a list of events: its answer counts them.
	Batch bool
	// Events is how many events the request held; an empty batch holds none and still is one Arrival.
	Events int
	// Ack replaces the answer to what was stored, where the provider wants its own.
	Ack *Reply
	// Handshake is set where answered.
	Handshake *Handshake
}

// Handshake is how a request that is no delivery is answered. Store and Confirm come before the answer: where one of them fails, the
// sender is to ask again.
type Handshake struct {
	// Name is the handshake's own, or its number from 0.
	Name  string
	Reply Reply
	// Store is a secret that the provider signs with from now on; empty for none.
	Store secret.Value
	// Confirm is an https URL to GET; "" for none. Its host is one that the manifest lists.
	Confirm string
}

// Refusal is why a request is refused.
type Refusal struct {
	// Status, Code and Message are for the sender: the class and nothing finer.
	Status  int
	Code    string
	Message string
	// Detail is for the operator. It holds nothing secret.
	Detail string
	// Reply replaces status and body, where the provider demands it.
	Reply *Reply
	// Rule names the signature rule that applied, "" where none did.
	Rule string
	// Signature says that the request is not known to be genuine, so that [Provider.Explain] may say more.
	Signature bool
}
