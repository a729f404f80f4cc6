package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"github.com/headgate/headgate/engine/secret"
	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/hooks"
)

// The modes of Options.HooksMode.
const (
	HooksSend = "send"
	HooksLog  = "log" // nothing is sent: each request is logged and counts as delivered
)

// Options is what New needs. Dirs, Logger and Catalogue are required; zero fields take the default that is named.
type Options struct {
	// Dirs are the manifest folders.
	Dirs []string
	// Catalogue holds the providers that `use:` may name.
	Catalogue fs.FS
	// Env looks up the variables that manifests refer to; os.LookupEnv where nil.
	Env         func(string) (string, bool)
	EnvAllow    []string // globs of the variables that manifests may read; all where empty
	SecretDirs  []string // folders that <<file.…>> may read from besides the manifest folders
	SkipUnknown bool     // documents of no known kind are passed over

	Addr          string // the public listener; ":8080"
	AdminAddr     string // the admin listener; "127.0.0.1:8081"
	HealthAddr    string // a second listener for the probes; none where empty
	AdminToken    secret.Value
	MetricsPublic bool

	// Store is "sqlite:///path", "memory:", or "" for a SQLite file under DataDir.
	Store   string
	DataDir string // "./data"
	// SealKey seals the secrets that providers hand over in handshakes; the file seal.key in DataDir, made at first need, where empty.
	SealKey secret.Value

	// Retention says what is deleted, and when; the zero Policy keeps all.
	Retention store.Policy

	PublicURL      string
	TLSCert        string
	TLSKey         string
	TrustedProxies []netip.Prefix
	EgressAllow    []hooks.AllowRule
	HooksMode      string // HooksSend
	MaxBody        int64  // 25 MiB, the largest that any provider may ask for

	DrainDelay      time.Duration // how long the listener stays open after we are not ready; 0 for none
	ShutdownTimeout time.Duration // 25 s
	BootLastGood    bool          // a broken folder at start: serve the newest stored manifests
	RevisionFile    string        // holds the commit that status shows; else the folder's git HEAD is asked
	NoTestEndpoint  bool          // no GET /webhooks/{provider}/test
	NoWatch         bool          // changes of the folder are not followed
	Dev             bool

	Logger  *slog.Logger
	Version string
	Now     func() time.Time // time.Now; of what is recorded, and of the store
}

// EnvironmentError says that settings, store or ports keep the engine from starting.
type EnvironmentError struct{ Err error }

// Error gives the cause.
func (e *EnvironmentError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *EnvironmentError) Unwrap() error { return e.Err }

func environment(doing string, err error) error {
	if err == nil {
		return nil
	}
	return &EnvironmentError{Err: fmt.Errorf("%s: %w", doing, err)}
}

func (o Options) withDefaults() (Options, error) {
	switch {
	case len(o.Dirs) == 0:
		return o, environment("checking the options", errors.New("no manifest folder is named (Dirs)"))
	case o.Logger == nil:
		return o, environment("checking the options", errors.New("option Logger is missing"))
	case o.Catalogue == nil:
		return o, environment("checking the options", errors.New("option Catalogue is missing"))
	case o.HooksMode != "" && o.HooksMode != HooksSend && o.HooksMode != HooksLog:
		return o, environment("checking the options", fmt.Errorf("option HooksMode is %q, not send or log", o.HooksMode))
	case (o.TLSCert == "") != (o.TLSKey == ""):
		return o, environment("checking the options", errors.New("a TLS certificate and its key go together (TLSCert, TLSKey)"))
	}
	if o.Env == nil {
		o.Env = os.LookupEnv
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Addr = orDefault(o.Addr, ":8080")
	o.AdminAddr = orDefault(o.AdminAddr, "127.0.0.1:8081")
	o.DataDir = orDefault(o.DataDir, "./data")
	o.HooksMode = orDefault(o.HooksMode, HooksSend)
	o.Version = orDefault(o.Version, "dev")
	if o.MaxBody <= 0 {
		o.MaxBody = 25 << 20
	}
	if o.ShutdownTimeout <= 0 {
		o.ShutdownTimeout = 25 * time.Second
	}
	return o, nil
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
