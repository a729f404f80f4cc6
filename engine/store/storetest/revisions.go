package storetest

import (
	"time"

	"github.com/headgate/headgate/engine/store"
)

func revisionChecks() []check {
	return []check{
		{"a revision comes back with its files", revisionBack},
		{"the last snapshot is the one that was stored last, also when it is an old one again", lastSnapshot},
	}
}

func files(text string) []store.RevisionFile {
	return []store.RevisionFile{{Path: "a.yaml", Data: []byte("shared")}, {Path: "b/c.yaml", Data: []byte(text)}, {Path: "empty", Data: []byte{}}}
}

func revisionBack(s *suite) {
	want := store.Revision{Digest: "d1", Kind: store.PipelineRevision, Name: "p", Files: files("one")}
	wants(s, "PutRevision", s.store.PutRevision(s.Context(), want), nil)
	wants(s, "PutRevision", s.store.PutRevision(s.Context(), store.Revision{Digest: "d2", Kind: store.PipelineRevision, Name: "p", Files: files("two")}), nil)
	want.Stored = s.clock.now()
	s.restart()
	got, err := s.store.Revision(s.Context(), "d1")
	wants(s, "Revision", err, nil)
	same(s, "revision", got, want)
	_, err = s.store.Revision(s.Context(), "d3")
	wants(s, "an unknown revision", err, store.ErrNotFound)
}

func lastSnapshot(s *suite) {
	_, err := s.store.LastSnapshot(s.Context())
	wants(s, "without any", err, store.ErrNotFound)
	put := func(digest, kind string) {
		s.Helper()
		s.clock.advance(time.Second)
		wants(s, "PutRevision", s.store.PutRevision(s.Context(), store.Revision{Digest: digest, Kind: kind, Files: files(digest)}), nil)
	}
	last := func(want string) {
		s.Helper()
		got, err := s.store.LastSnapshot(s.Context())
		if err != nil || got.Digest != want || string(got.Files[1].Data) != want {
			s.Errorf("the last snapshot is %q, %v, want %q", got.Digest, err, want)
		}
	}
	put("a", store.SnapshotRevision)
	put("b", store.SnapshotRevision)
	put("c", store.PipelineRevision)
	last("b")
	put("a", store.SnapshotRevision)
	last("a")
	s.restart()
	last("a")
}
