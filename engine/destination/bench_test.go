package destination

import (
	"testing"
	"time"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/script"
)

// BenchmarkCompile is what one hook that carries its own keys adds to a reload.
func BenchmarkCompile(b *testing.B) {
	for _, yaml := range []string{"type: http", "type: slack", "sign: standard-webhooks\nsecret: <<env.WHSEC>>"} {
		b.Run(yaml, func(b *testing.B) {
			doc, _ := document(b, "url: <<env.URL>>\n"+yaml, manifest.Options{Env: keyring})
			scope := script.Scope{Shared: script.NewShared()}
			b.ReportAllocs()
			for b.Loop() {
				if Compile(doc, scope, &diag.List{}, Options{}) == nil {
					b.Fatal("it does not compile")
				}
			}
		})
	}
}

// BenchmarkBuildSigned is the making of one request, without its sending.
func BenchmarkBuildSigned(b *testing.B) {
	for _, yaml := range []string{"timeout: 5s", "sign: standard-webhooks\nsecret: <<env.WHSEC>>", "sign: standard-webhooks-ed25519\nsecret: <<env.WHSK>>"} {
		b.Run(yaml, func(b *testing.B) {
			d := signed(b, yaml)
			in := Delivery{Env: env(b, "{}", nil), Raw: make([]byte, 10<<10), RawType: "application/json", IdempotencyKey: "msg_1", Attempt: 1, Now: time.Unix(1, 0)}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Build(b.Context(), in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
