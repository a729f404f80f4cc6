package examples_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/snapshot"
	"github.com/headgate/headgate/engine/trial"
	"github.com/headgate/headgate/manifests"
)

// example is a folder of manifests that a user copies.
type example struct {
	dir string
	env map[string]string
	dev bool
	// hints says that advice is all right: the example shows a document that cannot be changed.
	hints bool
}

// exampleFolders lists them all.
func exampleFolders() []example {
	return []example{
		{dir: "quickstart", dev: true},
		{dir: "quickstart", env: map[string]string{"GITHUB_WEBHOOK_SECRET": "s3cret-of-github", "SLACK_URL": "https://hooks.slack.com/services/T0/B0/x"}, hints: true},
		{dir: "gitops/manifests", env: map[string]string{"GITHUB_WEBHOOK_SECRET": "s3cret-of-github", "SLACK_URL": "https://hooks.slack.com/services/T0/B0/x"}},
		{dir: "seeds/dipeo", env: seedSecrets(), hints: true},
		{dir: "seeds/dash", env: seedSecrets(), hints: true},
		{dir: "seeds/core", env: seedSecrets(), hints: true},
		{dir: "seeds/dust", env: seedSecrets(), hints: true},
		{dir: "patterns", env: map[string]string{"SHOP_WEBHOOK_SECRET": "s3cret-of-the-shop-0123", "CHAT_URL": "https://hooks.slack.com/services/T0/B0/x"}},
	}
}

// otherYAML are the folders whose YAML is for other programs.
func otherYAML() []string { return []string{"gitops/kubernetes", "gitops/compose"} }

func seedSecrets() map[string]string {
	return map[string]string{
		"GITHUB_WEBHOOK_SECRET": "s3cret-of-github", "SLACK_WEBHOOK_SECRET": "s3cret-of-slack", "JIRA_WEBHOOK_SECRET": "s3cret-of-jira",
		"ZENDESK_WEBHOOK_SECRET": "s3cret-of-zendesk", "DASH_WEBHOOK_SECRET": "s3cret-of-dash-0123456789", "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/x",
		"DASH_WEBHOOK_URL": "https://dash.example.com/webhooks/dash", "DASH_WEBHOOK_EVENTS": "agent:complete,agent:error,swarm:complete,budget:warning",
		"CORE_WEBHOOK_SECRET": "s3cret-of-core-0123456789", "NOTES_APP_URL": "https://notes.example.com/hook", "NOTES_APP_SECRET": "s3cret-of-notes-0123",
		"CALENDAR_APP_URL": "https://calendar.example.com/hook", "CALENDAR_APP_SECRET": "s3cret-of-calendar-0123",
	}
}

func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	}
}

func TestEveryExampleLoads(t *testing.T) {
	t.Parallel()
	for _, e := range exampleFolders() {
		_, list := snapshot.Load(t.Context(), snapshot.Options{
			Manifest: manifest.Options{Dirs: []string{e.dir}, Catalogue: manifests.FS(), Env: lookup(e.env), Dev: e.dev},
			Types:    engine.NodeTypes(), MaxBody: 25 << 20, Dev: e.dev,
		})
		for _, f := range list.Sorted() {
			isDefault := f.Rule == diag.DefaultSecret && f.Severity == diag.Warning && e.hints
			// What the seed says of Slack's signature is not all that Slack signs, which a finding is to say.
			// So is a finding of the addresses that its diagrams hold.
			isSeeds := (f.Rule == diag.DiffersFromCatalogue || f.Rule == diag.LiteralSecret) && e.dir == "seeds/dipeo"
			if f.Severity != diag.Hint && !isDefault && !isSeeds || !e.hints {
				t.Errorf("%s (dev %t): %s", e.dir, e.dev, f)
			}
		}
	}
}

// TestExamplesPassTheirTests runs what `headgate test` runs, and wants every node and branch of the patterns to be reached.
func TestExamplesPassTheirTests(t *testing.T) {
	t.Parallel()
	for dir, least := range map[string]int{"seeds/dipeo": 5, "seeds/dash": 9, "seeds/core": 4, "seeds/dust": 7, "patterns": 9} {
		bundle, list := manifest.Load(t.Context(), manifest.Options{Dirs: []string{dir}, Catalogue: manifests.FS(), NoEnv: true})
		if list.HasErrors() {
			t.Fatalf("%s: %v", dir, list.Sorted())
		}
		report, list := trial.Run(t.Context(), trial.Options{Bundle: bundle, Types: engine.NodeTypes(), Coverage: true})
		if list.HasErrors() || len(report.Results) < least {
			t.Errorf("%s: %d cases, want at least %d; %v", dir, len(report.Results), least, list.Sorted())
		}
		for _, r := range report.Results {
			for _, f := range r.Failures {
				t.Errorf("%s: %s: %s: got %s, want %s\n%s", f.Span, r.Name, f.What, f.Got, f.Want, r.Diagnosis)
			}
		}
		for _, c := range report.Coverage {
			if dir == "patterns" && c.Reached() < c.Total() {
				t.Errorf("%s: the tests do not reach all of %s: %+v", dir, c.Pipeline, c)
			}
		}
	}
}

func TestEveryYAMLFileBelongsToAnExample(t *testing.T) {
	t.Parallel()
	dirs := otherYAML()
	for _, e := range exampleFolders() {
		dirs = append(dirs, e.dir)
	}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".yaml" && filepath.Ext(name) != ".yml" {
			return err
		}
		if !slices.ContainsFunc(dirs, func(dir string) bool { return strings.HasPrefix(filepath.ToSlash(name), dir+"/") }) {
			t.Errorf("%s is in no folder that a test loads: add its folder to exampleFolders", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// serve runs a gateway for a folder until the test ends, with the store that users get.
func serve(t *testing.T, dir string, env map[string]string) *engine.Engine {
	t.Helper()
	e, err := engine.New(engine.Options{
		Dirs: []string{dir}, Catalogue: manifests.FS(), Env: lookup(env), Dev: true, NoWatch: true, Addr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0",
		DataDir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	return e
}

func sign(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

// call makes one request and gives the status and the answer as JSON.
func call(t *testing.T, method, url, body string, header map[string]string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer map[string]any
	if err := json.Unmarshal(data, &answer); err != nil {
		t.Fatalf("%s %s answers no JSON: %s", method, url, data)
	}
	return res.StatusCode, answer
}

// arrived is one request that a receiver got.
type arrived struct {
	path, contentType, body string
}

// receiver stands for the service at the other end.
func receiver(t *testing.T) (url string, got <-chan arrived) {
	t.Helper()
	c := make(chan arrived, 16)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		c <- arrived{r.URL.Path, r.Header.Get("Content-Type"), string(body)}
		_, _ = io.WriteString(w, "ok")
	}))
	t.Cleanup(srv.Close)
	return srv.URL, c
}

// patience is far longer than anything here takes, so that a busy machine fails no test.
const patience = 30 * time.Second

func TestTheQuickstartTellsSlackOfABigPullRequest(t *testing.T) {
	t.Parallel()
	sink, got := receiver(t)
	e := serve(t, "quickstart", map[string]string{"SLACK_URL": sink + "/slack"})
	send := func(delivery, body string) (int, map[string]any) {
		return call(t, http.MethodPost, "http://"+e.PublicAddr()+"/webhooks/github", body, map[string]string{
			"Content-Type": "application/json", "X-GitHub-Event": "pull_request", "X-GitHub-Delivery": delivery,
			"X-Hub-Signature-256": "sha256=" + sign("dev-secret", body),
		})
	}
	small := `{"action":"opened","pull_request":{"title":"Typo","html_url":"https://github.com/acme/shop/pull/6","changed_files":1}}`
	if status, answer := send("small", small); status != http.StatusOK || answer["status"] != "processed" {
		t.Errorf("a small pull request is answered %d %v", status, answer)
	}
	big := `{"action":"opened","pull_request":{"title":"Rename \"everything\" \u2028 über {{ all }}","html_url":"https://github.com/acme/shop/pull/7","changed_files":64}}`
	status, answer := send("big", big)
	id, _ := answer["execution_id"].(string)
	want := map[string]any{"status": "processed", "provider": "github", "event": "pull_request", "execution_id": id}
	if status != http.StatusOK || !reflect.DeepEqual(answer, want) || !strings.HasPrefix(id, "webhook-github-") {
		t.Errorf("a big pull request is answered %d %v, want 200 %v", status, answer, want)
	}
	message := arrived{
		path: "/slack", contentType: "application/json",
		body: `{"text":"Big PR: Rename \"everything\" \u2028 über {{ all }} https://github.com/acme/shop/pull/7"}`,
	}
	select {
	case a := <-got:
		if a != message {
			t.Errorf("got  %+v\nwant %+v", a, message)
		}
	case <-time.After(patience):
		t.Fatal("no message arrived")
	}
	if err := e.Stop(t.Context()); err != nil { // which finishes what is under way
		t.Fatal(err)
	}
	select {
	case a := <-got:
		t.Errorf("a second message arrived: %+v", a)
	default:
	}
}

func TestTheSeedsProvidersReceiveSignedDeliveries(t *testing.T) {
	t.Parallel()
	e := serve(t, "seeds/dipeo", seedSecrets())
	base := "http://" + e.PublicAddr() + "/webhooks/"
	push := `{"repository":{"full_name":"user/repo"},"pusher":{"name":"developer"}}`
	slack := `{"type":"event_callback","event":{"type":"message","text":"hello"}}`
	rows := []struct {
		name, provider, body string
		header               map[string]string
		status               int
		want                 map[string]any // execution_id aside
	}{
		{
			"push", "github", push,
			map[string]string{"X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256=" + sign("s3cret-of-github", push)},
			200,
			map[string]any{"status": "processed", "provider": "github", "event": "push"},
		},
		{"a push with another secret", "github", push, map[string]string{"X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256=" + sign("another", push)}, 401, nil},
		{"a push without a signature", "github", push, map[string]string{"X-GitHub-Event": "push"}, 401, nil},
		{
			"slack", "slack", slack,
			map[string]string{"X-Slack-Signature": "v0=" + sign("s3cret-of-slack", slack)},
			200,
			map[string]any{"status": "processed", "provider": "slack", "event": "event_callback"},
		},
		{"slack over another body", "slack", slack, map[string]string{"X-Slack-Signature": "v0=" + sign("s3cret-of-slack", slack+" ")}, 401, nil},
	}
	for _, r := range rows {
		r.header["Content-Type"] = "application/json"
		status, answer := call(t, http.MethodPost, base+r.provider, r.body, r.header)
		if status != r.status {
			t.Errorf("%s: got %d %v, want %d", r.name, status, answer, r.status)
			continue
		}
		if r.want == nil {
			if _, ok := answer["error"].(map[string]any)["code"]; !ok {
				t.Errorf("%s: the refusal has no code: %v", r.name, answer)
			}
			continue
		}
		if id, _ := answer["execution_id"].(string); !strings.HasPrefix(id, "webhook-"+r.provider+"-") {
			t.Errorf("%s: the execution_id is %q", r.name, id)
		}
		delete(answer, "execution_id")
		if !reflect.DeepEqual(answer, r.want) {
			t.Errorf("%s: got %v, want %v", r.name, answer, r.want)
		}
	}
}

func TestTheSeedsTestEndpointAnswersFieldForField(t *testing.T) {
	t.Parallel()
	e := serve(t, "seeds/dipeo", seedSecrets())
	status, got := call(t, http.MethodGet, "http://"+e.PublicAddr()+"/webhooks/github/test", "", nil)
	want := map[string]any{
		"provider": "github", "webhook_support": true, "webhook_url": "/webhooks/github",
		"supported_events": []any{
			map[string]any{"name": "push", "description": "Repository push event", "has_schema": true},
			map[string]any{"name": "pull_request", "description": "Pull request event", "has_schema": true},
		},
		"signature_validation": true, "signature_header": "X-Hub-Signature-256",
	}
	if status != http.StatusOK || !reflect.DeepEqual(got, want) {
		t.Errorf("got %d %v\nwant 200 %v", status, got, want)
	}
	if status, answer := call(t, http.MethodGet, "http://"+e.PublicAddr()+"/webhooks/nobody/test", "", nil); status != http.StatusNotFound {
		t.Errorf("an unknown provider is answered %d %v, want 404", status, answer)
	}
	text, ok := seedText(t)
	if !ok {
		return
	}
	// The guide shows one event of the two.
	var shown map[string]any
	if err := json.Unmarshal([]byte(fenced(t, text, "json", `"webhook_support"`)), &shown); err != nil {
		t.Fatal(err)
	}
	got["supported_events"] = got["supported_events"].([]any)[:1]
	if !reflect.DeepEqual(got, shown) {
		t.Errorf("got %v\nthe guide shows %v", got, shown)
	}
}

func TestTheSeedsManifestsAreTheGuidesText(t *testing.T) {
	t.Parallel()
	text, ok := seedText(t)
	if !ok {
		return // a copy of the repository alone has nothing to compare with
	}
	for file, mark := range map[string]string{
		"seeds/dipeo/integrations/github/provider.yaml": "# integrations/github/provider.yaml\n",
		"seeds/dipeo/integrations/slack/provider.yaml":  "signature_header: X-Slack-Signature",
	} {
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if want := fenced(t, text, "yaml", mark); string(got) != want {
			t.Errorf("%s: got\n%s\nthe guide has\n%s", file, got, want)
		}
	}
	// Lists of nodes stand among nodes that the guide leaves out.
	for file, mark := range map[string]string{
		"complete": "version: light", "send-webhook": "label: Send Webhook", "process-response": "label: Process Response",
		"conditional": "label: Check Status", "multiple": "label: Notify Slack",
	} {
		got, err := os.ReadFile("seeds/dipeo/diagrams/" + file + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		if want := fenced(t, text, "yaml", mark); !strings.Contains(string(got), want) {
			t.Errorf("%s: got\n%s\nthe guide has\n%s", file, got, want)
		}
	}
}

// seedText reads the guide that the seeds are taken from, where it lies beside the repository.
func seedText(t *testing.T) (string, bool) {
	t.Helper()
	data, err := os.ReadFile("../../shared/seeds/dipeo-webhook-integration.md")
	if errors.Is(err, fs.ErrNotExist) {
		return "", false
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(data), true
}

// fenced gives the first fenced block of a language that holds a mark.
func fenced(t *testing.T, text, lang, mark string) string {
	t.Helper()
	for _, m := range regexp.MustCompile("(?ms)^```"+lang+"\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		if strings.Contains(m[1], mark) {
			return m[1]
		}
	}
	t.Fatalf("no block of %s holds %q", lang, mark)
	return ""
}
