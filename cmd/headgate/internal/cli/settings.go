package cli

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/kelseyhightower/envconfig"
	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine"
	"github.com/headgate/headgate/engine/diag"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/manifests"
)

// prefix begins the name of every setting.
const prefix = "HEADGATE"

// settings are read from the environment: ADDR from HEADGATE_ADDR, and so on. A field with a `flag` can be given on the command
// line too, where it wins. `form` is what the docs say of the value's form, where the type does not.
type settings struct {
	Addr      string `split_words:"true" default:":8080" flag:"addr" form:"host:port" desc:"Where webhooks are received."`
	AdminAddr string `split_words:"true" default:"127.0.0.1:8081" flag:"admin-addr" form:"host:port" desc:"Where the admin API, the probes and the metrics are. An address that other machines can reach needs HEADGATE_ADMIN_TOKEN. The commands that talk to a gateway look here; ':8081' means this host to them."`

	HealthAddr     string    `split_words:"true" flag:"health-addr" form:"host:port" desc:"A second listener with /healthz, /readyz and /metrics only; it may be reachable from elsewhere."`
	AdminToken     secretOf  `split_words:"true" desc:"The bearer token of the admin API, at least 16 characters. Without one the API is open to whoever is on this machine."`
	MetricsPublic  bool      `split_words:"true" desc:"/metrics needs no token."`
	Manifests      words     `split_words:"true" form:"folders, parted by commas" desc:"The manifest folders, where the command line names none."`
	Store          string    `split_words:"true" flag:"store" form:"sqlite:///path, memory:" desc:"The event log and queue. Default: headgate.db in HEADGATE_DATA_DIR."`
	DataDir        string    `split_words:"true" default:"./data" flag:"data-dir" form:"folder" desc:"Where the file of the default store is."`
	SealKey        secretOf  `split_words:"true" desc:"Seals the secrets that providers hand over in handshakes; at least 16 characters. Default: the file seal.key in HEADGATE_DATA_DIR, which is made when it is first needed."`
	PublicURL      string    `split_words:"true" flag:"public-url" form:"URL" desc:"How senders reach the public listener, for printed webhook URLs and for providers that sign the URL."`
	TLSCert        string    `split_words:"true" flag:"tls-cert" form:"file" desc:"The certificate of the public listener, PEM; read again when it changes. Goes with HEADGATE_TLS_KEY."`
	TLSKey         string    `split_words:"true" flag:"tls-key" form:"file" desc:"The key of the public listener, PEM."`
	TrustedProxies prefixes  `split_words:"true" form:"CIDRs, parted by commas" desc:"Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed."`
	EgressAllow    allowance `split_words:"true" form:"CIDRs with an optional :port, parted by commas" desc:"Addresses that hooks may reach although the egress guard refuses them (loopback and private ones), and that plain http may go to. Metadata addresses and our own listeners are never open."`
	Hooks          hooksMode `split_words:"true" default:"send" flag:"hooks" form:"send, log" desc:"'log' sends nothing: outgoing requests are logged and count as delivered."`
	MaxBody        size      `split_words:"true" default:"25MiB" form:"size" desc:"The largest body that any provider may accept; what a provider asks for with max_body (default 5MiB) stays below it."`

	DrainDelay      duration `split_words:"true" default:"5s" flag:"drain-delay" form:"duration" desc:"How long the public listener stays open after /readyz says no, so that load balancers notice. Under --dev it is 0 unless it is set."`
	ShutdownTimeout duration `split_words:"true" default:"25s" form:"duration" desc:"How long work under way may take to end after that."`
	BootLastGood    bool     `split_words:"true" desc:"Start with the newest stored manifests where the folder is broken, instead of exit 2."`
	EnvAllow        words    `split_words:"true" form:"names with *, parted by commas" desc:"The variables that manifests may read with '<<env.X>>'; all where empty. HEADGATE_ ones never."`
	SecretDirs      words    `split_words:"true" default:"/run/secrets" form:"folders, parted by commas" desc:"The folders that '<<file.PATH>>' may read besides the manifest folders."`
	RevisionFile    string   `split_words:"true" flag:"revision-file" form:"file" desc:"Holds the commit that 'headgate status' shows. Default: the git HEAD of the first folder."`
	TestEndpoint    bool     `split_words:"true" default:"true" desc:"GET /webhooks/{provider}/test answers how the provider signs."`

	RetainEvents     duration `split_words:"true" default:"30d" form:"duration" desc:"How long events are kept whose runs are done or dropped, with all that belongs to them. 0 keeps them for ever."`
	RetainParked     duration `split_words:"true" default:"90d" form:"duration" desc:"How long parked runs are kept, from when they were parked; their event is kept as long. 0 for ever."`
	RetainRuns       duration `split_words:"true" default:"0" form:"duration" desc:"How long runs that are done or dropped are kept, where that is to be shorter than their event. 0: as long as their event."`
	RetainAttempts   duration `split_words:"true" default:"0" form:"duration" desc:"How long the attempts of runs that are done or dropped are kept. 0: as long as their run."`
	RetainBodies     duration `split_words:"true" default:"0" form:"duration" desc:"How long the bodies of events are kept whose runs are done or dropped. An event without its body cannot be replayed. 0: as long as the event."`
	RetainRejections duration `split_words:"true" default:"30d" form:"duration" desc:"How long the records of refused requests are kept. 0: as long as events."`
	MaxEvents        number   `split_words:"true" default:"0" form:"number" desc:"How many events are kept at most: beyond it the oldest go that are done, however young. 0 for no limit."`
	MaxStore         size     `split_words:"true" default:"0" form:"size" desc:"How many bytes the bodies that are kept have together at most: beyond it the oldest events go that are done, however young. 0 for no limit."`

	LogLevel  logLevel  `split_words:"true" default:"info" flag:"log-level" form:"debug, info, warn, error" desc:"The lowest level that is logged."`
	LogFormat logFormat `split_words:"true" default:"auto" flag:"log-format" form:"auto, console, text, json" desc:"'auto' is 'console' under --dev and on a terminal, else 'json'."`
	Dev       bool      `split_words:"true" flag:"dev" desc:"For one machine: hooks may reach loopback addresses, default secrets are not warned about, logs are readable."`
}

// setting describes one field of settings.
type setting struct {
	Name    string // the variable
	Flag    string // without dashes; "" for none
	Form    string
	Default string
	Doc     string
	index   int
}

// allSettings lists the fields in order. The names are those that envconfig makes of them; a test compares.
func allSettings() []setting {
	t := reflect.TypeFor[settings]()
	var out []setting
	for i := range t.NumField() {
		f := t.Field(i)
		s := setting{
			Name: prefix + "_" + variableName(f.Name), Flag: f.Tag.Get("flag"), Form: f.Tag.Get("form"),
			Default: f.Tag.Get("default"), Doc: f.Tag.Get("desc"), index: i,
		}
		if f.Type.Kind() == reflect.Bool {
			s.Form = "true, false"
			if s.Default == "" {
				s.Default = "false"
			}
		}
		out = append(out, s)
	}
	return out
}

// variableName turns "TLSCert" into "TLS_CERT".
func variableName(field string) string {
	var b strings.Builder
	for i := range len(field) {
		upper := field[i] >= 'A' && field[i] <= 'Z'
		beforeLower := i+1 < len(field) && field[i+1] >= 'a' && field[i+1] <= 'z'
		afterLower := i > 0 && field[i-1] >= 'a' && field[i-1] <= 'z'
		if i > 0 && upper && (beforeLower || afterLower) {
			b.WriteByte('_')
		}
		b.WriteByte(field[i])
	}
	return strings.ToUpper(b.String())
}

// overrides are the settings that were given as flags.
type overrides struct {
	cmd   *cobra.Command
	texts map[string]*flagText
	bools map[string]*bool
}

// flagText is a flag whose help shows the form of its value.
type flagText struct{ text, form string }

// String gives the text.
func (f *flagText) String() string { return f.text }

// Set keeps the text; it is read with the setting that it belongs to.
func (f *flagText) Set(text string) error {
	f.text = text
	return nil
}

// Type is what the help shows for the value.
func (f *flagText) Type() string { return f.form }

// addFlags gives a command a flag for each setting that has one.
func addFlags(cmd *cobra.Command) *overrides {
	o := &overrides{cmd: cmd, texts: map[string]*flagText{}, bools: map[string]*bool{}}
	for _, s := range allSettings() {
		if s.Flag == "" {
			continue
		}
		doc, _, _ := strings.Cut(strings.TrimSuffix(s.Doc, "."), ". ") // the first sentence; the page has the others
		doc = strings.ToLower(doc[:1]) + doc[1:] + " (" + s.Name
		if s.Form != "true, false" && s.Default != "" {
			doc += ", default " + s.Default
		}
		doc += ")"
		if s.Form == "true, false" {
			o.bools[s.Flag] = cmd.Flags().Bool(s.Flag, false, doc)
			continue
		}
		o.texts[s.Flag] = &flagText{form: formWord(s.Form)}
		cmd.Flags().Var(o.texts[s.Flag], s.Flag, doc)
	}
	return o
}

// formWord is the word that the help shows for a flag's value.
func formWord(form string) string {
	switch {
	case strings.Contains(form, ", "):
		return strings.ReplaceAll(form, ", ", "|")
	case form == "":
		return "text"
	}
	return form
}

// given gives the text of a flag that was set.
func (o *overrides) given(flag string) (string, bool) {
	if o == nil || !o.cmd.Flags().Changed(flag) {
		return "", false
	}
	if b, ok := o.bools[flag]; ok {
		return fmt.Sprint(*b), true
	}
	return o.texts[flag].text, true
}

// environment is where a command finds variables: the process's own, and what an env file adds to them.
type environment struct {
	process func(string) (string, bool)
	file    map[string]string
}

// Lookup finds a variable; the process's own win.
func (e environment) Lookup(name string) (string, bool) {
	if v, ok := e.process(name); ok {
		return v, true
	}
	v, ok := e.file[name]
	return v, ok
}

// environment reads an env file, if one is named, and puts its settings where envconfig looks for them.
func (a *app) environment(file string) (environment, error) {
	env := environment{process: a.LookupEnv, file: map[string]string{}}
	if file == "" {
		return env, nil
	}
	vars, err := readEnvFile(file)
	if err != nil {
		var known *exitError
		if errors.As(err, &known) {
			return env, known
		}
		return env, unusable(err, "")
	}
	for _, v := range vars {
		env.file[v.name] = v.value
	}
	for name, value := range env.file {
		if _, set := a.LookupEnv(name); set || !strings.HasPrefix(name, prefix+"_") {
			continue
		}
		if err := a.Setenv(name, value); err != nil {
			return env, unusable(fmt.Errorf("taking %s from %s: %w", name, file, err), "")
		}
	}
	return env, nil
}

// settings reads the environment and the flags, which win. Unknown HEADGATE_ variables are told, with the nearest name.
func (a *app) settings(o *overrides) (*settings, error) {
	var s settings
	if err := envconfig.Process(prefix, &s); err != nil {
		var parse *envconfig.ParseError
		if errors.As(err, &parse) {
			err = fmt.Errorf("%s: %s", parse.KeyName, parse.Err.Error())
		}
		return nil, unusable(err, "")
	}
	v := reflect.ValueOf(&s).Elem()
	var names []string
	for _, d := range allSettings() {
		names = append(names, d.Name)
		text, ok := o.given(d.Flag)
		if !ok {
			continue
		}
		if err := set(v.Field(d.index), text); err != nil {
			return nil, misused("--%s: %v", d.Flag, err)
		}
	}
	for _, pair := range a.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, prefix+"_") && !slices.Contains(names, name) {
			a.warn("there is no setting %s, it is ignored%s", name, semicolon(diag.DidYouMean(name, names)))
		}
	}
	return &s, s.check()
}

func semicolon(hint string) string {
	if hint == "" {
		return ""
	}
	return "; " + hint
}

// warn writes a warning for people.
func (a *app) warn(format string, args ...any) {
	a.talk("%s "+format, append([]any{a.talkPaint("33;1", "warning:")}, args...)...)
}

// minToken is the shortest admin token: below it, guessing is a matter of time.
const minToken = 16

// check finds what is wrong between settings.
func (s *settings) check() error {
	if n := len(s.AdminToken.Reveal()); n > 0 && n < minToken {
		return unusable(fmt.Errorf("%s_ADMIN_TOKEN has %d characters, fewer than %d", prefix, n, minToken), "openssl rand -hex 32")
	}
	if (s.TLSCert == "") != (s.TLSKey == "") {
		return unusable(fmt.Errorf("%s_TLS_CERT and %s_TLS_KEY go together", prefix, prefix), "")
	}
	return nil
}

// options are the engine's options of these settings; logger, version and folders are the caller's.
func (s *settings) options(env environment) engine.Options {
	return engine.Options{
		Catalogue: manifests.FS(), Env: env.Lookup, EnvAllow: s.EnvAllow, SecretDirs: s.SecretDirs,
		Addr: s.Addr, AdminAddr: s.AdminAddr, HealthAddr: s.HealthAddr, AdminToken: s.AdminToken.Value, MetricsPublic: s.MetricsPublic,
		Store: s.Store, DataDir: s.DataDir, SealKey: s.SealKey.Value, PublicURL: s.PublicURL, TLSCert: s.TLSCert, TLSKey: s.TLSKey,
		TrustedProxies: s.TrustedProxies, EgressAllow: s.EgressAllow, HooksMode: string(s.Hooks), MaxBody: int64(s.MaxBody),
		DrainDelay: s.DrainDelay.Duration, ShutdownTimeout: s.ShutdownTimeout.Duration, BootLastGood: s.BootLastGood,
		Retention: s.retention(), RevisionFile: s.RevisionFile, NoTestEndpoint: !s.TestEndpoint, Dev: s.Dev,
	}
}

// retention is what the settings say of what is deleted.
func (s *settings) retention() store.Policy {
	return store.Policy{
		Events: s.RetainEvents.Duration, Parked: s.RetainParked.Duration, Runs: s.RetainRuns.Duration, Attempts: s.RetainAttempts.Duration,
		Bodies: s.RetainBodies.Duration, Rejections: s.RetainRejections.Duration, MaxEvents: int64(s.MaxEvents), MaxBytes: int64(s.MaxStore),
	}
}
