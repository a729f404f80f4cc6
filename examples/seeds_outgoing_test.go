package examples_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// whole is one request with all of its headers.
type whole struct {
	path, body string
	header     http.Header
}

// wholeReceiver keeps what it gets whole; h answers, 200 where nil.
func wholeReceiver(t *testing.T, h http.HandlerFunc) (url string, got <-chan whole) {
	t.Helper()
	c := make(chan whole, 64)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		c <- whole{r.URL.Path, string(body), r.Header.Clone()}
		if h != nil {
			h(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL, c
}

// next waits for a request.
func next(t *testing.T, got <-chan whole) whole {
	t.Helper()
	select {
	case w := <-got:
		return w
	case <-time.After(patience):
		t.Fatal("no request arrived")
	}
	return whole{}
}

// headgates are the headers that every attempt carries beside those of its destination, and the transport's own.
func headgates() []string {
	return []string{"Accept-Encoding", "Content-Length", "Headgate-Attempt", "Headgate-First-Attempt-At", "Idempotency-Key", "Traceparent"}
}

// wantHeaders checks that the headers are those given and Headgate's own, and no others.
func wantHeaders(t *testing.T, got http.Header, want map[string]string) {
	t.Helper()
	names := slices.Sorted(maps.Keys(want))
	for _, name := range names {
		if values := got.Values(name); len(values) != 1 || values[0] != want[name] {
			t.Errorf("the header %s is %q, want %q", name, values, want[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if !slices.Contains(headgates(), name) && !slices.Contains(names, name) {
			t.Errorf("there is a header %s: %q", name, got[name])
		}
	}
}

// runsOf asks the admin API for the runs of a pipeline until there are so many of which a condition holds.
func runsOf(t *testing.T, admin, pipeline string, n int, holds func(run map[string]any) bool) []map[string]any {
	t.Helper()
	var runs []map[string]any
	for end := time.Now().Add(patience); time.Now().Before(end); {
		_, list := call(t, http.MethodGet, "http://"+admin+"/api/v1/runs?pipeline="+strings.ReplaceAll(pipeline, "/", "%2F"), "", nil)
		runs = nil
		all, _ := list["runs"].([]any)
		held := 0
		for _, r := range all {
			run, _ := r.(map[string]any)
			runs = append(runs, run)
			if holds(run) {
				held++
			}
		}
		if held == n && len(runs) == n {
			return runs
		}
	}
	t.Fatalf("the runs of %s are %v, want %d of another kind", pipeline, runs, n)
	return nil
}

func TestTheSeedOfCORETellsEachApplicationAndFailsForNone(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile("seeds/core/examples/integration-connected.json")
	if err != nil {
		t.Fatal(err)
	}
	// What JSON.stringify makes of the seed's payload.
	payload := `{"event":"integration.connected","user_id":"user_uuid","integration":{"id":"integration_account_uuid","provider":"linear",` +
		`"account_id":"external_account_id","mcp_endpoint":"mcp://core.ai/linear/external_account_id","name":"Linear",` +
		`"icon":"https://example.com/linear-icon.png"},"timestamp":"2024-01-15T10:30:00.000Z"}`
	var want, is any
	if json.Unmarshal(example, &want) != nil || json.Unmarshal([]byte(payload), &is) != nil || !reflect.DeepEqual(want, is) {
		t.Fatalf("the example of the folder is %s, want the payload of the seed", example)
	}
	notes, notesGot := wholeReceiver(t, nil)
	calendar, calendarGot := wholeReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	env := map[string]string{
		"CORE_WEBHOOK_SECRET": "s3cret-of-core-0123456789", "NOTES_APP_URL": notes + "/hook", "NOTES_APP_SECRET": "s3cret-of-notes-0123",
		"CALENDAR_APP_URL": calendar + "/hook", "CALENDAR_APP_SECRET": "s3cret-of-calendar-0123",
	}
	e := serve(t, "seeds/core", env)
	status, answer := call(t, http.MethodPost, "http://"+e.PublicAddr()+"/webhooks/core", payload, map[string]string{
		"Content-Type": "application/json; charset=utf-8", "X-Core-Signature": "sha256=" + sign(env["CORE_WEBHOOK_SECRET"], payload),
	})
	if status != http.StatusOK || answer["status"] != "processed" {
		t.Fatalf("the payload is answered %d %v", status, answer)
	}
	deliveries := map[string]bool{}
	for secret, got := range map[string]<-chan whole{env["NOTES_APP_SECRET"]: notesGot, env["CALENDAR_APP_SECRET"]: calendarGot} {
		w := next(t, got)
		id := w.header.Get("X-Webhook-Delivery")
		if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`).MatchString(id) || deliveries[id] {
			t.Errorf("X-Webhook-Delivery is %q, want a UUID of its own", id)
		}
		deliveries[id] = true
		if w.body != payload || w.path != "/hook" {
			t.Errorf("sent to %s was\n%s\nwant\n%s", w.path, w.body, payload)
		}
		wantHeaders(t, w.header, map[string]string{
			"Content-Type": "application/json", "User-Agent": "Echo-OAuth-Webhooks/1.0", "X-Webhook-Delivery": id,
			"X-Webhook-Event": "integration.connected", "X-Webhook-Secret": sign(secret, payload),
		})
	}
	runsOf(t, e.AdminAddr(), "oauth-integration-webhook", 1, func(r map[string]any) bool { return r["state"] == "done" && r["outcome"] == "completed" })
	// One row for each target: the one that answered is done, the other one waits for its second attempt.
	states := map[string]bool{}
	for _, r := range runsOf(t, e.AdminAddr(), "oauth-integration-webhook/Deliver", 2, func(map[string]any) bool { return true }) {
		id, _ := r["id"].(string)
		for end := time.Now().Add(patience); time.Now().Before(end); {
			_, rec := call(t, http.MethodGet, "http://"+e.AdminAddr()+"/api/v1/runs/"+id, "", nil)
			attempts, _ := rec["attempts"].([]any)
			if len(attempts) == 0 {
				continue
			}
			first, _ := attempts[0].(map[string]any)
			run, _ := rec["run"].(map[string]any)
			if run == nil {
				run = rec
			}
			if state := first["destination"].(string) + " " + first["outcome"].(string) + " " + run["state"].(string); state != "subscription/notes-app ok open" {
				states[state] = true
				break
			}
		}
	}
	if !states["subscription/notes-app ok done"] || !states["subscription/calendar-app temporary open"] {
		t.Errorf("the rows of the targets say %v", states)
	}
}

func TestTheSeedOfDashSendsItsEnvelopeSignedOverTheVeryBytes(t *testing.T) {
	t.Parallel()
	sink, got := wholeReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Headgate-Attempt") == "1" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	env := seedSecrets()
	maps.Copy(env, map[string]string{
		"DASH_WEBHOOK_URL": sink + "/webhooks/dash", "SLACK_WEBHOOK_URL": sink + "/slack", "DASH_WEBHOOK_EVENTS": "agent:complete, budget:*",
		"DASH_WEBHOOK_RETRY_MAX_ATTEMPTS": "2", "DASH_WEBHOOK_RETRY_DELAY": "1000", "DASH_WEBHOOKS_ENABLED": "true",
	})
	e := serve(t, "seeds/dash", env)
	secret := env["DASH_WEBHOOK_SECRET"]
	for _, body := range []string{
		`{"id":"evt-0","type":"swarm:start","timestamp":"2026-01-02T03:04:05.000Z","data":{"swarmId":"s","name":"n","agentCount":1}}`,
		`{"id":"evt-1","type":"agent:complete","timestamp":"2026-01-02T03:04:05.678Z","data":{"agentId":"a-1","result":"über","durationMs":5000,"cost":0.05}}`,
	} {
		status, answer := call(t, http.MethodPost, "http://"+e.PublicAddr()+"/webhooks/dash", body, map[string]string{
			"Content-Type": "application/json", "X-Dash-Signature": "sha256=" + sign(secret, body),
		})
		if status != http.StatusOK || answer["received"] != true {
			t.Fatalf("the event is answered %d %v", status, answer)
		}
	}
	want := `{"data":{"agentId":"a-1","cost":0.05,"durationMs":5000,"result":"über"},"id":"evt-1","instanceId":"dash-1","timestamp":"2026-01-02T03:04:05.678Z",` +
		`"type":"agent:complete","webhookId":"dash-webhook"}`
	var attempts []whole
	for len(attempts) < 2 {
		if w := next(t, got); w.path == "/webhooks/dash" {
			attempts = append(attempts, w)
		}
	}
	for _, w := range attempts {
		if w.body != want {
			t.Errorf("sent was\n%s\nwant\n%s", w.body, want)
		}
		wantHeaders(t, w.header, map[string]string{
			"Content-Type": "application/json", "User-Agent": "Headgate/dev", "X-Dash-Signature": "sha256=" + sign(secret, want),
		})
	}
	if attempts[0].header.Get("Idempotency-Key") != attempts[1].header.Get("Idempotency-Key") || attempts[1].header.Get("Headgate-Attempt") != "2" {
		t.Errorf("the attempts are %v and %v, want one key", attempts[0].header, attempts[1].header)
	}
	runs := runsOf(t, e.AdminAddr(), "dash-webhooks/Send", 1, func(r map[string]any) bool { return r["state"] == "done" })
	if len(runs) != 1 {
		t.Errorf("there are %d deliveries, want that of the event that was asked for alone", len(runs))
	}
}
