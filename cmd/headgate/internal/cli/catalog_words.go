package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/headgate/headgate/engine/manifest"
	"github.com/headgate/headgate/engine/source"
)

// rulesOf gives the signature rules of a provider's manifest; none for a provider that signs nothing.
func rulesOf(root *source.Node) []*source.Node {
	return slices.DeleteFunc(slices.Clone(itemsOf(root.Get("signature"))), func(n *source.Node) bool { return n.Kind != source.Map })
}

// algorithmsOf names the algorithms, each once.
func algorithmsOf(root *source.Node) string {
	var names []string
	for _, r := range rulesOf(root) {
		if name := textOf(r.Get("algorithm")); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return algorithmNone
	}
	return strings.Join(names, ", ")
}

const algorithmNone = "none"

// signatureWords says in plain words how requests are signed, a line for each rule and one for the time.
func signatureWords(root *source.Node) []string {
	var out []string
	rules := rulesOf(root)
	if len(rules) == 0 {
		return []string{"Nothing is signed: whoever knows the address can send."}
	}
	for i, r := range rules {
		line := ruleWords(r)
		switch when := r.Get("when"); {
		case when != nil:
			line = "Where " + whenWords(when) + ": " + line
		case i > 0:
			line = "Else: " + line
		}
		out = append(out, strings.ToUpper(line[:1])+line[1:]+".")
	}
	if t := root.Get("timestamp"); t != nil {
		where := placeWords(t)
		unit := map[string]string{"": "seconds", "s": "seconds", "ms": "milliseconds", "rfc3339": "RFC 3339", "http-date": "an HTTP date"}[textOf(t.Get("unit"))]
		out = append(out, fmt.Sprintf("The time of signing stands in %s (%s) and may be %s off.", where, unit, orWord(textOf(t.Get("tolerance")), "5m")))
	}
	return out
}

func ruleWords(r *source.Node) string {
	algorithm := textOf(r.Get("algorithm"))
	where := placeWords(r)
	if p := r.Get("prefix"); p != nil {
		where += " behind " + quotedTexts(itemsOf(p))
	}
	if s := textOf(r.Get("split")); s != "" {
		where += fmt.Sprintf(", one of several parted by %q", s)
	}
	encoding := itemsOf(r.Get("encoding"))
	in := ""
	if len(encoding) > 0 {
		in = ", in " + joined(encoding)
	}
	switch {
	case algorithm == algorithmNone:
		return "nothing is signed"
	case algorithm == "token":
		return "the secret itself must stand in " + where + in
	case strings.HasPrefix(algorithm, "jwt-"):
		return fmt.Sprintf("a token (JWT, %s) in %s", strings.ToUpper(strings.TrimPrefix(algorithm, "jwt-")), where)
	}
	signed := "the body"
	if n := r.Get("signed"); n != nil && textOf(n) != "{body}" {
		signed = quotedTexts(itemsOf(n))
	}
	if in == "" {
		in = ", in hex"
		if strings.HasPrefix(algorithm, "rsa-") || strings.HasPrefix(algorithm, "ecdsa-") {
			in = ", in base64"
		}
	}
	return fmt.Sprintf("%s of %s%s, in %s", algorithmWords(algorithm), signed, in, where)
}

// algorithmWords writes an algorithm as people do.
func algorithmWords(name string) string {
	if digest, ok := strings.CutPrefix(name, "digest-"); ok {
		return "a plain " + strings.ToUpper(digest)
	}
	if name == "ed25519" {
		return "Ed25519 signature"
	}
	return strings.ToUpper(name)
}

// placeWords says where a value stands: `header` or `from` of a rule or a timestamp.
func placeWords(n *source.Node) string {
	var places []string
	for _, h := range itemsOf(n.Get("header")) {
		places = append(places, "the header "+textOf(h))
	}
	for _, f := range itemsOf(n.Get("from")) {
		text := strings.TrimSuffix(strings.Trim(textOf(f), "{}"), "?")
		kind, arg, _ := strings.Cut(text, ":")
		switch kind {
		case "header":
			places = append(places, "the header "+arg)
		case "query":
			places = append(places, "the query parameter "+arg)
		case "form":
			places = append(places, "the form field "+arg)
		case "json", "xml":
			places = append(places, "the body at "+arg)
		case "item":
			places = append(places, "each item at "+arg)
		case "sig":
			places = append(places, fmt.Sprintf("the signature's part %q", arg))
		default:
			places = append(places, text)
		}
	}
	return strings.Join(places, " or ")
}

func whenWords(when *source.Node) string {
	var parts []string
	for _, e := range when.Entries {
		switch value := e.Value; {
		case value.Kind == source.Bool && strings.EqualFold(value.Text, "false"):
			parts = append(parts, e.Key.Text+" is absent")
		case value.Kind == source.Map:
			parts = append(parts, e.Key.Text+" matches "+textOf(value.Get("matches")))
		case textOf(value) == "*":
			parts = append(parts, e.Key.Text+" is there")
		default:
			parts = append(parts, e.Key.Text+" is "+joined(itemsOf(value)))
		}
	}
	return strings.Join(parts, " and ")
}

func quotedTexts(nodes []*source.Node) string {
	texts := make([]string, len(nodes))
	for i, n := range nodes {
		texts[i] = `"` + strings.NewReplacer("\n", `\n`, "\r", `\r`).Replace(textOf(n)) + `"`
	}
	return strings.Join(texts, " or ")
}

func joined(nodes []*source.Node) string {
	texts := make([]string, len(nodes))
	for i, n := range nodes {
		texts[i] = textOf(n)
	}
	return strings.Join(texts, " or ")
}

// need is something that the operator provides.
type need struct {
	Key  string `json:"key"`
	What string `json:"what"`
}

// needsOf tells what an operator provides for a provider of the catalogue.
func needsOf(doc *manifest.Document) []need {
	out := []need{{"address", "give the provider https://YOUR-HOST/webhooks/" + doc.Name + tokenPart(doc)}}
	secret := "nothing is signed, so none"
	if rules := rulesOf(doc.Root); len(rules) > 0 {
		secret = orWord(neededText(doc, "secret"), secretWords(doc.Root, rules))
	}
	out = append(out, need{"secret", secret})
	if vars := doc.Root.Get("vars"); vars != nil {
		for _, e := range vars.Entries {
			if e.Value.Kind == source.Null {
				words := neededText(doc, e.Key.Text)
				if words != "" {
					words = ": " + words
				}
				out = append(out, need{"vars", e.Key.Text + orWord(words, orWord(commentOf(e.Value), ": the provider's settings show it"))})
			}
		}
	}
	if namesURL(doc.Root) {
		words := orWord(neededText(doc, "public_url"), "the address as the provider was told, which is signed too")
		out = append(out, need{"public_url", words + "; HEADGATE_PUBLIC_URL serves all providers"})
	}
	if wantsToken(doc.Root) {
		out = append(out, need{"path_token", "16 characters or more that nobody can guess: `openssl rand -hex 16`"})
	}
	return out
}

// neededText is what the manifest's `needs` says of a secret or variable.
func neededText(doc *manifest.Document, key string) string {
	return textOf(doc.Root.Get("needs").Get(key))
}

// chosen says whether a text of `needs` speaks of something that the operator makes up.
func chosen(text string) bool { return text == "" || strings.HasPrefix(text, "choose") }

func tokenPart(doc *manifest.Document) string {
	if wantsToken(doc.Root) {
		return "/PATH-TOKEN"
	}
	return ""
}

// commentOf gives what stands behind a key as a comment, as a phrase.
func commentOf(n *source.Node) string {
	comment, _ := n.Comment()
	if comment = strings.TrimSpace(strings.TrimPrefix(comment, "#")); comment == "" {
		return ""
	}
	return ": " + comment
}

// learns says whether a handshake brings the secret.
func learns(root *source.Node) bool {
	return slices.ContainsFunc(itemsOf(root.Get("challenge")), func(c *source.Node) bool { return c.Get("store") != nil })
}

// wantsToken says whether the address itself must be secret: where a handshake brings the secret, or nothing is signed.
func wantsToken(root *source.Node) bool { return learns(root) || len(rulesOf(root)) == 0 }

// namesURL says whether a template names the public URL.
func namesURL(root *source.Node) bool {
	named := regexp.MustCompile(`[{ ](url|endpoint)[}|? ]`)
	var walk func(n *source.Node) bool
	walk = func(n *source.Node) bool {
		switch n.Kind {
		case source.Map:
			return slices.ContainsFunc(n.Entries, func(e source.Entry) bool {
				return named.MatchString(e.Key.Text) || e.Key.Text != "events" && e.Key.Text != "example" && walk(e.Value)
			})
		case source.List:
			return slices.ContainsFunc(n.Items, walk)
		}
		return named.MatchString(textOf(n))
	}
	return walk(root)
}

// fetched says whether every rule has its key fetched.
func fetched(rules []*source.Node) bool {
	return !slices.ContainsFunc(rules, func(r *source.Node) bool { return r.Get("fetch") == nil })
}

// secretWords says what the secret is.
func secretWords(root *source.Node, rules []*source.Node) string {
	switch {
	case fetched(rules):
		return "none: the provider's public key is fetched from its own hosts"
	case learns(root):
		return "none: the provider hands it over in its handshake"
	}
	r := rules[0]
	algorithm, key := textOf(r.Get("algorithm")), textOf(r.Get("key"))
	switch {
	case algorithm == "token" && strings.HasPrefix(textOf(r.Get("prefix")), "Basic"):
		return "USER:PASSWORD, which you choose and enter there"
	case algorithm == "token":
		return "the token that you choose and enter there, or that the provider shows"
	case publicKey(algorithm):
		return "the provider's public key, in the form " + orWord(key, "pem")
	case key == "base64" || key == "hex":
		return "the secret that the provider shows, in " + key + " as it is shown"
	}
	return "the secret that the provider shows, or that you choose and enter there"
}

func publicKey(algorithm string) bool {
	return slices.ContainsFunc([]string{"ed25519", "ecdsa-", "rsa-", "jwt-rs", "jwt-es"}, func(p string) bool { return strings.HasPrefix(algorithm, p) })
}

// catalogueUse is the manifest that uses a provider of the catalogue, and the variables that it refers to.
type catalogueUse struct {
	manifest  string
	variables []neededVariable
}

// neededVariable is an environment variable that the manifest refers to.
type neededVariable struct {
	name string
	// what is what the provider calls it, or where it is found; "" where nothing says.
	what string
	kind variableKind
}

type variableKind uint8

const (
	given   variableKind = iota // only the provider knows it
	secrets                     // a secret that can be made up
	token                       // any text that nobody can guess
)

// useOf writes the manifest by which a provider of the catalogue goes live under a name.
func useOf(doc *manifest.Document, name string) catalogueUse {
	variable := variablePrefix(name)
	var b strings.Builder
	b.WriteString("kind: provider\n")
	if name != doc.Name {
		fmt.Fprintf(&b, "name: %s\n", name)
	}
	fmt.Fprintf(&b, "use: %s\n", doc.Name)
	u := catalogueUse{}
	rules := rulesOf(doc.Root)
	if len(rules) > 0 && !fetched(rules) && !learns(doc.Root) {
		v := neededVariable{name: variable + "_WEBHOOK_SECRET", what: neededText(doc, "secret")}
		if !publicKey(textOf(rules[0].Get("algorithm"))) && chosen(v.what) {
			v.kind = secrets
		}
		u.variables = append(u.variables, v)
		fmt.Fprintf(&b, "secret: <<env.%s_WEBHOOK_SECRET>>\n", variable)
	}
	if vars := doc.Root.Get("vars"); vars != nil {
		head := "vars:\n"
		for _, e := range vars.Entries {
			if e.Value.Kind != source.Null {
				continue
			}
			own := variable + "_" + strings.ToUpper(strings.ReplaceAll(e.Key.Text, "-", "_"))
			v := neededVariable{name: own, what: neededText(doc, e.Key.Text)}
			if v.what != "" && chosen(v.what) {
				v.kind = token
			}
			u.variables = append(u.variables, v)
			fmt.Fprintf(&b, "%s  %s: <<env.%s>>\n", head, e.Key.Text, own)
			head = ""
		}
	}
	if namesURL(doc.Root) {
		b.WriteString("public_url: https://YOUR-HOST/webhooks/" + name + "\n")
	}
	if wantsToken(doc.Root) {
		u.variables = append(u.variables, neededVariable{name: variable + "_PATH_TOKEN", kind: token})
		fmt.Fprintf(&b, "path_token: <<env.%s_PATH_TOKEN>>\n", variable)
	}
	u.manifest = b.String()
	return u
}
