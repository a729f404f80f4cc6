package admin_test

import (
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/service"
	"github.com/headgate/headgate/engine/service/servicetest"
)

func TestBothListenersAnswerUntilStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.HealthAddr = "127.0.0.1:0"
	s, err := admin.New(w.Options)
	if err != nil {
		t.Fatal(err)
	}
	if s.Addr() != "" || s.HealthAddr() != "" {
		t.Errorf("addresses before Start: got %q and %q, want none", s.Addr(), s.HealthAddr())
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"http://" + s.Addr() + "/api/v1/status", "http://" + s.HealthAddr() + "/readyz"} {
		if got := get(t, url); got != http.StatusOK {
			t.Errorf("%s: got %d, want 200", url, got)
		}
	}
	addr := s.Addr()
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		_ = c.Close()
		t.Error("the listener is still open after Stop")
	}
}

func get(t *testing.T, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode
}

func TestAnAddressInUseFailsTheStartAndLeavesNothing(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	w := newWorld(t)
	w.HealthAddr = l.Addr().String()
	s, err := admin.New(w.Options)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err == nil {
		t.Error("got nil, want an error: the health address is in use")
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestServerStress(t *testing.T) {
	t.Parallel()
	servicetest.Stress(t, func() service.Service {
		s, err := admin.New(newWorld(t).Options)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
