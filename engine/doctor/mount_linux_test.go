package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const mounts = `22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:26 / /dev/shm rw,nosuid - tmpfs tmpfs rw
41 22 8:17 / /var/lib/head\040gate rw,noatime - ext4 /dev/sdb1 rw,nobarrier,data=writeback
42 22 8:33 / /srv ro,relatime - xfs /dev/sdc1 rw
garbage
`

func TestTheMountOfAFolderIsFoundAndJudged(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]struct {
		device string
		lines  []string
	}{
		"/etc":                  {"254:0", []string{"ok mount /dev/vda on / (ext4)"}},
		"/dev/shm/x":            {"0:26", []string{"ok mount tmpfs on /dev/shm (tmpfs)"}},
		"/dev/shmx":             {"254:0", []string{"ok mount /dev/vda on / (ext4)"}},
		"/var/lib/head gate/db": {"8:17", []string{"fail mount", "warn mount"}},
		"/srv":                  {"8:33", []string{"fail mount"}},
	} {
		m, ok := mountOf(strings.NewReader(mounts), dir)
		if !ok || m.device != want.device {
			t.Errorf("%s lies on %+v, want %s", dir, m, want.device)
		}
		r := &Report{}
		r.judgeMount(m)
		if len(r.Lines) != len(want.lines) {
			t.Errorf("%s: %+v, want %v", dir, r.Lines, want.lines)
			continue
		}
		for i, l := range r.Lines {
			if got := string(l.Status) + " " + l.Check + " " + l.Message; !strings.HasPrefix(got, want.lines[i]) {
				t.Errorf("%s: got %s, want %s", dir, got, want.lines[i])
			}
		}
	}
}

func TestTheCacheOfADiskIsReadFromTheSystem(t *testing.T) {
	t.Parallel()
	sys := t.TempDir()
	for path, text := range map[string]string{
		"block/sdb/queue/write_cache": "write back\n", "block/sdb/queue/rotational": "1\n", "block/sdb/sdb1/size": "1",
		"block/nvme/queue/write_cache": "write through\n", "block/nvme/queue/rotational": "0\n",
	} {
		file := filepath.Join(sys, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(sys, "dev/block"), 0o700); err != nil {
		t.Fatal(err)
	}
	for device, to := range map[string]string{"8:17": "../../block/sdb/sdb1", "259:0": "../../block/nvme"} {
		if err := os.Symlink(to, filepath.Join(sys, "dev/block", device)); err != nil {
			t.Fatal(err)
		}
	}
	for device, want := range map[string]string{
		"8:17": "sdb1, rotating, with a write cache", "259:0": "nvme, solid state, without a write cache", "0:26": "",
	} {
		r := &Report{}
		r.cache(sys, mountPoint{device: device})
		switch {
		case want == "" && len(r.Lines) > 0, want != "" && (len(r.Lines) != 1 || !strings.HasPrefix(r.Lines[0].Message, want)):
			t.Errorf("%s: %+v, want %q", device, r.Lines, want)
		}
	}
}
