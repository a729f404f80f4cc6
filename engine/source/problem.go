package source

// Limits of a file that ParseYAML reads. They bound what one pull request can make a gateway do, far above what people write.
const (
	// MaxFileBytes is the largest file.
	MaxFileBytes = 1 << 20
	// MaxAliases is the count of aliases (*name) in one document.
	MaxAliases = 100
	// MaxDepth is how deep maps and lists nest.
	MaxDepth = 100
	// maxAliasNodes is what the aliases of one document may stand for together: without it, a hundred aliases of aliases
	// describe more nodes than any memory holds.
	maxAliasNodes = 50_000
)

// The codes of a Problem. Each is a rule of engine/diag.
const (
	CodeSyntax       = "yaml-syntax"
	CodeQuote        = "yaml-quote"
	CodeFeature      = "yaml-feature"
	CodeDuplicateKey = "duplicate-key"
	CodeLimit        = "limit"
)

// Problem is what is wrong with a YAML file; engine/manifest makes a finding of it.
type Problem struct {
	Span    Span
	Code    string
	Message string
	// Hint says what to do; may be empty.
	Hint string
	// First is the place where a duplicate was first written; unknown for all other problems.
	First Span
}
