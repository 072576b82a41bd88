// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// eventTimeout bounds the wait for what a server announces.
const eventTimeout = 8 * time.Second

// cell is a client in front of a server behind the gateway.
type cell struct {
	*peer
	entry
	d      dialect
	prefix string // of the server's names at this endpoint
}

// newCell connects a client to a server at its own address.
func newCell(t *testing.T, g *service, e entry, d dialect) *cell {
	t.Helper()
	p, _ := dial(t, d, g.url("/servers/"+e.name+"/mcp"), accept("name", "Ada"))
	e.lacks = e.lacks.of(d)
	return &cell{peer: p, entry: e, d: d}
}

// feature runs a test of one feature. It goes on after a failure.
func (c *cell) feature(name string, test func(t *testing.T)) {
	outer := c.peer.t
	outer.Run(name, func(t *testing.T) {
		c.peer.t = t
		defer func() { c.peer.t = outer }()
		test(t)
	})
}

// testAll tests every feature, those that the cell cannot carry included.
func (c *cell) testAll() {
	c.feature("list", c.testList)
	c.feature("call", c.testCall)
	c.feature("progress", c.testProgress)
	switch {
	case c.lacks.asking:
		c.feature("asking", c.testNotAsking)
	case c.lacks.shared:
		c.feature("asking", c.testRefused)
	default:
		c.feature("elicitation", c.testElicitation)
		c.feature("sampling", c.testSampling)
		c.feature("roots", c.testRoots)
	}
	c.feature("read", c.testRead)
	c.feature("prompt", c.testPrompt)
	c.feature("completion", c.testCompletion)
	c.feature("logging", c.testLogging)
	c.feature("subscribe", c.testSubscribe)
	c.feature("cancel", c.testCancel)
	c.feature("list_changed", c.testLists)
}

// use makes a call and returns what came of it; the answer must say what it should.
func (c *cell) use(t *testing.T, u use) reply {
	t.Helper()
	r := c.do(step{"op": "call", "name": c.prefix + u.name, "args": u.args, "progress": true})
	if !strings.Contains(r.text(t), u.says) {
		t.Errorf("%s says %q, want %q in it", u.name, r.text(t), u.says)
	}
	return r
}

// expect waits for an event after the first n.
func (c *cell) expect(t *testing.T, n int, kind string, match func(event) bool) {
	t.Helper()
	for deadline := time.Now().Add(eventTimeout); ; {
		found := slices.ContainsFunc(c.seen[n:], func(e event) bool { return e.Kind == kind && (match == nil || match(e)) })
		if found {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("no %s event within %v; there were %v", kind, eventTimeout, c.seen[n:])
			return
		}
		c.try(step{"op": "await", "kind": kind, "timeoutMs": 1000})
	}
}

func (c *cell) testList(t *testing.T) {
	awaitTools(t, c.peer, c.prefix+c.kit.echo.name)
	if prompts := c.do(step{"op": "prompts"}).names(t); !slices.Contains(prompts, c.prefix+c.kit.prompt.name) {
		t.Errorf("the prompts are %q", prompts)
	}
	if resources := c.do(step{"op": "resources"}).names(t); len(resources) == 0 {
		t.Error("there are no resources")
	}
}

func (c *cell) testCall(t *testing.T) {
	c.use(t, c.kit.echo)
	r := c.try(step{"op": "call", "name": "no-such-tool", "args": step{}})
	if r.OK && !r.failed(t) { // the reference server says it in a result
		t.Errorf("a tool that does not exist gave %s", r.Result)
	}
}

func (c *cell) testProgress(t *testing.T) {
	n := len(c.seen)
	c.use(t, c.kit.progress)
	// The last may come with the result, and a client may then drop it. While the server has a question, as the
	// reference server does when it meets a client, a modern client is not there to hear of progress.
	c.expect(t, n, "progress", func(e event) bool { return e.Progress >= 2 })
}

func (c *cell) testElicitation(t *testing.T) {
	for _, u := range c.kit.elicit {
		if r := c.use(t, u); !slices.Contains(r.kinds(), "elicit") {
			t.Errorf("%s: the client was not asked but got %q", u.name, r.kinds())
		}
	}
	declining := accept("name", "Ada")
	declining["elicit"] = step{"action": "decline"}
	c.do(step{"op": "answers", "answers": declining})
	for _, u := range c.kit.elicit {
		u.says = c.kit.declined
		c.use(t, u)
	}
	c.do(step{"op": "answers", "answers": accept("name", "Ada")})
}

func (c *cell) testSampling(t *testing.T) {
	if r := c.use(t, c.kit.sample); !slices.Contains(r.kinds(), "sample") {
		t.Errorf("the client was not asked but got %q", r.kinds())
	}
}

// testRoots looks at what the server says only: the reference server asks each session once.
func (c *cell) testRoots(t *testing.T) { c.use(t, c.kit.roots) }

// testNotAsking uses what asks at a server that cannot: each call must say so, and soon.
func (c *cell) testNotAsking(t *testing.T) {
	for _, u := range append(slices.Clone(c.kit.elicit), c.kit.sample, c.kit.roots) {
		start := time.Now()
		r := c.try(step{"op": "call", "name": c.prefix + u.name, "args": u.args})
		if r.OK && !r.failed(t) {
			t.Errorf("%s gave %s", u.name, r.Result)
		}
		t.Logf("%s: %s%s", u.name, r.Error.Message, r.Result)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s took %v", u.name, took)
		}
	}
}

// testRefused uses what asks at a server whose questions are nobody's: each call must
// say so at once, with the setting that helps.
func (c *cell) testRefused(t *testing.T) {
	for _, u := range append(slices.Clone(c.kit.elicit), c.kit.sample) {
		r := c.try(step{"op": "call", "name": c.prefix + u.name, "args": u.args})
		if said := r.Error.Message + string(r.Result); !strings.Contains(said, "sharing: session") {
			t.Errorf("%s: %s", u.name, said)
		}
		if slices.Contains(r.kinds(), "elicit") || slices.Contains(r.kinds(), "sample") {
			t.Errorf("%s: a client was asked of which that cannot be told", u.name)
		}
	}
}

func (c *cell) testRead(t *testing.T) {
	if got := c.do(step{"op": "read", "uri": c.kit.resource}).text(t); !strings.Contains(got, c.kit.content) {
		t.Errorf("%s is %q", c.kit.resource, got)
	}
	if r := c.try(step{"op": "read", "uri": "nowhere://at/all"}); r.OK {
		t.Errorf("a resource that does not exist is %s", r.Result)
	}
}

func (c *cell) testSubscribe(t *testing.T) {
	r := c.try(step{"op": "subscribe", "uri": c.kit.resource})
	if c.lacks.updates || c.lacks.state {
		t.Logf("subscribe: %v %s", r.OK, r.Error.Message)
		return
	}
	if !r.OK {
		t.Fatalf("subscribe: %v %s", r.Error.Code, r.Error.Message)
	}
	n := len(c.seen)
	c.use(t, c.kit.touch)
	updated := func(e event) bool { return e.URI == c.kit.resource }
	if c.d.sdk == goSDK && !c.d.legacy() && c.kit.calm.name == "" {
		// Its Subscribe does not wait until the server has agreed, so the first change may come too early.
		c.try(step{"op": "await", "kind": "updated", "timeoutMs": 500})
		c.use(t, c.kit.touch)
	}
	c.expect(t, n, "updated", updated)
	if c.kit.calm.name != "" {
		c.use(t, c.kit.calm)
	}
	c.do(step{"op": "unsubscribe", "uri": c.kit.resource})
}

func (c *cell) testPrompt(t *testing.T) {
	r := c.do(step{"op": "prompt", "name": c.prefix + c.kit.prompt.name, "args": c.kit.prompt.args})
	if !strings.Contains(string(r.Result), c.kit.prompt.says) {
		t.Errorf("the prompt is %s", r.Result)
	}
}

func (c *cell) testCompletion(t *testing.T) {
	ref := step{}
	for k, v := range c.kit.complete.ref {
		ref[k] = v
	}
	ref["name"] = c.prefix + ref["name"].(string)
	r := c.do(step{"op": "complete", "ref": ref, "argument": c.kit.complete.argument})
	if !strings.Contains(string(r.Result), c.kit.complete.says) {
		t.Errorf("the completion is %s", r.Result)
	}
}

// testLogging asks for messages at a level and looks which come.
func (c *cell) testLogging(t *testing.T) {
	c.do(step{"op": "logLevel", "level": c.kit.level})
	n := len(c.seen)
	c.use(t, c.kit.log)
	if c.lacks.quiet || c.lacks.state {
		c.use(t, c.kit.echo) // with what was to come before
		if c.kit.hush.name != "" && !c.lacks.state {
			c.use(t, c.kit.hush)
		}
		if c.lacks.quiet && slices.ContainsFunc(c.seen[n:], func(e event) bool { return e.Kind == "log" }) {
			t.Errorf("a message arrived that may be another client's: %v", c.seen[n:])
		}
		return
	}
	if c.kit.hush.name != "" {
		// A legacy message does not say which call it is for. Over one stream it is the only call's that runs, and one
		// that the client before left may run still, so one message more may be needed.
		for range 5 {
			c.use(t, c.kit.hush)
			if c.lacks.logging || slices.ContainsFunc(c.seen[n:], func(e event) bool { return e.Kind == "log" }) {
				return
			}
			c.use(t, c.kit.log)
		}
		c.use(t, c.kit.hush)
		t.Error("no message arrived")
		return
	}
	c.expect(t, n, "log", func(e event) bool { return e.Level == "error" && string(e.Data) == `"tide"` })
	if slices.ContainsFunc(c.seen[n:], func(e event) bool { return e.Kind == "log" && e.Level == "debug" }) {
		t.Error("a message under the level arrived")
	}
}

func (c *cell) testCancel(t *testing.T) {
	args := step{"key": c.d.name}
	for k, v := range c.kit.slow.args {
		args[k] = v
	}
	start := time.Now()
	if r := c.try(step{"op": "call", "name": c.prefix + c.kit.slow.name, "args": args, "cancelAfterMs": 200}); r.OK {
		t.Errorf("a cancelled call gave %s", r.Result)
	}
	c.use(t, c.kit.echo)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("cancelling took %v", took)
	}
	if c.kit.slow.name != "slow" || c.lacks.cancel {
		return
	}
	eventually(t, eventTimeout, "the server knows of the cancelling", func() bool {
		r := c.do(step{"op": "call", "name": c.prefix + "cancelled", "args": step{"key": c.d.name}})
		return r.text(t) == "cancelled 1"
	})
}

// testLists lets the server change a list and waits for the news and for the new list.
func (c *cell) testLists(t *testing.T) {
	grows := c.kit.grows
	name := "new-" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, c.d.name)
	if c.d.sdk == modernTS && !c.d.legacy() {
		c.do(step{"op": "listen", "filter": step{"toolsListChanged": true, "resourcesListChanged": true}})
	}
	n := len(c.seen)
	c.use(t, grows.use(name))
	listed := func() bool { return slices.Contains(c.do(step{"op": grows.list}).names(t), c.prefix+grows.as+name) }
	if c.lacks.lists {
		if listed() {
			t.Errorf("%s is listed", name)
		}
		return
	}
	c.expect(t, n, grows.kind, nil)
	eventually(t, eventTimeout, name+" is listed", listed)
}

// testMerged makes a few calls at the endpoint of all servers.
func testMerged(t *testing.T, g *service, entries []entry, d dialect) {
	p, _ := dial(t, d, g.url("/mcp"), accept("name", "Ada"))
	for _, e := range entries {
		c := &cell{peer: p, entry: e, d: d, prefix: e.name + "__"}
		c.feature(e.name, func(t *testing.T) {
			c.testCall(t)
			c.testProgress(t)
			switch {
			case e.lacks.shared:
				c.testRefused(t)
			case !e.lacks.asking:
				c.testElicitation(t)
				c.testSampling(t)
			}
			c.testRead(t)
			c.testPrompt(t)
			c.testCompletion(t)
		})
	}
}
