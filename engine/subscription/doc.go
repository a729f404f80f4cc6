// Package subscription says who wants to hear of what, and where: the audience of hooks with `subscribers`.
//
// A [Subscription] names events, and may name users, scopes and a channel; it has an address, headers and secrets of its own. Some are
// declared in manifests (`kind: subscription`, see [Compile]), others are registered through the API and kept in the store with all that
// is secret of them sealed ([Registry.Create] and its neighbours). Both are one [Set], which [Set.Match] asks for the members that a
// [Query] means. Matching is pure and takes no lock; a Registry publishes a new Set whenever something changes, so that a change counts
// from the next event, or the next attempt, on.
//
// Not here: what is sent and how (engine/node/hook, engine/destination), the runs that a publication begins (engine/worker).
package subscription
