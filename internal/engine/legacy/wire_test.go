// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/tools/txtar"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/engine/legacy"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/seal"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

var update = flag.Bool("update", false, "rewrite the expected output of the wire tests")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestWire plays the scripts of testdata/wire. A script is a txtar archive whose
// files are steps; after each step that made the server say something stands a
// file "out" with everything it said, exchange by exchange. The steps:
//
//	post, get, delete   one HTTP request: header lines, then the body
//	send                one line on the connection, which is opened by the first
//	advance 15s         let time pass
//	publish tools       announce a change (tools, prompts, resources, or a URI)
//	leave 2             the client of exchange 2 goes away
//	principal bob       who sends the requests that follow
//	drain               the server drains, waiting for calls
//	restart             a new server with the same keys and store
//	limits              key=value lines for a new server, see setLimits
//	nodes a b c         servers with common keys and records instead of one; a is next
//	at b                which node gets the requests that follow
//	kill a              the node and its connections are gone at once
//	start a             it is back, with nothing in memory
//	quorum off          no write is acknowledged, until quorum on
//	tasks off           tasks are not read either, until tasks on
//
// The session of the last initialize is added to each request, unless the
// request names one; "-" names none. Random values are written $SESSION1,
// $STREAM1, $ASK1 and $TASK1, in the order of their appearance, on both sides.
func TestWire(t *testing.T) {
	scripts, err := filepath.Glob("testdata/wire/*/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range scripts {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.ToSlash(path), "testdata/wire/"), ".txtar")
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playFile(t, path) })
		})
	}
}

func playFile(t *testing.T, path string) {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	script := txtar.Parse(data)
	p := newPlayer(t)
	defer p.stop()
	played := &txtar.Archive{Comment: script.Comment}
	for _, step := range script.Files {
		if step.Name == "out" {
			continue
		}
		played.Files = append(played.Files, step)
		p.play(step.Name, string(step.Data))
		synctest.Wait()
		if out := p.output(); out != "" {
			played.Files = append(played.Files, txtar.File{Name: "out", Data: []byte(out)})
		}
	}
	got := txtar.Format(played)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(data), string(got)); diff != "" {
		t.Errorf("the wire differs (-want +got); after checking, run with -update:\n%s", diff)
	}
}

// player plays the steps of one script.
type player struct {
	t         *testing.T
	ring      *seal.Ring
	store     session.Store
	hub       *subscription.Hub
	tasks     *task.Set
	kept      *keptTasks // of tasks
	limits    legacy.Limits
	sessions  session.Config
	protocol  *legacy.Protocol
	engine    *engine.Engine
	group     *group // nil for one server
	node      string // of the group, that gets the requests
	nodes     map[string]*node
	principal *rpc.Principal
	session   string
	exchanges []*exchange
	conn      transport.Conn
	served    chan struct{}
	lines     chan string
	names     map[string]string // by random value
	values    map[string]string // by name
	counts    map[string]int
}

func newPlayer(t *testing.T) *player {
	p := &player{
		t: t, ring: seal.NewRing(), store: session.NewMemory(0), hub: &subscription.Hub{}, kept: newKeptTasks(),
		names: map[string]string{}, values: map[string]string{}, counts: map[string]int{}, lines: make(chan string, 1000),
	}
	p.tasks = task.NewSet(task.Config{Store: p.kept, Log: slog.New(slog.DiscardHandler)})
	p.start()
	return p
}

// keptTasks is a store of tasks that can lose its majority.
type keptTasks struct {
	*task.Memory
	writes, reads atomic.Bool // possible
}

func newKeptTasks() *keptTasks {
	k := &keptTasks{Memory: task.NewMemory()}
	k.writes.Store(true)
	k.reads.Store(true)
	return k
}

func (k *keptTasks) Create(ctx context.Context, t task.Task, perPrincipal, total int) error {
	if !k.writes.Load() {
		return errQuorum
	}
	return k.Memory.Create(ctx, t, perPrincipal, total)
}

func (k *keptTasks) Put(ctx context.Context, t task.Task) error {
	if !k.writes.Load() {
		return errQuorum
	}
	return k.Memory.Put(ctx, t)
}

func (k *keptTasks) Get(ctx context.Context, id string) (task.Task, error) {
	if !k.reads.Load() {
		return task.Task{}, errQuorum
	}
	return k.Memory.Get(ctx, id)
}

func (k *keptTasks) List(ctx context.Context, owner task.Owner, after task.Position, limit int) ([]task.Task, error) {
	if !k.reads.Load() {
		return nil, errQuorum
	}
	return k.Memory.List(ctx, owner, after, limit)
}

func (p *player) start() {
	p.sessions.Store = p.store
	p.protocol = legacy.New(legacy.Config{
		Handler: rpc.HandlerFunc(fixture), Ring: p.ring, Sessions: session.NewRegistry(p.sessions), Hub: p.hub, Tasks: p.tasks,
		Limits: p.limits, Log: slog.New(slog.DiscardHandler),
	})
	p.engine = engine.New(jsonrpc.DefaultLimits(), slog.New(slog.DiscardHandler), p.protocol)
}

func (p *player) stop() {
	if p.conn != nil {
		p.conn.Close()
		<-p.served
	}
	p.stopNodes()
	p.drainNow(p.protocol)
	p.tasks.Close()
}

func (p *player) play(name, body string) {
	verb, arg, _ := strings.Cut(name, " ")
	switch verb {
	case "post", "get", "delete":
		p.request(strings.ToUpper(verb), body)
	case "send":
		p.send(strings.TrimSpace(p.expand(body)))
	case "advance":
		d, err := time.ParseDuration(arg)
		if err != nil {
			p.t.Fatal(err)
		}
		time.Sleep(d) // of the bubble
	case "publish":
		p.publish(arg)
	case "leave":
		n, _ := strconv.Atoi(arg)
		p.exchanges[n-1].leave()
	case "principal":
		p.principal = &rpc.Principal{ID: arg}
	case "drain":
		if err := p.protocol.Drain(context.Background()); err != nil {
			p.t.Error(err)
		}
	case "restart":
		p.restart()
	case "nodes":
		p.startNodes(strings.Fields(arg))
	case "at":
		p.at(arg)
	case "kill":
		p.kill(arg)
	case "start":
		p.startNode(arg)
	case "quorum":
		if p.group != nil {
			p.group.quorum(arg == "on")
		}
		p.kept.writes.Store(arg == "on")
	case "tasks":
		p.kept.reads.Store(arg == "on")
	case "limits":
		p.setLimits(body)
		p.restart()
	default:
		p.t.Fatalf("unknown step %q", name)
	}
}

func (p *player) restart() {
	p.drainNow(p.protocol)
	p.start()
}

func (p *player) drainNow(protocol *legacy.Protocol) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := protocol.Drain(ctx); err != nil {
		p.t.Errorf("Drain: %v", err)
	}
}

func (p *player) setLimits(body string) {
	for _, field := range strings.Fields(body) {
		key, value, _ := strings.Cut(field, "=")
		n, _ := strconv.Atoi(value)
		switch key {
		case "inflight":
			p.limits.InFlight = n
		case "subscriptions":
			p.limits.Subscriptions = n
		case "capabilities":
			p.limits.Capabilities = n
		case "events":
			p.sessions.LogEvents = n
		case "logbytes":
			p.sessions.LogBytes = n
		default:
			p.t.Fatalf("unknown limit %q", key)
		}
	}
}

func (p *player) request(verb, text string) {
	header := http.Header{"Accept": {"application/json, text/event-stream"}}
	if p.session != "" && !strings.Contains(text, `"initialize"`) {
		header.Set(mcp.HeaderSessionID, p.session)
	}
	for {
		line, rest, _ := strings.Cut(text, "\n")
		name, value, ok := strings.Cut(line, ": ")
		if !ok || strings.ContainsAny(name, "{[ ") {
			break
		}
		if value == "-" {
			header.Del(name)
		} else {
			header.Set(name, p.expand(value))
		}
		text = rest
	}
	x := newExchange(verb, strings.TrimSpace(p.expand(text)), p.principal)
	x.header, x.node = header, p.node
	p.exchanges = append(p.exchanges, x)
	go p.engine.ServeExchange(x)
	synctest.Wait()
	if token := x.reply.Get(mcp.HeaderSessionID); token != "" {
		p.session = token
	}
}

func (p *player) send(line string) {
	if p.conn == nil {
		client, server := transport.Pipe()
		p.conn, p.served = client, make(chan struct{})
		ctx := context.Background()
		if p.principal != nil {
			ctx = rpc.WithPrincipal(ctx, p.principal)
		}
		go func() {
			defer close(p.served)
			if err := p.engine.ServeConn(ctx, server); err != nil {
				p.t.Errorf("ServeConn: %v", err)
			}
		}()
		go func() {
			for {
				msg, err := client.Read()
				if err != nil {
					return
				}
				p.lines <- string(msg)
			}
		}()
	}
	if err := p.conn.Write([]byte(line)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *player) publish(what string) {
	topic := subscription.Topic{Kind: subscription.Resource, Key: what}
	switch what {
	case "tools":
		topic = subscription.Topic{Kind: subscription.Tools}
	case "prompts":
		topic = subscription.Topic{Kind: subscription.Prompts}
	case "resources":
		topic = subscription.Topic{Kind: subscription.Resources}
	}
	p.hub.Publish(subscription.Event{Topic: topic})
}

// output returns what was said since the last time.
func (p *player) output() string {
	var b strings.Builder
	for i, x := range p.exchanges {
		for _, line := range x.take() {
			fmt.Fprintf(&b, "#%d %s\n", i+1, p.mask(line))
		}
	}
	for len(p.lines) > 0 {
		fmt.Fprintf(&b, "%s\n", p.mask(<-p.lines))
	}
	return b.String()
}

var random = []struct {
	prefix  string
	pattern *regexp.Regexp
}{
	{"SESSION", regexp.MustCompile(`[A-Za-z0-9_-]{80,}`)},
	{"ASK", regexp.MustCompile(`\bq\d+@[A-Z2-7]{12}\b`)},
	{"STREAM", regexp.MustCompile(`\b[cg][A-Z2-7]{12}(\.[A-Za-z0-9+/]+)?@[A-Z2-7]{12}\b`)},
	{"TASK", regexp.MustCompile(`\b[A-Z2-7]{26}\b`)},
	{"STREAM", regexp.MustCompile(`\b[cg][A-Z2-7]{12}\b`)},
	{"ASK", regexp.MustCompile(`\b\d{9,}\b`)},
	{"REF", regexp.MustCompile(`\b[A-Z2-7]{10}\b`)},
}

func (p *player) mask(line string) string {
	for _, r := range random {
		line = r.pattern.ReplaceAllStringFunc(line, func(value string) string {
			if p.names[value] == "" {
				p.counts[r.prefix]++
				name := fmt.Sprintf("$%s%d", r.prefix, p.counts[r.prefix])
				p.names[value], p.values[name] = name, value
			}
			return p.names[value]
		})
	}
	return line
}

var variable = regexp.MustCompile(`\$[A-Z]+\d+`)

func (p *player) expand(text string) string {
	return variable.ReplaceAllStringFunc(text, func(name string) string {
		if value, ok := p.values[name]; ok {
			return value
		}
		return name
	})
}
