// Package engine is Headgate as one value: New takes Options, Start returns when webhooks are accepted, Stop ends it in order.
//
// It is the only package that knows all the others, and it holds nothing but their wiring: what they do stands with them. Two
// engines can run in one process; an Engine's methods may be called by many goroutines at once.
//
//	start:  store -> learnt secrets -> rejections -> manifests -> admin listener -> public listener -> worker -> watcher
//	stop:   not ready, drain delay -> watcher -> public listener -> worker -> admin listener -> rejections -> store
package engine
