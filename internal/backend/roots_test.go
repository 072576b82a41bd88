// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// rooted launches legacy servers that ask for the roots when they have been greeted and
// when these have changed, as the reference server of files does, and note what they hear.
type rooted struct {
	mute bool // answers no ping

	mu       sync.Mutex
	launched int
	heard    []string
}

func (d *rooted) note(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.heard = append(d.heard, what)
}

// take returns what was heard since the last time.
func (d *rooted) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	heard := d.heard
	d.heard = nil
	return heard
}

func (d *rooted) launch(context.Context) (*Launched, error) {
	near, far := transport.Pipe()
	d.mu.Lock()
	d.launched++
	number := strconv.Itoa(d.launched)
	d.mu.Unlock()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		d.serve(far, number)
	}()
	return &Launched{Target: client.Conn(near), Stop: func() { near.Close(); <-gone }, Gone: gone}, nil
}

// serve is one process. It handles one message after the other.
func (d *rooted) serve(c transport.Conn, number string) {
	asks := false
	for questions := 0; ; {
		data, err := c.Read()
		if err != nil {
			return
		}
		m, err := jsonrpc.Decode(data, jsonrpc.Limits{})
		if err != nil {
			return
		}
		result := Raw(`{}`)
		switch {
		case m.Kind() == jsonrpc.Response:
			d.note(number + " has " + string(m.Result))
			continue
		case m.Method == mcp.MethodInitialize:
			caps, _ := jsonrpc.Get(m.Params, "capabilities")
			roots, _ := jsonrpc.Get(caps, "roots")
			asks = roots != nil
			d.note(number + " offered " + string(roots))
			result = Raw(`{"protocolVersion":"` + string(mcp.LatestLegacy) + `","capabilities":{"tools":{}},"serverInfo":{"name":"rooted","version":"1"}}`)
		case m.Method == mcp.NotificationInitialized, m.Method == mcp.NotificationRootsChanged:
			if asks {
				questions++
				_ = c.Write(jsonrpc.AppendRequest(nil, jsonrpc.StringID(strconv.Itoa(questions)), mcp.MethodListRoots, nil))
			}
			continue
		case m.Method == mcp.MethodPing && d.mute, m.Kind() != jsonrpc.Request:
			continue
		case m.Method == mcp.MethodCallTool:
			d.note(number + " called")
			result = Raw(`{"content":[]}`)
		case m.Method == mcp.MethodDiscover:
			_ = c.Write(jsonrpc.AppendError(nil, m.ID, jsonrpc.NewError(jsonrpc.CodeMethodNotFound, "no such method")))
			continue
		}
		_ = c.Write(jsonrpc.AppendResult(nil, m.ID, result))
	}
}

// rootsClient has one root, or never says.
type rootsClient struct{ uri string }

func (rootsClient) Notify(context.Context, string, Raw) error { return nil }

func (c rootsClient) Ask(ctx context.Context, requests map[string]rpc.InputRequest) (map[string]Raw, error) {
	answers := map[string]Raw{}
	for key, r := range requests {
		if c.uri == "" || r.Method != mcp.MethodListRoots {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		time.Sleep(time.Second) // it takes a while, but the call waits
		answers[key] = Raw(`"` + c.uri + `"`)
	}
	return answers, nil
}

// rootsRig is a Remote over rooted servers.
func rootsRig(d *rooted, sharing Sharing) *Remote {
	return New(Config{Name: "inner", Launch: d.launch, Sharing: sharing, Processes: NewSlots(9), Log: slog.New(slog.DiscardHandler)}, func(subscription.Event) {})
}

// rootsCall makes a call of a session's client, whose root is uri.
func rootsCall(t *testing.T, r *Remote, session, uri string, has bool) {
	t.Helper()
	call := sessionCall("x", session, "ada")
	call.Client = rootsClient{uri}
	if has {
		call.Peer.Capabilities.Roots = &mcp.RootsCapability{ListChanged: true}
	}
	if _, err := r.Handle(t.Context(), call); err != nil {
		t.Error(err)
	}
}

// TestRootsAreThereBeforeTheFirstCall holds that the client that owns an instance is asked
// for its roots when the instance asks, before its first call is sent and before the first
// after they have changed.
func TestRootsAreThereBeforeTheFirstCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &rooted{}
		r := rootsRig(d, PerSession)
		defer r.Close()
		steps := []struct {
			do   func()
			want []string
		}{
			{func() { rootsCall(t, r, "s1", "a", true) }, []string{`1 offered {"listChanged":true}`, `1 has "a"`, "1 called"}},
			{func() { rootsCall(t, r, "s1", "b", true) }, []string{"1 called"}},
			{func() { rootsCall(t, r, "s2", "c", true) }, []string{`2 offered {"listChanged":true}`, `2 has "c"`, "2 called"}},
			{func() { r.RootsChanged("s1"); r.RootsChanged("s3") }, nil},
			{func() { rootsCall(t, r, "s2", "c", true) }, []string{"2 called"}},
			{func() { rootsCall(t, r, "s1", "d", true) }, []string{`1 has "d"`, "1 called"}},
			{func() { rootsCall(t, r, "s1", "d", true) }, []string{"1 called"}},
			{func() { rootsCall(t, r, "s4", "", false) }, []string{"3 offered ", "3 called"}},
		}
		for i, step := range steps {
			step.do()
			synctest.Wait()
			if diff := cmp.Diff(step.want, d.take()); diff != "" {
				t.Errorf("step %d (-want +got):\n%s", i, diff)
			}
		}
	})
}

// TestRootsOfConcurrentFirstCalls holds that no call is sent before the roots are there,
// whichever of the session's calls brings them.
func TestRootsOfConcurrentFirstCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &rooted{}
		r := rootsRig(d, PerSession)
		defer r.Close()
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { rootsCall(t, r, "s1", "a", true) })
		}
		wg.Wait()
		want := []string{`1 offered {"listChanged":true}`, `1 has "a"`, "1 called", "1 called", "1 called", "1 called", "1 called"}
		if diff := cmp.Diff(want, d.take()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestRootsOfModernClients holds that a process which is one call's own asks that call's client.
func TestRootsOfModernClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, sharing := range []Sharing{PerSession, PerCall} {
			d := &rooted{}
			r := rootsRig(d, sharing)
			rootsCall(t, r, "", "a", true)
			if diff := cmp.Diff([]string{"1 offered {}", `1 has "a"`, "1 called"}, d.take()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", sharing, diff)
			}
			r.Close()
		}
	})
}

// TestRootsDelayNoCallForLong holds that neither a client that does not answer nor a
// server that does not costs more than rootsWait, once.
func TestRootsDelayNoCallForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, tc := range map[string]struct {
			server *rooted
			uri    string
		}{"client": {&rooted{}, ""}, "server": {&rooted{mute: true}, "a"}} {
			r := rootsRig(tc.server, PerSession)
			for i, want := range []time.Duration{rootsWait, 0} {
				began := time.Now()
				rootsCall(t, r, "s1", tc.uri, true)
				if took := time.Since(began); took != want {
					t.Errorf("silent %s: call %d took %v, want %v", name, i, took, want)
				}
			}
			r.Close()
		}
	})
}

// TestRootsOfSharedInstances holds that an instance which has no single owner gets nobody's roots.
func TestRootsOfSharedInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &rooted{}
		r := rootsRig(d, Shared)
		defer r.Close()
		rootsCall(t, r, "s1", "a", true)
		r.RootsChanged("s1")
		rootsCall(t, r, "s2", "b", true)
		synctest.Wait()
		for _, heard := range d.take() {
			if strings.Contains(heard, `"a"`) || strings.Contains(heard, `"b"`) || strings.Contains(heard, "listChanged") {
				t.Errorf("the shared instance: %s", heard)
			}
		}
	})
}
