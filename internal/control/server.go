// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"
)

// Server answers commands. Close it.
type Server struct {
	http *http.Server
	done chan struct{}
}

// Listen serves n at the socket of a data directory, which the caller holds the
// lock of: a socket that is there belongs to a process that is gone. Processes of
// this user and root's may ask, except those that refuse gives a reason against; a
// nil refuse has none. It is called once for each connection, and concurrently.
func Listen(dir string, n Node, refuse func(pid int) error) (*Server, error) {
	path := socket(dir)
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeSocket {
		return nil, fmt.Errorf("%s is in the way of the control socket; move it away", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("replace the control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	switch {
	case errors.Is(err, syscall.EINVAL):
		return nil, errPath
	case err != nil:
		return nil, fmt.Errorf("listen on the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("protect the control socket: %w", err)
	}
	s := &Server{done: make(chan struct{}), http: &http.Server{
		Handler: admitted(routes(n)), ReadHeaderTimeout: 10 * time.Second,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, verdict{}, admit(c, refuse))
		},
	}}
	go func() { // ends with Close, which waits for it
		defer close(s.done)
		_ = s.http.Serve(l) // http.ErrServerClosed
	}()
	return s, nil
}

// Close ends all requests and removes the socket.
func (s *Server) Close() {
	_ = s.http.Close() // the socket goes with the listener
	<-s.done
}

// verdict is the key of why a connection is refused, in its context.
type verdict struct{}

// admitted answers those who may ask.
func admitted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err, _ := r.Context().Value(verdict{}).(error); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func routes(n Node) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) { reply(w, n.Keys()) })
	mux.HandleFunc("POST /keys/rotate", func(w http.ResponseWriter, r *http.Request) {
		keep, err := time.ParseDuration(r.FormValue("keep"))
		if err != nil {
			done(w, err)
			return
		}
		until, err := n.RotateKeys(r.Context(), keep)
		if err != nil {
			done(w, err)
			return
		}
		reply(w, until)
	})
	mux.HandleFunc("GET /servers", func(w http.ResponseWriter, _ *http.Request) { reply(w, n.Servers()) })
	mux.HandleFunc("GET /nodes", func(w http.ResponseWriter, r *http.Request) { reply(w, n.Cluster(r.Context())) })
	mux.HandleFunc("DELETE /nodes/{name}", func(w http.ResponseWriter, r *http.Request) {
		done(w, n.RemoveNode(r.Context(), r.PathValue("name")))
	})
	return mux
}

func reply(w http.ResponseWriter, v any) {
	data, err := json.Marshal(v, json.FormatNilSliceAsNull(false))
	if err != nil {
		done(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(data) // who asked has gone
}

func done(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
