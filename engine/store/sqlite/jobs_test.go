package sqlite_test

import (
	"fmt"
	"testing"

	"github.com/headgate/headgate/engine/store"
	"github.com/headgate/headgate/engine/store/sqlite"
)

// TestTheIDsOfAJobAreNotWrittenWithIt looks at what a list of jobs reads, and what each progress writes.
func TestTheIDsOfAJobAreNotWrittenWithIt(t *testing.T) {
	t.Parallel()
	s := started(t, sqlite.Options{})
	ids := make([]string, store.MaxJobIDs)
	for i := range ids {
		ids[i] = fmt.Sprintf("%026d", i)
	}
	if err := s.PutJob(t.Context(), store.Job{ID: "j", Kind: store.JobRetry, IDs: ids, State: store.JobRunning}, store.By{}); err != nil {
		t.Fatal(err)
	}
	j, err := s.Job(t.Context(), "j")
	if err != nil || len(j.IDs) != len(ids) {
		t.Fatalf("the job has %d ids, %v, want %d", len(j.IDs), err, len(ids))
	}
	if err := s.PutJob(t.Context(), j, store.By{}); err != nil {
		t.Fatal(err)
	}
	if n, err := s.One(t.Context(), "SELECT length(doc) FROM jobs"); err != nil || n > 1000 {
		t.Errorf("the job is a document of %d bytes, %v, want less than 1000", n, err)
	}
}
