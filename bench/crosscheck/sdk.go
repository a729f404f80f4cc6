package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// sdkCase is one SDK as sdks.mjs describes it.
type sdkCase struct {
	Provider, SDK, Version string
	Signs, Verifies        bool
	// Event names the example to send; "" takes the first.
	Event string
	// Secret is set where the SDK needs one of a certain form.
	Secret string
	Vars   map[string]string
	// PathToken says that the provider is not taken without one.
	PathToken bool
	// Flip is what is changed to see a refusal: "" for the body, header:N, json:PATH or form:N.
	Flip string
	// Weak says why it is not the body.
	Weak string
	// Compact says that the SDK parses the body and writes it anew, so that only compact JSON can hold.
	Compact bool
}

// question and answer are one line each way.
type question struct {
	Op      string   `json:"op"`
	Case    int      `json:"case"`
	Request *message `json:"request,omitempty"`
}

type answer struct {
	Cases    []sdkCase         `json:"cases"`
	Headers  map[string]string `json:"headers"`
	Query    string            `json:"query"`
	Body     []byte            `json:"body"`
	Accepted bool              `json:"accepted"`
	Reason   string            `json:"reason"`
	Error    string            `json:"error"`
}

// message is a request as the SDKs see it, with the keys in every form that one of them takes.
type message struct {
	Method      string            `json:"method"`
	URL         string            `json:"url"`
	Query       string            `json:"query"`
	Headers     map[string]string `json:"headers"`
	Body        []byte            `json:"body"`
	Secret      string            `json:"secret"`
	Vars        map[string]string `json:"vars"`
	Now         int64             `json:"now"` // milliseconds
	PrivateKey  string            `json:"privateKey,omitempty"`
	PublicKey   string            `json:"publicKey,omitempty"`
	SPKI        []byte            `json:"spki,omitempty"`
	Raw         []byte            `json:"raw,omitempty"`
	Certificate string            `json:"certificate,omitempty"`
}

// sdkProcess is the Node process that holds the SDKs.
type sdkProcess struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startSDKs(ctx context.Context, dir string) (*sdkProcess, error) {
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		return nil, fmt.Errorf("the SDKs are not installed, run `make crosscheck`: %w", err)
	}
	cmd := exec.CommandContext(ctx, "node", filepath.Join(dir, "answer.mjs"))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("talking to node: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("talking to node: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting node: %w", err)
	}
	return &sdkProcess{cmd: cmd, in: in, out: bufio.NewReader(out)}, nil
}

// close ends the process; it has nothing to save.
func (p *sdkProcess) close() {
	_ = p.in.Close()
	_ = p.cmd.Wait()
}

func (p *sdkProcess) list() ([]sdkCase, error) {
	a, err := p.ask(question{Op: "list"})
	return a.Cases, err
}

func (p *sdkProcess) ask(q question) (answer, error) {
	var a answer
	if err := json.NewEncoder(p.in).Encode(q); err != nil {
		return a, fmt.Errorf("asking node: %w", err)
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return a, fmt.Errorf("reading node's answer: %w", err)
	}
	if err := json.Unmarshal(line, &a); err != nil {
		return a, fmt.Errorf("reading node's answer: %w", err)
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}
