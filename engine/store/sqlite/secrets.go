package sqlite

import (
	"context"
	"time"

	"github.com/headgate/headgate/engine/store"
)

// PutSecret implements store.Store.
func (s *Store) PutSecret(ctx context.Context, secret store.SealedSecret) error {
	return s.submit(ctx, len(secret.Sealed), func(w *writer, now time.Time) error {
		learnt := secret.At
		if learnt.IsZero() {
			learnt = now
		}
		changed, _, err := w.exec("INSERT INTO secrets (provider, digest, at, sealed) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
			secret.Provider, secret.Digest, nano(learnt), blob(secret.Sealed))
		if err != nil || changed == 0 {
			return err
		}
		_, _, err = w.exec("DELETE FROM secrets WHERE provider = ? AND id NOT IN (SELECT id FROM secrets WHERE provider = ? ORDER BY id DESC LIMIT ?)",
			secret.Provider, secret.Provider, store.MaxSecrets)
		return err
	})
}

// Secrets implements store.Store.
func (s *Store) Secrets(ctx context.Context) (secrets []store.SealedSecret, err error) {
	err = s.read(ctx, func(v *view) error {
		return v.c.query(func(r row) error {
			secrets = append(secrets, store.SealedSecret{Provider: r.text(0), Digest: r.text(1), At: at(r.int(2)), Sealed: r.bytes(3)})
			return nil
		}, "SELECT provider, digest, at, sealed FROM secrets ORDER BY provider, id")
	})
	return secrets, err
}

// DropSecrets implements store.Store.
func (s *Store) DropSecrets(ctx context.Context, provider string) error {
	return s.submit(ctx, 0, func(w *writer, _ time.Time) error {
		_, _, err := w.exec("DELETE FROM secrets WHERE provider = ?", provider)
		return err
	})
}
