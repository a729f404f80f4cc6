package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/cmd/headgate/internal/cli"
)

// TestDocumentation runs the documentation: README.md, docs/*.md and every README.md below examples/. What a page shows works, or
// this test says at which line it does not. How a writer marks a fenced block:
//
//	```yaml                  whole manifests. A first line `# gate/orders.yaml` names the file; the files of a page that share a
//	                         folder are checked together, and are there for the commands. A name that comes again replaces the
//	                         file at that place of the page. Blocks without a name are checked alone. None needs secrets.
//	```yaml fragment         a piece of a manifest: keys of one kind or of one node type's props, or a list of nodes, connections
//	                         or events. It is wrapped into the smallest manifest in which it can stand. A line `---` parts
//	                         pieces that are checked one by one. `fragment=hook` says what it is a piece of, where keys leave
//	                         that open: provider, destination, pipeline, or a node type.
//	```yaml other            YAML that is no manifest; it must parse.
//	```sh                    commands for bash, in an empty folder that holds the page's named files and a copy of examples/.
//	                         One shell runs the whole page. `go run ./cmd/headgate` is the program under test. `headgate serve`
//	                         and `headgate sink` go on in the background until the page ends, or until the page starts another
//	                         one; the next line waits until they are ready. After a line that sends, the next one waits until
//	                         the runs have come to rest, as a person would. Ports 8080 to 8082, 9000 and 9001 are others in
//	                         truth. Each command must succeed; with `sh exits=2` the last one must exit with 2.
//	```json output           what the block of commands before it printed to stdout. A string `…` stands for any value, and `…`
//	                         inside of a string for any text: ids, times. `output=sink` is what the sink printed last.
//	```text output           the same, line by line; a line `…` stands for any lines.
//	```json, ```text         not compared; JSON must be JSON.
//	```console               commands that no test can run, of the programs that consolePrograms lists and no others. Where a page
//	                         is generated from the commands' own help, they are lines of the program, and its flags must exist.
//
// nginx, caddyfile, ini, env, diff and go may be shown too. A block without a language is refused.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	for _, p := range readPages(t) {
		// Pages run one after the other: each starts gateways, and a small machine should not start all of them at once.
		t.Run(p.name, func(t *testing.T) { runPage(t, p, t.Errorf) })
	}
}

// consolePrograms are the programs that a console block may name: they need a cluster, a service manager, or the internet.
func consolePrograms() []string {
	return []string{"kubectl", "docker", "ngrok", "cloudflared", "systemctl", "caddy", "nginx"}
}

func TestConsoleBlocksHideNothingThatCouldRun(t *testing.T) {
	t.Parallel()
	for _, p := range readPages(t) {
		for _, b := range p.blocks {
			if b.lang == "console" {
				checkConsole(t, p, b, t.Errorf)
			}
		}
	}
}

// checkConsole looks at the programs that a console block names. In a part of a page that is generated, which shows the examples of
// the commands' own help, the program itself may be named; then its commands and flags must exist.
func checkConsole(t *testing.T, p page, b block, report func(format string, args ...any)) {
	t.Helper()
	words := regexp.MustCompile(`^(?:\$ )?(?:sudo )?(?:[A-Z_][A-Z0-9_]*=(?:"[^"]*"|'[^']*'|\S*) )*(\S+)`)
	for _, line := range logicalLines(b.text) {
		for _, command := range regexp.MustCompile(`\|\|?|&&|;`).Split(line, -1) {
			m := words.FindStringSubmatch(strings.TrimSpace(command))
			switch {
			case m == nil || strings.HasPrefix(m[1], "#") || slices.Contains(consolePrograms(), m[1]):
			case m[1] == "headgate" && b.generated:
				if problem := checkFlags(t, strings.Fields(command)[1:]); problem != "" {
					report("%s:%d: %s: %s", p.name, b.line, line, problem)
				}
			default:
				report("%s:%d: a console block names %s: write what can run into a sh block, or show it as text", p.name, b.line, m[1])
			}
		}
	}
}

// checkFlags says which command or flag does not exist; "" where all do.
func checkFlags(t *testing.T, args []string) string {
	t.Helper()
	var names, flags []string
	for _, arg := range args {
		if strings.HasPrefix(arg, "--") {
			flag, _, _ := strings.Cut(arg, "=")
			flags = append(flags, flag)
		} else if len(flags) == 0 && len(names) < 2 && regexp.MustCompile(`^[a-z]+$`).MatchString(arg) {
			names = append(names, arg)
		}
	}
	help := ""
	for n := len(names); n > 0 && help == ""; n-- { // the second word may be an argument
		var out bytes.Buffer
		code := cli.Run(t.Context(), cli.Process{
			Args: append(slices.Clone(names[:n]), "--help"), Stdin: strings.NewReader(""), Stdout: &out, Stderr: io.Discard,
			LookupEnv: func(string) (string, bool) { return "", false }, Environ: func() []string { return nil },
			Setenv: func(string, string) error { return nil },
		})
		if code == 0 && strings.Contains(out.String(), "\n  headgate "+strings.Join(names[:n], " ")) {
			help = out.String()
		}
	}
	if help == "" {
		return "there is no such command"
	}
	for _, flag := range flags {
		if !regexp.MustCompile(regexp.QuoteMeta(flag) + `\b`).MatchString(help) {
			return "there is no flag " + flag
		}
	}
	return ""
}

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, p := range readPages(t) {
		for _, m := range link.FindAllStringSubmatch(p.prose, -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := p.file
			if target != "" {
				file = filepath.Join(filepath.Dir(p.file), filepath.FromSlash(target))
			}
			info, err := os.Stat(file)
			if err != nil {
				t.Errorf("%s: the link %s leads to nothing", p.name, m[1])
				continue
			}
			if anchor != "" && !info.IsDir() && !slices.Contains(anchors(t, file), anchor) {
				t.Errorf("%s: the link %s names a heading that is not there", p.name, m[1])
			}
		}
	}
}

// page is one file of the documentation.
type page struct {
	name   string // from the top of the repository
	file   string
	prose  string // without the fenced blocks
	blocks []block
}

// block is one fenced block.
type block struct {
	line  int // of the fence
	lang  string
	words map[string]string // the words behind the language: "fragment", "exits" -> "2"
	text  string
	// generated says that it stands between <!-- generated: … --> and <!-- /generated -->, where tests compare the text with the code.
	generated bool
}

// name gives the file name that a block of YAML begins with, "" where it has none.
func (b block) name() string {
	m := regexp.MustCompile(`^# (\S+\.ya?ml)\n`).FindStringSubmatch(b.text)
	if b.lang != "yaml" || len(b.words) > 0 || m == nil {
		return ""
	}
	return m[1]
}

const repository = "../.."

func readPages(t *testing.T) []page {
	t.Helper()
	files := []string{"README.md"}
	more, err := filepath.Glob(filepath.Join(repository, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(filepath.Join(repository, "examples"), func(name string, _ os.DirEntry, err error) error {
		if filepath.Base(name) == "README.md" {
			more = append(more, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range more {
		rel, err := filepath.Rel(repository, name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, filepath.ToSlash(rel))
	}
	pages := make([]page, len(files))
	for i, name := range files {
		pages[i] = readPage(t, name)
	}
	return pages
}

func readPage(t *testing.T, name string) page {
	t.Helper()
	file := filepath.Join(repository, filepath.FromSlash(name))
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p, err := parsePage(name, string(data))
	if err != nil {
		t.Error(err)
	}
	p.file = file
	return p
}

func parsePage(name, text string) (page, error) {
	p := page{name: name}
	fence := regexp.MustCompile("^( *)(`{3,})(.*)$")
	var open *block
	indent, marks, generated := "", "", false
	for i, line := range strings.Split(text, "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case open == nil && m == nil:
			p.prose += line + "\n"
			if strings.HasPrefix(line, "<!-- generated:") || strings.HasPrefix(line, "<!-- /generated") {
				generated = strings.HasPrefix(line, "<!-- g")
			}
		case open == nil:
			indent, marks = m[1], m[2]
			open = &block{line: i + 1, words: map[string]string{}, generated: generated}
			for n, word := range strings.Fields(m[3]) {
				key, value, _ := strings.Cut(word, "=")
				if n == 0 {
					open.lang = word
				} else {
					open.words[key] = value
				}
			}
		case m != nil && m[2] == marks && strings.TrimSpace(m[3]) == "":
			p.blocks, open = append(p.blocks, *open), nil
		default:
			open.text += strings.TrimPrefix(line, indent) + "\n"
		}
	}
	if open != nil {
		return p, fmt.Errorf("%s:%d: the block is not closed", name, open.line)
	}
	return p, nil
}

// anchors gives the anchors of a page's headings, as they are made on the sites where the pages are read.
func anchors(t *testing.T, file string) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(data), -1) {
		text := strings.ToLower(strings.TrimSpace(m[1]))
		text = regexp.MustCompile(`[^\p{L}\p{N}\s_-]`).ReplaceAllString(text, "")
		out = append(out, strings.ReplaceAll(text, " ", "-"))
	}
	return out
}

// languages lists the languages of blocks, each with the words that may stand behind it.
func languages() map[string][]string {
	return map[string][]string{
		"yaml": {"fragment", "other"}, "sh": {"exits"}, "json": {"output"}, "text": {"output"}, "console": nil,
		"nginx": nil, "caddyfile": nil, "ini": nil, "env": nil, "diff": nil, "go": nil,
	}
}

// runPage goes through the blocks of a page in order, and reports what is not as the page says.
func runPage(t *testing.T, p page, report func(format string, args ...any)) {
	t.Helper()
	r := &reader{page: p, dir: t.TempDir(), ports: newPorts(t), report: report}
	r.unpack(t)
	for _, b := range p.blocks {
		at := fmt.Sprintf("%s:%d", p.name, b.line)
		words, ok := languages()[b.lang]
		if !ok {
			report("%s: a block says its language first; %q is none of those that docs_test.go knows", at, b.lang)
			continue
		}
		for word := range b.words {
			if !slices.Contains(words, word) {
				report("%s: a block of %s cannot be marked %q", at, b.lang, word)
			}
		}
		_, isOutput := b.words["output"]
		switch {
		case b.lang == "yaml":
			r.manifest(t, at, b)
		case b.lang == "sh":
			r.commands(t, at, b)
		case isOutput:
			r.compare(at, b)
		case b.lang == "json" && !json.Valid([]byte(b.text)):
			report("%s: this is no JSON", at)
		}
	}
	r.end(t)
}

// reader is somebody who does what a page says.
type reader struct {
	page   page
	dir    string
	ports  ports
	report func(format string, args ...any)
	seen   map[string]bool // named files that have been shown once
	shell  *shell

	output string            // what the last block of commands printed
	said   map[string]string // the files in which serve and sink write
}

// unpack puts into the folder what the page's commands find there: the examples, and each named file as the page first shows it.
func (r *reader) unpack(t *testing.T) {
	t.Helper()
	from := filepath.Join(repository, "examples")
	err := filepath.WalkDir(from, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(repository, name)
		if err != nil {
			return err
		}
		r.put(t, rel, string(data))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	first := map[string]bool{}
	for _, b := range r.page.blocks {
		if name := b.name(); name != "" && !first[name] {
			first[name] = true
			r.put(t, name, b.text)
		}
	}
}

// put writes a file below the folder, with the ports of this machine.
func (r *reader) put(t *testing.T, name, text string) {
	t.Helper()
	if !filepath.IsLocal(name) {
		t.Fatalf("%s: the file name %s leads out of the folder", r.page.name, name)
	}
	file := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(r.ports.real(text)), 0o600); err != nil {
		t.Fatal(err)
	}
}
