// Package manifests is the catalogue of providers that comes with Headgate: plain manifests with their schemas, examples and tests, a
// folder for each provider, embedded in the binary. It holds no code about any of them.
//
// A provider of the catalogue is live only where a user's manifest says `use: NAME`. The files may be read by many goroutines at
// once.
package manifests

import (
	"embed"
	"io/fs"
)

//go:embed */*
var files embed.FS

// FS gives the catalogue: NAME/provider.yaml and NAME/tests.yaml, and NAME/schemas/ and NAME/examples/ beside them.
func FS() fs.FS { return files }
