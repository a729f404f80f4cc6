package sqlite

// PutAside is what Restore does to a store before the new one gets its place.
func PutAside(from, to string) error { return putAside(from, to) }
