// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// What a person types in place of an answer to leave a question.
const (
	declineWord = "!decline"
	cancelWord  = "!cancel"
)

// asker asks a person what a server wants to know, one question at a time.
type asker struct {
	env   *Env
	turn  chan struct{} // holds one token: who has it asks
	lines chan string   // what the person types; nil until the first question
}

func newAsker(env *Env) *asker {
	a := &asker{env: env, turn: make(chan struct{}, 1)}
	a.turn <- struct{}{}
	return a
}

// elicit asks on the terminal; without one it declines. The end of the input cancels,
// and the end of ctx ends the question.
func (a *asker) elicit(ctx context.Context, p *mcp.ElicitParams) (*mcp.ElicitResult, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-a.turn:
	}
	defer func() { a.turn <- struct{}{} }()
	if f, ok := a.env.In.(*os.File); !ok || !isTerminal(f) {
		printf(a.env.Err, "%s\n(no terminal to answer on: declined)\n", p.Message)
		return &mcp.ElicitResult{Action: mcp.ActionDecline}, nil
	}
	return a.ask(ctx, p)
}

func (a *asker) ask(ctx context.Context, p *mcp.ElicitParams) (*mcp.ElicitResult, error) {
	var fields []field
	if p.Mode != mcp.ElicitURL {
		var err error
		if fields, err = parseForm(p.RequestedSchema); err != nil {
			return nil, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "requestedSchema: %w", err)
		}
	}
	printf(a.env.Err, "%s\n", p.Message)
	if p.Mode == mcp.ElicitURL {
		printf(a.env.Err, "open %s\n", line(p.URL))
	}
	printf(a.env.Err, "(%s declines, %s cancels)\n", declineWord, cancelWord)
	if len(fields) == 0 {
		return answered(a.confirm(ctx, p.Mode == mcp.ElicitURL))
	}
	content := jsonrpc.Raw("{}")
	for i := range fields {
		value, err := a.fill(ctx, &fields[i])
		if err != nil {
			return answered(nil, err)
		}
		if value != nil {
			content = jsonrpc.Set(content, fields[i].name, value)
		}
	}
	return answered(content, nil)
}

// errDeclined and errCanceled are a person's ways to leave a question.
var (
	errDeclined = errors.New("declined")
	errCanceled = errors.New("cancelled")
)

func answered(content jsonrpc.Raw, err error) (*mcp.ElicitResult, error) {
	switch {
	case errors.Is(err, errDeclined):
		return &mcp.ElicitResult{Action: mcp.ActionDecline}, nil
	case errors.Is(err, errCanceled):
		return &mcp.ElicitResult{Action: mcp.ActionCancel}, nil
	case err != nil:
		return nil, err
	}
	return &mcp.ElicitResult{Action: mcp.ActionAccept, Content: content}, nil
}

// confirm asks whether to accept what has no fields. A form has content all the same.
func (a *asker) confirm(ctx context.Context, opened bool) (jsonrpc.Raw, error) {
	printf(a.env.Err, "accept? yes or no: ")
	typed, err := a.line(ctx)
	switch {
	case err != nil:
		return nil, err
	case typed != "" && !strings.HasPrefix(strings.ToLower(typed), "y"):
		return nil, errDeclined
	case opened:
		return nil, nil
	}
	return jsonrpc.Raw("{}"), nil
}

// fill asks for one field until the answer fits it.
func (a *asker) fill(ctx context.Context, f *field) (jsonrpc.Raw, error) {
	for {
		printf(a.env.Err, "%s", f.question())
		typed, err := a.line(ctx)
		if err != nil {
			return nil, err
		}
		value, err := f.value(typed)
		if err == nil {
			return value, nil
		}
		printf(a.env.Err, "%s\n", err)
	}
}

// line waits for a line that the person types.
func (a *asker) line(ctx context.Context) (string, error) {
	if a.lines == nil {
		a.lines = make(chan string)
		go typedLines(a.env.In, a.lines)
	}
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case typed, ok := <-a.lines:
		switch typed = strings.TrimSpace(typed); {
		case !ok, typed == cancelWord:
			return "", errCanceled
		case typed == declineWord:
			return "", errDeclined
		}
		return typed, nil
	}
}

// typedLines hands on the lines of the input. A blocked read of a terminal cannot be
// called off: it ends with the input, or with the process.
func typedLines(in io.Reader, lines chan<- string) {
	defer close(lines)
	for r := bufio.NewReader(in); ; {
		text, err := r.ReadString('\n')
		if text != "" {
			lines <- text
		}
		if err != nil {
			return
		}
	}
}
