// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// scripted launches servers that do what a call's arguments say, whatever else
// happens: like many, they know no cancellation.
type scripted struct {
	era mcp.Era

	mu      sync.Mutex
	started int
	running int
	answers map[string]string // to whose question came which client's answer
}

// step is one thing that a scripted tool does, after a time.
type step struct {
	After int    // milliseconds
	Do    string // ask, log, progress, update, answer
}

// play are the arguments of a scripted tool.
type play struct {
	Who   string // the call, as the test knows it
	Steps []step
}

func (s *scripted) launch(context.Context) (*Launched, error) {
	near, far := transport.Pipe()
	c := &scriptedConn{s: s, conn: far, waiting: map[string]chan string{}}
	gone := make(chan struct{})
	s.mu.Lock()
	s.started++
	s.running++
	s.mu.Unlock()
	go func() {
		c.serve()
		s.mu.Lock()
		s.running--
		s.mu.Unlock()
		close(gone)
	}()
	return &Launched{Target: client.Conn(near), Stop: func() { near.Close(); <-gone }, Gone: gone}, nil
}

// scriptedConn is one process.
type scriptedConn struct {
	s    *scripted
	conn transport.Conn
	wg   sync.WaitGroup

	mu      sync.Mutex
	asked   int
	waiting map[string]chan string // by the question's id
}

func (c *scriptedConn) serve() {
	ended := make(chan struct{})
	defer c.wg.Wait()
	defer close(ended)
	for {
		data, err := c.conn.Read()
		if err != nil {
			return
		}
		m, err := jsonrpc.Decode(data, jsonrpc.Limits{})
		switch {
		case err != nil:
		case m.Kind() == jsonrpc.Response:
			c.answered(&m)
		case m.Kind() == jsonrpc.Request && m.Method == mcp.MethodCallTool:
			c.wg.Go(func() { c.play(&m, ended) })
		case m.Kind() == jsonrpc.Request:
			c.send(c.reply(&m))
		}
	}
}

func (c *scriptedConn) send(b []byte) { _ = c.conn.Write(b) }

func (c *scriptedConn) reply(m *jsonrpc.Message) []byte {
	switch {
	case m.Method == mcp.MethodDiscover && c.s.era == mcp.Modern:
		return jsonrpc.AppendResult(nil, m.ID, Raw(`{"supportedVersions":["`+string(mcp.Latest)+`"],"capabilities":{"tools":{},"logging":{}},"resultType":"complete"}`))
	case m.Method == mcp.MethodInitialize && c.s.era == mcp.Legacy:
		return jsonrpc.AppendResult(nil, m.ID, Raw(`{"protocolVersion":"`+string(mcp.LatestLegacy)+`","capabilities":{"tools":{},"logging":{}},"serverInfo":{"name":"scripted","version":"1"}}`))
	case m.Method == mcp.MethodSetLevel, m.Method == mcp.MethodPing:
		return jsonrpc.AppendResult(nil, m.ID, Raw(`{}`))
	}
	return jsonrpc.AppendError(nil, m.ID, jsonrpc.NewError(jsonrpc.CodeMethodNotFound, "no such method"))
}

// play does the steps of one call.
func (c *scriptedConn) play(m *jsonrpc.Message, ended <-chan struct{}) {
	raw, _ := jsonrpc.Get(m.Params, "arguments")
	var p play
	if err := json.Unmarshal(raw, &p); err != nil {
		panic(err)
	}
	meta, _ := jsonrpc.Get(m.Params, "_meta")
	token, _ := jsonrpc.Get(meta, mcp.MetaProgressToken)
	who := string(jsonrpc.AppendString(nil, p.Who))
	for _, s := range p.Steps {
		select {
		case <-time.After(time.Duration(s.After) * time.Millisecond):
		case <-ended:
			return
		}
		switch s.Do {
		case "answer":
			c.send(jsonrpc.AppendResult(nil, m.ID, Raw(`{"resultType":"complete","content":[{"type":"text","text":`+who+`}]}`)))
		case "log":
			c.send(jsonrpc.AppendNotification(nil, mcp.NotificationMessage, Raw(`{"level":"error","data":`+who+`}`)))
		case "progress":
			c.send(jsonrpc.AppendNotification(nil, mcp.NotificationProgress, Raw(`{"progressToken":`+string(token)+`,"progress":1,"message":`+who+`}`)))
		case "update":
			c.send(jsonrpc.AppendNotification(nil, mcp.NotificationResourceUpdated, Raw(`{"uri":"test://a"}`)))
		case "ask":
			c.ask(p.Who, ended)
		}
	}
}

// ask asks the client on behalf of a call and keeps who answered.
func (c *scriptedConn) ask(who string, ended <-chan struct{}) {
	answer := make(chan string, 1)
	c.mu.Lock()
	c.asked++
	id := jsonrpc.StringID("q" + strconv.Itoa(c.asked))
	c.waiting[id.String()] = answer
	c.mu.Unlock()
	c.send(jsonrpc.AppendRequest(nil, id, mcp.MethodElicit,
		Raw(`{"message":`+string(jsonrpc.AppendString(nil, who))+`,"requestedSchema":{"type":"object","properties":{}}}`)))
	select {
	case by := <-answer:
		c.s.mu.Lock()
		c.s.answers[who] = by
		c.s.mu.Unlock()
	case <-ended:
	}
}

func (c *scriptedConn) answered(m *jsonrpc.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if to := c.waiting[m.ID.String()]; to != nil {
		delete(c.waiting, m.ID.String())
		content, _ := jsonrpc.Get(m.Result, "content")
		to <- memberText(content, "by")
	}
}
