// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/config"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/server"
	"github.com/holdfast-mcp/holdfast/transport/websocket"
)

// inPEM writes one block into a file of the test's.
func inPEM(t *testing.T, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// clientCertificate makes a certificate that signs itself, and returns it with the
// files of it and of its key.
func clientCertificate(t *testing.T) (*x509.Certificate, string, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return c, inPEM(t, "client.pem", "CERTIFICATE", der), inPEM(t, "client.key", "PRIVATE KEY", private)
}

// demanding is a server of both transports that wants to see a client's certificate.
func demanding(t *testing.T, client *x509.Certificate) *httptest.Server {
	t.Helper()
	s := server.New("demanding", "1")
	t.Cleanup(func() { s.Close() })
	sockets := websocket.NewHandler(s, websocket.Config{})
	t.Cleanup(func() { sockets.Close() })
	mux := http.NewServeMux()
	mux.Handle("/mcp", s)
	mux.Handle("/ws", sockets)
	web := httptest.NewUnstartedServer(mux)
	pool := x509.NewCertPool()
	pool.AddCert(client)
	web.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	web.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	web.StartTLS()
	t.Cleanup(web.Close)
	return web
}

// TestServersOverTLS: an entry's tls says whom to trust and what to show, over HTTP
// and WebSocket, and a file that is not there costs its server alone, until it is.
func TestServersOverTLS(t *testing.T) {
	client, cert, key := clientCertificate(t)
	web := demanding(t, client)
	ca := inPEM(t, "ca.pem", "CERTIFICATE", web.Certificate().Raw)
	stranger := inPEM(t, "other.pem", "CERTIFICATE", client.Raw)
	missing := filepath.Join(t.TempDir(), "late.pem")
	for _, tt := range []struct {
		name, tls string
		want      string // of the error
	}{
		{"ca and certificate", fmt.Sprintf("{ca: %s, cert: %s, key: %s}", ca, cert, key), ""},
		{"by another name", fmt.Sprintf("{ca: %s, cert: %s, key: %s, serverName: example.com}", ca, cert, key), ""},
		{"by a wrong name", fmt.Sprintf("{ca: %s, cert: %s, key: %s, serverName: other.example}", ca, cert, key), "serverName"},
		{"insecure", fmt.Sprintf("{insecure: true, cert: %s, key: %s}", cert, key), ""},
		{"nothing", "", "tls: {ca: …}"},
		{"another ca", fmt.Sprintf("{ca: %s, cert: %s, key: %s}", stranger, cert, key), "unknown authority"},
		{"no certificate", fmt.Sprintf("{ca: %s}", ca), "certificate required"},
		{"no such file", fmt.Sprintf("{ca: %s, cert: %s, key: %s}", missing, cert, key), "mcpServers.x.tls: ca"},
		{"key and certificate mixed up", fmt.Sprintf("{ca: %s, cert: %s, key: %s}", ca, key, cert), "mcpServers.x.tls: cert"},
	} {
		for _, path := range []string{"/mcp", "/ws"} {
			t.Run(tt.name+path, func(t *testing.T) {
				b := overTLS(t, web.URL, path, tt.tls)
				err := b.Start(t.Context())
				if (err == nil) != (tt.want == "") || err != nil && path == "/mcp" && !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("Start: %v, want %q", err, tt.want)
				}
				if tt.name != "no such file" {
					return
				}
				data, err := os.ReadFile(ca)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(missing, data, 0o600); err != nil {
					t.Fatal(err)
				}
				defer os.Remove(missing)
				for range 500 { // until it may be tried again
					if err = b.Start(t.Context()); err == nil {
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
				t.Errorf("Start with the file there: %v", err)
			})
		}
	}
}

// overTLS returns the backend of a configuration with one server.
func overTLS(t *testing.T, url, path, tls string) backend.Backend {
	t.Helper()
	if path == "/ws" {
		url = strings.Replace(url, "https:", "wss:", 1)
	}
	file := "mcpServers:\n  x:\n    url: " + url + path + "\n    tls: " + tls + "\n"
	c, err := config.Parse("test.yaml", []byte(file), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	f := &launchers{memory: backend.NewMemory(0), log: slog.New(slog.DiscardHandler), repeatable: func(string, string) bool { return false }}
	b := f.backend(&c.Servers[0], func(subscription.Event) {})
	t.Cleanup(func() { b.Close() })
	return b
}
