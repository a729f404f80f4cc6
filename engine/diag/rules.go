package diag

// The rules of every finding. A rule id is stable: people name it in searches and in CI.
const (
	// engine/source and engine/manifest: files and YAML.

	YAMLSyntax   Rule = "yaml-syntax"
	YAMLQuote    Rule = "yaml-quote"
	YAMLComment  Rule = "yaml-comment"
	YAMLFeature  Rule = "yaml-feature"
	DuplicateKey Rule = "duplicate-key"
	Limit        Rule = "limit"
	Unreadable   Rule = "unreadable-file"
	IgnoreFile   Rule = "ignore-file"

	// engine/manifest: documents, names, use.

	UnknownKind   Rule = "unknown-kind"
	BadName       Rule = "bad-name"
	DuplicateName Rule = "duplicate-name"
	UnknownUse    Rule = "unknown-use"
	UseCycle      Rule = "use-cycle"

	// engine/manifest: references.

	UnsetVariable       Rule = "unset-variable"
	BadReference        Rule = "bad-reference"
	RefusedReference    Rule = "refused-reference"
	ReferenceNotAllowed Rule = "reference-not-allowed"
	SecretFile          Rule = "secret-file"

	// engine/field: keys and values.

	UnknownKey    Rule = "unknown-key"
	MissingKey    Rule = "missing-key"
	WrongType     Rule = "wrong-type"
	BadValue      Rule = "bad-value"
	LiteralSecret Rule = "literal-secret"
	DefaultSecret Rule = "default-secret"
	EmptySecret   Rule = "empty-secret"

	// engine/manifest/dipeo.

	DiPeONode  Rule = "dipeo-node"
	DiPeOValue Rule = "dipeo-value"

	// engine/signature: rules and {source|function} templates.

	BadTemplate      Rule = "bad-template"
	UnknownSource    Rule = "unknown-source"
	UnknownFunction  Rule = "unknown-function"
	UnknownAlgorithm Rule = "unknown-algorithm"
	BadSignature     Rule = "bad-signature"

	// engine/provider.

	MissingSignature Rule = "missing-signature"
	NoDelivery       Rule = "no-delivery"
	BadSchema        Rule = "bad-schema"
	BadExample       Rule = "bad-example"
	WeakSignature    Rule = "weak-signature"
	DeprecatedScheme Rule = "deprecated-signature"
	WeakToken        Rule = "weak-token"

	// engine/snapshot.

	DiffersFromCatalogue Rule = "differs-from-catalogue"

	// engine/destination.

	BadURL      Rule = "bad-url"
	InsecureURL Rule = "insecure-url"
	BadHeader   Rule = "bad-header"

	// engine/pipeline and engine/node: diagrams.

	DanglingReference   Rule = "dangling-reference"
	UnknownNodeType     Rule = "unknown-node-type"
	BadConnection       Rule = "bad-connection"
	BadHandle           Rule = "bad-handle"
	DuplicateConnection Rule = "duplicate-connection"
	Cycle               Rule = "cycle"
	Unreachable         Rule = "unreachable"
	NoEntry             Rule = "no-entry"
	BadBody             Rule = "bad-body"
	CallCycle           Rule = "call-cycle"
	EmitCycle           Rule = "emit-cycle"
	MetricConflict      Rule = "metric-conflict"
	HiddenPayload       Rule = "hidden-payload"

	// engine/script: expressions and {{ templates }}.

	ExpressionSyntax   Rule = "expression-syntax"
	ExpressionType     Rule = "expression-type"
	ExpressionTooLarge Rule = "expression-too-large"
	UnknownName        Rule = "unknown-name"
	TemplateSyntax     Rule = "template-syntax"
)

// RuleInfo describes one rule.
type RuleInfo struct {
	ID  Rule
	Doc string
}

// Rules lists every rule with a line of documentation, in the order of the constants.
func Rules() []RuleInfo {
	return []RuleInfo{
		{YAMLSyntax, "The file is no YAML."},
		{YAMLQuote, "YAML reads a value that was written without quotes as something else: a tag, a map, an alias, a list."},
		{YAMLComment, "YAML took the end of a value for a comment, because a blank and a # stand in it."},
		{YAMLFeature, "The file uses a part of YAML that manifests do without: tags, merge keys, keys that are no strings."},
		{DuplicateKey, "A map holds the same key twice."},
		{Limit, "A file, a folder or a document is larger than what is read."},
		{Unreadable, "A file or folder that is named cannot be read, or lies outside of the manifest folder."},
		{IgnoreFile, "A line of .headgateignore is no pattern."},
		{UnknownKind, "A document is of no known kind."},
		{BadName, "A name is empty or holds characters that names may not have."},
		{DuplicateName, "Two documents of one kind have the same name."},
		{UnknownUse, "`use` names a manifest that does not exist."},
		{UseCycle, "Manifests use each other in a circle."},
		{UnsetVariable, "A reference names an environment variable that is not set and has no default."},
		{BadReference, "A reference is malformed, or of no known namespace."},
		{RefusedReference, "A reference names a variable or a file that manifests may not read."},
		{ReferenceNotAllowed, "A reference stands in code, an expression, a filter, a template, an example, or a value that is stored and shown, such as a name."},
		{SecretFile, "The file of a <<file…>> reference cannot be read."},
		{UnknownKey, "A map holds a key that nothing reads."},
		{MissingKey, "A required key is missing."},
		{WrongType, "A value is of another type than its key takes."},
		{BadValue, "A value is out of bounds, or not one of those that its key takes."},
		{LiteralSecret, "A secret is written into the manifest; manifests are stored and shared."},
		{DefaultSecret, "A secret has a default in the manifest, which everybody who reads it knows."},
		{EmptySecret, "A secret is empty; it would verify nothing."},
		{DiPeONode, "A DiPeO diagram uses a node type or a property that has no counterpart here yet."},
		{DiPeOValue, "A DiPeO document holds a value that cannot be rewritten."},
		{BadTemplate, "A {source|function} template is malformed, or names what cannot stand in its place."},
		{UnknownSource, "A template names a source that does not exist."},
		{UnknownFunction, "A template names a function that does not exist."},
		{UnknownAlgorithm, "A signature rule names an algorithm that does not exist."},
		{BadSignature, "A signature rule contradicts itself, lacks a part, or its secret has another form than it says."},
		{MissingSignature, "A provider does not say how its requests are signed."},
		{NoDelivery, "A provider names no delivery id, so a request that is sent twice is processed twice."},
		{BadSchema, "An event's schema is no valid JSON Schema, or cannot be read."},
		{BadExample, "An event's example cannot be read, or is not what the provider's own manifest says."},
		{WeakSignature, "A provider's signature proves less than it seems to by its own design: the body is not bound, nothing expires, or nothing is signed."},
		{DeprecatedScheme, "A signature rule uses an algorithm that its own provider should give up."},
		{WeakToken, "A `path_token` is so short or so simple that it could be guessed."},
		{DiffersFromCatalogue, "A signature rule reads the header of a service that the catalogue knows, and checks something else."},
		{BadURL, "A destination's URL cannot be sent to, or a template stands where its host is."},
		{InsecureURL, "A destination's URL is plain http, which goes only to addresses that the operator lists."},
		{BadHeader, "A header has a name or a value that HTTP does not allow, or is not for a manifest to set."},
		{DanglingReference, "A name leads to nothing: no such provider, event, destination or node."},
		{UnknownNodeType, "A node is of no known type."},
		{BadConnection, "A connection is no arrow between two nodes, or comes into a node that starts runs."},
		{BadHandle, "An arrow leaves a node by a way out that the node does not have, or does not say which one it takes."},
		{DuplicateConnection, "The same connection is written twice."},
		{Cycle, "The connections of a diagram go round in a circle."},
		{Unreachable, "No connection leads from where a pipeline begins to a node."},
		{NoEntry, "A pipeline has neither a receive nor a start node, so that nothing starts it, or is called without a start node."},
		{BadBody, "A node stands in the body of another where it cannot, or bodies nest too deep."},
		{CallCycle, "Pipelines call each other in a circle, so that a run would never end."},
		{EmitCycle, "The events that pipelines emit may start the same pipelines again."},
		{MetricConflict, "Two nodes measure under one name and describe the metric differently."},
		{HiddenPayload, "An expression asks for the payload where `include_payload: false` makes it null in every run."},
		{ExpressionSyntax, "An expression cannot be parsed."},
		{ExpressionType, "An expression does with values what cannot be done with values of their types, or is no condition where one is needed."},
		{ExpressionTooLarge, "An expression is longer, or nested deeper, than what is compiled."},
		{UnknownName, "An expression uses a name, a function or a label that does not exist."},
		{TemplateSyntax, "A {{ template }} is not closed, or is empty, or stands in a text of an expression, where none is read."},
	}
}
