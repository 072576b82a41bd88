// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/transport"
)

const (
	exitGrace = 2 * time.Second  // after stdin was closed, before TERM
	termGrace = 2 * time.Second  // after TERM, before KILL
	killGrace = 10 * time.Second // after KILL, before the process is given up
)

// CommandTarget is a server to start as a child process. Its fields are not
// changed once it is in use.
type CommandTarget struct {
	Name   string    // a program, found by PATH
	Args   []string  // without the program
	Env    []string  // added to this process's environment
	Dir    string    // working directory; "" is this process's
	Stderr io.Writer // gets the server's stderr; nil discards it
}

// Command is a server that is started as a child process and spoken to over its
// stdin and stdout. It is for simple use: a process group on Unix, ended by
// closing stdin, then TERM, then KILL. Supervision is somebody else's business,
// who hands a [Conn] or [Stream].
func Command(name string, args ...string) *CommandTarget {
	return &CommandTarget{Name: name, Args: args}
}

func (t *CommandTarget) connect(ctx context.Context, k *core) (link, error) {
	return (&streamTarget{open: func(context.Context) (transport.Conn, error) {
		return t.start(k.cfg.maxMessage)
	}}).connect(ctx, k)
}

func (t *CommandTarget) start(maxMessage int) (transport.Conn, error) {
	cmd := exec.Command(t.Name, t.Args...)
	cmd.Dir, cmd.Stderr = t.Dir, t.Stderr
	cmd.Env = append(os.Environ(), t.Env...)
	cmd.WaitDelay = termGrace // a grandchild that holds stderr must not hold up Wait
	ownGroup(cmd)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	// Not StdoutPipe, which Wait closes under the reader.
	stdout, childOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = childOut
	err = cmd.Start()
	childOut.Close()
	if err != nil {
		stdout.Close()
		return nil, fmt.Errorf("start %s: %w", t.Name, err)
	}
	p := &processConn{
		cmd: cmd, stdin: stdin, stdout: stdout,
		in: jsonrpc.NewLineReader(stdout, maxMessage), out: jsonrpc.NewLineWriter(stdin),
		exited: make(chan struct{}),
	}
	go p.reap()
	return p, nil
}

// processConn is a child process as a message stream. Its goroutine waits for
// the process to exit; Close, which makes it exit, waits for that.
type processConn struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout *os.File
	in     *jsonrpc.LineReader
	out    *jsonrpc.LineWriter
	exited chan struct{} // closed when Wait has returned
	once   sync.Once
}

func (p *processConn) reap() {
	defer close(p.exited)
	_ = p.cmd.Wait() // the reader meets the end of stdout; how it came about is not the protocol's concern
	killGroup(p.cmd) // children that outlived it, before the number can be used again
}

func (p *processConn) Read() ([]byte, error) {
	line, err := p.in.Read()
	return line, transport.FromLine(err)
}

func (p *processConn) Write(message []byte) error { return p.out.Write(message) }

// Close ends the process and whatever is left in its group.
//
// spec 2025-11-25 basic/lifecycle#shutdown: close stdin, wait, TERM, KILL.
func (p *processConn) Close() error {
	p.once.Do(func() {
		p.stdin.Close()
		if !p.exitsWithin(exitGrace) {
			endGroup(p.cmd)
			if !p.exitsWithin(termGrace) {
				killGroup(p.cmd)
				p.exitsWithin(killGrace)
			}
		}
		p.stdout.Close()
	})
	return nil
}

func (p *processConn) exitsWithin(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.exited:
		return true
	case <-timer.C:
		return false
	}
}
