package telemetry

// The keys of log attributes. No other is used anywhere in the program: the list in .golangci.yml is this one, and a test keeps
// the two equal. A package below this one writes the word itself.
const (
	// KeyComponent is the part of the program that speaks: "ingress", "worker", "admin", "store", "manifests".
	KeyComponent = "component"

	// KeyProvider is a provider's name.
	KeyProvider = "provider"
	// KeyEvent is the id of an event.
	KeyEvent = "event"
	// KeyEventName is the name of an event: "pull_request".
	KeyEventName = "event_name"
	// KeyDelivery is the sender's delivery id.
	KeyDelivery = "delivery"
	// KeyRequestID is the X-Request-Id of an inbound request.
	KeyRequestID = "request_id"
	// KeyPipeline is a pipeline's name.
	KeyPipeline = "pipeline"
	// KeyRun is the id of a run.
	KeyRun = "run"
	// KeyStep is the path of a step inside its run: a node's label, with visit and item.
	KeyStep = "step"
	// KeyNode is a node's label, where no run is meant.
	KeyNode = "node"
	// KeyJob is the id of a job.
	KeyJob = "job"
	// KeyTask is the number of a task.
	KeyTask = "task"
	// KeyAttempt is which attempt it is, from 1.
	KeyAttempt = "attempt"
	// KeyDestination is a destination's name, or "pipeline/label" of one written inline.
	KeyDestination = "destination"
	// KeyMetric is the name of a metric that a pipeline measures.
	KeyMetric = "metric"
	// KeyGate is the name of a gate.
	KeyGate = "gate"
	// KeyLane is live, retry or replay.
	KeyLane = "lane"

	// KeyState is the state of an event, a run, a gate or a service.
	KeyState = "state"
	// KeyOutcome is how a run or an attempt ended.
	KeyOutcome = "outcome"
	// KeyAnswer is what a sender was told: "processed", "invalid_signature".
	KeyAnswer = "answer"
	// KeyStatus is an HTTP status.
	KeyStatus = "status"
	// KeyCode is a stable word for what went wrong.
	KeyCode = "code"
	// KeyReason is why, in a word or a sentence.
	KeyReason = "reason"
	// KeyError is an error.
	KeyError = "error"
	// KeyPanic is what a part panicked with, KeyStack where.
	KeyPanic = "panic"
	// KeyStack is a goroutine's stack.
	KeyStack = "stack"

	// KeyTook is how long something took.
	KeyTook = "took"
	// KeyWait is how long until the next try.
	KeyWait = "wait"
	// KeyEvery is the period of something that repeats.
	KeyEvery = "every"
	// KeyDue is when something is due.
	KeyDue = "due"

	// KeyDigest is the digest of the running snapshot.
	KeyDigest = "digest"
	// KeyRevision is the digest of one pipeline and all that it uses.
	KeyRevision = "revision"
	// KeyCommit is the commit that the manifest folder stands at.
	KeyCommit = "commit"
	// KeyFolders are the manifest folders.
	KeyFolders = "folders"
	// KeyFile is a file's path.
	KeyFile = "file"
	// KeyFindings is how many findings there are.
	KeyFindings = "findings"
	// KeyProviders is how many providers there are.
	KeyProviders = "providers"
	// KeyPipelines is how many pipelines there are.
	KeyPipelines = "pipelines"
	// KeyDestinations is how many destinations there are.
	KeyDestinations = "destinations"
	// KeyEvents is how many events there are.
	KeyEvents = "events"
	// KeyRuns is how many runs there are.
	KeyRuns = "runs"
	// KeyCount is how many there are of what the message names.
	KeyCount = "count"
	// KeyBytes is a size.
	KeyBytes = "bytes"

	// KeyWrote says whether any byte of a request left this process.
	KeyWrote = "wrote"
	// KeyAddress is a network address: host and port.
	KeyAddress = "address"
	// KeyURL is a URL that holds nothing secret.
	KeyURL = "url"
	// KeyMethod is an HTTP method.
	KeyMethod = "method"
	// KeyPath is the path of an inbound request.
	KeyPath = "path"
	// KeyRequest is an outgoing request as the manifest writes it.
	KeyRequest = "request"

	// KeyStore is the kind of a store, or its file.
	KeyStore = "store"
	// KeySetting is the name of a setting.
	KeySetting = "setting"
	// KeyService is the name of a service of the process.
	KeyService = "service"
	// KeySignal is the signal that was received.
	KeySignal = "signal"
	// KeyVersion is a version of Headgate, KeyGo that of Go.
	KeyVersion = "version"
	// KeyGo is the version of Go that built the binary.
	KeyGo = "go"
)
