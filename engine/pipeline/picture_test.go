package pipeline_test

import (
	"slices"
	"testing"
)

func TestAPictureShowsNodesAndConnections(t *testing.T) {
	t.Parallel()
	d := compilePuppets(t, `
nodes:
  - {label: In, type: receive, props: {provider: acme, event: [order.created, order.paid]}}
  - {label: Pick, type: pick, props: {ways: [urgent, late], take: urgent}}
  - {label: Paid, type: await, props: {does: x}}
  - label: Each
    type: loop
    props:
      items: payload.list
      nodes:
        - label: Code
          type: code
          props:
            code: |
              item +
                1
        - {label: Tell, type: hook, props: {config: {url: "http://127.0.0.1:9/a"}}}
connections: [In -> Pick, "Pick[urgent] -> Paid", {from: Paid, to: Each, label: came}]
`)
	want := `{"nodes":[` +
		`{"label":"In","type":"receive","path":"In","entry":true,"detail":"acme order.created, order.paid"},` +
		`{"label":"Pick","type":"pick","path":"Pick"},` +
		`{"label":"Paid","type":"await","path":"Paid"},` +
		`{"label":"Each","type":"loop","path":"Each","detail":"payload.list","body":{"nodes":[` +
		`{"label":"Code","type":"code","path":"Each/Code","detail":"item +"},` +
		`{"label":"Tell","type":"hook","path":"Each/Tell","detail":"http://127.0.0.1:9/a"}],` +
		`"edges":[{"from":"Code","to":"Tell"}]}}],` +
		`"edges":[{"from":"In","to":"Pick"},{"from":"Pick","to":"Paid","handle":"urgent"},{"from":"Paid","to":"Each","label":"came"}]}`
	if got := show(d.Picture()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for path, want := range map[string][]string{"In": {""}, "Pick": {"urgent", "late"}, "Paid": {"", "timeout"}, "Each[7]/Code": {""}, "Nobody": nil} {
		if got := d.Ways(path); !slices.Equal(got, want) {
			t.Errorf("the ways out of %s are %q, want %q", path, got, want)
		}
	}
	var paths []string
	for _, n := range d.Nodes() {
		paths = append(paths, n.Path)
	}
	if d.Size() != 6 || !slices.Equal(paths, []string{"In", "Pick", "Paid", "Each", "Each/Code", "Each/Tell"}) {
		t.Errorf("its %d nodes are %q", d.Size(), paths)
	}
}
