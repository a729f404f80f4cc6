// Package signature says whether a request is genuine, from data alone: the {source|function} templates that name bytes of a
// request, and the rules that check those bytes against a signature, a secret and a clock.
//
// It is not a scripting language, and it is not the {{ expression }} language of engine/script. A template is total (no loops, no
// recursion, bounded output), byte-exact (it never re-encodes what it reads, but for the functions that say so) and fails closed (what
// is missing or ambiguous refuses).
//
//	template    = { literal | placeholder | group }
//	group       = "[" { literal | placeholder } "]"      dropped when a placeholder inside is missing
//	placeholder = "{" alternative { "??" alternative } "}"
//	alternative = source [ ":" argument ] [ "?" ] { "|" function }
//
// A "{" that no letter a-z follows is literal; \{ \} \[ \] \\ are literal anywhere. "??" goes on to the next alternative where one is
// missing, empty or cannot be used; "?" lets a placeholder be empty where the thing is not there, is a JSON null or is empty, as a group is
// dropped. What is there twice, is a list or a map, or is refused by a function passes neither: some other reader of the request might see
// it. An empty body and an empty form are there. The vocabulary stands in lists that are read top to bottom: sources, functions, places
// (which source may stand where), algorithms, key forms, encodings, units. All is compiled at load: a misspelt word is a finding with its
// column.
//
// A template is compiled for a [Place] and with a [Scope]. The values of variables are compiled in and never printed: what is stored or
// shown cannot name one, nor the secret. A reply can use the key, but only on a plain token, so that nobody is handed the signature of a
// body of his own. Documents are believed as they are: who takes JSON out of a body runs payload.Check over it before what it decides
// counts, because of two members of one name the first is read here.
//
// [When] decides which rule or handshake a request is for. It knows what is not there from what is there twice or cannot be read, so
// that nobody picks the weaker rule by sending a header twice.
//
// The main type is [Scheme], made by [Compile]: Verify checks a frozen [Request], Sign makes the headers that a genuine sender would
// send, Explain tells the operator which small mistake would account for a refusal, Lint what is weak by the provider's own design. Of a
// list of rules the first whose `when` holds is the only one tried; secrets that were learnt come from a [Learned], public keys that a
// request names from a [Fetcher], and only from [Hosts] that the manifest lists. Schemes, templates and conditions are immutable and may be used by any number of goroutines at once.
package signature
