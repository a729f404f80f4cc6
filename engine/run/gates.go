package run

// SubscriptionGate begins the gates of subscriptions: "subscription/<id>" is what the deliveries to one of them must pass.
const SubscriptionGate = "subscription/"
