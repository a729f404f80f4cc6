package memory

import "github.com/headgate/headgate/engine/event"

// Damage flips a bit of a stored body.
func (s *Store) Damage(id event.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events[id].Body[0] ^= 1
}
