package pipeline

import (
	"time"

	"github.com/headgate/headgate/engine/node"
	"github.com/headgate/headgate/engine/run"
	"github.com/headgate/headgate/engine/script"
)

// Codes of failures that the fold itself finds, beside those of engine/script.
const (
	CodeExpression    = "expression"      // a node failed without a code of its own
	CodeOutput        = "output"          // an output could not be kept
	CodeTimeout       = "timeout"         // a step was not through within the node's `timeout`
	CodeTooDeep       = "too_deep"        // an emitted event has too many others above it
	CodeTooManyEvents = "too_many_events" // the run emits more than event.MaxEmitted
	CodeTooManyItems  = "too_many_items"  // the bodies of a run would be run more often than MaxItems in all
)

// Effect is work that a node asks for and that has not been done.
type Effect struct {
	// Path is the step's ("Each[3]/Tell"), Node the node's label ("Tell"), Type its type.
	Path string
	Node string
	Type string
	// Ask is what is asked for: a node.Deliver, node.Publish, node.Wait, node.Batch or node.Call.
	Ask node.Outcome
	// Env holds the names in scope, for what is rendered when the effect is performed.
	Env *script.Env
	// Message is the output of the node before, Raw whether it is the event's own payload.
	Message any
	Raw     bool
	// At is when the node was reached (see node.Input).
	At time.Time
	// Timeout is how long the step may take in all, from when its work began; 0 where nothing is said.
	Timeout time.Duration
	// Catches says that the node's [error] is connected.
	Catches bool
	// Await is the group under which a wait for an event waits (see [AwaitGroup]); "" for others.
	Await string

	notes node.Notes
}

// Progress is what follows from a record.
type Progress struct {
	// Steps are new, in the order they ended.
	Steps []run.Step
	// Effects are asked for and not yet done, whether or not a task for them is open already.
	Effects []Effect
	// More says that the slice of the record was over before all nodes were visited: the run is open, Effects may lack some of those asked
	// for, and who settles this leaves a task to fold the record again.
	More bool
	// State is what the run has come to; Outcome of a done one; Reason and Message of a parked one.
	State   run.State
	Outcome run.Outcome
	Reason  string
	Message string
	// Emissions, Measures and Reply belong to Steps: they are to happen once, when these are settled. Of several replies it is the first.
	Emissions []Emission
	Measures  []node.Measure
	Reply     *node.Reply
}

// Emission is an event that a step puts into the log.
type Emission struct {
	Path    string // of the step
	Event   string
	Payload []byte // JSON
}
