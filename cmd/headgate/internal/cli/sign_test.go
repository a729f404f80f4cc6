package cli

import (
	"net/http"
	"testing"

	"github.com/headgate/headgate/engine/admin"
)

func TestARequestIsWrittenAsACommand(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		request admin.SignedRequest
		want    string
	}{
		{
			"a text",
			admin.SignedRequest{Method: "POST", URL: "http://h/w?a=1&b=2", Header: http.Header{"B": {"it's"}, "A": {"1", "2"}}, Body: []byte("@it's\n")},
			"curl -X POST 'http://h/w?a=1&b=2' \\\n  -H 'A: 1' \\\n  -H 'A: 2' \\\n  -H 'B: it'\\''s' \\\n  --data-raw '@it'\\''s\n'",
		},
		{"nothing", admin.SignedRequest{Method: "GET", URL: "http://h/w"}, "curl -X GET 'http://h/w'"},
		{"a question for headers", admin.SignedRequest{Method: "HEAD", URL: "http://h/w"}, "curl --head 'http://h/w'"},
		{"an empty header", admin.SignedRequest{Method: "GET", URL: "http://h/w", Header: http.Header{"A": {""}}}, "curl -X GET 'http://h/w' \\\n  -H 'A;'"},
		{
			"bytes",
			admin.SignedRequest{Method: "POST", URL: "http://h/w", Body: []byte("a\x00")},
			"printf %s 'YQA=' | base64 -d | curl -X POST 'http://h/w' \\\n  --data-binary @-",
		},
	} {
		if got := curl(row.request); got != row.want {
			t.Errorf("%s: got\n%s\nwant\n%s", row.name, got, row.want)
		}
	}
}

func TestAnAddressKeepsTheQueryThatWasSigned(t *testing.T) {
	t.Parallel()
	for _, row := range [][3]string{
		{"http://a/in", "http://b/webhooks/x?sig=1", "http://a/in?sig=1"},
		{"http://a/in?own=1", "http://b/webhooks/x?sig=1", "http://a/in?own=1"},
		{"http://a/in", "http://b/webhooks/x", "http://a/in"},
	} {
		if got := withQuery(row[0], row[1]); got != row[2] {
			t.Errorf("%s of %s: got %s, want %s", row[0], row[1], got, row[2])
		}
	}
}

func TestNamesOfVariablesAreFit(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"acme": "ACME", "my-shop.eu_2": "MY_SHOP_EU_2", "3scale": "FROM_3SCALE", "headgate": "FROM_HEADGATE", "headgate-two": "FROM_HEADGATE_TWO",
	} {
		if got := variablePrefix(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	if got := inWords("my-shop.eu", "-"); got != "My-Shop-Eu" {
		t.Errorf("got %s", got)
	}
}
