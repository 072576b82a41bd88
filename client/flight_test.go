// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// TestNotificationsComeDuringTheCall has servers that answer only once the
// caller has seen what was sent before, on whichever stream.
func TestNotificationsComeDuringTheCall(t *testing.T) {
	const plain, tracked = `{"name":"t"}`, `{"name":"t","_meta":{"progressToken":7}}`
	for name, test := range map[string]struct {
		era    mcp.Era
		params string
		note   func(id jsonrpc.ID) []byte
		aside  bool // on the GET stream
	}{
		"modern log":                {mcp.Modern, plain, logNote, false},
		"modern progress":           {mcp.Modern, tracked, progressNote, false},
		"legacy log":                {mcp.Legacy, plain, logNote, false},
		"legacy progress":           {mcp.Legacy, tracked, progressNote, false},
		"legacy progress elsewhere": {mcp.Legacy, tracked, progressNote, true},
	} {
		t.Run(name, func(t *testing.T) {
			heard, aside := make(chan struct{}), make(chan []byte)
			play := func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
				switch {
				case r.Method == http.MethodGet:
					stream(w, ":\n\n")
					select {
					case text := <-aside:
						stream(w, event(text))
						<-r.Context().Done()
					case <-r.Context().Done():
					}
					return
				case test.aside:
					aside <- test.note(m.ID)
				default:
					stream(w, event(test.note(m.ID)))
				}
				select {
				case <-heard:
				case <-r.Context().Done():
					return
				}
				stream(w, event(result(m, textResult)))
			}
			wired := legacyWire
			if test.era == mcp.Modern {
				wired = modernWire
			}
			options := []Option{ForceEra(test.era)}
			if test.aside {
				options = append(options, OnToolsChanged(func() {})) // opens the GET stream
			}
			c := connect(t, HTTP(wired(t, play).URL), options...)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			got, err := c.Call(ctx, mcp.MethodCallTool, Raw(test.params), CallOptions{
				OnNotify: func(string, Raw) { close(heard) },
			})
			if err != nil || string(got) != textResult {
				t.Errorf("Call: %s, %v", got, err)
			}
		})
	}
}

func logNote(jsonrpc.ID) []byte {
	return notification(mcp.NotificationMessage, `{"level":"info","data":"x"}`)
}

func progressNote(id jsonrpc.ID) []byte {
	return notification(mcp.NotificationProgress, `{"progressToken":`+id.String()+`,"progress":1}`)
}
