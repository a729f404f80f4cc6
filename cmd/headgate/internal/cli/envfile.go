package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// variable is one line of an env file.
type variable struct{ name, value string }

// maxEnvFileBytes is far more than any environment, and keeps a wrong path from being read whole.
const maxEnvFileBytes = 1 << 20

// readEnvFile reads KEY=VALUE lines. The error names the line, never a value.
func readEnvFile(path string) ([]variable, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading the env file: %w", err)
	}
	if info.Size() > maxEnvFileBytes {
		return nil, fmt.Errorf("reading the env file: %s has %d bytes, more than the %d that one may have", path, info.Size(), maxEnvFileBytes)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the env file: %w", err)
	}
	return parseEnvFile(path, string(data))
}

// parseEnvFile knows what shells and container engines agree on: comments, `export`, bare values up to " #", 'single quotes' as
// they are, "double quotes" with \n \t \" \\ \$; a quoted value may hold line breaks. Nothing is expanded.
func parseEnvFile(path, text string) ([]variable, error) {
	text = strings.TrimPrefix(strings.ReplaceAll(text, "\r\n", "\n"), "\ufeff")
	var out []variable
	for line := 1; text != ""; line++ {
		raw, rest, _ := strings.Cut(text, "\n")
		trimmed := strings.TrimSpace(raw)
		if trimmed == "" || strings.HasPrefix(trimmed, "#") {
			text = rest
			continue
		}
		name, value, ok := strings.Cut(trimmed, "=")
		name = strings.TrimSpace(strings.TrimPrefix(name, "export "))
		if !ok || !isVariableName(name) {
			return nil, &exitError{code: exitFindings, err: fmt.Errorf("%s:%d:1: an env file has lines of NAME=VALUE, and this is none", path, line)}
		}
		value = strings.TrimSpace(value)
		if value == "" || value[0] != '"' && value[0] != '\'' {
			if i := strings.Index(value, " #"); i >= 0 {
				value = strings.TrimSpace(value[:i])
			}
			out = append(out, variable{name, value})
			text = rest
			continue
		}
		_, after, _ := strings.Cut(text, "=")
		decoded, remaining, lines, err := quoted(strings.TrimLeft(after, " \t"))
		if err != nil {
			return nil, &exitError{code: exitFindings, err: fmt.Errorf("%s:%d:%d: %w", path, line, strings.Index(raw, "=")+2, err)}
		}
		out = append(out, variable{name, decoded})
		text, line = remaining, line+lines
	}
	return out, nil
}

// quoted reads a quoted value at the start of text. It gives the value, what follows its line, and how many line breaks it held.
func quoted(text string) (value, rest string, lines int, err error) {
	quote := text[0]
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == quote:
			tail, rest, _ := strings.Cut(text[i+1:], "\n")
			if tail = strings.TrimSpace(tail); tail != "" && tail[0] != '#' {
				return "", "", 0, errors.New("there is something behind the closing quote")
			}
			return b.String(), rest, lines, nil
		case c == '\\' && quote == '"' && i+1 < len(text):
			i++
			switch text[i] {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			case '"', '\\', '$':
				b.WriteByte(text[i])
			default:
				b.WriteByte('\\')
				b.WriteByte(text[i])
			}
		default:
			if c == '\n' {
				lines++
			}
			b.WriteByte(c)
		}
	}
	return "", "", 0, errors.New("the quote is not closed")
}

func isVariableName(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
