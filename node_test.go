// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package holdfast_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-mcp/holdfast"
	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
	"github.com/holdfast-mcp/holdfast/transport"
)

// openNode returns a node that leaves nothing behind when the test ends.
func openNode(t *testing.T, cfg holdfast.Config) *holdfast.Node {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
	if cfg.DataDir == "" {
		cfg.DataDir = t.TempDir()
	}
	cfg.Log = slog.New(slog.DiscardHandler)
	node, err := holdfast.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Close(); err != nil {
			t.Error(err)
		}
	})
	return node
}

// weatherServer has a tool, a tool that asks and a resource.
func weatherServer() *server.Server {
	s := server.New("weather", "1.0.0")
	server.AddTool(s, "forecast", "Weather forecast for a city", forecast, server.ReadOnly())
	server.AddTool(s, "ask", "Ask for a city", func(ctx context.Context, req *server.Request, _ struct{}) (string, error) {
		in, action, err := server.Elicit[forecastIn](ctx, req, "Which city?")
		return action + " " + in.City, err
	})
	s.AddResource(mcp.Resource{URI: "weather://now", Name: "now"}, func(context.Context, *server.Request) (*mcp.ReadResourceResult, error) {
		return &mcp.ReadResourceResult{Contents: []mcp.ResourceContents{{URI: "weather://now", Text: "rain"}}}, nil
	})
	return s
}

// start starts the node behind an HTTP server and returns its URL.
func start(t *testing.T, node *holdfast.Node) string {
	t.Helper()
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(node.Handler())
	t.Cleanup(web.Close)
	return web.URL
}

func connect(t *testing.T, url string, opts ...client.Option) *client.Client {
	t.Helper()
	opts = append(opts, client.OnElicit(func(context.Context, *mcp.ElicitParams) (*mcp.ElicitResult, error) {
		return &mcp.ElicitResult{Action: mcp.ActionAccept, Content: client.Raw(`{"city":"Bergen"}`)}, nil
	}))
	c, err := client.Connect(t.Context(), client.HTTP(url), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestMountedServer(t *testing.T) {
	for _, era := range []mcp.Era{mcp.Legacy, mcp.Modern} {
		t.Run(era.String(), func(t *testing.T) {
			node := openNode(t, holdfast.Config{Name: "embedded", Version: "3"})
			weather := weatherServer()
			if err := node.Mount("weather", weather); err != nil {
				t.Fatal(err)
			}
			url := start(t, node)
			all := connect(t, url+"/mcp", client.ForceEra(era))
			if info := all.ServerInfo(); info.Name != "embedded" || info.Version != "3" {
				t.Errorf("the node calls itself %+v", info)
			}
			if res, err := all.CallTool(t.Context(), "weather__forecast", forecastIn{"Oslo"}); err != nil || res.Text() != "Sunny in Oslo" {
				t.Errorf("forecast = %+v, %v", res, err)
			}
			updated := make(chan string, 1)
			own := connect(t, url+"/servers/weather/mcp", client.ForceEra(era), client.OnResourceUpdated(func(uri string) { updated <- uri }))
			if res, err := own.CallTool(t.Context(), "ask", nil); err != nil || res.Text() != "accept Bergen" {
				t.Errorf("ask = %+v, %v", res, err)
			}
			if err := own.Subscribe(t.Context(), "weather://now"); err != nil {
				t.Fatal(err)
			}
			weather.ResourceUpdated("weather://now")
			if got := <-updated; got != "weather://now" {
				t.Errorf("updated %q", got)
			}
		})
	}
}

// closing is a Conn whose end ends its server.
type closing struct {
	transport.Conn
	also func()
	once sync.Once
}

func (c *closing) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.also)
	return err
}

// TestMountedConn holds that each session has its own instance, and a shared
// server one for all.
func TestMountedConn(t *testing.T) {
	for sharing, want := range map[holdfast.Sharing]int{holdfast.PerSession: 2, holdfast.Shared: 1} {
		t.Run(string(sharing), func(t *testing.T) {
			node := openNode(t, holdfast.Config{})
			instances := make(chan *server.Server, 16)
			dial := func(context.Context) (transport.Conn, error) {
				s := server.New("inner", "1", server.Eras(mcp.Legacy))
				server.AddTool(s, "hello", "Hello", func(context.Context, *server.Request, struct{}) (string, error) {
					instances <- s
					return "hello", nil
				})
				near, far := transport.Pipe()
				served := make(chan error, 1)
				go func() { served <- s.ServeConn(context.Background(), far) }() // ends with Close
				return &closing{Conn: near, also: func() { <-served; s.Close() }}, nil
			}
			if err := node.MountConn("inner", dial, holdfast.Share(sharing), holdfast.ForceEra(mcp.Legacy)); err != nil {
				t.Fatal(err)
			}
			url := start(t, node) + "/servers/inner/mcp"
			met := map[*server.Server]bool{}
			for range 2 {
				c := connect(t, url, client.ForceEra(mcp.Legacy))
				for range 2 {
					if _, err := c.CallTool(t.Context(), "hello", nil); err != nil {
						t.Fatal(err)
					}
					met[<-instances] = true
				}
			}
			if len(met) != want {
				t.Errorf("two clients met %d instances, want %d", len(met), want)
			}
		})
	}
}

func TestMountErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "servers.yaml")
	if err := os.WriteFile(file, []byte("mcpServers:\n  taken: {url: http://127.0.0.1:1/mcp, disabled: true}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	node := openNode(t, holdfast.Config{ConfigFile: file})
	dial := func(context.Context) (transport.Conn, error) { return nil, errors.New("unreachable") }
	for name, err := range map[string]error{
		"an empty name":  node.Mount("", weatherServer()),
		"an odd name":    node.Mount("..", weatherServer()),
		"no server":      node.Mount("none", nil),
		"no dial":        node.MountConn("none", nil),
		"an option late": node.MountConn("ok", dial),
	} {
		if (err == nil) != (name == "an option late") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"taken", "ok"} {
		if err := node.Mount(name, weatherServer()); !errors.Is(err, holdfast.ErrNameTaken) || !strings.Contains(err.Error(), name) {
			t.Errorf("a second %q: %v", name, err)
		}
	}
	start(t, node)
	if err := node.Mount("late", weatherServer()); !errors.Is(err, holdfast.ErrStarted) {
		t.Errorf("a mount after the start: %v", err)
	}
}

func TestLife(t *testing.T) {
	node := openNode(t, holdfast.Config{})
	status := func() int {
		w := httptest.NewRecorder()
		node.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/servers/x/mcp", nil))
		return w.Code
	}
	if got := status(); got != http.StatusServiceUnavailable {
		t.Errorf("before the start: %d", got)
	}
	for range 2 {
		if err := node.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := status(); got != http.StatusNotFound {
		t.Errorf("while running: %d", got)
	}
	for range 2 {
		if err := node.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := status(); got != http.StatusServiceUnavailable {
		t.Errorf("after the end: %d", got)
	}
	if err := node.Start(t.Context()); !errors.Is(err, holdfast.ErrClosed) {
		t.Errorf("start after the end: %v", err)
	}
	if err := node.Run(t.Context()); !errors.Is(err, holdfast.ErrClosed) {
		t.Errorf("run after the end: %v", err)
	}
}

func TestCloseEndsServe(t *testing.T) {
	node := openNode(t, holdfast.Config{})
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- node.Serve(t.Context(), l) }() // ends with Close
	c := connect(t, "http://"+l.Addr().String()+"/mcp")
	c.Close()
	if err := node.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Errorf("serve = %v", err)
	}
}

func TestRunReportsATakenPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	node := openNode(t, holdfast.Config{Listen: l.Addr().String()})
	if err := node.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("run = %v", err)
	}
}

func TestOpenReportsMistakes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "servers.yaml")
	if err := os.WriteFile(file, []byte("mcpServers: {a: {}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, cfg := range map[string]holdfast.Config{
		"no command":    {ConfigFile: file},
		"no such file":  {ConfigFile: file + ".not"},
		"Config.Listen": {Listen: "nowhere", DataDir: t.TempDir()},
	} {
		if _, err := holdfast.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
