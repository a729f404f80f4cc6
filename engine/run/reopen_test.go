package run_test

import (
	"slices"
	"testing"

	"github.com/headgate/headgate/engine/run"
)

func TestARetryRepeatsWhatParkedTheRunAndNothingElse(t *testing.T) {
	t.Parallel()
	steps := []run.Step{
		{Path: "In", State: run.StepDone},
		{Path: "Caught", State: run.StepFailed, Branch: "error"},
		{Path: "Other", State: run.StepSkipped},
		{Path: "Over[0]/Tell", State: run.StepFailed},
		{Path: "Over[0]/Deep[1]/Tell", State: run.StepSkipped},
		{Path: "Over[0]/Deep", State: run.StepFailed},
		{Path: "Over", State: run.StepDone},
		{Path: "Each[0]/Good", State: run.StepDone},
		{Path: "Each[0]/Skipped", State: run.StepSkipped},
		{Path: "Each[1]/Bad", State: run.StepFailed},
		{Path: "Each[1]/Caught", State: run.StepFailed, Branch: "error"},
		{Path: "Each[1]/Done[0]/Bad", State: run.StepFailed},
		{Path: "Each[1]/Done", State: run.StepDone},
		{Path: "Each", State: run.StepFailed},
		{Path: "Bad", State: run.StepFailed},
	}
	want := []string{
		"In", "Caught", "Over[0]/Tell", "Over[0]/Deep[1]/Tell", "Over[0]/Deep", "Over", "Each[0]/Good", "Each[1]/Caught", "Each[1]/Done[0]/Bad", "Each[1]/Done",
	}
	var got []string
	for _, s := range run.Reopened(steps) {
		got = append(got, s.Path)
	}
	if !slices.Equal(got, want) {
		t.Errorf("kept are %q, want %q", got, want)
	}
}
