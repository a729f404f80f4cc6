package secret

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"sort"
	"strings"
)

// minScrubBytes is the shortest value that is looked for: shorter ones occur in ordinary text.
const minScrubBytes = 6

// Scrubber takes known secrets out of text that comes from elsewhere: answers, errors, logs. It may be used concurrently; a nil
// Scrubber changes nothing.
type Scrubber struct{ replacer *strings.Replacer }

// NewScrubber looks for the values as they are and in their base64, base64url, hex, URL-escaped and JSON-escaped forms. Values
// shorter than 6 bytes are not looked for.
func NewScrubber(values ...Value) *Scrubber {
	forms := map[string]bool{}
	for _, v := range values {
		if text := v.Reveal(); len(text) >= minScrubBytes {
			addForms(forms, text)
		}
	}
	if len(forms) == 0 {
		return &Scrubber{}
	}
	list := make([]string, 0, len(forms))
	for f := range forms {
		list = append(list, f)
	}
	// The longest first, so that no piece of a longer form is left over.
	sort.Slice(list, func(i, j int) bool {
		if len(list[i]) != len(list[j]) {
			return len(list[i]) > len(list[j])
		}
		return list[i] < list[j]
	})
	pairs := make([]string, 0, 2*len(list))
	for _, f := range list {
		pairs = append(pairs, f, Mask)
	}
	return &Scrubber{replacer: strings.NewReplacer(pairs...)}
}

// Scrub gives text with every known secret replaced by Mask.
func (s *Scrubber) Scrub(text string) string {
	if s == nil || s.replacer == nil {
		return text
	}
	return s.replacer.Replace(text)
}

func addForms(forms map[string]bool, text string) {
	add := func(f string) {
		if len(f) >= minScrubBytes {
			forms[f] = true
		}
	}
	add(text)
	add(url.QueryEscape(text))
	add(url.PathEscape(text))
	add(strings.ReplaceAll(url.QueryEscape(text), "+", "%20"))
	add(lowerEscapes(url.QueryEscape(text)))
	add(lowerEscapes(url.PathEscape(text)))
	if j, err := json.Marshal(text); err == nil {
		add(string(j[1 : len(j)-1]))
	}
	var plain strings.Builder
	enc := json.NewEncoder(&plain)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err == nil {
		add(plain.String()[1 : plain.Len()-2]) // without its quotes and the newline that Encode adds
	}
	h := hex.EncodeToString([]byte(text))
	add(h)
	add(strings.ToUpper(h))
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		add(e.EncodeToString([]byte(text)))
		// Base64 of a longer text that holds the secret ("user:secret") has it at one of three alignments; the characters at its
		// ends depend on its neighbours and are left out.
		for shift := range 3 {
			padded := append(make([]byte, shift), text...)
			whole := e.WithPadding(base64.NoPadding).EncodeToString(padded)
			first := (shift*8 + 5) / 6
			last := len(padded) * 8 / 6
			if last-first >= minScrubBytes {
				add(whole[first:last])
			}
		}
	}
}

// lowerEscapes writes %2F as %2f.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], strings.ToLower(string(b[i+1:i+3])))
			i += 2
		}
	}
	return string(b)
}
