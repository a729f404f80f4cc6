// Package telemetry is what an operator sees from outside: metrics for Prometheus and the process's logger.
//
// [Metrics] implements the small Observer interfaces that ingress, worker, snapshot and the stores declare; none of them knows
// this package, and it reads nothing but the store's own account of itself. Metrics stand in a registry of their own, so that
// two engines in one process do not mix. Everything here may be called by many goroutines at once.
//
// The words of labels and log keys are those of manifests, records and documentation: keys.go has them.
package telemetry
