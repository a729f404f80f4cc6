package examples_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// instruction is one instruction of a Dockerfile, its lines joined.
type instruction struct{ name, args string }

func instructions(dockerfile string) []instruction {
	var out []instruction
	var open strings.Builder
	for line := range strings.Lines(dockerfile) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		rest, more := strings.CutSuffix(line, `\`)
		open.WriteString(rest + " ")
		if more {
			continue
		}
		name, args, _ := strings.Cut(strings.TrimSpace(open.String()), " ")
		out = append(out, instruction{strings.ToUpper(name), strings.TrimSpace(args)})
		open.Reset()
	}
	return out
}

// imageFaults gives what is wrong with an image: the last stage must have no shell, no root and one volume, no stage may depend on
// what changes by itself, and the build must check what it built.
func imageFaults(dockerfile string) []string {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	shell := regexp.MustCompile(`(?i)\b(sh|bash|busybox|alpine|debian|ubuntu)\b`)
	var build, last []instruction
	stages := map[string]bool{}
	for _, in := range instructions(dockerfile) {
		switch in.name {
		case "FROM":
			build, last = append(build, last...), nil
			image, as, named := strings.Cut(in.args, " AS ")
			if image != "scratch" && !stages[image] && !taggedImage(image) {
				fault("the base image %s names no version", image)
			}
			if named {
				stages[as] = true
			}
		case "ADD":
			fault("ADD fetches and unpacks: use COPY")
		}
		last = append(last, in)
	}
	if len(last) == 0 || last[0].name != "FROM" {
		return []string{"no stage"}
	}
	if base := last[0].args; base != "scratch" && (!strings.Contains(base, "distroless/static") || !strings.Contains(base, "nonroot")) {
		fault("the last stage is made from %s, want scratch or a static distroless image for nonroot", base)
	}
	var user, volumes, entry []string
	for _, in := range last[1:] {
		switch in.name {
		case "RUN", "SHELL", "HEALTHCHECK":
			fault("%s in the last stage, which has no shell", in.name)
		case "COPY":
			if shell.MatchString(in.args) {
				fault("the last stage copies a shell: %s", in.args)
			}
			if !strings.Contains(in.args, "--from=") {
				fault("the last stage copies from the context: %s", in.args)
			}
		case "USER":
			user = append(user, in.args)
		case "VOLUME":
			volumes = append(volumes, in.args)
		case "ENTRYPOINT", "CMD":
			entry = append(entry, in.args)
			if !strings.HasPrefix(in.args, "[") {
				fault("%s %s needs a shell: write it as a list", in.name, in.args)
			}
		}
	}
	if len(user) != 1 || !regexp.MustCompile(`^[1-9][0-9]*(:[1-9][0-9]*)?$`).MatchString(user[0]) {
		fault("USER is %q, want one number that is not 0, so that Kubernetes can see it is not root", user)
	}
	if len(volumes) != 1 {
		fault("volumes %q, want one", volumes)
	}
	if len(entry) == 0 {
		fault("no ENTRYPOINT")
	}
	for _, need := range []string{"CGO_ENABLED=0", "-trimpath", "validate --catalog", ".ci/toolchain"} {
		if !slices.ContainsFunc(build, func(in instruction) bool { return in.name == "RUN" && strings.Contains(in.args, need) }) {
			fault("the build does not run %s", need)
		}
	}
	return faults
}

func readDockerfile(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestTheImageHasNoShellAndNoRoot(t *testing.T) {
	t.Parallel()
	for _, f := range imageFaults(readDockerfile(t)) {
		t.Error(f)
	}
}

func TestAWeakerImageIsSeen(t *testing.T) {
	t.Parallel()
	good := readDockerfile(t)
	rows := []struct{ old, new, want string }{
		{"FROM scratch", "FROM debian:12", "the last stage is made from debian:12"},
		{"FROM golang:1.27.4 AS", "FROM golang AS", "the base image golang names no version"},
		{"FROM golang:1.27.4 AS", "FROM golang:latest AS", "the base image golang:latest names no version"},
		{"USER 65532:65532", "USER nonroot", "USER is"},
		{"USER 65532:65532", "USER 0", "USER is"},
		{"USER 65532:65532\n", "", "USER is"},
		{"VOLUME /data", "VOLUME /data\nVOLUME /more", "volumes"},
		{`ENTRYPOINT ["/headgate"]`, "ENTRYPOINT /headgate", "ENTRYPOINT /headgate needs a shell"},
		{"COPY go.mod go.sum ./", "ADD https://example.com/x.tar.gz /", "ADD fetches"},
		{"VOLUME /data", "VOLUME /data\nRUN id", "RUN in the last stage"},
		{"VOLUME /data", "VOLUME /data\nCOPY --from=build /bin/sh /sh", "the last stage copies a shell"},
		{"VOLUME /data", "VOLUME /data\nCOPY . /", "the last stage copies from the context"},
		{"RUN /out/headgate validate --catalog", "RUN true", "the build does not run validate --catalog"},
		{"CGO_ENABLED=0 ", "", "the build does not run CGO_ENABLED=0"},
	}
	for _, r := range rows {
		bad := strings.Replace(good, r.old, r.new, 1)
		if bad == good {
			t.Errorf("the Dockerfile has no %q to break", r.old)
		}
		if got := imageFaults(bad); len(got) == 0 || !slices.ContainsFunc(got, func(f string) bool { return strings.HasPrefix(f, r.want) }) {
			t.Errorf("%q instead of %q: got %q, want %q", r.new, r.old, got, r.want)
		}
	}
}

func TestTheImageIsBuiltWithTheToolchainOfGoMod(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^toolchain go(\S+)$`).FindStringSubmatch(string(mod))
	if m == nil {
		t.Fatal("go.mod names no toolchain")
	}
	if image := "FROM golang:" + m[1] + " "; !strings.Contains(readDockerfile(t), image) {
		t.Errorf("the Dockerfile does not say %q, go.mod names go%s", image, m[1])
	}
}

func TestReleasesAreNotBuiltWithAVulnerableGo(t *testing.T) {
	t.Parallel()
	for version, ok := range map[string]bool{
		"go1.25.11": false, "go1.26.0": false, "go1.26.8": false, "go1.26.10": false, "go1.26.11": true, "go1.26.12": true,
		"go1.27": false, "go1.27.0": false, "go1.27.3": false, "go1.27.4": true, "go1.27.10": true, "go1.28": true, "go1.28.1": true,
		"go1.27rc1": false, "devel": false,
	} {
		out, err := exec.CommandContext(t.Context(), "bash", "../.ci/toolchain", version).CombinedOutput()
		if (err == nil) != ok {
			t.Errorf("%s: accepted %t, want %t", version, err == nil, ok)
		}
		if err != nil && !strings.Contains(string(out), version) {
			t.Errorf("%s: refused without saying why: %s", version, out)
		}
	}
}
