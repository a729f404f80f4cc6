package payload

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// pullRequest builds a body of the shape and about the size (10 KB) of a real pull request delivery.
func pullRequest() []byte {
	user := func(login string) string {
		var b strings.Builder
		fmt.Fprintf(&b, `{"login":%q,"id":583231,"node_id":"MDQ6VXNlcjU4MzIzMQ==","type":"User","site_admin":false`, login)
		for _, k := range []string{"avatar", "html", "followers", "following", "gists", "starred", "subscriptions", "organizations", "repos", "events", "received_events"} {
			fmt.Fprintf(&b, `,"%s_url":"https://api.github.example/users/%s/%s{/other}"`, k, login, k)
		}
		return b.String() + "}"
	}
	repo := func() string {
		var b strings.Builder
		b.WriteString(`{"id":1296269,"full_name":"octo/hello-world","private":false,"owner":` + user("octo"))
		for i := range 64 {
			fmt.Fprintf(&b, `,"resource%d_url":"https://api.github.example/repos/octo/hello-world/resource%d{/sha}"`, i, i)
		}
		return b.String() + `,"stargazers_count":80,"size":108,"default_branch":"main","topics":["a","b"]}`
	}
	return []byte(`{"action":"opened","number":1347,"pull_request":{"id":1,"title":"Amazing new feature \u2014 \"quoted\"","draft":false,"changed_files":25,` +
		`"user":` + user("octocat") + `,"body":"` + strings.Repeat(`Please pull these changes in!\n`, 42) + `","labels":[{"id":1,"name":"bug"},{"id":2,"name":"high-priority"}],` +
		`"base":{"ref":"main"}},"repository":` + repo() + `,"sender":` + user("octocat") + `}`)
}

func BenchmarkCheck(b *testing.B) {
	body := pullRequest()
	b.Run("Check", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if err := Check(body, Limits{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("json.Valid", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			if !json.Valid(body) {
				b.Fatal("not valid")
			}
		}
	})
}

func BenchmarkFind(b *testing.B) {
	body := pullRequest()
	for _, s := range []string{"action", "pull_request.base.ref", "sender.login"} {
		p, err := ParsePath(s)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok, err := p.Find(body); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	body := pullRequest()
	b.Run("Decode", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Decode(body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			var v any
			if err := json.Unmarshal(body, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	v, err := Decode(pullRequest())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Encode(v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkXML(b *testing.B) {
	var body strings.Builder
	body.WriteString(`<?xml version="1.0" encoding="UTF-8"?><notification><timestamp type="datetime">2026-01-02T03:04:05Z</timestamp><kind>subscription_charged</kind><subject>`)
	for i := range 80 {
		fmt.Fprintf(&body, "\n  <transaction><id>%d</id><amount currency=\"EUR\">12.00</amount><note>Fish &amp; chips</note></transaction>", i)
	}
	body.WriteString("</subject></notification>")
	text := []byte(body.String())
	path, err := ParsePath("notification.kind")
	if err != nil {
		b.Fatal(err)
	}
	for name, do := range map[string]func() error{
		"CheckXML":  func() error { return CheckXML(text, Limits{}) },
		"FindXML":   func() error { _, _, err := path.FindXML(text); return err },
		"DecodeXML": func() error { _, err := DecodeXML(text); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if err := do(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
