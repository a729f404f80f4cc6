package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// compare holds a block against what was printed.
func (r *reader) compare(at string, b block) {
	got := r.output
	if from := b.words["output"]; from != "" {
		data, err := os.ReadFile(r.said[from])
		if err != nil {
			r.report("%s: nothing was said by %s", at, from)
			return
		}
		got = r.ports.shown(string(data))
	}
	if b.lang == "json" {
		if problem := compareJSON(b.text, got); problem != "" {
			r.report("%s: %s\nthe page shows:\n%s\nit was:\n%s", at, problem, b.text, got)
		}
		return
	}
	if !textPattern(b.text).MatchString(strings.TrimRight(got, "\n")) {
		r.report("%s: the page shows:\n%s\nit was:\n%s", at, b.text, got)
	}
}

// textPattern matches a text in which `…` stands for anything on its line, and alone on a line for any lines.
func textPattern(shown string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`\A`)
	lines := strings.Split(strings.TrimRight(shown, "\n"), "\n")
	for i, line := range lines {
		end := `\n`
		if i == len(lines)-1 {
			end = ""
		}
		if strings.TrimSpace(line) == "…" {
			b.WriteString(`(?s:.*?)` + strings.Replace(end, `\n`, `(?:\n|\z)`, 1))
			continue
		}
		for n, part := range strings.Split(strings.TrimRight(line, " "), "…") {
			if n > 0 {
				b.WriteString(`.*?`)
			}
			b.WriteString(regexp.QuoteMeta(part))
		}
		b.WriteString(` *` + end)
	}
	b.WriteString(`\z`)
	return regexp.MustCompile(b.String())
}

// compareJSON says how the last JSON of an output differs from the one that is shown; "" where it does not.
func compareJSON(shown, got string) string {
	var want, have any
	if err := json.Unmarshal([]byte(shown), &want); err != nil {
		return "the page shows no JSON: " + err.Error()
	}
	if err := json.Unmarshal([]byte(got), &have); err != nil {
		lines := strings.Split(strings.TrimSpace(got), "\n")
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &have); err != nil {
			return "the output is no JSON: " + err.Error()
		}
	}
	return differ("", want, have)
}

func differ(at string, want, have any) string {
	switch w := want.(type) {
	case string:
		if w == "…" {
			return ""
		}
		h, ok := have.(string)
		if !ok || !textPattern(w).MatchString(h) {
			return fmt.Sprintf("%s is %v, not %v", at, have, want)
		}
	case map[string]any:
		h, ok := have.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s is %v, not a map", at, have)
		}
		for k := range h {
			if _, ok := w[k]; !ok {
				return fmt.Sprintf("%s.%s is not shown", at, k)
			}
		}
		for k, v := range w {
			if _, ok := h[k]; !ok {
				return fmt.Sprintf("there is no %s.%s", at, k)
			}
			if d := differ(at+"."+k, v, h[k]); d != "" {
				return d
			}
		}
	case []any:
		h, ok := have.([]any)
		if !ok || len(h) != len(w) {
			return fmt.Sprintf("%s is %v, not %v", at, have, want)
		}
		for i := range w {
			if d := differ(fmt.Sprintf("%s[%d]", at, i), w[i], h[i]); d != "" {
				return d
			}
		}
	default:
		if want != have {
			return fmt.Sprintf("%s is %v, not %v", at, have, want)
		}
	}
	return ""
}
