package service

import "context"

// Steps is a part of a [Group] made of functions that keep the promises of [Service]; a nil one does nothing.
type Steps struct {
	OnStart, OnStop func(context.Context) error
}

var _ Service = Steps{}

// Start implements Service.
func (s Steps) Start(ctx context.Context) error {
	if s.OnStart == nil {
		return nil
	}
	return s.OnStart(ctx)
}

// Stop implements Service.
func (s Steps) Stop(ctx context.Context) error {
	if s.OnStop == nil {
		return nil
	}
	return s.OnStop(ctx)
}
