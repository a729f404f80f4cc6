package trial_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/payload"
	"github.com/headgate/headgate/engine/trial"
)

// samplesDir holds bodies that services really sent, a folder for each, where the checkout has it beside itself.
const samplesDir = "../../../shared/samples"

// sample is one of them. Event and Headers are there where the whole request was captured.
type sample struct {
	Event   string            `json:"event"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
}

// The samples come from elsewhere: where they are not there, the examples of the catalogue alone are held against the schemas.
func TestCatalogueSchemasAcceptRealBodies(t *testing.T) {
	t.Parallel()
	eachProvider(t, func(t *testing.T, c catalogued) {
		seen, files := 0, samplesOf(t, c.name)
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var s sample
			if err := json.Unmarshal(data, &s); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			for _, e := range c.received(t, file, s) {
				seen++
				for _, f := range c.findings(t, e.name, e.payload) {
					t.Errorf("%s: the schema of %s refuses it: %s: %s %s", filepath.Base(file), e.name, f.Path, f.Rule, f.Message)
				}
			}
		}
		t.Logf("of %d files with real bodies came %d events that have a name", len(files), seen)
	})
}

// samplesOf finds the folders of a provider's samples: azure-devops is azuredevops there, and captured requests have folders of their own.
func samplesOf(t *testing.T, name string) []string {
	t.Helper()
	folders, err := filepath.Glob(samplesDir + "/*")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, folder := range folders {
		own := strings.TrimSuffix(filepath.Base(folder), "-captured")
		if own != name && own != strings.ReplaceAll(name, "-", "") && own != strings.TrimSuffix(name, "hub") {
			continue
		}
		files, err := filepath.Glob(folder + "/*.json")
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, files...)
	}
	return out
}

// receivedEvent is what came of a sample.
type receivedEvent struct {
	name    string
	payload any
}

// received sends a sample's body to the provider, with the headers that came with it, or the name that its file has.
func (c catalogued) received(t *testing.T, file string, s sample) []receivedEvent {
	t.Helper()
	body, err := payload.Decode(s.Body)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	raw, err := payload.Encode(body)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	header := http.Header{"Content-Type": {"application/json"}}
	for name, value := range s.Headers {
		header.Set(name, value)
	}
	for _, name := range []string{"Content-Length", "Accept-Encoding", "Connection"} {
		header.Del(name)
	}
	names, payloads := trial.Received(t.Context(), c.provider, c.named(filepath.Base(file), s), header, raw)
	var out []receivedEvent
	for i := range names {
		out = append(out, receivedEvent{names[i], payloads[i]})
	}
	return out
}

// named gives the event that a sample's file is named after, "" where none is.
func (c catalogued) named(file string, s sample) string {
	plain := func(text string) string {
		return regexp.MustCompile(`[^a-z0-9]`).ReplaceAllString(strings.ToLower(text), "")
	}
	wanted := []string{plain(s.Event), plain(strings.TrimSuffix(file, ".json")), strings.TrimSuffix(plain(strings.TrimSuffix(file, ".json")), "event")}
	for _, name := range c.provider.Events() {
		if slices.Contains(wanted, plain(name)) {
			return name
		}
	}
	return ""
}
