// Package cli holds the commands of headgate, one file each, over one testable value: [Run] takes a [Process] and gives the exit
// code.
//
// stdout carries the result and nothing else, stderr the talk: hints, progress, logs and errors. Every command has --json. The exit
// codes are a contract (exit.go): 0 ok, 1 a failure while running, 2 findings in files, 3 the environment, 64 usage.
//
// The settings of the gateway are one struct (settings.go), read by envconfig from the HEADGATE_ variables; flags, help and
// docs/settings.md are made from the same struct. Not here: what the gateway does (engine), what the API answers (engine/admin).
package cli

//go:generate sh -c "go run ../.. docs settings > ../../../../docs/settings.md.new && mv ../../../../docs/settings.md.new ../../../../docs/settings.md"
//go:generate sh -c "go run ../.. docs sections ../../../../docs/*.md"
