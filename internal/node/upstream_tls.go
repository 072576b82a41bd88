// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/config"
)

// secured returns what open does with the TLS that the server's entry asks for. Its
// files are read with the first launch: one that cannot be used marks this server
// down, not the node, and is read again with the next.
func (f *launchers) secured(s *config.Server, open func(*config.Server, *tls.Config) (backend.Launcher, func())) (backend.Launcher, func()) {
	if s.TLS == (config.ServerTLS{}) {
		return open(s, nil)
	}
	var mu sync.Mutex
	var launch backend.Launcher
	var closed func()
	opened := func() (backend.Launcher, error) {
		mu.Lock()
		defer mu.Unlock()
		if launch != nil {
			return launch, nil
		}
		cfg, err := serverTLS(s, f.log)
		if err != nil {
			return nil, err
		}
		launch, closed = open(s, cfg)
		return launch, nil
	}
	return func(ctx context.Context) (*backend.Launched, error) {
			launch, err := opened()
			if err != nil {
				return nil, err
			}
			return launch(ctx)
		}, func() {
			mu.Lock()
			defer mu.Unlock()
			if closed != nil {
				closed()
			}
		}
}

// serverTLS reads the files of a server's entry.
func serverTLS(s *config.Server, log *slog.Logger) (*tls.Config, error) {
	what := fmt.Sprintf("mcpServers.%s.tls", s.Name)
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.TLS.ServerName, InsecureSkipVerify: s.TLS.Insecure} //nolint:gosec // it is asked for, and warned of
	if s.TLS.Insecure {
		log.Warn("any certificate is taken for the server's: whoever is on the way to it reads and changes what is said, headers included",
			"server", s.Name, "key", what+".insecure")
	}
	if s.TLS.CA != "" {
		pool, err := certificates(what, s.TLS.CA)
		if err != nil {
			return nil, err
		}
		cfg.RootCAs = pool
	}
	if s.TLS.Cert == "" {
		return cfg, nil
	}
	pair, err := keyPair(what, s.TLS.Cert, s.TLS.Key, log)
	if err != nil {
		return nil, err
	}
	cfg.Certificates = []tls.Certificate{pair}
	return cfg, nil
}

// certificates reads a file of certificates to trust; what names its setting.
func certificates(what, path string) (*x509.CertPool, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: ca: %w", what, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s: ca %s has no certificate in PEM", what, path)
	}
	return pool, nil
}

// keyPair reads a certificate and its key; what names their setting.
func keyPair(what, cert, key string, log *slog.Logger) (tls.Certificate, error) {
	shown, err := os.ReadFile(cert)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: cert: %w", what, err)
	}
	secret, err := readSecret(what+": key", key, log)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(shown, secret)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: cert %s and key %s: %w", what, cert, key, err)
	}
	return pair, nil
}
