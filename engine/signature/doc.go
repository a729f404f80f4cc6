// Package signature says whether a request is genuine, from data alone: the {source|function} templates that name bytes of a
// request, and the rules that check those bytes against a signature, a secret and a clock.
//
// It is not a scripting language, and it is not the {{ expression }} language of engine/script. A template is total (no loops, no
// recursion, bounded output), byte-exact (it never re-encodes what it reads) and fails closed (what is missing or ambiguous refuses).
//
//	template    = { literal | placeholder | group }
//	group       = "[" { literal | placeholder } "]"      dropped when a placeholder inside is missing
//	placeholder = "{" alternative { "??" alternative } "}"
//	alternative = source [ ":" argument ] [ "?" ] { "|" function }
//
// A "{" that no letter a-z follows is literal; \{ \} \[ \] \\ are literal anywhere. "??" goes on to the next alternative where one is
// missing or empty; "?" lets a placeholder be empty. The vocabulary stands in four lists that are read top to bottom: sources,
// functions, algorithms, encodings. All is compiled at load: a misspelt word is a finding with its column.
//
// The main type is [Scheme], made by [Compile]: Verify checks a frozen [Request], Sign makes the headers that a genuine sender would
// send. Schemes and templates are immutable and may be used by any number of goroutines at once.
package signature
