package commit

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheCommitOfAFolderIsReadFromItsRepository(t *testing.T) {
	t.Parallel()
	const one, two = "1111111111111111111111111111111111111111", "2222222222222222222222222222222222222222"
	rows := []struct {
		name  string
		files map[string]string
		links map[string]string
		dir   string
		want  string
	}{
		{"no repository", map[string]string{"folder/a.yaml": ""}, nil, "folder", ""},
		{"a branch", map[string]string{".git/HEAD": "ref: refs/heads/main\n", ".git/refs/heads/main": one + "\n"}, nil, ".", one},
		{"a folder inside", map[string]string{".git/HEAD": "ref: refs/heads/main\n", ".git/refs/heads/main": one + "\n", "a/b/c.yaml": ""}, nil, "a/b", one},
		{"a detached head", map[string]string{".git/HEAD": two + "\n"}, nil, ".", two},
		{"a packed branch", map[string]string{
			".git/HEAD": "ref: refs/heads/main\n", ".git/packed-refs": "# pack-refs\n" + one + " refs/heads/other\n" + two + " refs/heads/main\n",
		}, nil, ".", two},
		{"a branch without a commit", map[string]string{".git/HEAD": "ref: refs/heads/main\n"}, nil, ".", ""},
		{"a worktree", map[string]string{
			"tree/.git": "gitdir: ../repo/.git/worktrees/tree\n", "tree/a.yaml": "", "repo/.git/worktrees/tree/HEAD": "ref: refs/heads/side\n",
			"repo/.git/worktrees/tree/commondir": "../..\n", "repo/.git/refs/heads/side": two + "\n",
		}, nil, "tree", two},
		{"a link to a worktree, as git-sync makes them", map[string]string{
			"worktrees/rev1/.git": "gitdir: ../../repo/.git/worktrees/rev1\n", "worktrees/rev1/a.yaml": "", "repo/.git/worktrees/rev1/HEAD": one + "\n",
		}, map[string]string{"current": "worktrees/rev1"}, "current", one},
		{"a broken worktree", map[string]string{"tree/.git": "nothing of use\n"}, nil, "tree", ""},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for name, text := range r.files {
				path := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for link, target := range r.links {
				if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
					t.Fatal(err)
				}
			}
			if got := gitHead(filepath.Join(root, r.dir)); got != r.want {
				t.Errorf("got %q, want %q", got, r.want)
			}
		})
	}
}

func TestARevisionFileSaysTheCommit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "revision")
	if got := Of(file, dir); got != "" {
		t.Errorf("without the file the commit is %q", got)
	}
	for text, want := range map[string]string{
		"abc\n": "abc", "  abc  \r\nmore": "abc", "": "",
		string(make([]byte, 200)): string(make([]byte, 80)),
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := Of(file, dir); got != want {
			t.Errorf("of %q the commit is %q, want %q", text, got, want)
		}
	}
}
