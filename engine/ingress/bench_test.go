package ingress

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/headgate/headgate/engine/provider"
	"github.com/headgate/headgate/engine/reply"
	"github.com/headgate/headgate/engine/store"
)

// blank is a ResponseWriter that keeps its header map, as a connection keeps its buffers.
type blank struct{ h http.Header }

func (b *blank) Header() http.Header         { return b.h }
func (b *blank) Write(p []byte) (int, error) { return len(p), nil }
func (b *blank) WriteHeader(int)             {}

// BenchmarkAccept sets the accept path, with a store that stores nothing, beside a handler that only checks the HMAC of the same
// 10 KB.
func BenchmarkAccept(b *testing.B) {
	all := providers(b, strings.Replace(acme, "1KiB", "1MiB", 1))
	body := []byte(`{"id":1,"lines":[` + strings.Repeat(`{"sku":"a-1234-large-blue","url":"https://api.acme.example/v1/orders/1/lines/a-1234-large-blue",`+
		`"note":"keep upright and do not leave it with a neighbour","count":12,"price":"19.90"},`, 52) + `{}]}`)
	signed, err := all["acme"].Sign(provider.Message{Event: "order.created", Delivery: "d1", Body: body, Now: time.Now()})
	if err != nil {
		b.Fatal(err)
	}
	server, err := New(Options{
		Snapshot: func() Snapshot { return Snapshot{Providers: all, Responders: silent{}} }, Replies: reply.New(), Logger: slog.New(slog.DiscardHandler), Observer: &nobody{},
		Store: appender(func(context.Context, []store.Arrival) ([]store.Receipt, error) {
			return []store.Receipt{{ID: 1 << 40}}, nil
		}),
	})
	if err != nil {
		b.Fatal(err)
	}
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(io.LimitReader(r.Body, 5<<20))
		if err != nil {
			b.Error(err)
		}
		mac := hmac.New(sha256.New, []byte(secretText))
		mac.Write(got)
		want, err := hex.DecodeString(strings.TrimPrefix(r.Header.Get("X-Acme-Signature"), "sha256="))
		if err != nil || !hmac.Equal(mac.Sum(nil), want) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, `{"status":"ok"}`)
	})
	for _, kind := range []struct {
		name    string
		handler http.Handler
	}{{"bare", bare}, {"headgate", server}} {
		b.Run("handler/"+kind.name, func(b *testing.B) {
			reader := bytes.NewReader(nil)
			r := httptest.NewRequest(http.MethodPost, signed.Path, nil)
			r.Header, r.Body, r.ContentLength = signed.Header, io.NopCloser(reader), int64(len(body))
			w := &blank{h: http.Header{}}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				reader.Reset(body)
				clear(w.h)
				kind.handler.ServeHTTP(w, r)
			}
		})
		b.Run("http/"+kind.name, func(b *testing.B) {
			web := httptest.NewServer(kind.handler)
			defer web.Close()
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			defer client.CloseIdleConnections()
			b.SetParallelism(32)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r, err := http.NewRequest(http.MethodPost, web.URL+signed.Path, bytes.NewReader(body))
					if err != nil {
						b.Error(err)
						return
					}
					r.Header = signed.Header
					res, err := client.Do(r)
					if err != nil {
						b.Error(err)
						return
					}
					if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 200 {
						b.Errorf("got %d, %v", res.StatusCode, err)
					}
					_ = res.Body.Close()
				}
			})
		})
	}
}

// silent are no responders: providers whose events no pipeline answers cost a look-up.
type silent struct{}

func (silent) Responds(string, string) (time.Duration, bool) { return 0, false }

type nobody struct{}

func (*nobody) Request(string, string, time.Duration) {}
