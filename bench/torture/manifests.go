package main

import "strings"

// sender is the provider whose signed events are sent.
const sender = `kind: provider
name: torture
signature: {algorithm: hmac-sha256, header: X-Signature}
secret: <<env.TORTURE_SECRET>>
event: {header: X-Event}
delivery: {header: X-Delivery}
max_body: 25MiB
unknown_events: accept
events: [{name: one}]
`

// delivering has a pipeline that sends the original bytes, and one with two hooks side by side behind code. The path of a URL is the
// pipeline's name and the hook's label: so what arrived can be held against the run that sent it.
const delivering = sender + `---
kind: pipeline
name: one
nodes:
  - {label: In, type: receive, props: {provider: torture, event: one}}
  - {label: Tell, type: hook, props: {url: "http://RECEIVER/one/Tell", headers: {X-Whole: "yes"}}}
---
kind: pipeline
name: two
nodes:
  - {label: In, type: receive, props: {provider: torture, event: two}}
  - {label: Text, type: code, props: {code: '{"id": payload.id, "size": payload.size}'}}
  - {label: A, type: hook, props: {url: "http://RECEIVER/two/A", body: {id: "{{ Text.id }}"}}}
  - {label: B, type: hook, props: {url: "http://RECEIVER/two/B", body: {id: "{{ Text.id }}"}}}
connections: [In -> Text -> A, Text -> B]
`

// mixed sends two of three events to the pipeline one, with bodies of different sizes.
func mixed(k *book, n int) *letter {
	if n%3 == 2 {
		return k.write("two", 0)
	}
	return k.write("one", 256*(n%9))
}

// hooksOf gives the labels of the hooks of the pipeline that an event of a name starts.
func hooksOf(event string) []string {
	if event == "two" {
		return []string{"A", "B"}
	}
	return []string{"Tell"}
}

func fill(text string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(text) }
