package secret

import (
	"fmt"
	"sort"
	"strings"
)

// HasReference says whether text holds a well-formed reference of a known namespace, escapes left aside.
func HasReference(text string) (offset, length int, ok bool) {
	for i := 0; i+1 < len(text); i++ {
		if text[i] == '\\' && strings.HasPrefix(text[i+1:], "<<") {
			i += 2
			continue
		}
		if !strings.HasPrefix(text[i:], "<<") {
			continue
		}
		if ref, p := parseReference(text[i:]); ref.len > 0 && p.Code == "" {
			return i, ref.len, true
		}
	}
	return 0, 0, false
}

// reference is one <<…>> taken apart.
type reference struct {
	len        int // of the whole reference in the text
	space      string
	name       string
	fallback   string
	hasDefault bool
}

// parseReference reads the reference at the start of s. No length and no problem mean that it is none: "<<" is an operator of
// many languages, so only what looks like a reference is held to its form.
func parseReference(s string) (reference, Problem) {
	end := strings.Index(s, ">>")
	line := strings.IndexByte(s, '\n')
	if end >= 0 && line >= 0 && line < end {
		end = -1
	}
	if end < 0 {
		for _, ns := range namespaces() {
			if strings.HasPrefix(s, "<<"+ns+".") {
				n := len("<<" + ns + ".")
				for n < len(s) && (isWord(s[n]) || s[n] == '.') {
					n++
				}
				return reference{len: n}, Problem{Code: CodeBad, Message: "the reference is never closed", Hint: `end it with ">>"`}
			}
		}
		return reference{}, Problem{}
	}
	inner := s[2:end]
	ref := reference{len: end + 2}
	space, name, dotted := strings.Cut(inner, ".")
	if !dotted || !isNamespace(space) {
		return badReference(ref, inner, space, dotted)
	}
	ref.space = space
	ref.name = name
	if space == "env" {
		ref.name, ref.fallback, ref.hasDefault = strings.Cut(name, ":-")
		if ref.name == "" {
			return ref, Problem{Code: CodeBad, Message: "the reference names no environment variable", Hint: "write <<env.NAME>> or <<env.NAME:-default>>"}
		}
		if strings.Contains(ref.fallback, "<<") {
			return ref, Problem{Code: CodeBad, Message: "a default holds a reference, which would stand there as plain text", Hint: "give a literal default, or none"}
		}
		if !isVariable(ref.name) {
			return ref, Problem{
				Code: CodeBad, Message: fmt.Sprintf("`%s` is no name of an environment variable", ref.name),
				Hint: "write <<env.NAME>> or <<env.NAME:-default>>",
			}
		}
		return ref, Problem{}
	}
	if name == "" || strings.TrimSpace(name) != name || strings.ContainsRune(name, 0) {
		return ref, Problem{Code: CodeBad, Message: "the reference names no file", Hint: "write <<file.PATH>>"}
	}
	return ref, Problem{}
}

// badReference tells a reference that went wrong from text that merely holds "<<" and ">>".
func badReference(ref reference, inner, space string, dotted bool) (reference, Problem) {
	literal := `write \<< for a literal "<<"`
	word := strings.TrimSpace(space)
	if first, _, blank := strings.Cut(word, " "); blank && isNamespace(strings.ToLower(first)) {
		return ref, Problem{Code: CodeBad, Message: fmt.Sprintf("`<<%s>>` is no reference", inner), Hint: "write " + form(strings.ToLower(first)) + "; " + literal}
	}
	for i := 0; i < len(word); i++ {
		if !isWord(word[i]) {
			if ns, _, ok := strings.Cut(word, ":"); ok && isNamespace(strings.ToLower(ns)) {
				break
			}
			return reference{}, Problem{}
		}
	}
	if word == "" {
		return reference{}, Problem{}
	}
	low := strings.ToLower(word)
	for _, ns := range namespaces() {
		if low == ns || strings.HasPrefix(low, ns+":") || strings.HasPrefix(low, ns+"_") {
			return ref, Problem{
				Code: CodeBad, Message: fmt.Sprintf("`<<%s>>` is no reference", inner), Hint: fmt.Sprintf("write <<%s.…>> without blanks", ns),
			}
		}
	}
	if !dotted {
		return ref, Problem{
			Code: CodeBad, Message: fmt.Sprintf("`<<%s>>` is no reference", inner), Hint: "write <<env.NAME>> or <<file.PATH>>; " + literal,
		}
	}
	hint := "known are `env` and `file`"
	for _, ns := range namespaces() {
		if near(low, ns) {
			hint = fmt.Sprintf("did you mean `%s`?", ns)
		}
	}
	return ref, Problem{Code: CodeBad, Message: fmt.Sprintf("`<<%s>>`: no references come from `%s`", inner, word), Hint: hint + "; " + literal}
}

// form is how a reference of a namespace is written.
func form(space string) string {
	if space == "env" {
		return "<<env.NAME>>"
	}
	return "<<file.PATH>>"
}

func namespaces() []string { return []string{"env", "file"} }

func isNamespace(s string) bool { return s == "env" || s == "file" }

// near says whether two words differ by a letter or two that are swapped.
func near(a, b string) bool {
	if len(a) == len(b) {
		diff := 0
		for i := range a {
			if a[i] != b[i] {
				diff++
			}
		}
		return diff == 1 || diff == 2 && sorted(a) == sorted(b)
	}
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 && !strings.HasPrefix(b, a) {
		return false
	}
	i := 0
	for j := 0; j < len(b) && i < len(a); j++ {
		if a[i] == b[j] {
			i++
		}
	}
	return i == len(a)
}

func sorted(s string) string {
	b := []byte(s)
	sort.Slice(b, func(i, j int) bool { return b[i] < b[j] })
	return string(b)
}

func isWord(c byte) bool {
	return c == '_' || c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func isVariable(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isWord(s[i]) || s[i] == '-' || i == 0 && s[i] >= '0' && s[i] <= '9' {
			return false
		}
	}
	return s != ""
}
