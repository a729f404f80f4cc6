package examples_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// stopSeconds is what a stop may take: HEADGATE_DRAIN_DELAY (5 s) and HEADGATE_SHUTDOWN_TIMEOUT (25 s).
const stopSeconds = 30

// readYAML gives the documents of a file as plain maps; a key that stands twice is an error of the decoder.
func readYAML(t *testing.T, name string) []any {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var docs []any
	for d := yaml.NewDecoder(f); ; {
		var doc any
		if err := d.Decode(&doc); err != nil {
			if len(docs) == 0 || err.Error() != "EOF" {
				t.Fatalf("%s: %v", name, err)
			}
			return docs
		}
		docs = append(docs, doc)
	}
}

// at follows a path of keys and indexes ("spec.containers.0.image"); nil where there is nothing.
func at(v any, p string) any {
	for key := range strings.SplitSeq(p, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

func list(v any, p string) []any {
	l, _ := at(v, p).([]any)
	return l
}

// want checks values by path.
func want(t *testing.T, what string, v any, values map[string]any) {
	t.Helper()
	for p, w := range values {
		if got := at(v, p); fmt.Sprint(got) != fmt.Sprint(w) {
			t.Errorf("%s: %s is %v, want %v", what, p, got, w)
		}
	}
}

// taggedImage names a version, so that a restart does not change what runs.
func taggedImage(image string) bool {
	_, tag, ok := strings.Cut(path.Base(image), ":")
	return ok && tag != "" && tag != "latest"
}

// kubernetes gives the resources of some files by "Kind/name".
func kubernetes(t *testing.T, files ...string) map[string]any {
	t.Helper()
	out := map[string]any{}
	for _, f := range files {
		for _, doc := range readYAML(t, filepath.Join("gitops/kubernetes", f)) {
			id := fmt.Sprintf("%v/%v", at(doc, "kind"), at(doc, "metadata.name"))
			if out[id] != nil || at(doc, "apiVersion") == nil {
				t.Errorf("%s: %s stands twice or has no apiVersion", f, id)
			}
			out[id] = doc
		}
	}
	return out
}

func TestKubernetesPodsHaveNoRights(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"deployment-git.yaml", "deployment-configmap.yaml"} {
		deployment := kubernetes(t, file)["Deployment/headgate"]
		want(t, file, deployment, map[string]any{"spec.replicas": 1, "spec.strategy.type": "Recreate"})
		pod := at(deployment, "spec.template.spec")
		want(t, file, pod, map[string]any{
			"automountServiceAccountToken":        false,
			"securityContext.runAsNonRoot":        true,
			"securityContext.runAsUser":           65532,
			"securityContext.fsGroup":             65532,
			"securityContext.seccompProfile.type": "RuntimeDefault",
			"hostNetwork":                         nil,
			"hostPID":                             nil,
		})
		if grace, _ := at(pod, "terminationGracePeriodSeconds").(int); grace <= stopSeconds {
			t.Errorf("%s: %d s to stop, want more than %d", file, grace, stopSeconds)
		}
		volumes := map[any]bool{}
		for _, v := range list(pod, "volumes") {
			volumes[at(v, "name")] = true
			if at(v, "hostPath") != nil {
				t.Errorf("%s: the volume %v is a folder of the node", file, at(v, "name"))
			}
		}
		containers := append(list(pod, "initContainers"), list(pod, "containers")...)
		if len(containers) == 0 {
			t.Fatalf("%s: no containers", file)
		}
		for _, c := range containers {
			what := fmt.Sprintf("%s: container %v", file, at(c, "name"))
			want(t, what, c, map[string]any{
				"securityContext.allowPrivilegeEscalation": false,
				"securityContext.readOnlyRootFilesystem":   true,
				"securityContext.capabilities.drop":        []any{"ALL"},
				"securityContext.capabilities.add":         nil,
				"securityContext.privileged":               nil,
			})
			if image, _ := at(c, "image").(string); !taggedImage(image) {
				t.Errorf("%s: the image %q names no version", what, image)
			}
			if at(c, "resources.limits.memory") == nil {
				t.Errorf("%s has no memory limit", what)
			}
			for _, m := range list(c, "volumeMounts") {
				if !volumes[at(m, "name")] {
					t.Errorf("%s mounts %v, which is no volume", what, at(m, "name"))
				}
				if at(m, "subPath") != nil {
					t.Errorf("%s mounts a subPath, which is never updated", what)
				}
			}
		}
	}
}

// gateway gives the container that runs Headgate.
func gateway(t *testing.T, file string) any {
	t.Helper()
	for _, c := range list(kubernetes(t, file)["Deployment/headgate"], "spec.template.spec.containers") {
		if at(c, "name") == "headgate" {
			return c
		}
	}
	t.Fatalf("%s: no container headgate", file)
	return nil
}

func env(container any) map[string]string {
	out := map[string]string{}
	for _, e := range list(container, "env") {
		out[fmt.Sprint(at(e, "name"))] = fmt.Sprint(at(e, "value"))
	}
	return out
}

func TestKubernetesProbesAskTheHealthListener(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"deployment-git.yaml", "deployment-configmap.yaml"} {
		c := gateway(t, file)
		want(t, file, c, map[string]any{
			"startupProbe.httpGet.path":   "/healthz",
			"livenessProbe.httpGet.path":  "/healthz",
			"readinessProbe.httpGet.path": "/readyz",
			"startupProbe.httpGet.port":   "health",
			"livenessProbe.httpGet.port":  "health",
			"readinessProbe.httpGet.port": "health",
		})
		ports := map[string]string{}
		for _, p := range list(c, "ports") {
			ports[fmt.Sprint(at(p, "name"))] = fmt.Sprint(at(p, "containerPort"))
		}
		if got := env(c)["HEADGATE_HEALTH_ADDR"]; got != ":"+ports["health"] {
			t.Errorf("%s: HEADGATE_HEALTH_ADDR is %q, the port health is %q", file, got, ports["health"])
		}
		if _, ok := env(c)["HEADGATE_ADMIN_ADDR"]; ok {
			t.Errorf("%s opens the admin listener", file)
		}
	}
}

func TestKubernetesManifestsComeFromWhereHeadgateLooks(t *testing.T) {
	t.Parallel()
	mounts := func(c any) map[string]string {
		out := map[string]string{}
		for _, m := range list(c, "volumeMounts") {
			out[fmt.Sprint(at(m, "name"))] = fmt.Sprint(at(m, "mountPath"))
		}
		return out
	}
	c := gateway(t, "deployment-configmap.yaml")
	folder := fmt.Sprint(at(c, "args.1"))
	if mounts(c)["manifests"] != folder || path.Dir(env(c)["HEADGATE_REVISION_FILE"]) != folder {
		t.Errorf("ConfigMap: serves %s, mounted at %s, revision in %s", folder, mounts(c)["manifests"], env(c)["HEADGATE_REVISION_FILE"])
	}

	c = gateway(t, "deployment-git.yaml")
	pod := at(kubernetes(t, "deployment-git.yaml")["Deployment/headgate"], "spec.template.spec")
	for _, sync := range append(list(pod, "initContainers"), at(pod, "containers.1")) {
		args := list(sync, "args")
		root := mounts(c)["git"]
		if !slices.Contains(args, any("--root="+root)) || mounts(sync)["git"] != root {
			t.Errorf("%v checks out with %v, mounted at %s; Headgate has it at %s, so the checkout's link to its commit breaks", at(sync, "name"), args, mounts(sync)["git"], root)
		}
		if !slices.Contains(args, any("--link=current")) || at(c, "args.1") != root+"/current/manifests" {
			t.Errorf("%v checks out with %v, Headgate serves %v", at(sync, "name"), args, at(c, "args.1"))
		}
	}
	if !slices.Contains(list(pod, "initContainers.0.args"), any("--one-time")) {
		t.Error("Headgate may start on an empty folder: nothing checks out before it")
	}
}

func TestKubernetesPartsFitTogether(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"deployment-git.yaml", "deployment-configmap.yaml"} {
		all := kubernetes(t, "common.yaml", file)
		labels := at(all["Deployment/headgate"], "spec.template.metadata.labels")
		for id, p := range map[string]string{
			"Deployment/headgate": "spec.selector.matchLabels", "Service/headgate": "spec.selector", "NetworkPolicy/headgate": "spec.podSelector.matchLabels",
		} {
			if got := at(all[id], p); got == nil || fmt.Sprint(got) != fmt.Sprint(labels) {
				t.Errorf("%s: %s selects %v, the pods have %v", file, id, got, labels)
			}
		}
		var claim any
		for _, v := range list(all["Deployment/headgate"], "spec.template.spec.volumes") {
			if at(v, "name") == "data" {
				claim = at(v, "persistentVolumeClaim.claimName")
			}
		}
		if all[fmt.Sprintf("PersistentVolumeClaim/%v", claim)] == nil {
			t.Errorf("%s: no claim %v", file, claim)
		}
		ports := []any{}
		for _, p := range list(gateway(t, file), "ports") {
			ports = append(ports, at(p, "name"))
		}
		for _, p := range list(all["Service/headgate"], "spec.ports") {
			if !slices.Contains(ports, at(p, "targetPort")) || at(p, "targetPort") == "health" {
				t.Errorf("%s: the service offers %v, want only public ports of %v", file, at(p, "targetPort"), ports)
			}
		}
		policy := all["NetworkPolicy/headgate"]
		want(t, file, policy, map[string]any{"spec.policyTypes": []any{"Ingress", "Egress"}})
		blocks := fmt.Sprint(at(policy, "spec.egress.1.to.0.ipBlock.except"))
		for _, private := range []string{"10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"} {
			if !strings.Contains(blocks, private) {
				t.Errorf("%s: pods may reach %s", file, private)
			}
		}
	}
}

func TestComposeServiceHasNoRights(t *testing.T) {
	t.Parallel()
	compose := readYAML(t, "gitops/compose/compose.yaml")[0]
	c := at(compose, "services.headgate")
	want(t, "compose", c, map[string]any{
		"read_only":         true,
		"user":              "65532:65532",
		"cap_drop":          []any{"ALL"},
		"security_opt":      []any{"no-new-privileges:true"},
		"privileged":        nil,
		"env_file":          []any{"headgate.env"},
		"healthcheck.test":  []any{"CMD", "/headgate", "status"},
		"stop_grace_period": "45s",
		"ports.0":           "8080:8080",
	})
	if image, _ := at(c, "image").(string); !taggedImage(image) {
		t.Errorf("the image %q names no version", image)
	}
	for _, p := range list(c, "ports")[1:] {
		if !strings.HasPrefix(fmt.Sprint(p), "127.0.0.1:") {
			t.Errorf("the port %v is open to the network", p)
		}
	}
	for _, v := range list(c, "volumes") {
		switch at(v, "type") {
		case "bind":
			target := fmt.Sprint(at(v, "target"))
			if at(v, "read_only") != true || at(v, "source") != "." || !strings.HasPrefix(fmt.Sprint(at(c, "command.1")), target+"/") {
				t.Errorf("manifests come by %v, served from %v; want the whole checkout, read-only", v, at(c, "command.1"))
			}
		case "volume":
			name := fmt.Sprint(at(v, "source"))
			if _, ok := at(compose, "volumes").(map[string]any)[name]; !ok || at(v, "target") != at(c, "environment.HEADGATE_DATA_DIR") {
				t.Errorf("data go to %v, HEADGATE_DATA_DIR is %v", v, at(c, "environment.HEADGATE_DATA_DIR"))
			}
		default:
			t.Errorf("volume %v: neither bind nor volume", v)
		}
	}
}

// unit reads a systemd unit: section and key ("Service.User") to values, in order.
func unit(t *testing.T, name string) map[string][]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("gitops/systemd", name))
	if err != nil {
		t.Fatal(err)
	}
	out, section, n := map[string][]string{}, "", 0
	for line := range strings.Lines(string(data)) {
		n++
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[' && strings.HasSuffix(line, "]"):
			section = line[1 : len(line)-1]
		default:
			key, value, ok := strings.Cut(line, "=")
			if !ok || section == "" || strings.ContainsAny(key, " \t") {
				t.Fatalf("%s:%d: %q is no setting of a section", name, n, line)
			}
			out[section+"."+key] = append(out[section+"."+key], value)
		}
	}
	return out
}

func TestSystemdServiceHasNoRights(t *testing.T) {
	t.Parallel()
	u := unit(t, "headgate.service")
	for key, w := range map[string]string{
		"DynamicUser": "yes", "StateDirectory": "headgate", "StateDirectoryMode": "0700", "ProtectSystem": "strict", "ProtectHome": "yes",
		"NoNewPrivileges": "yes", "CapabilityBoundingSet": "", "PrivateTmp": "yes", "PrivateDevices": "yes", "RestrictSUIDSGID": "yes",
		"MemoryDenyWriteExecute": "yes", "SystemCallArchitectures": "native", "Restart": "on-failure", "RestartPreventExitStatus": "2 64",
		"EnvironmentFile": "/etc/headgate.env",
	} {
		if got := u["Service."+key]; len(got) != 1 || got[0] != w {
			t.Errorf("%s is %q, want %q", key, got, w)
		}
	}
	if got := strings.Join(u["Service.Environment"], " "); !strings.Contains(got, "HEADGATE_DATA_DIR=%S/headgate") {
		t.Errorf("Environment is %q, want the data in the state directory", got)
	}
	if s, err := strconv.Atoi(strings.Join(u["Service.TimeoutStopSec"], "")); err != nil || s <= stopSeconds {
		t.Errorf("TimeoutStopSec is %v, want more than %d", u["Service.TimeoutStopSec"], stopSeconds)
	}
	if len(u["Install.WantedBy"]) != 1 {
		t.Error("the service cannot be enabled: it has no WantedBy")
	}
}

func TestSystemdUnitsFitTogether(t *testing.T) {
	t.Parallel()
	serve, pull, timer := unit(t, "headgate.service"), unit(t, "headgate-pull.service"), unit(t, "headgate-pull.timer")
	start := strings.Fields(strings.Join(serve["Service.ExecStart"], ""))
	fetch := strings.Fields(strings.Join(pull["Service.ExecStart"], ""))
	if len(start) != 3 || len(fetch) < 4 || !strings.HasPrefix(start[2], fetch[2]+"/") || !slices.Contains(fetch, "--ff-only") {
		t.Errorf("the service starts %q, the pull %q: want manifests inside the checkout that is pulled", start, fetch)
	}
	for name, u := range map[string]map[string][]string{"headgate.service": serve, "headgate-pull.service": pull} {
		for _, command := range append(u["Service.ExecStart"], u["Service.ExecReload"]...) {
			if !path.IsAbs(command) {
				t.Errorf("%s: the command %q has no absolute path", name, command)
			}
		}
	}
	if got := pull["Service.ReadWritePaths"]; len(got) != 1 || got[0] != fetch[2] {
		t.Errorf("the pull may write to %q, want %s", got, fetch[2])
	}
	if len(timer["Timer.OnUnitInactiveSec"]) != 1 || len(timer["Install.WantedBy"]) != 1 {
		t.Errorf("the timer has no period or cannot be enabled: %v", timer)
	}
}

func TestGitopsManifestsNameNoSecretThatNobodySupplies(t *testing.T) {
	t.Parallel()
	reference := regexp.MustCompile(`<<env\.([A-Z0-9_]+)>>`)
	files, err := filepath.Glob("gitops/manifests/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no manifests (%v)", err)
	}
	names := map[string]bool{}
	for _, f := range files {
		readYAML(t, f)
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range reference.FindAllStringSubmatch(string(data), -1) {
			names[m[1]] = true
		}
	}
	for _, f := range []string{"compose/headgate.env.example", "kubernetes/README.md", "systemd/README.md"} {
		data, err := os.ReadFile(filepath.Join("gitops", f))
		if err != nil {
			t.Fatal(err)
		}
		for name := range names {
			if !strings.Contains(string(data), name+"=") {
				t.Errorf("%s does not say where %s comes from", f, name)
			}
		}
	}
}

func TestEverySettingInTheExamplesExists(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	files := []string{"../Dockerfile"}
	err = filepath.WalkDir("gitops", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	setting := regexp.MustCompile(`HEADGATE_[A-Z_]+`)
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range setting.FindAllString(string(data), -1) {
			if !regexp.MustCompile(`\b` + name + `\b`).Match(page) {
				t.Errorf("%s sets %s, which docs/settings.md does not have", f, name)
			}
		}
	}
}
