// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/holdfast-mcp/holdfast/internal/clustertest"
	"github.com/holdfast-mcp/holdfast/internal/control"
	"github.com/holdfast-mcp/holdfast/tests/wire"
)

// player plays a script: a story of a cluster in plain text. A line that begins
// with > is a command; the lines behind it, up to an empty one, are what it must
// come to. What is merely looked at is looked at again until it does.
//
//	> start n1 n2 …          start nodes and wait until they are ready
//	> kill|leave|pause|resume n1
//	> cut n1 n2, > mute n1 n2 (what n1 sends n2 is lost), > isolate n1, > delay n1 n2 50ms, > heal
//	> readyz n1              looked at: the status and all lines
//	> nodes n1               looked at: what holdfast nodes says there of each, and of the stores
//	> remove n2 at n1        as an operator does there
//	> log n1 node lost       how many lines of its log have these words
//	> session a at n1        open a session that is named a
//	> a level error at n2    set its log level
//	> a heard at n3          looked at: the levels of log messages it gets
//	> a subscribe URI at n1, > a unsubscribe URI at n1, > a end at n1
//	> a listen at n1         hold its stream open, in place of another one
//	> a updates URI at n2    looked at: whether a change of the resource reaches that stream
//	> a ask at n1            have the server ask the client
//	> a count at n1          count the calls of the session's own process
//	> modern ask at n1       the same without a session; its retry goes to the next node
type player struct {
	f        *fleet
	sessions map[string]*wire.Client
	heard    map[string]*updates
	stop     map[string]context.CancelFunc
	wg       sync.WaitGroup
}

// updates are the resources whose changes a stream has told of.
type updates struct {
	mu   sync.Mutex
	uris map[string]bool
}

// address is one on loopback, which differs from run to run.
var address = regexp.MustCompile(`127(\.\d+){3}:\d+`)

// sceneLimit is how long a look may take to show what it must.
const sceneLimit = 30 * time.Second

// scene is a command and what it must come to.
type scene struct {
	line    int
	command string
	want    string
}

// readScript splits a script into scenes, and the comment before the first.
func readScript(text string) (comment string, scenes []scene) {
	for i, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(line, "> "):
			scenes = append(scenes, scene{line: i + 1, command: line[2:]})
		case len(scenes) == 0:
			comment += line + "\n"
		case strings.TrimSpace(line) != "":
			s := &scenes[len(scenes)-1]
			s.want = strings.TrimPrefix(s.want+"\n"+line, "\n")
		}
	}
	return strings.TrimRight(comment, "\n") + "\n", scenes
}

// planOf returns the cluster that a script is played on: three nodes whose links can
// be disturbed, unless its comment has a line such as "Nodes: 5, seeds: 3, first: 3."
func planOf(comment string) (plan, error) {
	for line := range strings.Lines(comment) {
		if !strings.HasPrefix(line, "Nodes: ") {
			continue
		}
		var p plan
		if _, err := fmt.Sscanf(line, "Nodes: %d, seeds: %d, first: %d.", &p.nodes, &p.seeds, &p.first); err != nil {
			return plan{}, fmt.Errorf("%q: %w", line, err)
		}
		return p, nil
	}
	return plan{links: true}, nil
}

// play plays the scenes and returns what each came to. It goes on after one that
// did not come to what it must.
func (p *player) play(ctx context.Context, scenes []scene) []string {
	results := make([]string, 0, len(scenes))
	for _, s := range scenes {
		deadline := time.Now().Add(sceneLimit)
		for {
			result, look := p.do(ctx, strings.Fields(s.command))
			if result == s.want || !look || time.Now().After(deadline) {
				results = append(results, result)
				break
			}
			wait(ctx, 100*time.Millisecond)
		}
	}
	return results
}

// close ends streams.
func (p *player) close() {
	for _, stop := range p.stop {
		stop()
	}
	p.wg.Wait()
}

// do does one command. look says that it only looks.
func (p *player) do(ctx context.Context, words []string) (result string, look bool) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var err error
	switch words[0] {
	case "start", "kill", "leave", "pause", "resume":
		err = p.node(ctx, words[0], words[1:])
	case "cut", "mute", "isolate", "delay", "heal":
		err = p.link(words[0], words[1:])
	case "readyz":
		status, body := p.f.Node(words[1]).Probe(ctx, "/readyz")
		return fmt.Sprint(status, " ", address.ReplaceAllString(body, "ADDRESS")), true
	case "nodes":
		return p.nodes(ctx, p.f.Node(words[1])), true
	case "remove":
		n := p.f.Node(words[3])
		out, _ := exec.CommandContext(ctx, p.f.holdfast, "nodes", "remove", "--data", n.Data(), words[1]).CombinedOutput()
		return strings.TrimSpace(string(out)), false
	case "log":
		return fmt.Sprint(strings.Count(p.f.Node(words[1]).Log(10000), strings.Join(words[2:], " "))), false
	default:
		return p.client(ctx, words)
	}
	if err != nil {
		return err.Error(), false
	}
	return "", false
}

func (p *player) node(ctx context.Context, verb string, names []string) error {
	for _, name := range names {
		n := p.f.Node(name)
		var err error
		switch verb {
		case "start":
			err = n.Start()
		case "kill":
			n.Kill()
		case "leave":
			err = n.Leave(ctx)
		case "pause":
			err = n.Pause()
		case "resume":
			err = n.Resume()
		}
		if err != nil {
			return err
		}
	}
	if verb != "start" {
		return nil
	}
	for _, name := range names {
		if err := p.f.Node(name).Ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (p *player) link(verb string, args []string) error {
	switch verb {
	case "cut":
		p.f.Links.Cut(args[0], args[1])
	case "mute":
		p.f.Links.CutWay(args[0], args[1])
	case "isolate":
		p.f.Links.Isolate(args[0])
	case "heal":
		p.f.Links.Heal()
	case "delay":
		d, err := time.ParseDuration(args[2])
		if err != nil {
			return err
		}
		p.f.Links.Shape(args[0], args[1], clustertest.Quality{Delay: d})
	}
	return nil
}

// nodes is what an operator sees at a node, without what differs from run to run.
func (p *player) nodes(ctx context.Context, n *clustertest.Node) string {
	out, err := exec.CommandContext(ctx, p.f.holdfast, "nodes", "--json", "--data", n.Data()).Output()
	var all control.Cluster
	if err == nil {
		err = json.Unmarshal(out, &all)
	}
	if err != nil {
		return err.Error()
	}
	var lines []string
	for _, m := range all.Nodes {
		line := m.Name + " " + m.State
		switch {
		case len(m.HeardBy) > 0:
			line += ", heard by " + strings.Join(m.HeardBy, " ")
		case m.Suspected:
			line += ", lost"
		case m.Via != "":
			line += ", by way of " + m.Via
		}
		lines = append(lines, line)
	}
	if left, known := all.MayLose(); known {
		lines = append(lines, fmt.Sprintf("%d may be lost", left))
	}
	return strings.Join(lines, "\n")
}

// client does what a client does: NAME VERB … at NODE, or session NAME at NODE.
func (p *player) client(ctx context.Context, words []string) (result string, look bool) {
	n := p.f.Node(words[len(words)-1])
	if n == nil || words[len(words)-2] != "at" {
		return "not understood", false
	}
	if words[0] == "session" {
		c := &wire.Client{Name: words[1], HTTP: &http.Client{Transport: p.f.http}, URL: n.URL("/mcp"), Answer: answerKelp}
		p.sessions[words[1]] = c
		return say("", c.Open(ctx)), false
	}
	c, named := p.sessions[words[0]]
	if words[0] == "modern" {
		c, named = &wire.Client{Name: "modern", Modern: true, HTTP: &http.Client{Transport: p.turning(n)}, Answer: answerKelp}, true
	}
	if !named {
		return "no session " + words[0], false
	}
	c.URL = n.URL("/mcp")
	switch words[1] {
	case "level":
		return ask(ctx, c, "logging/setLevel", `{"level":"`+words[2]+`"}`), false
	case "subscribe", "unsubscribe":
		return ask(ctx, c, "resources/"+words[1], `{"uri":"`+words[2]+`"}`), false
	case "end":
		ended := *c // the client goes on as if it did not know
		return say("", ended.Close(ctx)), false
	case "ask":
		return tool(ctx, c, "kit__ask", `{"Text":"you"}`), false
	case "count":
		return tool(ctx, c, "own__count", `{"Text":"x"}`), false
	case "heard":
		return p.levels(ctx, c), true
	case "listen":
		p.listen(words[0], c)
		return "", false
	case "updates":
		return p.updates(ctx, words[0], c, words[2]), true
	}
	return "not understood", false
}

func answerKelp(string, jsontext.Value) string {
	return `{"action":"accept","content":{"word":"kelp"}}`
}

func say(text string, err error) string {
	if status, ok := errors.AsType[*wire.StatusError](err); ok {
		return fmt.Sprintf("HTTP %d: %s", status.Status, strings.TrimSpace(status.Body))
	}
	if err != nil {
		return err.Error()
	}
	return text
}

func ask(ctx context.Context, c *wire.Client, method, params string) string {
	a, err := c.Ask(ctx, method, "", params)
	if err == nil && a.Error != nil {
		return fmt.Sprintf("HTTP %d: %v", a.Status, a.Error)
	}
	return say("", err)
}

func tool(ctx context.Context, c *wire.Client, name, arguments string) string {
	a, err := c.Tool(ctx, name, arguments)
	if err == nil && a.Error != nil {
		return a.Error.Error()
	}
	return say(a.Text, err)
}

func (p *player) levels(ctx context.Context, c *wire.Client) string {
	probe := *c
	var heard []string
	probe.Notified = func(method string, params jsontext.Value) { heard = append(heard, field(params, "level")) }
	if text := tool(ctx, &probe, "web__log", `{"Text":"x"}`); text != "logged" {
		return text
	}
	return strings.Join(heard, " ")
}

// listen holds a session's stream open at a node.
func (p *player) listen(name string, c *wire.Client) {
	if stop := p.stop[name]; stop != nil {
		stop()
	}
	heard := &updates{uris: map[string]bool{}}
	p.heard[name] = heard
	ctx, stop := context.WithCancel(context.Background())
	p.stop[name] = stop
	listener := *c
	listener.Notified = func(method string, params jsontext.Value) {
		heard.mu.Lock()
		defer heard.mu.Unlock()
		heard.uris[field(params, "uri")] = true
	}
	p.wg.Go(func() {
		for ctx.Err() == nil {
			_ = listener.Listen(ctx, "") // opened again at the same node
			wait(ctx, retryPause)
		}
	})
}

func (p *player) updates(ctx context.Context, name string, c *wire.Client, uri string) string {
	heard := p.heard[name]
	if heard == nil {
		return "does not listen"
	}
	heard.mu.Lock()
	delete(heard.uris, uri)
	heard.mu.Unlock()
	if text := tool(ctx, c, "kit__touch", `{"uri":"`+uri+`"}`); text != "touched "+uri {
		return text
	}
	wait(ctx, 500*time.Millisecond)
	heard.mu.Lock()
	defer heard.mu.Unlock()
	if heard.uris[uri] {
		return "heard"
	}
	return "not heard"
}

// turning sends each request to the node after the last one's, beginning with n.
func (p *player) turning(n *clustertest.Node) http.RoundTripper {
	at := 0
	for i, node := range p.f.Nodes {
		if node == n {
			at = i
		}
	}
	return roundTrips(func(req *http.Request) (*http.Response, error) {
		req = req.Clone(req.Context())
		req.URL.Host = p.f.Nodes[at%len(p.f.Nodes)].Addr
		req.Host = req.URL.Host
		at++
		return p.f.http.RoundTrip(req)
	})
}

type roundTrips func(*http.Request) (*http.Response, error)

func (f roundTrips) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
