package provider

import (
	"fmt"
	"strings"

	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/signature"
	"github.com/headgate/headgate/engine/source"
)

// maxVars bounds `vars` and `let`: the most demanding provider that is known needs three.
const maxVars = 32

// scopes works out what templates may name besides the request. All of it must be known before the first template is parsed.
func (c *compiler) scopes() {
	c.scope = &signature.Scope{URL: c.p.publicURL != "" || c.lacksAddress(), Items: c.p.each != nil, Claims: namesJWT(c.v.Node("signature")), Vars: c.vars()}
	lets := c.lets()
	c.scope.Lets = lets
}

// lacksAddress says once, where the operator wrote, that a used manifest names the public URL and nobody has said what it is. Where the
// templates are the operator's own, each that names it says so itself.
func (c *compiler) lacksAddress() bool {
	n := c.v.Node("signature")
	if n == nil || c.p.publicURL != "" || !c.v.Good("public_url") || c.own(n.Span) == n.Span {
		return false
	}
	for _, key := range []string{"signature", "let", "challenge", "ack"} {
		if n := c.v.Node(key); mentions(n, "{url") || mentions(n, "{endpoint") {
			c.out.Errorf(diag.MissingKey, c.doc.NameSpan, "add `public_url: https://…`, exactly as the provider was told, or set HEADGATE_PUBLIC_URL for all providers",
				"provider %q signs the address that it sends to, and that is not known", c.p.name)
			return true
		}
	}
	return false
}

// namesJWT says whether any signature rule verifies a token, whose claims templates may then name.
func namesJWT(n *source.Node) bool {
	if n == nil {
		return false
	}
	rules := []*source.Node{n}
	if n.Kind == source.List {
		rules = n.Items
	}
	for _, r := range rules {
		if a := r.Get("algorithm"); a != nil && a.IsScalar() && strings.HasPrefix(text(a), "jwt-") {
			return true
		}
	}
	return false
}

// vars reads the operator's variables. One that is only declared is the operator's to set: the finding stands in the operator's own
// manifest, and a value stands in for it, so that no template complains of it again.
func (c *compiler) vars() map[string]secret.Value {
	n := c.v.Node("vars")
	if n == nil || n.Refused {
		return nil
	}
	if n.Kind != source.Map {
		c.out.Errorf(diag.WrongType, n.Span, "", "`vars` takes a map of texts, not %s", n.Kind.WithArticle())
		return nil
	}
	if len(n.Entries) > maxVars {
		c.out.Errorf(diag.BadValue, n.Span, "", "`vars` has more than %d entries", maxVars)
	}
	out := make(map[string]secret.Value, len(n.Entries))
	for _, e := range n.Entries {
		name := e.Key.Text
		fine := c.checkWord("vars", e.Key)
		out[name] = secret.New("missing")
		switch {
		case e.Value.Refused:
		case e.Value.Kind == source.Null:
			c.out.Errorf(diag.MissingKey, c.own(e.Key.Span), "add `vars: {"+name+": …}` with what the provider's settings say",
				"provider %q needs `vars.%s`", c.p.name, name)
		case !e.Value.IsScalar():
			c.out.Errorf(diag.WrongType, e.Value.Span, "", "`vars.%s` takes a text, not %s", name, e.Value.Kind.WithArticle())
		case text(e.Value) == "":
			c.out.Errorf(diag.BadValue, e.Value.Span, "", "`vars.%s` is empty", name)
		default:
			if out[name] = secret.New(text(e.Value)); fine {
				c.usedVar(e)
			}
		}
	}
	return out
}

// usedVar warns of a variable that no template names: it is misspelt, or left over.
func (c *compiler) usedVar(e source.Entry) {
	for _, other := range c.doc.Root.Entries {
		if other.Key.Text != "vars" && other.Key.Text != "needs" && mentions(other.Value, "var:"+e.Key.Text) {
			return
		}
	}
	var declared []string
	for _, v := range c.v.Node("vars").Entries {
		if v.Key.Text != e.Key.Text {
			declared = append(declared, v.Key.Text)
		}
	}
	c.out.Add(diag.Finding{
		Severity: diag.Warning, Rule: diag.BadValue, Span: e.Key.Span, Hint: diag.DidYouMean(e.Key.Text, declared),
		Message: fmt.Sprintf("nothing names {var:%s}", e.Key.Text),
	})
}

// lets compiles the named templates. They cannot name each other: the scope has none while they are parsed.
func (c *compiler) lets() map[string]*signature.Template {
	n := c.v.Node("let")
	if n == nil || n.Kind != source.Map {
		return nil
	}
	if len(n.Entries) > maxVars {
		c.out.Errorf(diag.BadValue, n.Span, "", "`let` has more than %d entries", maxVars)
	}
	out := make(map[string]*signature.Template, len(n.Entries))
	for _, e := range n.Entries {
		c.checkWord("let", e.Key)
		out[e.Key.Text] = nil
		if !e.Value.Refused && e.Value.IsScalar() && e.Value.Kind != source.Null {
			out[e.Key.Text] = signature.Parse(e.Value, signature.Lets, c.scope, c.out)
		}
	}
	return out
}

// checkWord refuses a name that a template could not write.
func (c *compiler) checkWord(path string, key *source.Node) bool {
	for i := range len(key.Text) {
		b := key.Text[i]
		if !(b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '_' || b == '-') {
			c.out.Errorf(diag.BadName, key.Span, "letters, digits, `_` and `-` are what a name may hold", "`%s` cannot stand in `%s`", key.Text, path)
			return false
		}
	}
	if key.Text == "" {
		c.out.Errorf(diag.BadName, key.Span, "", "a name in `%s` is empty", path)
	}
	return key.Text != ""
}
