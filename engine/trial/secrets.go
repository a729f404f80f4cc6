package trial

import "github.com/headgate/headgate/engine/manifest"

// Secrets gives the secrets that Fit makes up for a provider, one for each rule that needs one; the same each time for the same salt.
// It is for programs that play the sender themselves.
func Secrets(doc *manifest.Document, salt string) []string {
	var out []string
	for _, n := range (fitter{doc: doc}).secrets(salt) {
		if n != nil && n.Value != nil {
			out = append(out, n.Value.Reveal())
		}
	}
	return out
}
