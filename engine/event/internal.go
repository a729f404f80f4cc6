package event

// The events that Headgate tells of itself, of the provider [Internal]. Pipelines receive them by name; a receive of all providers ("*")
// does not get them. They are stored only where a live pipeline receives them, in the commit that they tell of.
const (
	// RunParked is that a run was parked.
	RunParked = "run.parked"
	// DestinationFailing is that the breaker of a destination opened, DestinationDisabled that nothing is sent there any more until a person
	// enables it.
	DestinationFailing  = "destination.failing"
	DestinationDisabled = "destination.disabled"
)

// Declared is an event that Headgate tells of itself, as people write pipelines for it.
type Declared struct {
	Name string
	// Doc says in a sentence when it comes, Example is a payload.
	Doc     string
	Example string
}

// Own lists the events that Headgate tells of itself.
func Own() []Declared {
	return []Declared{
		{
			Name: RunParked, Doc: "A run was parked: it needs a person.",
			Example: `{"run":"01k7h2m9q4d0e-6tq0v3y8zr","event":"01k7h2m9q4d0e","provider":"acme","event_name":"order.created","pipeline":"orders",` +
				`"reason":"retries_spent","message":"Tell: 10 attempts failed, the last with http_503","destination":"ops","round":0,"attempts":10,` +
				`"execution_id":"webhook-acme-01k7h2m9q4d0e"}`,
		},
		{
			Name: DestinationFailing, Doc: "The breaker of a destination opened: it is left alone for a while.",
			Example: `{"destination":"ops","trips":1,"until":"2026-03-04T05:06:37Z"}`,
		},
		{
			Name: DestinationDisabled, Doc: "A destination is disabled: what is for it is parked until a person enables it.",
			Example: `{"destination":"ops","reason":"it answered 410 Gone","at":"2026-03-04T05:06:07Z"}`,
		},
	}
}
