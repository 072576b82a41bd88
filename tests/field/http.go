// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package field

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// Web serves the HTTP servers of a table, each at /NAME/mcp. A POST to /NAME/forget ends its sessions. It is safe for
// concurrent use.
type Web struct {
	began time.Time

	mu    sync.Mutex
	sites map[string]*site
}

// site is one server. Its sessions have the streams of HTTP+SSE, nil for Streamable HTTP.
type site struct {
	Variant
	sessions map[string]chan string
}

// NewWeb returns a handler for the servers of variants that speak HTTP.
func NewWeb(variants []Variant) *Web {
	w := &Web{began: time.Now(), sites: make(map[string]*site)}
	for _, v := range variants {
		if v.HTTP != nil {
			w.sites[v.Name] = &site{Variant: v, sessions: make(map[string]chan string)}
		}
	}
	return w
}

// ServeHTTP answers as the server that the path names.
func (w *Web) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	s := w.sites[name]
	switch {
	case s == nil:
		http.NotFound(out, r)
	case rest == "forget":
		w.mu.Lock()
		clear(s.sessions)
		w.mu.Unlock()
	case time.Since(w.began) < s.HTTP.Late:
		http.Error(out, "starting", http.StatusServiceUnavailable)
	case s.HTTP.Redirect != 0 && !strings.HasSuffix(rest, "/"):
		w.redirect(out, r, s)
	case s.HTTP.SSE:
		w.old(out, r, s)
	case r.Method == http.MethodDelete:
		w.mu.Lock()
		delete(s.sessions, r.Header.Get("Mcp-Session-Id"))
		w.mu.Unlock()
	case r.Method != http.MethodPost:
		out.WriteHeader(or(s.HTTP.Get, http.StatusMethodNotAllowed))
		_, _ = io.WriteString(out, s.HTTP.GetBody)
	default:
		w.post(out, r, s)
	}
}

func (w *Web) redirect(out http.ResponseWriter, r *http.Request, s *site) {
	to := r.URL.Path + "/"
	if s.HTTP.Elsewhere {
		to = "http://elsewhere.invalid" + to
	}
	out.Header().Set("Location", to)
	out.WriteHeader(s.HTTP.Redirect)
}

// read returns the message of a POST.
func read(r *http.Request) (jsonrpc.Message, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxLine))
	if err != nil {
		return jsonrpc.Message{}, err
	}
	return jsonrpc.Decode(body, jsonrpc.DefaultLimits())
}

func (w *Web) post(out http.ResponseWriter, r *http.Request, s *site) {
	msg, err := read(r)
	if err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	h := s.HTTP
	switch {
	case msg.Method == "server/discover" && h.Discover != 0:
		http.Error(out, "unknown", h.Discover)
		return
	case msg.Method == "server/discover":
	case msg.Method == "initialize":
		id := rand.Text()
		w.mu.Lock()
		s.sessions[id] = nil
		w.mu.Unlock()
		out.Header().Set("Mcp-Session-Id", id)
	case !w.known(s, r.Header.Get("Mcp-Session-Id")):
		body := or(h.StaleBody, "gone")
		http.Error(out, strings.ReplaceAll(body, "ID", msg.ID.String()), or(h.Stale, http.StatusNotFound))
		return
	}
	if msg.ID.IsZero() {
		out.WriteHeader(or(h.Notify, http.StatusAccepted))
		_, _ = io.WriteString(out, h.NoteBody)
		return
	}
	if msg.Method == "tools/call" {
		if f, ok := h.Fails[tool(msg)]; ok {
			time.Sleep(f.Sleep)
			if f.Status != 0 {
				http.Error(out, strings.ReplaceAll(f.Body, "ID", msg.ID.String()), f.Status)
				return
			}
		}
	}
	s.reply(out, s.answer(msg, s.Name))
}

func (w *Web) known(s *site, session string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := s.sessions[session]
	return ok
}

// reply writes an answer in the server's own way.
func (s *site) reply(out http.ResponseWriter, text string) {
	h, kind := s.HTTP, "application/json"
	if h.Array {
		text = "[" + text + "]"
	}
	if h.Split {
		text = strings.ReplaceAll(text, ",\"", ",\ndata: \"")
	}
	if h.Events != "" || h.Split || h.CR || h.After != "" {
		text, kind = h.Events+"data: "+text+"\n\n"+h.After, "text/event-stream"
	}
	if h.CR {
		text = strings.ReplaceAll(text, "\n", "\r")
	}
	body := []byte(h.Before + text)
	if h.Gzip {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, _ = z.Write(body)
		_ = z.Close()
		body = packed.Bytes()
		out.Header().Set("Content-Encoding", "gzip")
	}
	out.Header().Set("Content-Type", or(h.Kind, kind))
	out.WriteHeader(or(h.Status, http.StatusOK))
	_, _ = out.Write(body)
}

// old is a server of HTTP+SSE.
func (w *Web) old(out http.ResponseWriter, r *http.Request, s *site) {
	if r.Method == http.MethodGet {
		w.stream(out, r, s)
		return
	}
	id := r.URL.Query().Get("session")
	w.mu.Lock()
	stream := s.sessions[id]
	w.mu.Unlock()
	msg, err := read(r)
	if stream == nil || err != nil {
		http.Error(out, "no such stream", http.StatusBadRequest)
		return
	}
	out.WriteHeader(http.StatusAccepted)
	if msg.Kind() == jsonrpc.Request {
		select {
		case stream <- s.answer(msg, s.Name):
		case <-r.Context().Done():
		}
	}
}

func (w *Web) stream(out http.ResponseWriter, r *http.Request, s *site) {
	id, messages := rand.Text(), make(chan string, 16)
	w.mu.Lock()
	s.sessions[id] = messages
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(s.sessions, id)
		w.mu.Unlock()
	}()
	send := func(text string) {
		if s.HTTP.CR {
			text = strings.ReplaceAll(text, "\n", "\r")
		}
		_, _ = io.WriteString(out, text)
		_ = http.NewResponseController(out).Flush()
	}
	out.Header().Set("Content-Type", "text/event-stream")
	send(s.HTTP.Before + s.HTTP.Events + "event: endpoint\ndata: mcp?session=" + id + "\n\n")
	for {
		select {
		case message := <-messages:
			send(s.HTTP.After + "event: message\ndata: " + message + "\n\n")
		case <-r.Context().Done():
			return
		}
	}
}
