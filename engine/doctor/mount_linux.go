package doctor

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// mountPoint is a line of /proc/self/mountinfo.
type mountPoint struct {
	device  string // major:minor
	dir     string
	kind    string
	source  string
	options string // of the mount and of the file system, parted by commas
}

// mount looks at how the folder's file system is mounted, and at the disk's cache.
func (r *Report) mount(dir string) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		real = dir
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		r.Add(Warn, "mount", fmt.Sprintf("how it is mounted is not known: %v", err), "")
		return
	}
	defer func() { _ = f.Close() }()
	m, ok := mountOf(f, real)
	if !ok {
		r.Add(Warn, "mount", "how it is mounted is not known", "")
		return
	}
	r.judgeMount(m)
	r.cache("/sys", m)
}

// mountOf finds the mount that a folder lies in: the last of the longest that its path begins with.
func mountOf(mountinfo io.Reader, dir string) (found mountPoint, ok bool) {
	lines := bufio.NewScanner(mountinfo)
	for lines.Scan() {
		before, after, cut := strings.Cut(lines.Text(), " - ")
		head, tail := strings.Fields(before), strings.Fields(after)
		if !cut || len(head) < 6 || len(tail) < 3 {
			continue
		}
		m := mountPoint{device: head[2], dir: unescape(head[4]), kind: tail[0], source: unescape(tail[1]), options: head[5] + "," + tail[2]}
		inside := dir == m.dir || strings.HasPrefix(dir, strings.TrimSuffix(m.dir, "/")+"/")
		if inside && len(m.dir) >= len(found.dir) {
			found, ok = m, true
		}
	}
	return found, ok
}

// unescape reads the octal escapes of mountinfo.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

func (r *Report) judgeMount(m mountPoint) {
	where := fmt.Sprintf("%s on %s (%s)", m.source, m.dir, m.kind)
	unsafe := false
	for option := range strings.SplitSeq(m.options, ",") {
		switch option {
		case "nobarrier", "barrier=0":
			unsafe = true
			r.Add(Fail, "mount", where+" has "+option+": a power cut can lose what was acknowledged, and more", "mount it without "+option)
		case "data=writeback":
			unsafe = true
			r.Add(Warn, "mount", where+" has data=writeback: after a power cut files may hold old blocks where they grew", "mount it with data=ordered")
		case "ro":
			unsafe = true
			r.Add(Fail, "mount", where+" is read-only", "mount it for writing")
		}
	}
	if !unsafe {
		r.Add(OK, "mount", where, "")
	}
}

// cache says whether the disk has a cache of its own, as far as the system knows. A cache is well as long as the disk honours what flushes it.
func (r *Report) cache(sys string, m mountPoint) {
	block, err := filepath.EvalSymlinks(filepath.Join(sys, "dev/block", m.device))
	if err != nil {
		return // no disk of its own: overlay, tmpfs, btrfs, a network
	}
	read := func(name string) string {
		for _, queue := range []string{filepath.Join(block, "queue"), filepath.Join(filepath.Dir(block), "queue")} { // a partition has its disk's
			if b, err := os.ReadFile(filepath.Join(queue, name)); err == nil {
				return strings.TrimSpace(string(b))
			}
		}
		return ""
	}
	kind := map[string]string{"0": "solid state", "1": "rotating"}[read("rotational")]
	name := filepath.Base(block)
	switch read("write_cache") {
	case "write back":
		r.Add(OK, "disk", fmt.Sprintf("%s, %s, with a write cache that fsync flushes", name, kind), "")
	case "write through":
		r.Add(OK, "disk", fmt.Sprintf("%s, %s, without a write cache that the system knows of", name, kind), "in a virtual machine, make sure that the host's cache mode is not \"unsafe\"")
	}
}
