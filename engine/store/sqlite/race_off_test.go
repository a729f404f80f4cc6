//go:build !race

package sqlite_test

const (
	randomOperations = 2000
	crashes          = 5
)
