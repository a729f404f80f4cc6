package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/headgate/headgate/engine/admin"
	"github.com/headgate/headgate/engine/doctor"
)

func (a *app) doctorCommand() *cobra.Command {
	var where storeFile
	cmd := &cobra.Command{
		Use:     "doctor",
		Short:   "Find out what durability this disk and these settings really give",
		GroupID: groupKeep,
		Long: `Look at the data folder, its file system and disk, the limits of the process and the settings, and say what
could lose an acknowledged event, what would keep a gateway from starting, and what to do about it. It writes a
trial store and times the disk in the data folder, and removes both; a gateway may run meanwhile.

Exit 3 where a gateway must not, or cannot, run like this; warnings are no failure.`,
		Example: "  headgate doctor\n  headgate doctor --data-dir /var/lib/headgate\n  headgate doctor --json",
		Args:    cobra.NoArgs,
	}
	where.flags(cmd)
	cmd.RunE = does(func(ctx context.Context, _ []string) error {
		s, err := where.settings(a)
		if err != nil {
			return err
		}
		path, err := s.storePath()
		if err != nil {
			return err
		}
		r := doctor.Examine(ctx, doctor.Options{Path: path, LookupEnv: a.LookupEnv})
		if warning := a.build().Warning; warning != "" {
			r.Add(doctor.Warn, "binary", warning, "take a newer release")
		} else {
			r.Add(doctor.OK, "binary", "built with "+a.build().Go, "")
		}
		s.examine(r)
		return a.printDiagnosis(r)
	})
	return cmd
}

// examine looks for settings that an operator should have meant.
func (s *settings) examine(r *doctor.Report) {
	lines := len(r.Lines)
	if s.AdminToken.IsZero() {
		if !admin.Loopback(s.AdminAddr) {
			r.Add(doctor.Fail, "settings", "the admin listener on "+s.AdminAddr+" can be reached from other machines and has no token", "set HEADGATE_ADMIN_TOKEN")
		} else {
			r.Add(doctor.Warn, "settings", "the admin API has no token: it is open to whoever is on this machine", "set HEADGATE_ADMIN_TOKEN")
		}
	}
	if s.MetricsPublic && !admin.Loopback(s.AdminAddr) {
		r.Add(doctor.Warn, "settings", "/metrics needs no token, and other machines can reach it: names of providers, pipelines and destinations are in it", "HEADGATE_HEALTH_ADDR on an inner address")
	}
	if s.RetainEvents.Duration == 0 && s.MaxEvents == 0 && s.MaxStore == 0 {
		r.Add(doctor.Warn, "settings", "nothing is ever deleted: the store grows until the disk is full", "set HEADGATE_RETAIN_EVENTS")
	}
	if s.Hooks == "log" {
		r.Add(doctor.Warn, "settings", "HEADGATE_HOOKS=log: nothing is sent, and counts as delivered", "unset HEADGATE_HOOKS")
	}
	if s.Dev {
		r.Add(doctor.Warn, "settings", "HEADGATE_DEV is for one machine: hooks may reach loopback addresses, and default secrets are accepted in silence", "unset HEADGATE_DEV")
	}
	if path, err := s.storePath(); err == nil && path != "" && s.SealKey.IsZero() {
		if info, err := os.Stat(filepath.Join(s.DataDir, "seal.key")); err == nil {
			if info.Mode().Perm()&0o077 != 0 {
				r.Add(doctor.Warn, "settings", fmt.Sprintf("seal.key has the mode %o: others on this machine may read it", info.Mode().Perm()), "chmod 600 seal.key")
			}
			r.Add(doctor.OK, "settings", "secrets that were handed over are sealed with seal.key in the data folder, which no backup holds", "keep a copy in another place")
		}
	}
	if len(r.Lines) == lines {
		r.Add(doctor.OK, "settings", "nothing to say of them", "")
	}
}

func (a *app) printDiagnosis(r *doctor.Report) error {
	if a.json {
		if err := a.printJSON(struct {
			Status doctor.Status `json:"status"`
			*doctor.Report
		}{r.Worst(), r}); err != nil {
			return err
		}
	} else {
		colors := map[doctor.Status]string{doctor.OK: "32", doctor.Warn: "33", doctor.Fail: "31;1"}
		for _, l := range r.Lines {
			fmt.Fprintf(a.Stdout, "%s  %-11s  %s\n", a.paint(colors[l.Status], fmt.Sprintf("%-4s", l.Status)), l.Check, visible(l.Message))
			if l.Do != "" {
				fmt.Fprintf(a.Stdout, "%19s%s\n", "", a.paint("2", visible(l.Do)))
			}
		}
	}
	if r.Worst() == doctor.Fail {
		return &exitError{code: exitEnvironment, err: errors.New("a gateway must not run like this"), silent: true}
	}
	return nil
}
