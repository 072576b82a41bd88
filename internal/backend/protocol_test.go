// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
	"github.com/holdfast-mcp/holdfast/transport"
)

// TestProtocolIsForced: what is configured is spoken to a server of both eras, over
// HTTP and over a stream.
func TestProtocolIsForced(t *testing.T) {
	s := server.New("both", "1")
	server.AddTool(s, "echo", "Echo", func(context.Context, *server.Request, server.None) (string, error) { return "hi", nil })
	defer s.Close()
	web := httptest.NewServer(s)
	defer web.Close()
	overHTTP, closed := URL(web.URL+"/"+t.Name(), HTTPConfig{}) // eras are remembered by URL, and ports used again
	defer closed()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	overStream := func(context.Context) (*Launched, error) {
		near, far := transport.Pipe()
		ended := make(chan struct{})
		go func() { defer close(ended); _ = s.ServeConn(ctx, far) }()
		return &Launched{Target: client.Conn(near), Stop: func() { near.Close(); <-ended }, Gone: ended}, nil
	}
	old := mcp.VersionsOf(mcp.Legacy)[2]
	for name, launch := range map[string]Launcher{"HTTP": overHTTP, "stream": overStream} {
		for _, tt := range []struct {
			era     mcp.Era
			version mcp.Version
			want    mcp.Version
		}{
			{0, "", mcp.Latest},
			{mcp.Modern, "", mcp.Latest},
			{mcp.Legacy, "", mcp.LatestLegacy},
			{mcp.Legacy, old, old},
			{mcp.Modern, mcp.Latest, mcp.Latest},
		} {
			cfg := Config{Name: "inner", Launch: launch, Era: tt.era, Version: tt.version, Log: slog.New(slog.DiscardHandler)}
			if name == "stream" {
				cfg.Processes = NewSlots(1)
			}
			r := New(cfg, func(subscription.Event) {})
			if _, err := r.Handle(t.Context(), callOf("echo", `{}`, &caller{})); err != nil {
				t.Errorf("%s %v %s: %v", name, tt.era, tt.version, err)
			}
			for _, l := range r.pool.hold() {
				if got := l.client.Version(); got != tt.want {
					t.Errorf("%s %v %s: version %s", name, tt.era, tt.version, got)
				}
				r.pool.release(l)
			}
			r.Close()
		}
	}
}
