// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Command server is an MCP server over stdio that does what a call's arguments say,
// and goes on with it when the call is cancelled, as many servers do. Everything it
// says about a call names the call. Answers that another client gave to a call's
// question are appended to the file REPORT.
//
//	server legacy   asks with requests of its own
//	server modern   asks with results that need input
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// message is any message of a client.
type message struct {
	ID     jsontext.Value `json:"id"`
	Method string         `json:"method"`
	Params jsontext.Value `json:"params"`
	Result answer         `json:"result"`
}

// answer is that of a client to a question.
type answer struct {
	Content struct {
		By string `json:"by"` // the call that was asked
	} `json:"content"`
}

// params are a call's.
type params struct {
	Arguments struct {
		Who   string `json:"who"`
		Party string `json:"party"` // the session, or the modern call
		Steps []struct {
			After int    `json:"after"` // milliseconds
			Do    string `json:"do"`
		} `json:"steps"`
	} `json:"arguments"`
	Meta struct {
		Progress jsontext.Value `json:"progressToken"`
	} `json:"_meta"`
	State   string            `json:"requestState"` // the number of steps that were taken
	Answers map[string]answer `json:"inputResponses"`
}

type server struct {
	modern bool

	mu      sync.Mutex
	asked   int
	waiting map[string]chan answer // by question
}

func main() {
	s := &server{modern: len(os.Args) > 1 && os.Args[1] == "modern", waiting: map[string]chan answer{}}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var m message
		if err := json.Unmarshal(in.Bytes(), &m); err != nil {
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		switch {
		case m.ID == nil:
		case m.Method == "":
			s.answered(&m)
		case m.Method == "tools/call":
			go s.call(&m) // ends with the process
		default:
			s.say(`{"jsonrpc":"2.0","id":%s,%s}`, m.ID, s.reply(m.Method))
		}
	}
}

func (s *server) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Printf(format+"\n", args...)
}

// reply answers what is not a call.
func (s *server) reply(method string) string {
	switch {
	case method == "server/discover" && s.modern:
		return `"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{},"logging":{}}}`
	case method == "initialize" && !s.modern:
		return `"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"logging":{}},"serverInfo":{"name":"privacy","version":"1"}}`
	case method == "tools/list":
		return `"result":{"resultType":"complete","tools":[{"name":"play","inputSchema":{"type":"object"}}]}`
	case method == "ping", method == "logging/setLevel":
		return `"result":{}`
	}
	return `"error":{"code":-32601,"message":"no such method"}`
}

func (s *server) call(m *message) {
	var p params
	if err := json.Unmarshal(m.Params, &p); err != nil {
		s.say(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32602,"message":%q}}`, m.ID, err)
		return
	}
	who := p.Arguments.Who
	taken, _ := strconv.Atoi(p.State) // none at first
	for _, a := range p.Answers {
		p.check(a)
	}
	for i, step := range p.Arguments.Steps[taken:] {
		time.Sleep(time.Duration(step.After) * time.Millisecond)
		switch step.Do {
		case "answer":
			s.say(`{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete","content":[{"type":"text","text":%q}]}}`, m.ID, who)
		case "log":
			s.say(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":%q}}`, who)
		case "progress":
			if p.Meta.Progress != nil {
				s.say(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":1,"message":%q}}`, p.Meta.Progress, who)
			}
		case "ask":
			if s.modern {
				s.say(`{"jsonrpc":"2.0","id":%s,"result":{"resultType":"input_required","requestState":"%d","inputRequests":{"q":{"method":"elicitation/create","params":%s}}}}`,
					m.ID, taken+i+1, question(who))
				return
			}
			p.check(s.ask(who))
		}
	}
}

// ask asks on behalf of a call and waits for the answer, which is nothing when the
// question is refused.
func (s *server) ask(who string) answer {
	to := make(chan answer, 1)
	s.mu.Lock()
	s.asked++
	id := fmt.Sprintf(`"q%d"`, s.asked)
	s.waiting[id] = to
	s.mu.Unlock()
	s.say(`{"jsonrpc":"2.0","id":%s,"method":"elicitation/create","params":%s}`, id, question(who))
	return <-to
}

func question(who string) string {
	return fmt.Sprintf(`{"mode":"form","message":%q,"requestedSchema":{"type":"object","properties":{}}}`, who)
}

// check reports an answer that another client gave than that of the call.
func (p *params) check(a answer) {
	by, who := a.Content.By, p.Arguments.Who
	if by != "" && by != who && !strings.HasPrefix(by, p.Arguments.Party+" ") {
		report("%s answered a question of %s", by, who)
	}
}

func (s *server) answered(m *message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if to := s.waiting[string(m.ID)]; to != nil {
		delete(s.waiting, string(m.ID))
		to <- m.Result // has room: one answer per question
	}
}

func report(format string, args ...any) {
	f, err := os.OpenFile(os.Getenv("REPORT"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer f.Close()
	fmt.Fprintf(f, format+"\n", args...)
}
