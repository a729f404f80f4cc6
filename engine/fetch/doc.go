// Package fetch gets small documents from public https addresses: the keys and certificates that providers publish, and the one GET
// that confirms a subscription.
//
// The main type is [Client]. It keeps what it got for an hour, asks for one document once however many requests wait for it, and hands
// out what it has for a day where the address does not answer. Everything is bounded: 5 s and 64 KiB a document, 256 documents, 16
// addresses a host that may fail in half a minute, and 4 calls at once to each host that has given a document and to all others of one
// domain together. For addresses are often named by a request that nobody has verified yet: whoever makes them up takes no room from
// what was got, and no place from hosts that are known or belong to somebody else.
//
// It is no general HTTP client, and it does not decide which hosts may be asked: whoever calls it has held the address against the
// manifest's `hosts` (see signature.Hosts), and the transport that it is given refuses addresses inside the house.
//
// A Client may be used by any number of goroutines at once. It starts none: whoever asks first for a document fetches it, the others
// wait.
package fetch
