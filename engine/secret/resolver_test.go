package secret_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/headgate/headgate/engine/secret"
)

func env(name string) (string, bool) {
	v, ok := map[string]string{"KEY": "s3cret", "EMPTY": "", "TRICK": "<<env.KEY>> {{ x }}", "HEADGATE_ADMIN_TOKEN": "t"}[name]
	return v, ok
}

// show writes a text with its references revealed in brackets.
func show(t secret.Text) string {
	var b strings.Builder
	for _, p := range t.Parts() {
		if p.Ref == "" {
			b.WriteString(p.Literal)
			continue
		}
		flags := ""
		if p.Default {
			flags += " default"
		}
		if p.Placeholder {
			flags += " placeholder"
			b.WriteString("[" + p.Ref + flags + "]")
			continue
		}
		b.WriteString("[" + p.Ref + " " + p.Value.Reveal() + flags + "]")
	}
	return b.String()
}

func TestReferencesAreResolved(t *testing.T) {
	t.Parallel()
	rows := []struct{ text, want, problem string }{
		{"plain", "plain", ""},
		{"<<env.KEY>>", "[<<env.KEY>> s3cret]", ""},
		{"a <<env.KEY>> b <<env.KEY>>", "a [<<env.KEY>> s3cret] b [<<env.KEY>> s3cret]", ""},
		{"<<env.EMPTY>>", "[<<env.EMPTY>> ]", ""},
		{"<<env.NONE:-dflt>>", "[<<env.NONE:-dflt>> dflt default]", ""},
		{"<<env.NONE:-a b: {}>>", "[<<env.NONE:-a b: {}>> a b: {} default]", ""},
		{"<<env.NONE:->>", "[<<env.NONE:->>  default]", ""},
		{"<<env.EMPTY:-dflt>>", "[<<env.EMPTY:-dflt>> dflt default]", ""},
		{"<<env.KEY:-dev-secret>>", "[<<env.KEY:-dev-secret>> s3cret]", ""},
		{"<<env.TRICK>>", "[<<env.TRICK>> <<env.KEY>> {{ x }}]", ""},
		{`\<<env.KEY>>`, "<<env.KEY>>", ""},
		{`a \<< b <<env.KEY>>`, "a << b [<<env.KEY>> s3cret]", ""},
		{"1 << 2", "1 << 2", ""},
		{"a <<b.c", "a <<b.c", ""},
		{"<<<env.KEY>>", "<<<env.KEY>>", ""},
		{"cat <<EOF\nx >> y", "cat <<EOF\nx >> y", ""},
		{"<< >>", "<< >>", ""},
		{"a << (b >> 2)", "a << (b >> 2)", ""},
		{"x <<env.NONE>>", "x [<<env.NONE>> placeholder]", "2+12 unset-variable: the environment variable `NONE` is not set; set it, or give a default: <<env.NONE:-…>>"},
		{"<<env.KEY", "[<<env.KEY placeholder]", "0+9 bad-reference: the reference is never closed; end it with \">>\""},
		{"<<env.KEY\n>>", "[<<env.KEY placeholder]\n>>", "0+9 bad-reference: the reference is never closed; end it with \">>\""},
		{"<<evn.KEY>>", "[<<evn.KEY>> placeholder]", "0+11 bad-reference: `<<evn.KEY>>`: no references come from `evn`; did you mean `env`?; write \\<< for a literal \"<<\""},
		{"<<fil.x>>", "[<<fil.x>> placeholder]", "0+9 bad-reference: `<<fil.x>>`: no references come from `fil`; did you mean `file`?; write \\<< for a literal \"<<\""},
		{"<<vault.x>>", "[<<vault.x>> placeholder]", "0+11 bad-reference: `<<vault.x>>`: no references come from `vault`; known are `env` and `file`; write \\<< for a literal \"<<\""},
		{"<<env.9X>>", "[<<env.9X>> placeholder]", "0+10 bad-reference: `9X` is no name of an environment variable; write <<env.NAME>> or <<env.NAME:-default>>"},
		{"<<env TOKEN>>", "[<<env TOKEN>> placeholder]", "0+13 bad-reference: `<<env TOKEN>>` is no reference; write <<env.NAME>>; write \\<< for a literal \"<<\""},
		{"<<env.>>", "[<<env.>> placeholder]", "0+8 bad-reference: the reference names no environment variable; write <<env.NAME>> or <<env.NAME:-default>>"},
		{"<<env.A B>>", "[<<env.A B>> placeholder]", "0+11 bad-reference: `A B` is no name of an environment variable; write <<env.NAME>> or <<env.NAME:-default>>"},
		{"<< env.KEY >>", "[<< env.KEY >> placeholder]", "0+13 bad-reference: `<< env.KEY >>` is no reference; write <<env.…>> without blanks"},
		{"<<ENV.KEY>>", "[<<ENV.KEY>> placeholder]", "0+11 bad-reference: `<<ENV.KEY>>` is no reference; write <<env.…>> without blanks"},
		{"<<env:KEY>>", "[<<env:KEY>> placeholder]", "0+11 bad-reference: `<<env:KEY>>` is no reference; write <<env.…>> without blanks"},
		{"<<KEY>>", "[<<KEY>> placeholder]", "0+7 bad-reference: `<<KEY>>` is no reference; write <<env.NAME>> or <<file.PATH>>; write \\<< for a literal \"<<\""},
		{"<<file.>>", "[<<file.>> placeholder]", "0+9 bad-reference: the reference names no file; write <<file.PATH>>"},
		{"<<env.HEADGATE_ADMIN_TOKEN>>", "[<<env.HEADGATE_ADMIN_TOKEN>> placeholder]", "0+28 refused-reference: `HEADGATE_ADMIN_TOKEN` is a setting of the gateway itself; manifests cannot read it"},
	}
	r := secret.NewResolver(secret.ResolverOptions{Env: env, Dev: true})
	for _, row := range rows {
		text, problems := r.Resolve(row.text, "")
		if got := show(text); got != row.want {
			t.Errorf("%q: got %s, want %s", row.text, got, row.want)
		}
		got := ""
		for _, p := range problems {
			got += fmt.Sprintf("%d+%d %s: %s; %s", p.Offset, p.Len, p.Code, p.Message, p.Hint)
		}
		if strings.TrimSuffix(got, "; ") != row.problem {
			t.Errorf("%q:\ngot  %s\nwant %s", row.text, got, row.problem)
		}
	}
}

func TestTheAllowListBoundsVariables(t *testing.T) {
	t.Parallel()
	r := secret.NewResolver(secret.ResolverOptions{Env: env, EnvAllow: []string{"ACME_*", "KEY"}})
	if text, problems := r.Resolve("<<env.KEY>>", ""); len(problems) > 0 || text.Reveal() != "s3cret" {
		t.Errorf("an allowed variable: got %v", problems)
	}
	for _, name := range []string{"PATH", "AWS_SECRET_ACCESS_KEY", "HEADGATE_ADMIN_TOKEN"} {
		text, problems := r.Resolve("<<env."+name+":-x>>", "")
		if len(problems) != 1 || problems[0].Code != secret.CodeRefused || !text.Parts()[0].Placeholder {
			t.Errorf("%s: got %v, want it refused", name, problems)
		}
	}
}

func TestPlaceholdersAskNobody(t *testing.T) {
	t.Parallel()
	r := secret.NewResolver(secret.ResolverOptions{Placeholders: true, Env: func(string) (string, bool) {
		t.Error("the environment was asked")
		return "", false
	}})
	text, problems := r.Resolve("x <<env.A>> <<file.b>> <<evn.C>>", "/nowhere")
	if len(problems) != 1 || problems[0].Code != secret.CodeBad {
		t.Errorf("got %v, want the malformed reference alone", problems)
	}
	if got := text.Reveal(); !strings.HasPrefix(got, "x placeholder-A-0000000000000000 placeholder-b-") {
		t.Errorf("got %q, want placeholders", got)
	}
}

func TestFilesAreReadInTheirFolders(t *testing.T) {
	t.Parallel()
	dir, other := t.TempDir(), t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "acme", "key"), "file secret\n")
	write(filepath.Join(dir, "acme", "two"), "two\n\n")
	write(filepath.Join(dir, "acme", "crlf"), "crlf\r\n")
	write(filepath.Join(dir, "large"), strings.Repeat("x", 65<<10))
	write(filepath.Join(other, "outside"), "outside")
	write(filepath.Join(dir, "..2024", "token"), "mounted")
	for link, target := range map[string]string{"..data": "..2024", "token": "..data/token", "escape": filepath.Join(other, "outside"), "gone": "nothing"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	rows := []struct{ text, want, code string }{
		{"<<file.key>>", "file secret", ""},
		{"<<file.two>>", "two\n", ""},
		{"<<file.crlf>>", "crlf", ""},
		{"<<file.../token>>", "mounted", ""},
		{"<<file." + filepath.Join(dir, "token") + ">>", "mounted", ""},
		{"<<file.../escape>>", "", secret.CodeFile},
		{"<<file.../gone>>", "", secret.CodeFile},
		{"<<file.../pipe>>", "", secret.CodeFile},
		{"<<file.../large>>", "", secret.CodeFile},
		{"<<file...>>", "", secret.CodeRefused},
		{"<<file.../../outside>>", "", secret.CodeRefused},
		{"<<file." + filepath.Join(other, "outside") + ">>", "", secret.CodeRefused},
		{"<<file./etc/passwd>>", "", secret.CodeRefused},
	}
	r := secret.NewResolver(secret.ResolverOptions{Dirs: []string{dir}})
	for _, row := range rows {
		text, problems := r.Resolve(row.text, filepath.Join(dir, "acme"))
		code := ""
		if len(problems) > 0 {
			code = problems[0].Code
			if strings.Contains(problems[0].Message, other) && !strings.Contains(row.text, other) {
				t.Errorf("%s: the message names a path of this machine: %s", row.text, problems[0].Message)
			}
		}
		if code != row.code || code == "" && text.Reveal() != row.want {
			t.Errorf("%s: got %q and %v, want %q and code %q", row.text, text.Reveal(), problems, row.want, row.code)
		}
	}
	if got := r.Files(); len(got) != 8 || got[0] != filepath.Join(dir, "acme", "crlf") {
		t.Errorf("files to watch: got %v, want the 8 that were named, sorted", got)
	}
	write(filepath.Join(dir, "acme", "key"), "changed\n")
	if text, _ := r.Resolve("<<file.key>>", filepath.Join(dir, "acme")); text.Reveal() != "file secret" {
		t.Errorf("one resolver saw two states of a file: %q", text.Reveal())
	}
}

func TestTheHashChangesWithAValueOnly(t *testing.T) {
	t.Parallel()
	hash := func(key, value string) string {
		r := secret.NewResolver(secret.ResolverOptions{Env: func(string) (string, bool) { return value, true }})
		r.Resolve("<<env.B>> <<env.A>>", "")
		r.Resolve("<<env.A>>", "")
		return r.Hash([]byte(key))
	}
	if a, b := hash("k", "one"), hash("k", "one"); a != b {
		t.Errorf("the same values: got %s and %s, want one hash", a, b)
	}
	if a, b := hash("k", "one"), hash("k", "two"); a == b {
		t.Error("other values have the same hash")
	}
	if a, b := hash("k", "one"), hash("l", "one"); a == b {
		t.Error("another key gives the same hash")
	}
}

func TestReferencesAreFoundInCode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"x == '<<env.KEY>>'": true, "<<file.a>>": true, `\<<env.KEY>>`: false, "1 <<env.x": false, "a << b >> c": false, "<<evn.X>>": false, "": false, "<": false,
	} {
		if _, _, got := secret.HasReference(text); got != want {
			t.Errorf("%q: got %t, want %t", text, got, want)
		}
	}
}

func FuzzResolve(f *testing.F) {
	for _, s := range []string{"<<env.A>>", `\<<x`, "<<file.a>> << b", "<<<<env.A>>>>", "<<env.A:-<<env.B>>>>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := secret.NewResolver(secret.ResolverOptions{Env: func(string) (string, bool) { return "value", true }})
		got, problems := r.Resolve(text, "")
		for _, p := range problems {
			if p.Offset < 0 || p.Len < 2 || p.Offset+p.Len > len(text) {
				t.Errorf("%q: the problem %+v lies outside of the text", text, p)
			}
		}
		if !strings.Contains(text, `\<<`) && got.String() != text {
			t.Errorf("%q: got %q back", text, got.String())
		}
	})
}
