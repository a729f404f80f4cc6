// Package examples is the folders that a user copies: quickstart first, then one for each way to run Headgate. There is no code
// in it but the tests that keep the folders true.
package examples
