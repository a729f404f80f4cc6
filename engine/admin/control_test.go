package admin_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/fault"
	"github.com/headgate/headgate/engine/source"
)

func TestProbesTellAliveAndReadyApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.gateway.ready, w.gateway.checks = false, []admin.Check{{Name: "store", OK: false, Detail: "the disk is full"}}
	w.ask(t, "GET", "/healthz", "").check(t, http.StatusOK, "")
	a := w.ask(t, "GET", "/readyz", "")
	if a.Code != http.StatusServiceUnavailable || !strings.Contains(a.Body.String(), "the disk is full") {
		t.Errorf("got %d %s", a.Code, a.Body)
	}
	w = newWorld(t)
	w.Alive = func() error { return errors.New("the writer has not moved for 60 s") }
	w.ask(t, "GET", "/healthz", "").check(t, http.StatusServiceUnavailable, "not_alive")
	w.ask(t, "GET", "/readyz", "").check(t, http.StatusOK, "")
}

func TestStatusIsTheGateways(t *testing.T) {
	t.Parallel()
	a := newWorld(t).ask(t, "GET", "/api/v1/status", "")
	a.check(t, http.StatusOK, "")
	if a.json["version"] != "1.2.3" {
		t.Errorf("version: got %v, want 1.2.3", a.json["version"])
	}
	manifests, _ := a.json["manifests"].(map[string]any)
	if manifests["digest"] != "d1" || manifests["pipelines"] != 2.0 {
		t.Errorf("manifests: got %v", manifests)
	}
}

func TestAReloadTellsItsReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var confirmed []bool
	w.gateway.reload = func(confirm bool) (any, *diag.List, error) {
		confirmed = append(confirmed, confirm)
		return map[string]any{"digest": "d2"}, nil, nil
	}
	a := w.ask(t, "POST", "/api/v1/reload", "")
	a.check(t, http.StatusOK, "")
	w.ask(t, "POST", "/api/v1/reload?confirm=true", `{}`).check(t, http.StatusOK, "")
	if len(confirmed) != 2 || confirmed[0] || !confirmed[1] {
		t.Errorf("confirm: got %v, want false then true", confirmed)
	}
	if report, _ := a.json["report"].(map[string]any); report["digest"] != "d2" {
		t.Errorf("report: got %v", a.json["report"])
	}
}

func TestARefusedReloadNamesEveryLine(t *testing.T) {
	t.Parallel()
	var list diag.List
	f := source.NewFile("hooks.yaml", []byte("a: 1\nb: 2\n"))
	list.Errorf("unknown-key", source.Span{File: f, Start: source.Pos{Line: 2, Col: 1}, End: source.Pos{Line: 2, Col: 2}}, "did you mean `c`?", "unknown key `b`")
	list.Warnf("dev-secret", source.Span{}, "", "a default secret")
	for name, reload := range map[string]func(bool) (any, *diag.List, error){
		"as a list":      func(bool) (any, *diag.List, error) { return nil, &list, nil },
		"as an error":    func(bool) (any, *diag.List, error) { return nil, nil, list.Err() },
		"as both":        func(bool) (any, *diag.List, error) { return nil, &list, list.Err() },
		"as other error": func(bool) (any, *diag.List, error) { return nil, &list, errors.New("refused") },
	} {
		w := newWorld(t)
		w.gateway.reload = reload
		a := w.ask(t, "POST", "/api/v1/reload", "")
		a.check(t, http.StatusUnprocessableEntity, "manifests_refused")
		var got admin.ErrorAnswer
		if err := json.Unmarshal(a.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		want := "hooks.yaml:2:1: error[unknown-key]: unknown key `b`; did you mean `c`?"
		if len(got.Findings) != 2 || got.Findings[1].String() != want {
			t.Errorf("%s: got %v, want two with %s", name, got.Findings, want)
		}
	}
}

func TestAHeldReloadIsAConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.gateway.reload = func(bool) (any, *diag.List, error) { return nil, nil, admin.ErrHeld }
	w.ask(t, "POST", "/api/v1/reload", "").check(t, http.StatusConflict, "held")
}

func TestSignHandsOnTheBytes(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ ask, provider, event, handshake, delivery, body string }{
		{`{"provider":"acme","event":"x"}`, "acme", "x", "", "", ""},
		{`{"provider":"acme","event":"x","delivery":"d1","body":"{\"a\": 1}\n"}`, "acme", "x", "", "d1", "{\"a\": 1}\n"},
		{`{"provider":"acme","event":"x","body_base64":"/wA="}`, "acme", "x", "", "", "\xff\x00"},
		{`{"provider":"acme","handshake":"0"}`, "acme", "", "0", "", ""},
	} {
		w := newWorld(t)
		w.gateway.sign = func(m admin.Message) (admin.SignedRequest, error) {
			if m.Provider != row.provider || m.Event != row.event || m.Handshake != row.handshake || m.Delivery != row.delivery || string(m.Body) != row.body {
				t.Errorf("%s: got %+v", row.ask, m)
			}
			return admin.SignedRequest{
				Method: "POST", URL: "http://127.0.0.1:8080/webhooks/acme", Header: http.Header{"X-Sig": {"a", "b"}}, Body: m.Body,
			}, nil
		}
		a := w.ask(t, "POST", "/api/v1/sign", row.ask)
		a.check(t, http.StatusOK, "")
		var got admin.Signed
		if err := json.Unmarshal(a.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if string(got.BodyBase64)+got.Body != row.body || got.Headers["X-Sig"] != "a, b" || got.Method != "POST" {
			t.Errorf("%s: got %+v", row.ask, got)
		}
	}
}

func TestSignRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, body := range []string{`{`, `[]`, `{"provider":"a"} {}`, `{"provider":"a","evnt":"x"}`, `{"event":"x"}`, `{"provider":"a","body":"x","body_base64":"eA=="}`, `{"provider":"a","handshake":"0","event":"x"}`} {
		w.ask(t, "POST", "/api/v1/sign", body).check(t, http.StatusBadRequest, "bad_body")
	}
	w.ask(t, "POST", "/api/v1/sign", `{"provider":"`+strings.Repeat("a", admin.MaxBodyBytes)+`"}`).
		check(t, http.StatusRequestEntityTooLarge, "body_too_large")
	w.ask(t, "POST", "/api/v1/sign", "").check(t, http.StatusBadRequest, "bad_body")
}

func TestSignTellsWhatTheCallerCanMend(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		err    error
		status int
		code   string
	}{
		{fault.New(fault.Invalid, "provider_not_found", "there is no provider `acm`", nil), http.StatusNotFound, "provider_not_found"},
		{fault.New(fault.Invalid, "no_example", "the event has no example", nil), http.StatusBadRequest, "no_example"},
		{fault.New(fault.Refused, "unsigned", "the provider is unsigned", nil), http.StatusConflict, "unsigned"},
		{errors.New("boom"), http.StatusInternalServerError, "internal"},
	} {
		w := newWorld(t)
		w.gateway.sign = func(admin.Message) (admin.SignedRequest, error) {
			return admin.SignedRequest{}, row.err
		}
		w.ask(t, "POST", "/api/v1/sign", `{"provider":"acm","body_base64":"`+base64.StdEncoding.EncodeToString([]byte("x"))+`"}`).
			check(t, row.status, row.code)
	}
}

func TestTheOpenAPIDocumentHasExactlyTheRoutes(t *testing.T) {
	t.Parallel()
	a := newWorld(t).ask(t, "GET", "/api/v1/openapi.json", "")
	a.check(t, http.StatusOK, "")
	paths, _ := a.json["paths"].(map[string]any)
	count := 0
	for _, methods := range paths {
		m, _ := methods.(map[string]any)
		count += len(m)
	}
	table := admin.RoutesOf()
	if count != len(table) {
		t.Errorf("got %d operations, want %d", count, len(table))
	}
	for _, rt := range table {
		methods, _ := paths[rt.Path].(map[string]any)
		op, ok := methods[strings.ToLower(rt.Method)].(map[string]any)
		if !ok {
			t.Errorf("%s %s is not described", rt.Method, rt.Path)
			continue
		}
		params, _ := op["parameters"].([]any)
		if len(params) != len(rt.Params) {
			t.Errorf("%s: got %d parameters, want %v", rt.Path, len(params), rt.Params)
		}
		if summary, _ := op["summary"].(string); !strings.HasSuffix(summary, ".") {
			t.Errorf("%s: the summary %q is no sentence", rt.Path, summary)
		}
	}
}
