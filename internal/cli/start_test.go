// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/loopbacktest"
)

// freeAddr returns an address that nobody listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	address, err := loopbacktest.FreeLocal()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// testSecret is the secret of the clusters of these tests.
const testSecret = "mud lantern orbit swan velvet"

// withSecret is an environment with the secret of a cluster.
func withSecret(name string) (string, bool) {
	if name == envSecret {
		return testSecret, true
	}
	return os.LookupEnv(name)
}

// waiting starts a node of a cluster whose other nodes are not there. It never
// announces itself.
func waiting(t *testing.T) *served {
	t.Helper()
	listen, own := freeAddr(t), freeAddr(t)
	ctx, cancel := context.WithCancel(context.Background())
	s := &served{url: "http://" + listen + "/mcp", data: t.TempDir(), stop: cancel, done: make(chan struct{})}
	var out output
	env := &Env{In: io.NopCloser(strings.NewReader("")), Out: &out, Err: &s.errs, Getenv: withSecret}
	args := []string{
		"serve", "--listen", listen, "--data", s.data, "--node", "a", "--cluster", own,
		"--join", strings.Join([]string{own, freeAddr(t), freeAddr(t)}, ","),
	}
	go func() { // ends with cancel, waited for in the cleanup
		defer close(s.done)
		s.code = Run(ctx, env, args)
	}()
	t.Cleanup(func() {
		cancel()
		if <-s.done; s.code != 0 || out.String() != "" {
			t.Errorf("serve ended with %d %q: %s", s.code, out.String(), s.errs.String())
		}
	})
	return s
}

// TestProbesWhileStarting: a node that waits for others is alive, says what it
// waits for, and ends as soon as it is told to.
func TestProbesWhileStarting(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	s := waiting(t)
	poll(t, "livez", func() bool { return s.get("/livez").status == http.StatusOK })
	poll(t, "a reason", func() bool { return strings.Contains(s.get("/readyz").body, "waiting for") })
	if a := s.get("/readyz"); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("readyz: %+v", a)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, path := range []string{"/sse", "/servers/x/sse/"} { // whose clients no other status brings back
		wg.Go(func() {
			a := s.get(path, "Accept", "text/event-stream", "Last-Event-ID", "x")
			if a.status != http.StatusOK || a.body != "retry: 1000\n\n" {
				t.Errorf("%s: %+v", path, a)
			}
		})
	}
	for _, path := range []string{"/mcp", "/sse", "/servers/x/mcp", "/"} {
		wg.Go(func() {
			a := s.get(path)
			if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "starting") {
				t.Errorf("%s: %+v", path, a)
			}
		})
	}
	wg.Wait()
	began := time.Now()
	s.stop()
	<-s.done
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v to end", took)
	}
	if errs := s.errs.String(); strings.Contains(errs, "level=ERROR") {
		t.Error(errs)
	}
}
